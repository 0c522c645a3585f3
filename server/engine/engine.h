// The engine: queues, jobs, leases and waiters as a passive state machine. It knows no socket, no thread, no
// clock, no disk. It is given the time, returns a result and the time at which it wants to be called next,
// and puts what must happen elsewhere on a list of completed waiters that the caller carries out after
// unlocking.
//
// Threads: an engine is not locked. Whoever shares one serialises all calls that take `struct engine *`
// (server/hub.h has the lock). Functions that take none may be called without the lock, and should be, as
// they allocate and copy.
//
// Time: every call that takes a `struct moment` must be given one that is not before the last in `mono`.
// Durations are milliseconds.
//
// Nothing that a caller can pass from the network is a bug here except what is said: names are 1 to 255
// bytes, durations are within their settings' range, priorities are finite. Those are asserted; the rest
// comes back as an error and leaves everything as it was.
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "common/clock.h"
#include "common/error.h"
#include "common/slice.h"
#include "server/engine/blob.h"
#include "server/engine/settings.h"
#include "server/engine/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

#define FOREVER (-1) // a timeout that does not run out

struct engine;        // a daemon may hold several
struct engine_client; // who holds leases and waits: a connection, or the pool
struct job;           // a job that was prepared and not yet put
struct mailbox;       // where a completed waiter is to be posted; opaque here

enum job_state { JOB_DELAYED, JOB_READY, JOB_RESERVED, JOB_DONE, JOB_DEAD, JOB_CANCELLED, JOB_STATE_COUNT };
#define JOB_STATE_BIT(state) (1u << (state))

// Why a job is dead.
enum dead_reason { DEAD_ATTEMPTS, DEAD_LOST, DEAD_BURIED, DEAD_EXPIRED, DEAD_SHUT_DOWN, DEAD_REASON_COUNT };

const char *job_state_name(enum job_state s); // "delayed", …
bool job_state_of_name(struct slice name, enum job_state *s);
const char *dead_reason_name(enum dead_reason r); // "attempts", …

// ---- the engine itself

struct engine_config {
    uint64_t max_bytes;  // all that jobs, outcomes and waiting puts may hold; over it puts are `overloaded`
    uint64_t max_queues; // over it a put that needs a new queue is `overloaded`
    uint32_t max_waits;  // waiting requests a client may have
    uint32_t max_subscriptions; // and jobs whose end it is to be told
    uint32_t start_number;      // this start's number, 1 … 2^21 - 1: the upper half of every delivery token
    uint64_t first_id;          // the first id to give out, 1 or more
    uint64_t seed;              // chance: jitter of the backoff, hash seeds
};

struct engine *engine_new(const struct engine_config *config); // NULL: no memory
void engine_free(struct engine *e); // all clients must have been closed, all completed waiters taken

// Changes these limits of the configuration. What is over them already stays.
void engine_set_limits(struct engine *e, uint64_t max_bytes, uint64_t max_queues, uint32_t max_waits,
                       uint32_t max_subscriptions);

// Does what is due, some hundred things a call, and says at which `mono` it wants to be called again: at
// once (now) if more is due, INT64_MAX if never. Any call may make that time earlier: ask engine_next_due
// after it.
int64_t engine_tick(struct engine *e, struct moment now);
int64_t engine_next_due(const struct engine *e, struct moment now);

// What the reply to the last call must wait for: the number of the batch that has to be on disk before the
// reply may leave; 0 = nothing. Valid until the next call.
uint64_t engine_promise(const struct engine *e);

// Ends every wait with ERROR_DRAINING and makes puts and gets fail with it from now on; acks and the like go
// on.
void engine_drain(struct engine *e);

// Jobs that were removed since the last call. Replies may still point into them while the lock is held; free
// them with jobs_free after unlocking (any thread). NULL: none.
struct job *engine_take_removed(struct engine *e);
void jobs_free(struct job *first);

// The store cannot take new jobs: puts to durable queues are ERROR_STORE_FAILED until this is false again.
void engine_set_store_full(struct engine *e, bool full);

// ERROR_NONE, or why no job can be put into a durable queue now: DRAINING, STORE_FAILED or OVERLOADED.
enum error engine_ready(const struct engine *e);

// ---- clients

// Somebody who takes jobs or waits. Completed waiters of this client go to `mailbox`, which must outlive the
// client. NULL: no memory.
struct engine_client *engine_client_new(struct engine *e, struct mailbox *mailbox);

