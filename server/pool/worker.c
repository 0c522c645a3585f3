#include "server/pool/worker.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/progress.h"
#include "server/engine/engine.h"
#include "server/hub.h"
#include "server/pool/crew.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// The lease is renewed long before it ends, so that neither a machine that stood still for some minutes nor a
// stuck disk makes a running job come back. The touch is also how a worker learns that its job was deleted
// or is being cancelled, for which the engine wakes it.
#define LEASE_MS (60 * 60 * 1000)
#define TOUCH_MS 2000
#define PAUSE_MS 1000        // before the next try when no job can be had or run at all
#define KEEP_MAX (64 * 1024) // a larger buffer is not kept from job to job

bool worker_draining(const struct worker *w)
{
    return atomic_load(&w->leaving) || atomic_load(&w->crew->deadline) != INT64_MAX;
}

int64_t worker_deadline(const struct worker *w)
{
    int64_t d = atomic_load(&w->crew->deadline);
    return d != INT64_MAX && w->handler->settings.daemon ? INT64_MIN : d;
}

// ---- life

bool worker_init(struct worker *w, struct crew *crew, struct handler *h, unsigned number)
{
    *w = (struct worker){.crew = crew, .handler = h, .number = number, .mailbox.fd = -1};
    w->queues = calloc(h->settings.queues.count, sizeof *w->queues);
    if (!w->queues)
        goto failed;
    for (size_t i = 0; i < h->settings.queues.count; i++)
        w->queues[i] = slice_of(h->settings.queues.items[i]);
    if (!mailbox_init(&w->mailbox))
        goto failed;
    hub_lock(crew->hub);
    w->client = engine_client_new(hub_engine(crew->hub), &w->mailbox);
    if (w->client)
        engine_client_watch_revokes(w->client);
    hub_unlock(crew->hub);
    if (!w->client) {
        errno = ENOMEM;
        goto failed;
    }
    if (h->kind->open && !(w->state = h->kind->open(w)))
        goto failed;
    return true;

failed:;
    int error = errno;
    worker_release(w);
    errno = error;
    return false;
}

static void close_client(struct worker *w)
{
    for (bool closed = !w->client; !closed;) {
        struct moment now = hub_lock(w->crew->hub);
        closed = engine_client_close(hub_engine(w->crew->hub), now, w->client);
        hub_unlock(w->crew->hub);
    }
    w->client = NULL;
}

void worker_close(struct worker *w)
{
    if (w->state)
        w->handler->kind->close(w->state); // ends a child that could not be waited for
    w->state = NULL;
    close_client(w);
}

void worker_release(struct worker *w)
{
    worker_close(w);
    if (w->mailbox.fd >= 0)
        mailbox_release(&w->mailbox);
    buffer_release(&w->body);
    free(w->queues);
    w->queues = NULL;
}

// ---- how a job went

static enum error tell_engine(struct worker *w, struct moment now, const struct verdict *v)
{
    struct engine *e = hub_engine(w->crew->hub);
    const struct task *t = &w->task;
    struct nack_result nacked;
    if (w->handed)
        engine_confirm(e, now, w->handed);
    w->handed = NULL;
    switch (v->kind) {
    case VERDICT_DONE:
        return engine_ack(e, now, w->client, t->id, t->delivery, v->text);
    case VERDICT_FAILED:
        return engine_nack(e, now, w->client, t->id, t->delivery, v->text, v->has_delay ? v->delay : -1,
                           &nacked);
    case VERDICT_BURIED:
        return engine_bury(e, now, w->client, t->id, t->delivery, v->text);
    case VERDICT_BACK:
        return engine_release(e, now, w->client, t->id, t->delivery, 0, NULL);
    case VERDICT_LOST:
        return engine_lost(e, now, w->client, t->id, t->delivery);
    case VERDICT_GONE:
        if (w->cancelled) // until now it was held, so that nobody took its place
            return engine_release(e, now, w->client, t->id, t->delivery, 0, NULL);
    }
    return ERROR_NONE;
}

// Lock held. Counts before anybody can see the outcome, so that who has it finds it counted.
static enum error tell(struct worker *w, struct moment now, const struct verdict *v)
{
    enum error e = tell_engine(w, now, v);
    if (e == ERROR_NONE && v->kind == VERDICT_DONE)
        atomic_fetch_add_explicit(&w->handler->done, 1, memory_order_relaxed);
    if (e == ERROR_NONE && (v->kind == VERDICT_FAILED || v->kind == VERDICT_BURIED))
        atomic_fetch_add_explicit(&w->handler->failed, 1, memory_order_relaxed);
    return e;
}

