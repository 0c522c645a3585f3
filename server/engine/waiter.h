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
    struct wait *client_next, **client_at; // what points here
    struct wait *result_next, **result_at; // of those who wait for one job's outcome
    struct timer timeout;
    struct job *job;         // put: the job; result, notify: whose outcome
    struct wait *subscribed; // put: what its caller subscribed to, silent until the put is confirmed
    struct watch *watch;     // result, notify: it is told of progress; NULL: it is not
    struct blob *copy;       // get: what taken.body points into
    int64_t lease;
    int64_t asked;     // put: when it came
    uint64_t promised; // what the reply has to wait for in any case
    bool completed, auto_ack, detached, forget, call, silent;
    unsigned link_count;
    struct wait_link links[];
};

// Who waits and is told of progress: the news that is under way, and then the next.
struct watch {
    struct waiter pub; // first; `of` is the wait, which may be gone once this is an orphan
    struct watch *flying_next, **flying_at; // of its client's that are completed and not confirmed
    uint64_t number;                        // of the progress that it was given last
    _Atomic(struct blob *) newest;          // the engine sets it, the receiver takes it
};

// What a subscription counts for.
#define SUBSCRIPTION_BYTES (sizeof(struct wait) + sizeof(struct wait_link) + sizeof(struct watch))

struct engine_client {
    struct mailbox *mailbox;
    struct job *first;                // the jobs it holds
    struct wait *waits;               // with the completed ones of all kinds
    struct wait *subscriptions;       // not completed
    struct watch *flying;             // news that are completed and not confirmed
    struct engine_client *woken_next; // of those whose mailbox is to be woken
    struct queue *owned;              // queues that go when it does
    struct engine_account *account;   // that its waits and jobs are charged to; NULL: none
    uint32_t number;
    uint32_t wait_count;         // waiting, not completed
    uint32_t subscription_count; // until they are confirmed
    bool closing, watches_revokes, woken, revoked;
};

// A waiter in the lists of `count` queues (gets, puts, joins or results by its kind). ERROR_OVERLOADED: too
// many waits of this client, or no memory. timeout is FOREVER or above 0.
enum error wait_new(struct engine *e, struct engine_client *c, enum waiter_kind kind, struct queue **queues,
                    unsigned count, int64_t timeout, void *context, struct wait **out) MUST_CHECK;

// A wait for an outcome, of no job yet: WAITER_RESULT, or NOTIFY without a timeout. Errors as wait_new.
enum error wait_for_end_new(struct engine *e, struct engine_client *c, enum waiter_kind kind,
                            const struct watch_options *o, int64_t timeout, void *context,
                            struct wait **out) MUST_CHECK;

// It waits for the outcome of this job, which has its extra part, from now on.
void wait_attach(struct engine *e, struct wait *w, struct job *j);

// A wait for an end gets news of progress. False: no memory. Then: the wait goes; they were received.
bool wait_watch(struct wait *w) MUST_CHECK;
void watch_leave(struct watch *t);
void watch_confirm(struct engine *e, struct watch *t);

// Its news are under way to its client.
void watch_post(struct engine *e, struct watch *t);

// The reply to a put is written: what was subscribed to with it is silent no more.
void wait_confirm_put(struct engine *e, struct wait *w);

// What has to be told of a job's progress is told.
void progress_tell(struct engine *e, struct progress *p);

// The holder of a job is to know that it is being cancelled, or is its no more.
void client_wake(struct engine *e, uint32_t number);

// Onto the list of completed ones.
void wait_post(struct engine *e, struct waiter *w);

// Out of its client's list.
void client_forget(struct wait *w);

// Into one queue's list, by its kind.
void wait_link_add(struct engine *e, struct wait *w, struct wait_link *l, struct queue *q);

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
