// A walk over all queues, a slice of them at a time, with the hub's lock released in between.
#ifndef METRICS_WALK_H
#define METRICS_WALK_H

#include "server/engine/engine.h"

#include <stdbool.h>
#include <stddef.h>

struct hub;

// What is measured of a queue. The name stands elsewhere: in the walk's slice, or in memory of its own.
struct queue_row {
    const char *name;
    size_t name_len;
    struct queue_gauges gauges;
    struct queue_counters counters;
    int64_t oldest; // ms; -1: nothing is ready
    bool paused;
};

static inline uint64_t queue_row_unfinished(const struct queue_row *r)
{
    return r->gauges.ready + r->gauges.delayed + r->gauges.reserved;
}

static inline struct slice queue_row_name(const struct queue_row *r)
{
    return (struct slice){r->name, r->name_len};
}

struct walk;

// NULL: no memory.
struct walk *walk_new(struct hub *hub);
void walk_free(struct walk *w);

// The next slice, in the order of names: *rows are valid until the next call. Takes the lock, for about as
// long as a millisecond. Returns how many; 0: there are no more, and the next call begins anew. Queues that
// come or go meanwhile may be seen or not.
unsigned walk_next(struct walk *w, const struct queue_row **rows);

// Leaves the lock to whoever waits for it: for those who walk on at once. May sleep for a fraction of a
// millisecond.
void walk_yield(struct walk *w);

#endif