// The client is gone: its waits are taken back, the jobs it holds come back at once (counted as lost, except
// those whose delivery was not confirmed by engine_confirm: they are released uncounted), its own queues are
// dropped. Completed waiters
// of it that are still under way must still be given to engine_confirm or engine_waiter_free by whoever finds
// them: they say `orphan`. May release many leases: at most 1,000 a call; returns true when it is done and
// the client is freed.
bool engine_client_close(struct engine *e, struct moment now, struct engine_client *c) MUST_CHECK;

// ---- waiting

// NOTIFY is a subscription: nobody waits for it, it tells of a job's end. PROGRESS and EVENTS are no end of a
// wait but news for one that goes on (RESULT or NOTIFY, LISTEN); they may come several times.
enum waiter_kind {
    WAITER_GET,
    WAITER_PUT,
    WAITER_RESULT,
    WAITER_JOIN,
    WAITER_LISTEN,
    WAITER_NOTIFY,
    WAITER_PROGRESS,
    WAITER_EVENTS
};

// A job as it is handed out. Where `blob` is not NULL, `body` points into it and the receiver owns a
// reference. Otherwise `body` points into the job: valid until the lock is released (from
// engine_take_completed: into the waiter, valid until it is freed).
struct taken {
    uint64_t id;
    uint64_t delivery;
    uint32_t attempt;     // 1 for the first
    uint32_t queue_index; // which of the names that were asked for
    double priority;
    struct slice body;
    struct blob *blob;
};

// How a job ended. The references are the receiver's to give back.
struct outcome {
    enum job_state state; // JOB_DONE, JOB_DEAD, JOB_CANCELLED
    enum dead_reason reason;
    uint32_t attempts;
    struct blob *result; // NULL: null
    struct blob *error;  // NULL: none was given
};

// Whether what a wait or a look for an outcome came to is one: the job is done, dead or cancelled.
static inline bool is_outcome(enum error error)
{
    return error == ERROR_NONE || error == ERROR_FAILED || error == ERROR_CANCELLED;
}

// A request that waits, and then its completion. Made by the engine; from engine_take_completed on it is the
// receiver's, who gives it to engine_confirm (lock held) once the reply is on its way.
struct waiter {
    struct waiter *next;     // for the lists of whoever holds it: completed, mailbox
    struct mailbox *mailbox; // of its client
    void *context;           // the caller's
    enum waiter_kind kind;
    // Its client was closed, or what it is news for is over: no reply to give; only free it. Read it with the
    // lock held, or in the thread that closes the client and confirms its waiters.
    bool orphan;
    bool existing;          // WAITER_PUT: an unfinished job bore the key
    bool answered;          // the caller's: its reply is written
    enum error error;       // ERROR_NONE, or why the wait ended
    uint32_t tag;           // the caller's, of a subscription
    uint64_t at;            // the caller's, from its completion on
    uint64_t promise;       // as engine_promise, for this completion
    uint64_t id;            // WAITER_PUT: the new job's; WAITER_RESULT, NOTIFY, PROGRESS: the job's
    struct taken taken;     // WAITER_GET
    struct outcome outcome; // RESULT, NOTIFY, with ERROR_NONE, ERROR_FAILED or ERROR_CANCELLED
    struct waiter *of;      // PROGRESS, EVENTS: what it is news for; valid unless it is an orphan
};

// All waiters that completed since the last call, linked by `next`. Post each to its mailbox after unlocking.
struct waiter *engine_take_completed(struct engine *e);

// The reply of a completed waiter was put on its live stream (or there is nobody to give it to): a handed job
// is now the consumer's and an auto_ack one is acknowledged. Frees the waiter and the references it holds:
// read it before. `promise` of this call is what an auto_ack's reply must wait for.
void engine_confirm(struct engine *e, struct moment now, struct waiter *w);

// Takes back a wait that has not completed and frees it, without a completion. False: it has completed
// already and its completion is on the way, as if this had not been called.
bool engine_wait_cancel(struct engine *e, struct waiter *w) MUST_CHECK;

// The queues on which a wait depends that has not completed, one after the other; *at begins with 0, and the
// name is valid until the lock is released. False: there are no more.
bool engine_wait_queue(const struct waiter *w, unsigned *at, struct slice *name) MUST_CHECK;

// Ends a wait with an error, which its completion says, as if its time were over. It may have completed.
void engine_wait_end(struct engine *e, struct waiter *w, enum error error);

