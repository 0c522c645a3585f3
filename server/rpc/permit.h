// Whether who is at the other end may do what a request asks: one rule for all methods, which reads it from
// their rows (scope, roles). Only called where there are identities (call.access).
#ifndef RPC_PERMIT_H
#define RPC_PERMIT_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct call;
struct engine;
struct request;
struct session;

// When the method is known, or known not to be: false, and `unauthorized`, for what a client has to say first
// who it is.
bool permit_method(struct call *call, struct request *r);

// When the params are: `forbidden` where a role is missing on a queue that they name, or on all.
void permit_params(struct call *call, struct request *r);

// Before the method is carried out, with the lock held: false, and `forbidden`, where its role is missing on
// the queue of its job, which may be looked at. The id of a job that may not even be looked at becomes 0,
// which no job has: whatever the method answers is then what it answers for one that is not there.
bool permit_job(const struct session *s, const struct engine *e, struct arena *arena, struct request *r);

// The same for one of several ids: ERROR_NONE, ERROR_FORBIDDEN or ERROR_NOT_FOUND. Also without identities.
enum error permit_job_id(const struct session *s, const struct engine *e, const struct request *r,
                         uint64_t id);

// The grants were read again: what the session waits for on queues where the method's role is missing now
// ends with `forbidden`. In its thread, without the lock; it is somebody.
void permit_waits(struct session *s);

#endif
