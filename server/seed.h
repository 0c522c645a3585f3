// Chance for what nobody outside should be able to foresee: the seeds of hashes and of jitter. Any thread.
#ifndef SERVER_SEED_H
#define SERVER_SEED_H

#include <stdint.h>

// The kernel's; where it has none yet, the clock's.
uint64_t random_seed(void);

#endif
