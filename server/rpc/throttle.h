// The quotas of an identity, applied to a session: how it is counted, when its input has to wait, and what is
// said where it has as much as it may. Sessions of identities without quotas have none of this.
//
// In the session's thread.
#ifndef RPC_THROTTLE_H
#define RPC_THROTTLE_H

#include "server/access/quota.h"
#include "server/engine/wheel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dispatch;
struct identity;
struct request;
struct session;

struct throttle {
    struct session *session;
    struct quota_use *use;
    struct timer timer; // in dispatch.paused while its input waits
    bool paid;          // its next request is counted already
};

#define THROTTLE_CONNECTIONS                                                                                 \
    "this identity has as many connections as its quota `connections` allows: close one first, or use fewer"

// Sets who it is (NULL: nobody), and counts it there. False: the identity has all the connections that it may
// have (`overloaded`, THROTTLE_CONNECTIONS), or no memory, and nothing has changed; not with `always`, which
// leaves it uncounted where memory lacks.
bool session_identify(struct session *s, const struct identity *who, bool always);

// The session is closed: it counts no more.
void throttle_leave(struct session *s);

static inline bool throttle_paused(const struct throttle *t)
{
    return t && wheel_waiting(&t->timer);
}

// How many of `most` requests the session may have carried out now. 0: none, and it is paused.
unsigned throttle_allow(struct session *s, unsigned most);

// So many were.
void throttle_take(struct session *s, unsigned count);

// Ends the pauses that are over; when the next is, in ms as clock_ns() has it; -1: none.
void throttle_resume(struct dispatch *d, int64_t now_ms);
int64_t throttle_next(const struct dispatch *d);

// What an identity that has quotas uses of them. Any thread.
struct identity_use {
    struct quotas used; // of the rate: of what may come at once
    uint64_t refused, slowed;
};
void identity_use(const struct identity *i, struct identity_use *out);

// Says what to do where a request was `overloaded` for the identity's sake. The lock is held.
void throttle_explain(const struct throttle *t, struct request *r);

#endif
