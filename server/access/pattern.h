// Which queues a grant is for: `*` stands for any run of bytes, also an empty one, everything else for
// itself.
#ifndef ACCESS_PATTERN_H
#define ACCESS_PATTERN_H

#include "common/slice.h"

#include <stdbool.h>

// Takes time proportional to the product of their lengths at most. Any thread.
bool pattern_matches(struct slice pattern, struct slice name);

// Whether it is for all queues there can be.
bool pattern_is_all(struct slice pattern);

#endif
