// Counters and gauges: one row each; `stats` and the metrics come from these tables.
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include <stdint.h>

// Counters never fall. Kept for each queue and for the whole daemon.
#define QUEUE_COUNTERS(X)                                                                                    \
    /* name, text */                                                                                         \
    X(put, "jobs accepted")                                                                                  \
    X(taken, "jobs handed out")                                                                              \
    X(done, "jobs acknowledged")                                                                             \
    X(retried, "failed attempts that were given another")                                                    \
    X(lost, "jobs that came back because their consumer went")                                               \
    X(lease_expired, "leases that ran out")                                                                  \
    X(released, "jobs given back uncounted")                                                                 \
    X(died, "jobs that became dead")                                                                         \
    X(moved, "dying jobs that moved to the dead-letter queue")                                               \
    X(cancelled, "jobs cancelled before they started")                                                       \
    X(deleted, "jobs removed by an admin")                                                                   \
    X(kicked, "jobs made ready by an admin")                                                                 \
    X(refused, "puts refused because the queue was full")                                                    \
    X(results_dropped, "outcomes that went before their time to keep within bytes")                          \
    X(dead_dropped, "dead jobs that went before their time to keep within bytes")

// Gauges: what is now.
#define QUEUE_GAUGES(X)                                                                                      \
    /* name, text */                                                                                         \
    X(ready, "jobs ready to be taken")                                                                       \
    X(delayed, "jobs that wait for their time")                                                              \
    X(reserved, "jobs held by consumers")                                                                    \
    X(dead, "dead jobs")                                                                                     \
    X(finished, "done and cancelled jobs whose outcome is kept")                                             \
    X(waiting_gets, "gets that wait for a job")                                                              \
    X(waiting_puts, "puts that wait for room")                                                               \
    X(waiting_joins, "joins that wait for the queue to finish")                                              \
    X(bytes, "bytes held: jobs, outcomes, dead")

struct queue_counters {
#define X(name, text) uint64_t name;
    QUEUE_COUNTERS(X)
#undef X
};

struct queue_gauges {
#define X(name, text) uint64_t name;
    QUEUE_GAUGES(X)
#undef X
};

#endif