// The newest progress of a WAITER_PROGRESS, with a reference for the caller; what is newer by then comes in
// another. NULL: that was taken already. Its receiver only; without the lock.
struct blob *waiter_take_progress(struct waiter *w);

// ---- listening: who is told of the jobs' changes of state as they happen

#define LISTENERS_MAX 32           // of an engine
#define EVENTS_ROOM   (128 * 1024) // bytes that may wait for a listener, of about 50 each; as much is under way
#define EVENTS_PACE   10           // ms between its news

// Whether this listener wants to hear of this queue's jobs. Asked again after engine_listeners_changed.
typedef bool listener_filter(void *context, struct slice queue);

#define EVENT_DELETED JOB_STATE_COUNT // beside the states: the job was removed
#define EVENT_STATES  ((1u << (JOB_STATE_COUNT + 1)) - 1)
struct listen_options {
    unsigned states; // bits of the states to hear of: 1 << state
    listener_filter *wants;
};

// Listens until the wait is taken back, as WAITER_LISTEN, which completes only with ERROR_DRAINING. `context`
// is the waiter's, and given to `wants`. News come as WAITER_EVENTS: first what happened since the last, then
// how much was missed behind it for lack of room. ERROR_OVERLOADED: too many listen.
enum error engine_listen(struct engine *e, struct moment now, struct engine_client *c,
                         const struct listen_options *options, void *context,
                         struct waiter **waiting) MUST_CHECK;
void engine_listeners_changed(struct engine *e);

// Why a job came back, or died of it.
enum event_cause { CAUSE_NONE, CAUSE_FAILED, CAUSE_LEASE, CAUSE_LOST, CAUSE_RELEASED };

struct job_event {
    uint64_t id;
    int64_t at;           // wall clock, ms since 1970
    uint32_t attempts;    // that failed so far
    unsigned state, from; // enum job_state, or EVENT_DELETED; `from` above that: it is new in this queue
    enum event_cause cause;
    enum dead_reason reason; // with JOB_DEAD
    bool moved;              // JOB_DEAD: to the dead-letter queue; else: it came from there
    struct slice queue;      // valid as long as the waiter
};
const char *event_state_name(unsigned state);         // "delayed", …, "deleted"
const char *event_cause_name(enum event_cause cause); // "failed", "lease", "lost", "released"

// The next event of a WAITER_EVENTS, false: that was all; and how many were missed behind them. Its receiver
// only; without the lock, before engine_confirm.
bool waiter_next_event(struct waiter *w, struct job_event *out);
uint64_t waiter_missed(const struct waiter *w);

// ---- producers

struct put_options {
    double priority;
    int64_t delay;         // from the call, also where the put waits; 0: none
    int64_t at;            // wall clock, ms since 1970; 0: none. Not with delay
    int64_t lease;         // 0: the queue's
    uint32_t max_attempts; // 0: the queue's
    int64_t expires;       // from the call; 0: never
    struct slice key;      // empty: none. At most 255 bytes
    int64_t key_for;
    bool submit;         // the outcome is kept for keep_result
    bool watched;        // engine_submit will be told to wait for its end
    int64_t keep_result; // with submit: -1 = the queue's
};

// Allocates a job with a copy of body and options, outside the lock. NULL: no memory. Any thread.
struct job *job_prepare(const struct put_options *options, struct slice body);
void job_discard(struct job *j); // one that was not put; NULL is fine

struct put_result {
    uint64_t id;
    bool existing;
    struct waiter *waiting; // not NULL: the queue is full and the put waits; the completion comes later
};

// Puts a prepared job, and takes it in every case but an error (then it is still the caller's to discard).
// With `existing` the job was discarded. timeout: 0 = do not wait (ERROR_FULL), FOREVER, or ms. `who` may be
// NULL when timeout is 0.
enum error engine_put(struct engine *e, struct moment now, struct slice queue, struct job *j,
                      struct engine_client *who, int64_t timeout, void *context,
                      struct put_result *out) MUST_CHECK;

struct watch_options {
    bool call;     // waits for the outcome; else a subscription is made
    bool progress; // and is told of its progress meanwhile
    void *context; // the subscription's
    uint32_t tag;
};