// The lock is free again.
static void told(const struct worker *w, uint64_t id, const struct verdict *v, enum error e)
{
    if (v->kind == VERDICT_GONE || e == ERROR_NOT_FOUND || e == ERROR_NOT_RESERVED || e == ERROR_CANCELLED)
        log_job(LOG_JOB_TAKEN_AWAY, id, KV("handler", w->handler->settings.name));
    else if (e != ERROR_NONE)
        log_job(LOG_JOB_UNTOLD, id, KV("handler", w->handler->settings.name), KV("error", error_text(e)));
    blob_unref(v->text);
}

// ---- taking jobs

static void set_task(struct worker *w, const struct taken *taken)
{
    w->task = (struct task){
        .id = taken->id,
        .delivery = taken->delivery,
        .attempt = taken->attempt,
        .queue = taken->queue_index,
        .body = taken->body,
    };
}

// The bytes belong to the engine or to a waiter that is about to go. Without memory `body.failed` is set, and
// run_task sees it.
static void keep_body(struct worker *w)
{
    if (w->blob)
        return;
    buffer_append(&w->body, w->task.body.data, w->task.body.len);
    w->task.body = (struct slice){w->body.data, w->body.len};
}

enum got { GOT_JOB, GOT_WAIT, GOT_NOTHING };

// Lock held.
static enum got get(struct worker *w, struct moment now, struct waiter **waiting, enum error *error)
{
    struct get_options options = {
        .queues = w->queues,
        .queue_count = (unsigned)w->handler->settings.queues.count,
        .max = 1,
        .lease = LEASE_MS,
        .timeout = FOREVER,
    };
    struct taken taken;
    unsigned count = 0;
    *waiting = NULL;
    *error = engine_get(hub_engine(w->crew->hub), now, w->client, &options, &taken, &count, waiting);
    if (*error != ERROR_NONE)
        return GOT_NOTHING;
    if (*waiting)
        return GOT_WAIT;
    assert(count == 1);
    set_task(w, &taken);
    w->blob = taken.blob;
    keep_body(w);
    return GOT_JOB;
}

// No job can be had for now.
static void refused(struct worker *w, enum error e)
{
    if (e == ERROR_NOT_FOUND)
        return; // the queue was dropped; the next get makes it anew
    w->not_before = clock_now().mono + PAUSE_MS;
    if (e != ERROR_SHUT_DOWN && e != ERROR_DRAINING)
        log_event(LOG_HANDLER_STARVED, KV("handler", w->handler->settings.name), KV("error", error_text(e)));
}

// A wait is over. True: with a job.
static bool accept_job(struct worker *w, struct waiter *done)
{
    enum error e = done->error;
    if (e == ERROR_NONE) {
        set_task(w, &done->taken);
        w->blob = blob_ref(done->taken.blob);
        if (w->handler->kind->instant) {
            w->handed = done; // is run on the waiter's bytes, and confirmed together with how it went
            return true;
        }
        keep_body(w);
    }
    struct moment now = hub_lock(w->crew->hub);
    engine_confirm(hub_engine(w->crew->hub), now, done);
    w->woken = engine_client_revoked(w->client);
    hub_unlock(w->crew->hub);
    if (e != ERROR_NONE)
        refused(w, e);
    return e == ERROR_NONE;
}

// Until the mailbox is woken, the time has come, or what the kind watches is ready.
static void doze(struct worker *w, int64_t until)
{
    const struct kind *kind = w->handler->kind;
    struct pollfd fds[1 + KIND_WATCH_MAX] = {{.fd = w->mailbox.fd, .events = POLLIN}};
    nfds_t count = kind->watch ? 1 + kind->watch(w->state, fds + 1, &until) : 1;
    int64_t now = until == INT64_MAX ? 0 : clock_now().mono;
    if (poll(fds, count, worker_poll_timeout(now, until)) < 0) {
        for (nfds_t i = 0; i < count; i++)
            fds[i].revents = 0;
    }
    if (fds[0].revents)
        mailbox_quiet(&w->mailbox);
    if (kind->look)
        kind->look(w->state, fds + 1);
}

// Waits until the wait is over. True: with a job. Draining takes the wait back, unless it is over already and
// its end is on the way.
static bool await_job(struct worker *w, struct waiter *waiting)
{
    bool too_late = false;
    for (;;) {
        struct waiter *done = mailbox_take(&w->mailbox);
        if (done) {
            assert(done == waiting && !done->next);
            return accept_job(w, done);
        }
        if (worker_draining(w) && !too_late) {
            hub_lock(w->crew->hub);
            bool back = engine_wait_cancel(hub_engine(w->crew->hub), waiting);
            hub_unlock(w->crew->hub);
            if (back)
                return false;
            too_late = true;
            continue;
        }
        doze(w, INT64_MAX);
    }
}

static void wait_out(struct worker *w)
{
    while (!worker_draining(w) && clock_now().mono < w->not_before)
        doze(w, w->not_before);
}

