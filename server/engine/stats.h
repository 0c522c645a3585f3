// Counters and gauges of the engine: one row each. `stats` shows them by their names here, and each row names
// the metric (server/metrics/metrics.h) that it is seen as, and the value of that one's last label, so that
// none can be left out of either. TOLD: other rows tell the same in more detail.
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include "common/histogram.h"

#include <stdint.h>

// Counters never fall. Kept for each queue and for the whole daemon.
#define QUEUE_COUNTERS(X)                                                                                    \
    /* name, metric, value of its label, text */                                                             \
    X(put, ENQUEUED, NULL, "jobs accepted")                                                                  \
    X(taken, TAKEN, NULL, "jobs handed out")                                                                 \
    X(done, FINISHED, "done", "jobs acknowledged")                                                           \
    X(retried, TOLD, NULL, "failed attempts that were given another")                                        \
    X(lost, LOST, NULL, "jobs that came back because their consumer went")                                   \
    X(lease_expired, LEASES_EXPIRED, NULL, "leases that ran out")                                            \
    X(released, RELEASED, NULL, "jobs given back uncounted")                                                 \
    X(died, FINISHED, "dead", "jobs that became dead")                                                       \
    X(moved, MOVED, NULL, "dying jobs that moved to the dead-letter queue")                                  \
    X(cancelled, FINISHED, "cancelled", "jobs cancelled before they started")                                \
    X(deleted, DELETED, NULL, "jobs removed by an admin")                                                    \
    X(kicked, KICKED, NULL, "jobs made ready by an admin")                                                   \
    X(refused, REFUSED, NULL, "puts refused because the queue was full")                                     \
    X(results_dropped, DROPPED, "result", "outcomes that went before their time to keep within bytes")       \
    X(dead_dropped, DROPPED, "dead", "dead jobs that went before their time to keep within bytes")

// Counters of the whole daemon alone.
#define DAEMON_COUNTERS(X)                                                                                   \
    /* name, metric, value of its label, text */                                                             \
    X(retried_failed, RETRIED, "failed", "attempts that failed and were given another")                      \
    X(retried_lease, RETRIED, "lease_expired", "attempts whose lease ran out and were given another")        \
    X(retried_lost, RETRIED, "lost", "attempts that were given another because their consumer went")         \
    X(dead_attempts, DEAD, "attempts", "jobs that died because their attempts were used up")                 \
    X(dead_lost, DEAD, "lost", "jobs that died because they were lost too often")                            \
    X(dead_buried, DEAD, "buried", "jobs that were buried")                                                  \
    X(dead_expired, DEAD, "expired", "jobs that died because their time was over")                           \
    X(dead_shut_down, DEAD, "shut_down", "jobs that died with their queue's shutdown")

// Gauges: what is now.
#define QUEUE_GAUGES(X)                                                                                      \
    /* name, metric, value of its last label, text */                                                        \
    X(ready, JOBS, "ready", "jobs ready to be taken")                                                        \
    X(delayed, JOBS, "delayed", "jobs that wait for their time")                                             \
    X(reserved, JOBS, "reserved", "jobs held by consumers")                                                  \
    X(dead, JOBS, "dead", "dead jobs")                                                                       \
    X(finished, JOBS, "finished", "done and cancelled jobs whose outcome is kept")                           \
    X(waiting_gets, WAITERS, "get", "gets that wait for a job")                                              \
    X(waiting_puts, WAITERS, "put", "puts that wait for room")                                               \
    X(waiting_joins, WAITERS, "join", "joins that wait for the queue to finish")                             \
    X(bytes, QUEUE_BYTES, NULL, "bytes held: jobs, outcomes, dead")

struct queue_counters {
#define X(name, metric, label, text) uint64_t name;
    QUEUE_COUNTERS(X)
#undef X
};

struct daemon_counters {
#define X(name, metric, label, text) uint64_t name;
    DAEMON_COUNTERS(X)
#undef X
};

struct queue_gauges {
#define X(name, metric, label, text) uint64_t name;
    QUEUE_GAUGES(X)
#undef X
};

// How long things took, in ms, over the whole daemon.
struct engine_times {
    struct histogram wait; // from when a job became ready until it was handed out: one value a hand-out
    struct histogram run;  // from there until it was acknowledged, failed, was buried or lost, or its lease
                           // was over
};

#endif
