#include "server/pool/pool.h"

#include "common/clock.h"
#include "common/plural.h"
#include "server/pool/crew.h"
#include "server/pool/handler_builtin.h"
#include "server/pool/handler_exec.h"
#include "server/pool/handler_module.h"
#include "server/pool/handler_process.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESIZE_STEP 16 // workers made in one call, so that the caller's thread is not held up for long

struct pool {
    struct crew crew;
    pthread_mutex_t changing; // one change of handlers or workers at a time; before crew.lock
    bool stopped;             // under it: nothing can be changed any more
};

static const struct kind *const kinds[HANDLER_KIND_COUNT] = {
    [HANDLER_EXEC] = &handler_exec, [HANDLER_PROCESS] = &handler_process, [HANDLER_MODULE] = &handler_module,
    [HANDLER_ECHO] = &handler_echo, [HANDLER_SLEEP] = &handler_sleep,     [HANDLER_NOOP] = &handler_noop,
    [HANDLER_FAIL] = &handler_fail,
};

static bool drains(const struct pool *p)
{
    return atomic_load(&p->crew.deadline) != INT64_MAX;
}

// ---- changing handlers

// One handler as it is to be: one that is there already, or a new one.
struct plan {
    struct handler *handler;
    struct worker *made; // its new workers
    bool fresh;
    unsigned workers;
};

// Without its workers. NULL: errno.
static struct handler *handler_new(const struct handler_settings *settings)
{
    struct handler *h = calloc(1, sizeof *h);
    if (!h || !handler_settings_copy(&h->settings, settings)) {
        free(h);
        errno = ENOMEM;
        return NULL;
    }
    h->kind = kinds[h->settings.kind];
    // A daemon that is not root may name its own user only, and is that already.
    if (h->settings.user && geteuid() == 0) {
        int error = spawn_user_lookup(h->settings.user, &h->user);
        if (error) {
            handler_free(h);
            errno = error;
            return NULL;
        }
        h->has_user = true;
    }
    return h;
}

static struct handler *find(const struct crew *c, struct slice name)
{
    for (struct handler *h = c->handlers; h; h = h->next)
        if (slice_equal(name, h->settings.name))
            return h;
    return NULL;
}

static bool plan_one(struct pool *p, const struct handler_settings *s, struct plan *plan, char *why)
{
    struct handler *h = find(&p->crew, slice_of(s->name));
    plan->fresh = !h || !handler_settings_equal(&h->settings, s);
    plan->workers = (unsigned)s->workers;
    plan->handler = plan->fresh ? handler_new(s) : h;
    pthread_mutex_lock(&p->crew.lock);
    unsigned there = plan->fresh ? 0 : h->wanted;
    pthread_mutex_unlock(&p->crew.lock);
    unsigned more = plan->workers > there ? plan->workers - there : 0;
    if (plan->handler && crew_make(&p->crew, plan->handler, more, &plan->made))
        return true;
    snprintf(why, HANDLER_WHY_MAX, "handler \"%.100s\": cannot make its %u %s: %s", s->name, plan->workers,
             plural(plan->workers, "worker", "workers"), strerror(errno));
    return false;
}

static void plan_undo(struct pool *p, struct plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crew_discard(&p->crew, plans[i].made);
        if (plans[i].fresh && plans[i].handler)
            handler_free(plans[i].handler);
    }
}

// What the plans do not name retires, and neither does what they replace stay. Cannot fail. Lock held.
static void carry_out(struct crew *c, const struct plan *plans, size_t count, struct pool_changes *out)
{
    struct handler *before = c->handlers, **end = &c->handlers;
    for (size_t i = 0; i < count; i++)
        plans[i].handler->is_planned = true;
    *end = NULL;
    while (before) {
        struct handler *h = before;
        before = h->next;
        out->removed += !h->is_planned;
        if (!h->is_planned)
            crew_retire(c, h);
    }
    for (size_t i = 0; i < count; i++) {
        struct handler *h = plans[i].handler;
        unsigned there = h->wanted;
        h->is_planned = false;
        h->next = NULL;
        *end = h;
        end = &h->next;
        crew_begin(c, plans[i].made);
        if (plans[i].workers < h->wanted)
            crew_dismiss(h, h->wanted - plans[i].workers);
        out->added += plans[i].fresh;
        out->resized += !plans[i].fresh && h->wanted != there;
        out->kept += !plans[i].fresh && h->wanted == there;
    }
}

