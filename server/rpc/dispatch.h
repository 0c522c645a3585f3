// The dispatcher of one network thread: bytes of a connection in, replies out. It knows no socket.
//
// Requests are handled in rounds of at most some dozens, in three phases, so that the lock is held for what
// needs it alone: all are read and checked, bodies copied; then, under the lock, carried out in order; then
// the replies are written, in order, and handed to the connection at once.
//
// One thread: the one whose mailbox it is.
#ifndef RPC_DISPATCH_H
#define RPC_DISPATCH_H

#include "common/buffer.h"
#include "server/engine/wheel.h"
#include "server/rpc/arena.h"
#include "server/rpc/request.h"
#include "server/rpc/rpc.h"
#include "server/rpc/session.h"
#include "server/rpc/timing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access;
struct mailbox;
struct task;

// From `at` on (bytes from the beginning of what is sent) the output may leave only once `promise` is kept:
// see hub_durable().
struct mark {
    uint64_t at;
    uint64_t promise;
};

#define DISPATCH_PEER_MAX 160

// What the dispatcher wants of a connection. None may call back into the dispatcher.
struct dispatch_ops {
    // Sends output, in order, or keeps it and sends it when it can be; keeps session.unsent up to date.
    void (*send)(struct session *s, const char *data, size_t len, const struct mark *marks,
                 unsigned mark_count);
    // The session is not blocked any more: what was not consumed of its input may be given again.
    void (*unblocked)(struct session *s);
    // The session's input may go on for a slice (server/rpc/share.h). NULL: it is never sliced.
    void (*turn)(struct session *s);
    // Writes the address of the other end, for the log. NULL: nobody knows.
    void (*peer)(const struct session *s, char text[DISPATCH_PEER_MAX]);
};

#define DISPATCH_ROUND   64  // requests in a round
#define DISPATCH_WAITERS 256 // completed waiters in a round
#define DISPATCH_GROUPS  128 // and their connections
#define DISPATCH_PIECES  256 // that are gathered before they are sent

// Ends of jobs that a connection is to be told of and does not read; over it, and over so many times the
// output's limit, it is closed. Who waits for outcomes is bounded by how many may wait.
#define DISPATCH_KEPT_BYTES ((uint64_t)64 << 20)
#define DISPATCH_KEPT_TIMES 64

// Output of one connection that is to be sent.
struct dispatch_piece {
    struct session *session;
    size_t start, end; // in `out`
    unsigned mark_start, mark_end;
    bool first; // leaves before those that are not
};

// The completions of one connection.
struct dispatch_group {
    struct session *session;
    struct waiter *first, *last;
    size_t start, end; // of its replies in `out`
    unsigned mark_start, mark_end;
};

struct dispatch {
    const struct rpc *rpc;
    const struct dispatch_ops *ops;
    const struct access *access; // as this thread has it now
    struct timing timing;
    struct mailbox *mailbox;
    struct arena arena;
    struct request *requests;      // DISPATCH_ROUND
    unsigned count, most;          // in the round, and that it may have
    struct dispatch_group *groups; // DISPATCH_GROUPS
    unsigned group_count;
    struct dispatch_piece *pieces; // DISPATCH_PIECES
    unsigned piece_count;
    bool any_first;     // of the pieces
    struct buffer out;  // the replies of this turn of the loop
    size_t piece;       // where those of the present session begin
    struct mark *marks; // their marks
    unsigned mark_count, mark_cap;
    unsigned piece_marks;            // the first mark of the present session
    struct task *tasks, *tasks_last; // under way, in turn
    bool crowded; // the store has too much to write for more to be read; dispatch_uncrowd takes it back
    struct task *resting, *resting_last; // under way, until a time that has to come: the first first
    struct wheel paused;                 // sessions that have to wait for their identity's rate
    unsigned paused_count;
    struct share
        *shares; // of each identity, the first of those who are nobody; NULL: they are not told apart
    unsigned share_count, live_shares;  // live: with sessions, not counting the first
    struct share *listed, *listed_last; // that have something to do
    uint64_t turn;                      // of the shares
    unsigned ran;                       // the share that did something last,
    int64_t ran_at, other;              // when, and when another did, clock_ns(); 0: never
    int64_t slice_began, slice_ends;    // 0: the present input is not sliced
    struct task *asleep;                // under way, with nothing to do until they are roused
    struct waiter *late,
        *late_last; // completed ones that had to wait for a batch, or whose session was closed
    uint32_t tags;  // the last that was given to a batch
    struct engine_client **closing; // clients whose leases are being released, slice by slice
    unsigned closing_count, closing_cap;
};

