#include "common/histogram.h"

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
    to->sum += __atomic_load_n(&from->sum, __ATOMIC_RELAXED);
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += __atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
    return count;
}

double histogram_quantile(const struct histogram *h, double share)
{
    double wanted = share * (double)histogram_count(h), below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double in = (double)__atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
        if (in > 0 && below + in >= wanted) {
            double low = i ? (double)((uint64_t)1 << (i - 1)) : 0, high = (double)((uint64_t)1 << i);
            return low + (high - low) * (wanted - below) / in;
        }
        below += in;
    }
    return 0;
}
