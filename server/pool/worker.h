// One worker of the pool: the thread, and what the code of a kind of handler needs of it. Inside the pool
// only.
#ifndef SERVER_POOL_WORKER_H
#define SERVER_POOL_WORKER_H

#include "common/buffer.h"
#include "common/slice.h"
#include "server/engine/blob.h"
#include "server/mailbox.h"
#include "server/pool/handler_settings.h"
#include "server/pool/spawn_user.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct engine_client;
struct hub;
struct spawner;
struct waiter;
struct worker;

// A job while a worker runs it. All pointers are valid until `run` returns.
struct task {
    uint64_t id;
    uint64_t delivery;
    uint32_t attempt; // 1 for the first
    unsigned queue;   // which of the handler's queues
    struct slice body;
};

enum verdict_kind {
    VERDICT_DONE,   // acknowledged, `text` is the result
    VERDICT_FAILED, // counted as an attempt, `text` is the error
    VERDICT_BACK,   // it could not be run: back to its place, uncounted
    VERDICT_BURIED, // dead at once, without another attempt, `text` is the error
    VERDICT_LOST,   // what ran it is gone, and it may have done nothing wrong: counted as lost
    VERDICT_GONE,   // it is not ours any more, or cancelled: nothing to say
};

struct verdict {
    enum verdict_kind kind;
    struct blob *text; // JSON; the worker's to give back; NULL: null
    bool pause; // with BACK: the machine lacks something that no job has to do with; take none for a while
    bool has_delay; // with FAILED: the next attempt comes after `delay` ms instead of the backoff
    int64_t delay;
};

// What a kind of handler is made of; pool.c has the row of each.
struct kind {
    // The job is over at once and waits for nothing: it is run on the bytes that the engine handed out.
    bool instant;
    // What a worker of this kind keeps from job to job. NULL with errno. Both may be NULL.
    void *(*open)(struct worker *w);
    void (*close)(void *state);
    // Runs a job, on the worker's thread.
    struct verdict (*run)(struct worker *w, const struct task *t);
    // While the worker waits for a job: `watch` fills in what else is to be polled, at most KIND_WATCH_MAX
    // descriptors, may lower `until`, and returns how many; then `look` sees what is ready, also when the
    // time came or nothing is. Both or none.
    nfds_t (*watch)(void *state, struct pollfd *fds, int64_t *until);
    void (*look)(void *state, const struct pollfd *fds);
};

#define KIND_WATCH_MAX 3

// Of the lists and counts, see crew.h: they are under the crew's lock.
struct handler {
    struct handler_settings settings; // its own copy; how many workers: see `wanted`
    const struct kind *kind;
    bool has_user;
    struct spawn_user user; // with has_user
    void *shared;           // by the kind's workers; under the crew's lock

    struct handler *next;
    struct worker *workers; // by number; those that were asked to leave too, to their end
    unsigned wanted;        // of them without those
    bool is_retired;        // removed or replaced: it goes with its last worker
    bool is_planned;        // pool.c's: it is among those that are to be

    _Atomic uint64_t done, failed; // attempts
};

// What all workers share.
struct crew {
    struct hub *hub;
    struct spawner *spawner;
    _Atomic int64_t
        deadline;   // `mono` until which running jobs may finish; INT64_MAX while the pool does not drain
    int drained_fd; // eventfd: the last one writes to it

    pthread_mutex_t lock;
    pthread_cond_t changed;   // workers begin or are discarded; the last one ended
    struct handler *handlers; // in the configuration's order
    struct handler *retired;  // those whose workers have yet to end
    unsigned alive;           // threads that were begun and have not ended
    struct worker *ended;     // the last one, to be joined
};

struct worker {
    struct crew *crew;
    struct handler *handler; // until it parts
    struct worker *next;     // under the crew's lock
    bool begun, ending;      // under it, too; ending: it cannot be called back any more
    atomic_bool leaving;     // it was asked to leave. Written under the lock
    unsigned number;
    pthread_t thread;
    struct mailbox mailbox;
    struct engine_client *client;
    struct slice *queues;  // the handler's, as the engine wants them
    struct waiter *handed; // a completed wait that the engine has not been told of yet
    struct buffer body;    // a copy of the job's body
    struct blob *blob;     // or a reference to it
    struct task task;
    int64_t touch_at;   // when the job's lease is renewed next
    bool stopped;       // the job was told to STOP
    bool woken;         // the mailbox was woken for a job before it was run: it may be gone already
    bool cancelled;     // the job is GONE because it was cancelled, and still to be given up
    int64_t not_before; // no job is taken before; a kind may set it while it runs one
    void *state;        // the kind's

    // For who looks from outside. `running` is 0 or a job's id; `since` is its start and is set before it.
    _Atomic uint64_t running;
    _Atomic int64_t since;
};

// Makes all but the thread. The lock of the hub must not be held. False: errno; nothing is held.
bool worker_init(struct worker *w, struct crew *crew, struct handler *h, unsigned number)
    __attribute__((warn_unused_result));
void worker_close(struct worker *w);   // the kind's state and the engine's client
void worker_release(struct worker *w); // the rest; after the thread has ended, or where it never began

// The thread: takes and runs jobs until the pool drains or the worker was asked to leave.
void *worker_main(void *worker);

// Whether that is so: no job is taken any more.
bool worker_draining(const struct worker *w);

// ---- for the kinds, on the worker's thread

enum interrupt {
    GO_ON,
    STOP, // the time to drain is over: end the job at once, and VERDICT_BACK
    GONE, // somebody deleted or cancelled it: end it, and VERDICT_GONE
};

// Waits until one of the descriptors is ready or `until` (`mono`; INT64_MAX: never) has come, renews the
// job's lease meanwhile, and says whether to go on; STOP and GONE are said once each. `fds[0]` is left for
// the worker's own use.
enum interrupt worker_wait(struct worker *w, struct pollfd *fds, nfds_t count, int64_t until);

// For poll(): from `now` to `until`, both `mono`; INT64_MAX: for ever.
static inline int worker_poll_timeout(int64_t now, int64_t until)
{
    if (until == INT64_MAX)
        return -1;
    return until <= now ? 0 : until - now < INT_MAX ? (int)(until - now) : INT_MAX;
}

// Until when (`mono`) the worker may take its time; INT64_MAX where nobody waits for its end. When that
// changes the mailbox is woken.
int64_t worker_deadline(const struct worker *w);

// How far the job is, as progress_check() takes it, for whoever looks or waits.
struct progress_text;
void worker_progress(struct worker *w, const struct progress_text *p);

#endif
