// Of very many queues the largest: those with the most unfinished jobs, and among equals those that had the
// most put; what the others have together.
#ifndef METRICS_LARGEST_H
#define METRICS_LARGEST_H

#include "server/metrics/walk.h"

struct largest {
    struct queue_row *rows; // a heap, the smallest first; each owns its name
    unsigned count, most;
    struct queue_row rest; // sums over those that were left out, the oldest of all; no name
    uint64_t left_out;
    int64_t oldest; // of all queues, in or out; -1: nothing is ready
    bool failed;    // no memory: it does not hold all that it should
};

// False: no memory.
bool largest_init(struct largest *l, unsigned most) __attribute__((warn_unused_result));
void largest_release(struct largest *l);

// Looks at one more queue, whose row is copied if it is among the largest.
void largest_offer(struct largest *l, const struct queue_row *row);

// All are offered: puts the largest first.
void largest_sort(struct largest *l);

#endif
