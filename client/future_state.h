// The states of futures, for the files that make up futures: future.h is for others.
#ifndef CLIENT_FUTURE_STATE_H
#define CLIENT_FUTURE_STATE_H

#include "client/flight.h"
#include "client/future.h"
#include "client/handle.h"

// A connection may have 1024 requests that wait (a submit waits while its queue is full); some are the
// caller's.
#define SUBMITTING_MAX 400
#define ASKING_MAX     400

// Puts an open future where its new state is.
void future_move(struct taskq_future *f, enum future_state state);

// Ends it with an outcome; `memory`, which that points to, is the future's from here on.
void future_end_with(struct taskq_future *f, const struct taskq_outcome *o, char *memory);

// Its job's id, in outcome.id, is known from here on: future_find() finds it.
void future_known(struct future_set *s, struct taskq_future *f);

// The first of a job's open futures behind `after` (NULL: of all). NULL: there is none.
struct taskq_future *future_find(struct future_set *s, uint64_t id, struct taskq_future *after);

bool future_wants_progress(const struct taskq_future_options *o);

// The daemon is away, or refuses for now: nothing is sent for a while, longer each time. At the end of the
// patience the wait under way, or the next, gives up with this error.
void futures_trouble(struct taskq *q, enum taskq_error error);

// The daemon answered as it should.
void futures_all_is_well(struct future_set *s);

#endif
