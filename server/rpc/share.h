// Shares of a network thread: where clients of several identities meet in it, no identity's work holds up
// another's for more than moments.
//
// Work is done in slices: input, completions and tasks of one identity for SHARE_SLICE at a time, then those
// of the next; between two rounds of them the sockets are looked at, so that what has just come from somebody
// who asks for little is done before what has been waiting from one who asks for much. What cannot be divided
// (a line of a megabyte) and takes longer than SHARE_LONG is followed by a rest that is so many times as
// long, unless nobody else has done anything for a while. All who have not said who they are have one share.
//
// A thread whose clients are all the same identity's, or one that tells nobody apart, knows nothing of this.
// One thread, as all of its dispatcher.
#ifndef RPC_SHARE_H
#define RPC_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct access;
struct dispatch;
struct identity;
struct session;
struct task;
struct waiter;

#define SHARE_SLICE   20000 // ns
#define SHARE_LONG    40000 // ns
#define SHARE_REST    9
#define SHARE_LATELY  1000000000            // ns: who did something since then is not to be held up
#define SHARE_READ    ((size_t)16 * 1024)   // bytes that are read for one slice,
#define SHARE_ROUND   64                    // requests between two looks at the clock,
#define SHARE_WAITERS 32                    // and completions
#define SHARE_BYTES   ((uint64_t)64 * 1024) // bodies that one round takes

#define SHARES_MAX 65536 // that a session's number can name

struct share {
    struct share *next; // of those with something to do
    bool listed;
    unsigned sessions;            // of the identity
    int64_t spent;                // in the present turn
    uint64_t turn;                // that this was
    int64_t rests_until;          // clock_ns()
    struct session *first, *last; // whose input waits for its turn
    struct waiter *done, *done_last;
    struct task *tasks, *tasks_last;
};

// Begins anew with these identities (NULL: none). What had something to do goes on outside of any share, and
// every session is in the share of those who are nobody until session_identify().
void shares_set(struct dispatch *d, const struct access *access);

// The session is of this identity from now on (NULL: of nobody). Called by session_identify().
void share_join(struct session *s, const struct identity *who);

// Whether the session's work is done in slices now.
bool share_contended(const struct dispatch *d, const struct session *s);

// Begins a slice for the session's input; false: it is not its turn, it was put among those that wait, and
// ops.turn() will be called when it is. To be ended by share_end().
bool share_begin(struct dispatch *d, struct session *s);
void share_end(struct dispatch *d, struct session *s);

// Its input goes on in another slice: ops.turn() will be called.
void share_queue(struct dispatch *d, struct session *s);

// These are dealt with in slices; whether they were taken.
bool share_waiter(struct dispatch *d, struct waiter *w);
bool share_task(struct dispatch *d, struct task *t);

// A turn of the thread ends: one slice for each share that has something to do and does not rest. Outputs are
// flushed.
void shares_turn(struct dispatch *d);

// When something of a share is to be done, in ns as clock_ns() has it; -1: there is nothing.
int64_t shares_next(const struct dispatch *d);

#endif