// As engine_put, for a job that was prepared with `watched`, and in the same step waits for its end: no
// outcome can come in between.
//
// A subscription completes when the job ends, as WAITER_NOTIFY: error and outcome are as for a RESULT;
// ERROR_NOT_FOUND where the job was removed or its outcome is not kept any more. One of a put that waits
// completes only once that was confirmed. It is not ended by engine_drain.
//
// With `call` the wait is for both, room and outcome, within one timeout: *out->waiting is then a PUT that
// becomes a RESULT once the job is put; the outcome goes when it was given out. It comes at once, with
// *outcome, where a finished job bore the key; the outcome of an existing job does not go. ERROR_TIMEOUT with
// a timeout of 0. Where out->id is set the job was taken, whatever the error.
//
// ERROR_OVERLOADED: too many waits or subscriptions of this client, too.
enum error engine_submit(struct engine *e, struct moment now, struct slice queue, struct job *j,
                         struct engine_client *who, int64_t timeout, void *context,
                         const struct watch_options *watch, struct put_result *out,
                         struct outcome *outcome) MUST_CHECK;

// Cancels a job that has not started. *cancelled is false if it had, or is finished. With `running` a
// reserved job is marked (*cancelled is true then): its holder's touch, progress, ack, nack, release and bury
// answer ERROR_CANCELLED, and it ends as cancelled as soon as it would be done, come back or die. The mark is
// kept on disk. ERROR_NOT_FOUND.
enum error engine_cancel(struct engine *e, struct moment now, uint64_t id, bool running,
                         bool *cancelled) MUST_CHECK;

enum outcome_flag {
    OUTCOME_FORGET = 1,  // it goes once it is given out, from a wait at engine_confirm
    OUTCOME_PROGRESS = 2 // who waits is told of its progress meanwhile
};

// The outcome of a job: now, or when it is there (*waiting). ERROR_FAILED (dead) and ERROR_CANCELLED come
// with *out as well. ERROR_TIMEOUT when timeout is 0 and it is not finished.
enum error engine_result(struct engine *e, struct moment now, uint64_t id, unsigned flags,
                         struct engine_client *who, int64_t timeout, void *context, struct outcome *out,
                         struct waiter **waiting) MUST_CHECK;

// ---- consumers

#define GET_QUEUES_MAX 64
#define GET_MAX        1000

struct get_options {
    const struct slice *queues; // 1 … GET_QUEUES_MAX names, all different
    unsigned queue_count;
    unsigned max;    // 1 … GET_MAX: how many at the most
    int64_t lease;   // 0: the job's or the queue's
    bool auto_ack;   // acknowledged as it is handed out
    bool detached;   // the lease is not bound to the client
    int64_t timeout; // 0, FOREVER or ms
    void *context;
};

// Hands out up to max jobs into `out` (room for max), the most urgent over all the queues first. *count is
// how many. With none there: ERROR_EMPTY (timeout 0), or *waiting is set: the completion (one job) comes
// later. auto_ack on this path is done at once: the caller's reply waits for engine_promise. ERROR_SHUT_DOWN
// when every queue named is shut down, at once or with no unfinished job left.
enum error engine_get(struct engine *e, struct moment now, struct engine_client *who,
                      const struct get_options *options, struct taken *out, unsigned *count,
                      struct waiter **waiting) MUST_CHECK;

// The next calls are about jobs of these ids: has them brought nearer, all at the same time, where each would
// be waited for by itself. Changes nothing. Ids that are not there are fine; worth it for two and more.
void engine_prefetch(const struct engine *e, const uint64_t *ids, unsigned count);

// The same for calls about queues of these names.
void engine_prefetch_queues(const struct engine *e, const struct slice *names, unsigned count);

// For all of these: delivery 0 = only if `who` holds the job. ERROR_NOT_FOUND: no such job;
// ERROR_NOT_RESERVED. `who` may be NULL with a delivery. result and error are blobs that the engine takes a
// reference of; NULL: none. ERROR_CANCELLED: the job was cancelled while it was held; touch and progress
// leave it with the holder, who is to give it up, the others end it.
enum error engine_ack(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                      uint64_t delivery, struct blob *result) MUST_CHECK;

struct nack_result {
    enum job_state state; // delayed, ready or dead
    int64_t delay;
};
// delay -1: the backoff.
enum error engine_nack(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery, struct blob *error, int64_t delay,
                       struct nack_result *out) MUST_CHECK;
// priority NULL: as it was.
enum error engine_release(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                          uint64_t delivery, int64_t delay, const double *priority) MUST_CHECK;
// What ran the job is gone, though not the client: it comes back as if the client were.
enum error engine_lost(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery) MUST_CHECK;
enum error engine_bury(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery, struct blob *error) MUST_CHECK;
// lease 0: the same again. *left: ms now left.
enum error engine_touch(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                        uint64_t delivery, int64_t lease, int64_t *left) MUST_CHECK;
// How far it is: members of an object without the braces (common/progress.h), of which the engine takes a
// reference. Who waits hears of it, of the newest at least every PROGRESS_PACE ms. In memory only.
// ERROR_OVERLOADED: no memory.
enum error engine_progress(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                           uint64_t delivery, struct blob *progress) MUST_CHECK;
#define PROGRESS_PACE 100

