// The worker pool: threads that take jobs from the engine as a consumer in the same process, and run them as
// their handler says. A worker is one thread with its own engine client, mailbox and spawner channel: it
// takes a job, runs it and tells the engine how it went. No network is in that path.
//
// A worker renews its job's lease for as long as it runs, so a job never comes back while it is running. A
// job that was deleted or dropped meanwhile is stopped within some seconds, and how it went is of no interest
// any more.
//
// Worker threads block all signals.
#ifndef SERVER_POOL_POOL_H
#define SERVER_POOL_POOL_H

#include "server/pool/handler_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct spawner;
struct pool;

// Starts all workers of `count` handlers, whose settings are checked (handler_settings_check) and copied. hub
// and spawner must outlive the pool; spawner may be NULL where no handler is an exec. NULL: `why` says in a
// sentence what is wrong, and nothing runs. Main thread.
struct pool *pool_start(struct hub *hub, struct spawner *spawner, const struct handler_settings *handlers,
                        size_t count, char why[HANDLER_WHY_MAX]);

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
bool pool_drained(const struct pool *p);

// Hurries, joins all threads and frees. NULL is fine. After it the hub holds nothing of the pool's.
// Main thread; must not hold the hub's lock.
void pool_stop(struct pool *p);

// ---- looking

struct pool_job {
    uint64_t id;
    unsigned worker;    // 0 … workers - 1
    int64_t running_ms; // for how long
};

struct pool_handler_info {
    const char *name;
    const char *kind;
    const struct handler_texts *queues;
    bool daemon;
    unsigned workers;
    unsigned running;            // how many of them run a job
    const struct pool_job *jobs; // `running` of them, by worker
    uint64_t done;               // attempts that succeeded since the start
    uint64_t failed;             // attempts that failed
};

// Calls back once for each handler, in the configuration's order. What is handed out is valid during the call
// back. A snapshot of each worker by itself: jobs come and go meanwhile. Any thread; takes no lock.
typedef void pool_visitor(void *context, const struct pool_handler_info *info);
void pool_info(struct pool *p, pool_visitor *visit, void *context);

#endif