// Tells the engine how the last job went, if there was one, and gets the next, in one turn of the lock if one
// is ready. False: it drains.
static bool next_task(struct worker *w, const struct verdict *last)
{
    for (;; last = NULL) {
        enum got got = GOT_NOTHING;
        enum error answer = ERROR_NONE, error = ERROR_NONE;
        struct waiter *waiting = NULL;
        uint64_t last_id = w->task.id;
        struct moment now = hub_lock(w->crew->hub);
        if (last)
            answer = tell(w, now, last);
        if (last && last->pause)
            w->not_before = now.mono + PAUSE_MS;
        if (!worker_draining(w) && now.mono >= w->not_before)
            got = get(w, now, &waiting, &error);
        hub_unlock(w->crew->hub);

        if (last)
            told(w, last_id, last, answer);
        if (error != ERROR_NONE)
            refused(w, error);
        if (got == GOT_JOB || (got == GOT_WAIT && await_job(w, waiting)))
            return true;
        if (worker_draining(w))
            return false;
        wait_out(w);
    }
}

// ---- running them

static void forget_body(struct worker *w)
{
    blob_unref(w->blob);
    w->blob = NULL;
    buffer_clear(&w->body);
    if (w->body.cap > KEEP_MAX)
        buffer_release(&w->body);
}

static struct verdict run_task(struct worker *w)
{
    struct verdict v = {.kind = VERDICT_BACK};
    int64_t now = clock_now().mono;
    w->touch_at = w->woken ? now : now + TOUCH_MS;
    w->stopped = w->woken = w->cancelled = false;
    atomic_store(&w->since, now);
    atomic_store(&w->running, w->task.id);
    if (w->body.failed)
        v.pause = true;
    else if (!worker_draining(w)) // a job that came in the last moment goes back as it was
        v = w->handler->kind->run(w, &w->task);
    atomic_store(&w->running, 0);
    forget_body(w);
    return v;
}

static void work(struct worker *w)
{
    struct verdict v, *last = NULL;
    while (next_task(w, last)) {
        v = run_task(w);
        last = &v;
    }
}

void *worker_main(void *worker)
{
    struct worker *w = worker;
    mailbox_own(&w->mailbox);
    char name[16]; // what the kernel takes
    snprintf(name, sizeof name, "pool:%s", w->handler->settings.name);
    pthread_setname_np(pthread_self(), name);

    if (!crew_await_begin(w))
        return NULL;
    do
        work(w);
    while (!crew_leave(w));
    crew_part(w);
    return NULL;
}

// False: the job is not the worker's any more.
static bool touch(struct worker *w)
{
    int64_t left;
    struct moment now = hub_lock(w->crew->hub);
    enum error e =
        engine_touch(hub_engine(w->crew->hub), now, w->client, w->task.id, w->task.delivery, LEASE_MS, &left);
    hub_unlock(w->crew->hub);
    w->touch_at = now.mono + TOUCH_MS;
    w->cancelled = e == ERROR_CANCELLED;
    return e != ERROR_NOT_FOUND && e != ERROR_NOT_RESERVED && e != ERROR_CANCELLED;
}

enum interrupt worker_wait(struct worker *w, struct pollfd *fds, nfds_t count, int64_t until)
{
    int64_t now = clock_now().mono;
    int64_t wake = until < w->touch_at ? until : w->touch_at;
    if (!w->stopped && worker_deadline(w) < wake)
        wake = worker_deadline(w);
    fds[0] = (struct pollfd){.fd = w->mailbox.fd, .events = POLLIN};
    if (poll(fds, count, worker_poll_timeout(now, wake)) < 0) {
        // Out of memory in the kernel, if anything: nothing is known to be ready.
        for (nfds_t i = 0; i < count; i++)
            fds[i].revents = 0;
    }
    now = clock_now().mono;
    if (fds[0].revents) {
        mailbox_quiet(&w->mailbox);
        if (w->touch_at != INT64_MAX)
            w->touch_at = now;
    }
    if (!w->stopped && now >= worker_deadline(w)) {
        w->stopped = true;
        return STOP;
    }
    if (now >= w->touch_at && !touch(w)) {
        w->touch_at = INT64_MAX;
        return GONE;
    }
    return GO_ON;
}

void worker_progress(struct worker *w, const struct progress_text *p)
{
    struct buffer b = BUFFER_INIT;
    progress_write(&b, p);
    struct blob *blob = b.failed ? NULL : blob_new((struct slice){b.data, b.len});
    buffer_release(&b);
    if (!blob)
        return; // the next will do
    struct moment now = hub_lock(w->crew->hub);
    enum error e =
        engine_progress(hub_engine(w->crew->hub), now, w->client, w->task.id, w->task.delivery, blob);
    hub_unlock(w->crew->hub);
    blob_unref(blob);
    if (e == ERROR_CANCELLED && w->touch_at != INT64_MAX)
        w->touch_at = now.mono;
}
