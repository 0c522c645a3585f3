// Counts of values by their size, in buckets of powers of two: adding one is a few instructions.
//
// One thread at a time may add (or all that do hold a lock); any thread may look meanwhile: it sees each
// number whole, and none that falls.
#ifndef COMMON_HISTOGRAM_H
#define COMMON_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 40

// Bucket n counts values above 2^(n-1) and up to 2^n; the first, those of 0 and 1; the last, all above.
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t sum; // of the values
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned n = value < 2 ? 0 : 64u - (unsigned)__builtin_clzll(value - 1);
    return n < HISTOGRAM_BUCKETS ? n : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_raise(uint64_t *number, uint64_t by)
{
    __atomic_store_n(number, __atomic_load_n(number, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

// `count` values of the same size.
static inline void histogram_add(struct histogram *h, uint64_t value, uint64_t count)
{
    histogram_raise(&h->buckets[histogram_bucket(value)], count);
    histogram_raise(&h->sum, value * count);
}

// Adds what `from` has counted to `to`, which nobody else looks at.
void histogram_merge(struct histogram *to, const struct histogram *from);

uint64_t histogram_count(const struct histogram *h); // of values

// About the value below which that share (0 to 1) of all is, taking them as spread evenly in their buckets.
// 0: there are none.
double histogram_quantile(const struct histogram *h, double share);

#endif