bool pool_apply(struct pool *p, const struct handler_settings *handlers, size_t count,
                struct pool_changes *out, char why[HANDLER_WHY_MAX])
{
    struct plan *plans = calloc(count + 1, sizeof *plans);
    *out = (struct pool_changes){0};
    if (!plans) {
        snprintf(why, HANDLER_WHY_MAX, "no memory for the handlers");
        return false;
    }
    pthread_mutex_lock(&p->changing);
    size_t planned = 0;
    bool ok = !p->stopped && !drains(p);
    if (!ok)
        snprintf(why, HANDLER_WHY_MAX, "the daemon is stopping");
    while (ok && planned < count) {
        ok = plan_one(p, &handlers[planned], &plans[planned], why);
        planned++;
    }
    if (ok) {
        pthread_mutex_lock(&p->crew.lock);
        carry_out(&p->crew, plans, count, out);
        pthread_mutex_unlock(&p->crew.lock);
    } else {
        plan_undo(p, plans, planned);
    }
    pthread_mutex_unlock(&p->changing);
    free(plans);
    return ok;
}

// ---- changing the number of workers

static enum error refuse(char *why, enum error error, const char *text)
{
    snprintf(why, HANDLER_WHY_MAX, "%s", text);
    return error;
}

// Whether the handlers together would have too many. Lock held.
static bool too_many(const struct crew *c, const struct handler *changed, unsigned workers)
{
    uint64_t all = workers;
    for (const struct handler *h = c->handlers; h; h = h->next)
        all += h == changed ? 0 : h->wanted;
    return all > POOL_WORKERS_MAX;
}

// Shrinks, or calls back who is still leaving; how many have to be made is *missing. Lock held.
static enum error set_wanted(struct crew *c, struct handler *h, unsigned workers, unsigned *missing,
                             char *why)
{
    if (!h)
        return refuse(why, ERROR_NOT_FOUND, "there is no handler of this name");
    if (too_many(c, h, workers)) {
        snprintf(why, HANDLER_WHY_MAX, "all handlers together would have more than %d workers",
                 POOL_WORKERS_MAX);
        return ERROR_INVALID_PARAMS;
    }
    if (h->wanted > workers)
        crew_dismiss(h, h->wanted - workers);
    else
        crew_call_back(h, workers - h->wanted);
    *missing = workers - h->wanted;
    return ERROR_NONE;
}

// `changing` is held.
static enum error resize(struct pool *p, struct slice name, unsigned workers, bool *done, char *why)
{
    struct crew *c = &p->crew;
    unsigned missing = 0;
    if (p->stopped || drains(p))
        return refuse(why, ERROR_DRAINING, error_text(ERROR_DRAINING));
    pthread_mutex_lock(&c->lock);
    struct handler *h = find(c, name);
    enum error error = set_wanted(c, h, workers, &missing, why);
    pthread_mutex_unlock(&c->lock);
    if (error != ERROR_NONE)
        return error;

    unsigned now = missing < RESIZE_STEP ? missing : RESIZE_STEP;
    struct worker *made;
    if (!crew_make(c, h, now, &made)) {
        snprintf(why, HANDLER_WHY_MAX, "only %u of %u %s could be made: %s", workers - missing, workers,
                 plural(workers, "worker", "workers"), strerror(errno));
        return ERROR_OVERLOADED;
    }
    pthread_mutex_lock(&c->lock);
    crew_begin(c, made);
    pthread_mutex_unlock(&c->lock);
    *done = now == missing;
    return ERROR_NONE;
}

enum error pool_resize(struct pool *p, struct slice handler, unsigned workers, bool *done,
                       char why[HANDLER_WHY_MAX])
{
    assert(workers >= 1 && workers <= HANDLER_WORKERS_MAX);
    *done = false;
    pthread_mutex_lock(&p->changing);
    enum error error = resize(p, handler, workers, done, why);
    pthread_mutex_unlock(&p->changing);
    return error;
}

// ---- starting

