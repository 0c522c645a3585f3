// The worker pool: threads that take jobs from the engine as a consumer in the same process, and run them as
// their handler says. A worker is one thread with its own engine client, mailbox and spawner channel: it
// takes a job, runs it and tells the engine how it went. No network is in that path.
//
// A worker renews its job's lease for as long as it runs, so a job never comes back while it is running. A
// job that is deleted meanwhile is stopped at once, one whose queue is dropped within some seconds, and how
// it went is of no interest any more.
//
// Worker threads block all signals.
#ifndef SERVER_POOL_POOL_H
#define SERVER_POOL_POOL_H

#include "common/error.h"
#include "common/slice.h"
#include "server/pool/handler_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct spawner;
struct pool;

// Starts all workers of `count` handlers, whose settings are checked (handler_settings_check) and copied. hub
// and spawner must outlive the pool; spawner may be NULL where no handler, now or later, needs one
// (handler_needs_spawner). NULL: `why` says in a sentence what is wrong, and nothing runs. Main thread.
struct pool *pool_start(struct hub *hub, struct spawner *spawner, const struct handler_settings *handlers,
                        size_t count, char why[HANDLER_WHY_MAX]);

// ---- changing it while it runs

struct pool_changes {
    unsigned added;   // new or changed
    unsigned removed; // removed or changed
    unsigned resized; // only with another number of workers
    unsigned kept;
};

// From now on the handlers are these, whose settings are checked and copied. One that is the same but for its
// `workers` goes on. What is new starts; what is changed starts as a new one, and what it was before retires,
// as what is not named any more: its workers finish their jobs, take no others, and it goes with the last of
// them. False: `why`; nothing has changed. Any thread.
bool pool_apply(struct pool *p, const struct handler_settings *handlers, size_t count,
                struct pool_changes *out, char why[HANDLER_WHY_MAX]) __attribute__((warn_unused_result));

// Sets how many workers (1 to HANDLER_WORKERS_MAX) a handler has until the next pool_apply. Those taken away
// finish their job first. A call makes few; *done is false: call again. ERROR_NOT_FOUND, ERROR_INVALID_PARAMS
// (too many in all), ERROR_OVERLOADED (the machine has no more), ERROR_DRAINING come with `why`. Any thread.
enum error pool_resize(struct pool *p, struct slice handler, unsigned workers, bool *done,
                       char why[HANDLER_WHY_MAX]) __attribute__((warn_unused_result));

// ---- stopping

// Begins to drain and returns at once: workers take no new jobs; what runs may finish within `timeout_ms`,
// then it is killed and released uncounted. Handlers with `daemon` get no time. A second call may only
// shorten the time. Any thread.
void pool_drain(struct pool *p, int64_t timeout_ms);

// As pool_drain with no time at all: what runs is killed and released. Any thread.
void pool_hurry(struct pool *p);

// Becomes readable, and stays so, when a pool that drains has no worker left: poll it beside the signals. Do
// not read from it.
int pool_fd(const struct pool *p);

// Whether that is so. Any thread.
bool pool_drained(struct pool *p);

// Hurries and waits until all workers have ended; after it the hub holds nothing of the pool's, and other
// threads may still look at it. NULL is fine. Must not hold the hub's lock.
void pool_stop(struct pool *p);

// Stops it, if need be, and frees it. NULL is fine. Nobody else uses it any more.
void pool_free(struct pool *p);

// ---- looking

struct pool_job {
    uint64_t id;
    unsigned worker;    // its number, from 0
    int64_t running_ms; // for how long
};

struct pool_handler_info {
    const char *name;
    const char *kind;
    const char
        *state; // "running"; "draining": it takes no jobs any more and goes when those that run are done
    const struct handler_texts *queues;
    bool daemon;
    unsigned workers;            // without those that were taken away and finish their job
    unsigned running;            // how many run a job, those too
    const struct pool_job *jobs; // `running` of them, by worker
    uint64_t done;               // attempts that succeeded since it started as it is
    uint64_t failed;             // attempts that failed
};

// Calls back once for each handler, in the configuration's order, and then for those that finish their last
// jobs. What is handed out is valid during the call back, which must not call the pool. A snapshot of each
// worker by itself: jobs come and go meanwhile. False: no memory, nothing was shown. Any thread.
typedef void pool_visitor(void *context, const struct pool_handler_info *info);
bool pool_info(struct pool *p, pool_visitor *visit, void *context);

#endif
