// What is measured: latencies, and what the kernel says a process has used.
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Durations in nanoseconds, counted in buckets of 1.6 % width.
#define HISTOGRAM_SUB     64
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB * 59)

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    int64_t max;
};

void histogram_add(struct histogram *h, int64_t ns);
int64_t histogram_quantile(const struct histogram *h, double quantile); // 0 … 1; 0 where nothing was added

// What a process has used so far.
struct usage {
    double cpu;          // seconds on a processor, all threads, those that ended too, to the nanosecond
    double user, system; // the same by kind, in clock ticks
    uint64_t resident;   // bytes
};

// False: there is no such process.
bool usage_read(pid_t pid, struct usage *out);

// Reads until the resident memory has stayed the same for three seconds, for at most ten: Redis gives the
// buffers of idle clients back after two.
bool usage_settle(pid_t pid, struct usage *out);

#endif
