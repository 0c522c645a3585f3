#include "server/pool/pool.h"

#include "common/clock.h"
#include "server/pool/handler_builtin.h"
#include "server/pool/handler_exec.h"
#include "server/pool/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_SIZE (512 * 1024) // a worker's; its buffers are on the heap

struct pool {
    struct crew crew;
    struct handler *handlers;
    size_t count;
};

static const struct kind *const kinds[HANDLER_KIND_COUNT] = {
    [HANDLER_EXEC] = &handler_exec, [HANDLER_ECHO] = &handler_echo, [HANDLER_SLEEP] = &handler_sleep,
    [HANDLER_NOOP] = &handler_noop, [HANDLER_FAIL] = &handler_fail,
};

// ---- starting

static void handler_release(struct handler *h, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++)
        worker_release(&h->workers[i]);
    free(h->workers);
    handler_settings_release(&h->settings);
}

static bool handler_init(struct handler *h, struct crew *crew, const struct handler_settings *settings,
                         char *why)
{
    memset(h, 0, sizeof *h);
    if (!handler_settings_copy(&h->settings, settings)) {
        snprintf(why, HANDLER_WHY_MAX, "no memory for the handlers");
        return false;
    }
    const struct handler_settings *s = &h->settings;
    h->kind = kinds[s->kind];
    unsigned made = 0;
    int error = 0;
    // A daemon that is not root may name its own user only, and is that already.
    if (s->user && geteuid() == 0) {
        error = spawn_user_lookup(s->user, &h->user);
        h->has_user = true;
    }
    if (!error) {
        h->workers = calloc(s->workers, sizeof *h->workers);
        while (h->workers && made < s->workers && worker_init(&h->workers[made], crew, h, made))
            made++;
        error = made < s->workers ? errno : 0;
    }
    if (error) {
        snprintf(why, HANDLER_WHY_MAX, "handler \"%.100s\": cannot make its %u workers: %s", s->name,
                 (unsigned)s->workers, strerror(error));
        handler_release(h, made);
    }
    return error == 0;
}

static void release_handlers(struct pool *p)
{
    for (size_t i = 0; i < p->count; i++)
        handler_release(&p->handlers[i], (unsigned)p->handlers[i].settings.workers);
    p->count = 0;
}

static bool make_handlers(struct pool *p, const struct handler_settings *handlers, size_t count, char *why)
{
    for (; p->count < count; p->count++)
        if (!handler_init(&p->handlers[p->count], &p->crew, &handlers[p->count], why)) {
            release_handlers(p);
            return false;
        }
    return true;
}

static void join(struct pool *p, unsigned started)
{
    for (size_t i = 0; i < p->count; i++)
        for (unsigned j = 0; j < p->handlers[i].settings.workers && started > 0; j++, started--)
            pthread_join(p->handlers[i].workers[j].thread, NULL);
}

static unsigned worker_count(const struct pool *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += (unsigned)p->handlers[i].settings.workers;
    return n;
}

// The threads, which inherit that all signals are blocked. Returns how many began; errno where it is not all.
static unsigned start_threads(struct pool *p)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    unsigned started = 0;
    int error = pthread_attr_init(&attributes);
    if (error) {
        errno = error;
        return 0;
    }
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < p->count && !error; i++)
        for (unsigned j = 0; j < p->handlers[i].settings.workers && !error; j++) {
            struct worker *w = &p->handlers[i].workers[j];
            error = pthread_create(&w->thread, &attributes, worker_main, w);
            started += error == 0;
        }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    errno = error;
    return started;
}

static void say_drained(struct pool *p)
{
    uint64_t one = 1;
    ssize_t written = write(p->crew.drained_fd, &one, sizeof one);
    assert(written == sizeof one);
    (void)written;
}

static bool needs_spawner(const struct handler_settings *handlers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (handlers[i].kind == HANDLER_EXEC)
            return true;
    return false;
}

