// What has been: a bounded memory of the daemon's figures, and of the largest queues', in steps of some
// seconds. Who looks now sees the last hour and the last day.
//
// It is filled by one thread, in slices, however many queues there are; others may read it meanwhile.
#ifndef METRICS_HISTORY_H
#define METRICS_HISTORY_H

#include "common/buffer.h"
#include "common/clock.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct history;
struct metrics;

// The series of the daemon. COUNT: how many in a step; LEVEL: as it was at the end of it.
#define HISTORY_SERIES(X)                                                                                    \
    /* name, kind, text */                                                                                   \
    X(put, COUNT, "jobs accepted")                                                                           \
    X(taken, COUNT, "jobs handed out")                                                                       \
    X(done, COUNT, "jobs acknowledged")                                                                      \
    X(failed, COUNT, "attempts that failed, and jobs that died")                                             \
    X(ready, LEVEL, "jobs ready to be taken")                                                                \
    X(delayed, LEVEL, "jobs that wait for their time")                                                       \
    X(reserved, LEVEL, "jobs held by consumers")                                                             \
    X(dead, LEVEL, "dead jobs")                                                                              \
    X(oldest, LEVEL, "seconds since the oldest ready job was put, 0 where none is ready")                    \
    X(connections, LEVEL, "connections")                                                                     \
    X(memory, LEVEL, "bytes that jobs, outcomes and waiting puts hold")                                      \
    X(resident, LEVEL, "bytes of memory that the daemon's process has")                                      \
    X(store, LEVEL, "bytes of the store's files")

// And those of a queue.
#define HISTORY_QUEUE_SERIES(X)                                                                              \
    X(put, COUNT, "jobs accepted")                                                                           \
    X(done, COUNT, "jobs acknowledged")                                                                      \
    X(failed, COUNT, "attempts that failed, and jobs that died")                                             \
    X(unfinished, LEVEL, "jobs that are ready, delayed or reserved")

#define HISTORY_STEP      5000  // ms, kept for an hour, of queues for five minutes
#define HISTORY_STEP_LONG 60000 // kept for a day, of queues for an hour
#define HISTORY_MINUTES   300000
#define HISTORY_HOUR      3600000
#define HISTORY_DAY       86400000

// Begins now. NULL: no memory. The metrics must outlive it.
struct history *history_new(struct metrics *m, struct moment now);
void history_free(struct history *h);

// Does what is due, a slice of the queues at the most, and returns in how many ms it wants to be called
// again. The filling thread; it takes the hub's lock.
int64_t history_go_on(struct history *h, struct moment now);

// Appends the daemon's series of the last `span` ms as an object: `step` in seconds, `until`, the end of the
// last step as Unix time, and `series`, an object of arrays of equal length, the oldest step first. Up to an
// hour has the short step, more the long one. Any thread.
void history_write(struct history *h, int64_t span, struct buffer *out);

// The same of some queues, of an hour at most and with the short step up to five minutes, in `queues`, an
// object by their names; null: nothing is known of it.
void history_write_queues(struct history *h, int64_t span, const struct slice *names, unsigned count,
                          struct buffer *out);

#endif