// For a client that does nothing with the engine while it works: from now on its mailbox is woken when a job
// that it holds is cancelled or deleted, or its lease runs out. engine_client_revoked says whether that was
// since it was asked last.
void engine_client_watch_revokes(struct engine_client *c);
bool engine_client_revoked(struct engine_client *c);

// The next mailbox that is to be woken for that, with the lock held: once it is released the client may go
// with its mailbox. NULL: none.
struct mailbox *engine_take_woken(struct engine *e);

// ---- queues

// Sets those settings whose bits are in `named` (see settings.h) and marks the queue as declared.
// What is kept already is held to the new bytes at once (by 1,000 a call) and keeps its old time.
// ERROR_INVALID_PARAMS: dead_letter is the queue itself, or durable was changed while the queue holds jobs;
// *why is a text for a person.
enum error engine_declare(struct engine *e, struct moment now, struct slice queue,
                          const struct queue_settings *settings, unsigned named,
                          struct queue_settings *now_set, const char **why) MUST_CHECK;

// The same, and the queue becomes `who`'s own: it is dropped when that client is closed, and nothing of it is
// kept on disk. ERROR_INVALID_PARAMS also: it is there already and not this client's own, or it was to be
// durable.
enum error engine_declare_owned(struct engine *e, struct moment now, struct slice queue,
                                const struct queue_settings *settings, unsigned named,
                                struct engine_client *who, struct queue_settings *now_set,
                                const char **why) MUST_CHECK;

enum error engine_pause(struct engine *e, struct moment now, struct slice queue) MUST_CHECK;
enum error engine_resume(struct engine *e, struct moment now, struct slice queue) MUST_CHECK;

// ERROR_NONE without *waiting: every job put so far is finished.
enum error engine_join(struct engine *e, struct moment now, struct slice queue, struct engine_client *who,
                       int64_t timeout, void *context, struct waiter **waiting) MUST_CHECK;

// ---- admins: what touches many jobs works in slices of 1,000, for the caller to unlock in between

enum sweep_kind {
    SWEEP_KICK,   // dead and delayed jobs become ready
    SWEEP_DELETE, // jobs are removed
};

struct sweep {
    enum sweep_kind kind;
    struct slice queue; // the caller's bytes
    unsigned states;    // JOB_STATE_BITs; kick knows dead and delayed, delete all but reserved
    uint64_t limit;     // UINT64_MAX: all that are there at the first call
    uint64_t count;     // out: how many jobs so far
    bool done;          // out: false: call again
    bool begun;         // the engine's: false before the first call
    uint64_t at;        // the engine's: 0 before the first call
};
// ERROR_NOT_FOUND: no such queue. After an error it is done.
enum error engine_sweep(struct engine *e, struct moment now, struct sweep *s) MUST_CHECK;

// The queue goes at once with its settings and all its jobs; *count is how many. Its memory is freed by later
// ticks, a reserved job's when its lease is over or its holder is gone. Waiting puts, results and gets (of
// several queues: when the last of them goes) end with ERROR_NOT_FOUND, joins with ERROR_NONE, reserved jobs
// answer ERROR_NOT_FOUND. ERROR_NOT_FOUND.
enum error engine_drop(struct engine *e, struct moment now, struct slice queue, uint64_t *count) MUST_CHECK;

// No more puts; gets go on until no job is unfinished: a reserved one may come back. immediate: what is ready
// or delayed dies (in the ticks to come, but none of it can be taken any more), and so does what comes back.
// Makes the queue if need be.
enum error engine_shutdown(struct engine *e, struct moment now, struct slice queue,
                           bool immediate) MUST_CHECK;

// *kicked is false where the job is neither dead nor delayed, and in a queue that was shut down at once:
// there nothing comes back. A job that was dead does not bear its key again.
enum error engine_kick(struct engine *e, struct moment now, uint64_t id, bool *kicked) MUST_CHECK;
enum error engine_delete(struct engine *e, struct moment now, uint64_t id) MUST_CHECK;

// ---- looking

