// What time it is, for those who may ask. The engine may not: it is given a `struct moment`.
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

#define NS_A_MS INT64_C(1000000)

// One reading of both clocks, in milliseconds.
struct moment {
    int64_t mono; // CLOCK_BOOTTIME: never jumps, counts while the machine sleeps; relative times run on it
    int64_t wall; // CLOCK_REALTIME, since 1970: `at` and what is kept on disk
};

// Any thread.
struct moment clock_now(void);

// The same, and the first of the two in nanoseconds: how long something took without another reading.
struct moment clock_now_ns(int64_t *mono_ns);

// CLOCK_BOOTTIME in nanoseconds, to be compared with what clock_now_ns() gave. Any thread.
int64_t clock_mono_ns(void);

// CLOCK_MONOTONIC in nanoseconds, for measuring how long something took. Any thread.
int64_t clock_ns(void);

#endif