struct pool *pool_start(struct hub *hub, struct spawner *spawner, const struct handler_settings *handlers,
                        size_t count, char why[HANDLER_WHY_MAX])
{
    assert(spawner || !needs_spawner(handlers, count));
    struct pool *p = calloc(1, sizeof *p);
    if (p)
        p->handlers = calloc(count + 1, sizeof *p->handlers);
    int fd = p && p->handlers ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd < 0) {
        snprintf(why, HANDLER_WHY_MAX, "cannot make the worker pool: %s", strerror(errno));
        goto failed;
    }
    p->crew.hub = hub;
    p->crew.spawner = spawner;
    p->crew.drained_fd = fd;
    atomic_init(&p->crew.deadline, INT64_MAX);
    if (!make_handlers(p, handlers, count, why))
        goto failed;

    unsigned workers = worker_count(p);
    atomic_init(&p->crew.left, workers);
    unsigned started = start_threads(p);
    if (started < workers) {
        snprintf(why, HANDLER_WHY_MAX, "cannot start a thread for each of the pool's %u workers: %s", workers,
                 strerror(errno));
        pool_hurry(p);
        join(p, started);
        release_handlers(p);
        goto failed;
    }
    return p;

failed:
    if (fd >= 0)
        close(fd);
    if (p)
        free(p->handlers);
    free(p);
    return NULL;
}

// ---- stopping

void pool_drain(struct pool *p, int64_t timeout_ms)
{
    int64_t until = clock_now().mono + timeout_ms;
    int64_t was = atomic_load(&p->crew.deadline);
    while (until < was && !atomic_compare_exchange_weak(&p->crew.deadline, &was, until))
        ;
    for (size_t i = 0; i < p->count; i++)
        for (unsigned j = 0; j < p->handlers[i].settings.workers; j++)
            mailbox_wake(&p->handlers[i].workers[j].mailbox);
    if (worker_count(p) == 0)
        say_drained(p);
}

void pool_hurry(struct pool *p)
{
    pool_drain(p, 0);
}

int pool_fd(const struct pool *p)
{
    return p->crew.drained_fd;
}

bool pool_drained(const struct pool *p)
{
    return atomic_load(&p->crew.deadline) != INT64_MAX && atomic_load(&p->crew.left) == 0;
}

void pool_stop(struct pool *p)
{
    if (!p)
        return;
    pool_hurry(p);
    join(p, worker_count(p));
    release_handlers(p);
    close(p->crew.drained_fd);
    free(p->handlers);
    free(p);
}

// ---- looking

static unsigned running_jobs(const struct handler *h, int64_t now, struct pool_job *jobs)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->settings.workers; i++) {
        struct worker *w = &h->workers[i];
        uint64_t id = atomic_load(&w->running);
        int64_t since = atomic_load(&w->since);
        // `since` is written while `running` is 0: if it still runs the same job, they belong together.
        if (id == 0 || atomic_load(&w->running) != id)
            continue;
        jobs[n++] = (struct pool_job){.id = id, .worker = i, .running_ms = now > since ? now - since : 0};
    }
    return n;
}

static void show(const struct handler *h, int64_t now, pool_visitor *visit, void *context)
{
    struct pool_job jobs[HANDLER_WORKERS_MAX];
    struct pool_handler_info info = {
        .name = h->settings.name,
        .kind = handler_kind_name(h->settings.kind),
        .queues = &h->settings.queues,
        .daemon = h->settings.daemon,
        .workers = (unsigned)h->settings.workers,
        .running = running_jobs(h, now, jobs),
        .jobs = jobs,
    };
    for (unsigned i = 0; i < info.workers; i++) {
        info.done += atomic_load_explicit(&h->workers[i].done, memory_order_relaxed);
        info.failed += atomic_load_explicit(&h->workers[i].failed, memory_order_relaxed);
    }
    visit(context, &info);
}

void pool_info(struct pool *p, pool_visitor *visit, void *context)
{
    int64_t now = clock_now().mono;
    for (size_t i = 0; i < p->count; i++)
        show(&p->handlers[i], now, visit, context);
}
