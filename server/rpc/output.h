// Where replies go: into the piece of the present session, or into their batch until that is complete.
#ifndef RPC_OUTPUT_H
#define RPC_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct batch;
struct dispatch;
struct request;
struct session;
struct task;
struct wait;
struct waiter;

// Begins the piece of one session, and ends it: what was written in between is sent with the next
// dispatch_flush().
void output_begin(struct dispatch *d);
void output_end(struct dispatch *d, struct session *s);

// For completions, which write several pieces at a time: adds one that was written already, for which there
// must be room; afterwards sends all if they are many.
void output_add(struct dispatch *d, struct session *s, size_t start, size_t end, unsigned mark_start,
                unsigned mark_end);
void output_relieve(struct dispatch *d);

// What is appended from here on must wait for this.
void output_promise(struct dispatch *d, uint64_t at, uint64_t promise);

// The reply of a request that was carried out or has an error; nothing for a notification or one that waits.
void output_request(struct dispatch *d, struct session *s, struct batch *batch, struct request *r);

// The reply of a slow request that is done.
void output_task(struct dispatch *d, struct session *s, struct task *t);

// The reply of a request that waited, whose wait must be unlinked, or a notification. What it promises is
// known only when the engine has been told of it (engine_confirm): output_waiter_promise() is to follow, in
// the same order, with the wait (NULL for a notification) and the waiter's `at`.
void output_waiter(struct dispatch *d, struct session *s, struct waiter *done);
void output_waiter_promise(struct dispatch *d, const struct wait *w, uint64_t at, uint64_t promise);

// Writes a batch's reply and frees it, if all of it is there.
void output_batch(struct dispatch *d, struct session *s, struct batch *batch);

#endif
