// The protocol's side of one connection: what it waits for and holds, without its socket.
#ifndef RPC_SESSION_H
#define RPC_SESSION_H

#include "common/buffer.h"
#include "server/engine/engine.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct dispatch;
struct identity;
struct task;
struct throttle;
struct wait;

// Embedded in the connection; the fields are the dispatcher's.
struct session {
    struct dispatch *dispatch;
    struct engine_client *client; // made when it is first needed
    // Other threads may read these three, and `waiting`, while the connection is there.
    const struct identity *_Atomic who; // NULL: it has not said; of no interest without dispatch.access
    char *_Atomic client_name;          // as its first hello has it; NULL: not said
    _Atomic uint64_t requests;          // that it has sent
    struct throttle *throttle;          // of an identity with quotas; NULL: it has none
    struct session *share_next;         // of those in its share whose input waits for its turn
    struct wait *waits;                 // requests that wait, the newest first
    struct waiter *kept;  // completed while too much output was unsent: a ring, this is the last
    uint64_t kept_bytes;  // of the subscriptions among them
    struct batch *batch;  // whose elements are being read
    struct batch *tagged; // incomplete ones whose jobs' ends this connection is to be told of
    struct task *task;    // the slow method that runs; what stands behind it waits
    uint64_t unsent;      // bytes of output under way; the connection keeps it up to date
    uint64_t batched;     // bytes of replies in batches that are not complete
    atomic_uint waiting;  // of the requests
    uint32_t scanned;     // so much of the input's beginning is known to have no line feed
    uint16_t round;       // where the dispatcher has it in its present round, + 1
    uint16_t pieces;      // of its output that are written and not yet handed to the connection
    uint16_t share;       // server/rpc/share.h
    uint8_t failures;     // tokens that were nobody's
    bool queued : 1;      // its input waits for its turn
    bool yielded : 1;     // it was its share's time that ended, and there may be more in the input
    bool
        held_up : 1; // output or a task stood in the way when input was last handled: there may be more in it
    bool begun : 1;  // the first byte was seen
    bool alone : 1;  // its client hears replies only, and may be another each time: leases are detached
    bool skipping : 1; // the rest of a line that is too long
    bool refused : 1;  // no JSON: to be closed when the output is sent
    bool broken : 1;   // no memory for a reply: to be closed at once
};

// A request that waits.
struct wait {
    struct wait *prev, *next; // of its session
    struct session *session;  // NULL: closed; only the completion is still to come
    struct waiter *waiter;
    struct batch *batch;
    bool listed;     // a get with `max`
    bool call;       // an error bears the id of the job, once that was put
    bool ends_batch; // its reply was the last of its batch
    uint8_t number;  // of the method
    uint16_t name_count;
    uint32_t id_len;
    int64_t began; // as clock_mono_ns() has it
    char text[];   // the id, then the names (of queues, or patterns of events), each after a byte with its
                   // length
};

// Notes that a request waits; `names` are the queues of a get. The waiter's context becomes the wait. NULL:
// no memory. The lock is held.
struct wait *pending_new(struct session *s, struct batch *batch, struct waiter *waiter, struct slice id,
                         const struct slice *names, unsigned name_count);

// Takes it from its session's list.
void wait_unlink(struct wait *w);

// The one whose id is exactly this text; NULL: none.
struct wait *wait_find(const struct session *s, struct slice id);

// The session of a completed waiter: a subscription's context is the session, any other's a wait of it. NULL:
// it was closed. In the session's thread.
struct session *waiter_session(const struct waiter *w);

// What stands for the waiter on this side, to be freed with it. NULL: nothing.
struct wait *waiter_wait(const struct waiter *w);

// Keeps a completed waiter for later; the one that was kept first comes back, NULL: none.
void session_keep(struct session *s, struct waiter *w);
struct waiter *session_unkeep(struct session *s);

struct slice wait_id(const struct wait *w);
struct slice wait_name(const struct wait *w, unsigned index);

// The replies of a batch, gathered until the last is there.
struct batch {
    struct session *session; // NULL: closed
    struct buffer out;       // the replies, with commas between them
    uint64_t promise;        // the highest of them
    unsigned waiting;        // elements that are still to be answered
    bool read;               // all elements have been read
    uint32_t tag;            // 0: it subscribes to nothing
    struct batch *next_tagged;
    struct waiter *held, *held_last; // notifications that must not come before its reply
};

struct batch *batch_new(struct session *s); // NULL: no memory
void batch_free(struct batch *b);

// The tag of what is subscribed to in this batch; `next` is given if it has none yet.
uint32_t batch_tag(struct batch *b, uint32_t next);

// The batch of this tag whose reply is not written yet; NULL: none.
struct batch *batch_of_tag(const struct session *s, uint32_t tag);

void batch_hold(struct batch *b, struct waiter *w);

// Its reply is written, or will never be: what was held comes back, linked by `next`.
struct waiter *batch_untag(struct batch *b);

#endif
