// Where replies go: into the piece of the present session, or into their batch until that is complete.
#ifndef RPC_OUTPUT_H
#define RPC_OUTPUT_H

#include <stdint.h>

struct batch;
struct dispatch;
struct request;
struct session;
struct task;
struct wait;
struct waiter;

// Begins a piece for one session, and hands it to the connection.
void output_begin(struct dispatch *d);
void output_send(struct dispatch *d, struct session *s);

// What was written has been handed on: for those who hand on several pieces themselves.
void output_end(struct dispatch *d);

// What is appended from here on must wait for this.
void output_promise(struct dispatch *d, uint64_t at, uint64_t promise);

// The reply of a request that was carried out or has an error; nothing for a notification or one that waits.
void output_request(struct dispatch *d, struct session *s, struct batch *batch, struct request *r);

// The reply of a slow request that is done.
void output_task(struct dispatch *d, struct session *s, struct task *t);

// The reply of a request that waited. The wait must be unlinked; where its reply may have to be held back
// later (see engine_confirm), wait->at and wait->promised say from where and for what.
void output_waiter(struct dispatch *d, struct session *s, struct wait *w, const struct waiter *done);

// Sends a batch and frees it, if all of it is there.
void output_batch(struct dispatch *d, struct session *s, struct batch *batch);

#endif
