// Those who wait, and the clients they belong to.
#ifndef ENGINE_WAITER_H
#define ENGINE_WAITER_H

#include "server/engine/core.h"
#include "server/engine/queue.h"

// A waiter's place in the list of one queue.
struct wait_link {
    struct wait_link *prev, *next;
    struct wait *wait;
    struct queue *queue; // NULL: in no list
};

// The inside of a struct waiter.
struct wait {
    struct waiter pub; // first
    struct engine *engine;
    struct engine_client *client;
    struct wait *client_prev, *client_next;
    struct wait *result_next; // of those who wait for one job's outcome
    struct timer timeout;
    struct job *job;   // put: the job; result: whose outcome
    struct blob *copy; // get: what taken.body points into
    int64_t lease;
    int64_t asked; // put: when it came
    bool completed, auto_ack, detached, forget;
    unsigned link_count;
    struct wait_link links[];
};

struct engine_client {
    struct engine *engine;
    struct mailbox *mailbox;
    struct job *first; // the jobs it holds
    struct wait *waits;
    struct queue *owned; // queues that go when it does
    uint32_t number;
    uint32_t wait_count; // waiting, not completed
};

// A waiter in the lists of `count` queues (gets, puts, joins or results by its kind). ERROR_OVERLOADED: too
// many waits of this client, or no memory. timeout is FOREVER or above 0.
enum error wait_new(struct engine *e, struct engine_client *c, enum waiter_kind kind, struct queue **queues,
                    unsigned count, int64_t timeout, void *context, struct wait **out) MUST_CHECK;

// Leaves one queue's list, as when the queue is dropped.
void wait_link_remove(struct engine *e, struct wait_link *l);

// The error of its kind: empty, full or timeout.
void wait_timed_out(struct engine *e, struct wait *w);

// Ends a wait: out of all lists, timer stopped, onto the list of completed ones.
void wait_complete(struct engine *e, struct wait *w, enum error error);

// Frees a waiter with all it holds; out of the lists first if it waits.
void wait_free(struct engine *e, struct wait *w);

// Hands jobs to waiting gets, room to waiting puts, ends joins: all that has become possible for this queue.
// True when the slice of work was used up and there may be more.
bool queue_settle(struct engine *e, struct queue *q);

// Settles all queues that were touched. At the end of every call that changes anything.
void engine_settle(struct engine *e);

// Whether this number is a client's now.
bool client_slot_used(const struct engine *e, uint32_t number);

// A client's held jobs. job_move is the only caller.
void client_hold(struct engine *e, uint32_t number, struct job *j);
void client_drop(struct engine *e, struct job *j);

#endif
