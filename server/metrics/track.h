// The history of single queues: those that were the largest when all were looked at last.
#ifndef METRICS_TRACK_H
#define METRICS_TRACK_H

#include "server/metrics/history.h"
#include "server/metrics/largest.h"

#define TRACK_STEPS 60 // short ones in five minutes, long ones in an hour
_Static_assert(HISTORY_MINUTES / HISTORY_STEP == TRACK_STEPS &&
                   HISTORY_HOUR / HISTORY_STEP_LONG == TRACK_STEPS,
               "both rings are as long");

struct track_sample { // what does not fit stays at the most
#define X(name, kind, text) uint32_t name;
    HISTORY_QUEUE_SERIES(X)
#undef X
};

struct track_ring {
    int64_t first;                            // the number of the first step that is there
    struct track_sample sum;                  // of the present step, so far
    struct track_sample samples[TRACK_STEPS]; // a step's place is its number by their count
};

enum { TRACK_SHORT, TRACK_LONG, TRACK_RINGS };

struct track {
    char *name;
    size_t name_len;
    uint64_t put, done, failed; // the counters as they were
    struct track_ring rings[TRACK_RINGS];
};

// Zeroed it is empty, and begins with the first that it takes.
struct track_set {
    struct track **tracks; // by name
    unsigned count;
    int64_t next[TRACK_RINGS]; // the number of the present step, for all
};

void track_set_release(struct track_set *s);

// All queues were looked at, at `now` (ms, not before the last): these are tracked from here on, and no
// others. Takes their names. Where there is no memory, fewer are.
void track_set_take(struct track_set *s, struct largest *l, int64_t now);

// How long a ring's steps are, ms.
int64_t track_step(unsigned ring);

// NULL: it is not tracked.
const struct track *track_set_find(const struct track_set *s, struct slice name);

#endif
