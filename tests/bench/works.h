// What a run of the load generator can do.
#ifndef BENCH_WORKS_H
#define BENCH_WORKS_H

#include "tests/bench/client.h"

#include <sys/types.h>

struct run {
    struct client client;
    pid_t server;
    uint32_t connections;
    uint64_t jobs;
    uint64_t warm;    // jobs done before anything is measured
    uint64_t aside;   // jobs that lie in a queue of their own, which nobody gets
    uint64_t preload; // jobs that lie in the queues while the work is done
    uint32_t count;   // jobs in one request (bulk)
    bool shuffled;    // jobs of the backlog go in random order, not in theirs
    double after;     // seconds until the timers of `delayed` and `leases` fire
    // what came out
    struct histogram latency;
    struct histogram quiet; // of the bystander, before the timers fire
    struct usage before, after_all;
    int64_t elapsed;   // ns
    uint64_t measured; // jobs, or connections
};

struct work {
    const char *name;
    const char *text; // for --help
    bool (*run)(struct run *r, const struct work *w);
    struct workload load;
};

extern const struct work works[];
const struct work *work_find(const char *name); // NULL: none

bool work_handoff(struct run *r, const struct work *w);
bool work_idle(struct run *r, const struct work *w);
bool work_delayed(struct run *r, const struct work *w);
bool work_leases(struct run *r, const struct work *w);
bool work_remove(struct run *r, const struct work *w);

// Fills the queues with jobs, in large requests where the protocol has them.
bool run_fill(struct run *r, uint64_t jobs);

#endif