struct pool *pool_start(struct hub *hub, struct spawner *spawner, const struct handler_settings *handlers,
                        size_t count, char why[HANDLER_WHY_MAX])
{
    for (size_t i = 0; i < count; i++)
        assert(spawner || !handler_needs_spawner(&handlers[i]));
    struct pool_changes changes;
    struct pool *p = calloc(1, sizeof *p);
    if (!p || !crew_init(&p->crew, hub, spawner)) {
        snprintf(why, HANDLER_WHY_MAX, "cannot make the worker pool: %s", strerror(errno));
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->changing, NULL);
    if (!pool_apply(p, handlers, count, &changes, why)) {
        pool_free(p);
        return NULL;
    }
    return p;
}

// ---- stopping

void pool_drain(struct pool *p, int64_t timeout_ms)
{
    int64_t until = clock_now().mono + timeout_ms;
    int64_t was = atomic_load(&p->crew.deadline);
    while (until < was && !atomic_compare_exchange_weak(&p->crew.deadline, &was, until))
        ;
    pthread_mutex_lock(&p->crew.lock);
    crew_wake(&p->crew);
    pthread_mutex_unlock(&p->crew.lock);
}

void pool_hurry(struct pool *p)
{
    pool_drain(p, 0);
}

int pool_fd(const struct pool *p)
{
    return p->crew.drained_fd;
}

bool pool_drained(struct pool *p)
{
    pthread_mutex_lock(&p->crew.lock);
    bool drained = drains(p) && p->crew.alive == 0;
    pthread_mutex_unlock(&p->crew.lock);
    return drained;
}

static void free_handlers(struct crew *c)
{
    while (c->handlers) {
        struct handler *h = c->handlers;
        c->handlers = h->next;
        handler_free(h);
    }
}

void pool_stop(struct pool *p)
{
    if (!p)
        return;
    pool_hurry(p);
    pthread_mutex_lock(&p->changing); // who is at it is through then, and its workers have seen the hurry
    p->stopped = true;
    pthread_mutex_unlock(&p->changing);
    crew_await_end(&p->crew);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pool_stop(p);
    free_handlers(&p->crew);
    crew_release(&p->crew);
    pthread_mutex_destroy(&p->changing);
    free(p);
}

// ---- looking

static unsigned running_jobs(const struct handler *h, int64_t now, struct pool_job *jobs)
{
    unsigned n = 0;
    for (struct worker *w = h->workers; w; w = w->next) {
        uint64_t id = atomic_load(&w->running);
        int64_t since = atomic_load(&w->since);
        // `since` is written while `running` is 0: if it still runs the same job, they belong together.
        if (id == 0 || atomic_load(&w->running) != id)
            continue;
        jobs[n++] =
            (struct pool_job){.id = id, .worker = w->number, .running_ms = now > since ? now - since : 0};
    }
    return n;
}

static void show(struct pool *p, const struct handler *h, int64_t now, struct pool_job *jobs,
                 pool_visitor *visit, void *context)
{
    struct pool_handler_info info = {
        .name = h->settings.name,
        .kind = handler_kind_name(h->settings.kind),
        .state = h->is_retired || drains(p) ? "draining" : "running",
        .queues = &h->settings.queues,
        .daemon = h->settings.daemon,
        .workers = h->wanted,
        .running = running_jobs(h, now, jobs),
        .jobs = jobs,
        .done = atomic_load_explicit(&h->done, memory_order_relaxed),
        .failed = atomic_load_explicit(&h->failed, memory_order_relaxed),
    };
    visit(context, &info);
}

bool pool_info(struct pool *p, pool_visitor *visit, void *context)
{
    int64_t now = clock_now().mono;
    pthread_mutex_lock(&p->crew.lock);
    struct pool_job *jobs = malloc((p->crew.alive + 1) * sizeof *jobs);
    for (const struct handler *h = p->crew.handlers; jobs && h; h = h->next)
        show(p, h, now, jobs, visit, context);
    for (const struct handler *h = p->crew.retired; jobs && h; h = h->next)
        show(p, h, now, jobs, visit, context);
    pthread_mutex_unlock(&p->crew.lock);
    free(jobs);
    return jobs;
}
