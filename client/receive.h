// Replies: from lines to what they say, each to the request it belongs to. The caller's thread.
#ifndef CLIENT_RECEIVE_H
#define CLIENT_RECEIVE_H

#include "client/handle.h"

// Waits for the reply to `request`, or to anything where it is 0, until `deadline` (clock_ns(), negative:
// none). Other requests' replies are kept. TASKQ_OK: `*reply` is it, valid until the next call; its error may
// be TASKQ_LOST or TASKQ_UNSENT. TASKQ_TIMEOUT, TASKQ_REQUEST_CANCELLED (taskq_interrupt(), if
// `interruptible`), TASKQ_NOTHING: nothing such is in flight. The call is not failed.
enum taskq_error receive(struct taskq *q, uint64_t request, int64_t deadline, bool interruptible,
                         struct taskq_reply *reply);

// Keeps the replies of all lines that were read, for later.
void receive_absorb(struct taskq *q);

// Tells futures of what will not come for them: after receive_absorb() or link_settle().
void receive_fated(struct taskq *q);

// What the caller looked at is no longer needed.
void receive_forget(struct taskq *q);

// Frees all that was kept.
void receive_release(struct taskq *q);

#endif