struct job_info {
    uint64_t id;
    struct slice queue; // all slices point into the engine: valid until the lock is released
    enum job_state state;
    double priority;
    uint32_t attempts; // failed so far
    uint32_t lost;
    uint32_t deliveries;
    uint32_t max_attempts; // its own, else the queue's
    int64_t created;       // wall, ms since 1970
    int64_t left; // delayed: until due; reserved: until the lease is over; kept ones: until they go; else 0
    int64_t expires; // ms left, -1: never
    bool detached, cancelling;
    enum dead_reason reason;
    struct slice key, error, result, origin, body; // empty: none
    struct slice progress;                         // members of an object; empty: none
    // What the put asked for, and what a dump needs to know.
    bool submit, failed;       // its outcome is kept; its future has failed
    int64_t keep_result;       // -1: the queue's
    int64_t own_lease;         // 0: the queue's
    uint32_t own_max_attempts; // 0: the queue's
    uint32_t failed_attempts;
    int64_t key_for;
    int64_t at;    // wall clock, where it waits for such a time; 0: it does not
    char why[160]; // why it is not running, for a person
};
enum error engine_job_info(struct engine *e, struct moment now, uint64_t id, struct job_info *out) MUST_CHECK;

// The queue that a job is in; the name is valid until the lock is released. False: there is no such job.
bool engine_job_queue(const struct engine *e, uint64_t id, struct slice *name) MUST_CHECK;

// Jobs of one state of one queue: ready ones in the order in which they will be taken, others by id. `cursor`
// starts zeroed and remembers the place, also when the job it stands at is gone. Calls back for at most
// `limit` jobs, and looks at no more than 1,000 for that; *more is false at the end.
struct job_cursor {
    bool started;
    double priority;
    uint64_t id;
};
typedef void job_visitor(void *context, const struct job_info *info);
enum error engine_list_jobs(struct engine *e, struct moment now, struct slice queue, enum job_state state,
                            struct job_cursor *cursor, unsigned limit, job_visitor *visit, void *context,
                            unsigned *visited, bool *more) MUST_CHECK;

struct queue_info {
    struct slice name; // valid until the lock is released
    struct queue_settings settings;
    bool declared, paused, shut_down, shut_down_hard;
    int64_t oldest; // age in ms of the oldest ready job (of the 100 most urgent priorities), -1: none
    struct queue_gauges gauges;
    struct queue_counters counters;
};
enum error engine_queue_info(struct engine *e, struct moment now, struct slice queue,
                             struct queue_info *out) MUST_CHECK;

// Queues in the byte order of their names, from the first after `after` (empty: from the first), at most
// `limit`.
typedef void queue_visitor(void *context, const struct queue_info *info);
void engine_list_queues(struct engine *e, struct moment now, struct slice after, unsigned limit,
                        queue_visitor *visit, void *context);

// What there is to measure of a queue, for whoever looks at very many: nothing of it is copied. Valid during
// the call back.
struct queue_measure {
    struct slice name;
    int64_t oldest; // as queue_info has it
    bool paused;
    const struct queue_gauges *gauges;
    const struct queue_counters *counters;
};
typedef void measure_visitor(void *context, const struct queue_measure *measure);

// As engine_list_queues, for as many as a slice of work allows: at most 1,000, fewer where jobs of many
// priorities are ready. Returns how many; 0: there are no more.
unsigned engine_measure_queues(struct engine *e, struct moment now, struct slice after,
                               measure_visitor *visit, void *context);

// ---- importing a dump, into an engine that nothing else uses yet

// A job as engine_job_info showed it, with its id; reserved ones become ready. ERROR_INVALID_PARAMS: the id
// is taken.
enum error engine_import(struct engine *e, struct moment now, const struct job_info *info) MUST_CHECK;

// A queue's settings and state; its jobs come by engine_import, before it is shut down at once if it is.
enum error engine_import_queue(struct engine *e, struct moment now, const struct queue_info *info) MUST_CHECK;

struct engine_info {
    uint64_t queues;
    uint64_t clients;
    uint64_t detached; // jobs under leases that are bound to no connection,
    uint64_t held;     // and to one; both with those whose queue was dropped meanwhile
    uint64_t bytes;    // counted against max_bytes
    uint64_t max_bytes;
    struct queue_gauges gauges;     // summed over all queues
    struct queue_counters counters; // of all queues that ever were
    struct daemon_counters more;    // as well
};
void engine_info(const struct engine *e, struct engine_info *out);
void engine_times(const struct engine *e, struct engine_times *out);

#endif