// False: no memory.
bool dispatch_init(struct dispatch *d, const struct rpc *rpc, const struct dispatch_ops *ops,
                   struct mailbox *mailbox) __attribute__((warn_unused_result));

// All sessions must be closed. Frees the tasks that are left and finishes what dispatch_close() began.
void dispatch_release(struct dispatch *d);

// The connection's engine client, made if need be. NULL: no memory. The lock is held.
struct engine_client *dispatch_client(struct session *s, struct engine *e);

// Handles the whole requests at the beginning of `data`. Returns how many bytes are
// dealt with; the rest is to be given again, with more behind it, or when the session is not blocked any
// more.
size_t dispatch_input(struct dispatch *d, struct session *s, const char *data, size_t len);

// Whether the session's input is to wait: for the store, for a slow request, for its output to be sent, or
// for good.
bool dispatch_blocked(const struct dispatch *d, const struct session *s);

// Hands all the output to the connections. Replies are sent together at the end of a turn of the loop: a
// client that is woken by the first of its replies then finds the others there, and so do its neighbours.
// What somebody waited for leaves first, so that a job is on its way before its put is answered; on one
// connection all stays in order.
void dispatch_flush(struct dispatch *d);

// Whether the store has caught up, so that sessions which were blocked for it are not any more.
bool dispatch_uncrowd(struct dispatch *d);

// Answers the requests whose waiters have come into the mailbox.
void dispatch_completions(struct dispatch *d);

// For the shares: answers at most so many of the completions, and returns the rest; one step of a task;
// takes a task back.
struct waiter *dispatch_answer(struct dispatch *d, struct waiter *list, unsigned most);
void dispatch_step(struct dispatch *d, struct task *t);
void dispatch_task(struct dispatch *d, struct task *t);

// Completions, linked by `next`, that dispatch_completions() is to see to as well; whether there are any.
void dispatch_late(struct dispatch *d, struct waiter *list);
bool dispatch_has_late(const struct dispatch *d);

// Much of the output was sent: answers what was kept back for that.
void dispatch_drained(struct dispatch *d, struct session *s);

// When the first of the tasks that rest goes on, or of the sessions that are paused, or of the shares that
// have something to do, in ms as clock_ns() has it; -1: there is none. By then, or later, dispatch_rested()
// is to be called, and dispatch_work(), and shares_turn().
static inline bool dispatch_rests(const struct dispatch *d)
{
    return d->resting || d->paused_count > 0 || d->listed;
}
int64_t dispatch_rests_until(const struct dispatch *d);
void dispatch_rested(struct dispatch *d, int64_t now_ms);

// One slice of all the slow work there is. True: there is more.
bool dispatch_work(struct dispatch *d);
bool dispatch_has_work(const struct dispatch *d);

// The thread was woken, perhaps for a task that sleeps: dispatch_work() looks at all of them once.
void dispatch_rouse(struct dispatch *d);

// Whether the session has anything under way that it is to be kept for after its client has ended the input.
bool dispatch_busy(const struct session *s);

// The connection is gone: takes its waits back and gives its jobs back.
void dispatch_close(struct dispatch *d, struct session *s);

#endif
