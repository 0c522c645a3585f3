// The pool's workers as threads that come and go: made, begun, asked to leave, called back, ended and freed.
//
// A worker is made with its thread, which waits until it is begun or discarded, so that a set of workers
// starts as a whole or not at all. Asked to leave it finishes its job first. At its end it takes itself out
// of its handler; its thread is joined by the next one that ends, or by crew_release, so that at most one
// ended worker is left at any time. A handler that has retired goes with its last worker.
//
// Functions that say "lock held" want crew->lock; the others must not be called with it.
#ifndef SERVER_POOL_CREW_H
#define SERVER_POOL_CREW_H

#include "server/pool/worker.h"

// Threads at a time, those that still have to end included: half of them may be of handlers that are being
// replaced.
#define CREW_THREADS_MAX (2 * POOL_WORKERS_MAX)

// False: errno; nothing is held.
bool crew_init(struct crew *c, struct hub *hub, struct spawner *spawner) __attribute__((warn_unused_result));
void crew_release(struct crew *c); // all workers must have parted (crew_await_end)

// Makes `count` more workers of a handler; *out is the first, linked by `next`. One thread at a time makes
// workers. False: errno; nothing is held.
bool crew_make(struct crew *c, struct handler *h, unsigned count, struct worker **out)
    __attribute__((warn_unused_result));
void crew_begin(struct crew *c, struct worker *made);   // they are the handler's from now on. Lock held
void crew_discard(struct crew *c, struct worker *made); // they never began; waits for their threads

// Asks `count` workers to leave, idle ones first, then those with the highest numbers. Lock held.
void crew_dismiss(struct handler *h, unsigned count);

// Calls up to `count` of those back that were asked to leave and are still there; returns how many. Lock
// held.
unsigned crew_call_back(struct handler *h, unsigned count);

// The handler is out of the list of those that take jobs: its workers leave, and it goes with the last. Lock
// held.
void crew_retire(struct crew *c, struct handler *h);

// Has every worker look whether it is to leave or to hurry. Lock held.
void crew_wake(struct crew *c);

// Waits until no worker is left.
void crew_await_end(struct crew *c);

// A handler that no worker belongs to and no list holds.
void handler_free(struct handler *h);

// ---- for the worker's own thread

bool crew_await_begin(struct worker *w); // false: it was discarded

// Whether it is to go, and then nobody can call it back any more. False: it was called back already.
bool crew_leave(struct worker *w);

// The last thing that it does: gives back all it has. Somebody else frees it.
void crew_part(struct worker *w);

#endif
