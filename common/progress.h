// How far a job is, as its holder says it: what it may be and how it is written. One text of members without
// the braces around them, as `"done":3,"total":10,"message":"copying"`, goes from the holder to everybody who
// looks. Any thread.
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H

#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>

#define PROGRESS_MESSAGE_MAX 1024 // bytes of UTF-8

struct progress_text {
    bool has_done, has_total, has_message; // at least done or message
    double done, total;                    // finite, 0 or more
    struct slice message;
};

// NULL, or what is wrong with it: a static text for a person; *member is the name it is about.
const char *progress_check(const struct progress_text *p, const char **member);

// Appends the members of one that was checked to an empty buffer. What is not UTF-8 in the message is
// replaced.
void progress_write(struct buffer *b, const struct progress_text *p);

#endif
