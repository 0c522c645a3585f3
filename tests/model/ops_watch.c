// Puts that are told of their jobs' ends, calls, and progress.
#include "tests/model/world.h"

#include <inttypes.h>
#include <stdlib.h>

// ---- submit with notify, and call

static enum error wanted(struct world *w, const struct mjob *job, const struct mkey *key, bool call,
                         int client, int64_t timeout)
{
    struct model *m = w->m;
    bool full = model_full(m, job->queue);
    bool waits_left = model_client_waits(m, client) < m->max_waits;
    bool room = call ? waits_left : m->subscriptions[client] < m->max_subscriptions;
    if (m->draining)
        return ERROR_DRAINING;
    if (m->queues[job->queue].shut_down)
        return ERROR_SHUT_DOWN;
    if (!key && full && timeout == 0)
        return ERROR_FULL;
    if (!key && full)
        return waits_left && room ? ERROR_NONE : ERROR_OVERLOADED;
    const struct mjob *known = key ? model_job(m, key->id) : NULL;
    enum error end = !key ? ERROR_TIMEOUT : known ? model_outcome(known) : ERROR_NOT_FOUND;
    if (call && (end != ERROR_TIMEOUT || timeout == 0))
        return end;
    return room ? ERROR_NONE : ERROR_OVERLOADED;
}

static void check_at_once(struct world *w, const struct outcome *o, enum error got, uint64_t id)
{
    const struct mjob *j = model_job(w->m, id);
    if (got == ERROR_FAILED)
        REQUIRE(o->state == JOB_DEAD && slice_same(blob_slice(o->error), note_text('e', j->error)),
                "another error");
    else if (got == ERROR_NONE || got == ERROR_CANCELLED)
        REQUIRE(o->state == j->state && slice_same(blob_slice(o->result), note_text('r', j->result)),
                "another outcome");
    blob_unref(o->result);
    blob_unref(o->error);
}

void op_submit(struct world *w)
{
    struct model *m = w->m;
    struct mjob job = {.queue = any_queue(w), .body = ++w->texts};
    struct put_options o;
    any_put_options(w, &o, &job);
    o.submit = job.submit = o.watched = true;
    int client = any_client(w);
    int64_t timeout = any_timeout(w);
    struct watch_options watch = {.call = one_in(w, 2), .progress = one_in(w, 2), .context = w};
    watch.tag = watch.call ? 0 : ++m->tags;
    say("%s q=%d key=%d progress=%d timeout=%" PRId64 " client=%d body=%u tag=%u",
        watch.call ? "call" : "submit", job.queue, job.key, watch.progress, timeout, client, job.body,
        watch.tag);

    struct mkey *key = model_key(m, job.queue, job.key);
    bool full = model_full(m, job.queue);
    enum error want = wanted(w, &job, key, watch.call, client, timeout);
    struct job *j = job_prepare(&o, body_text(job.body));
    struct put_result out;
    struct outcome end = {0};
    enum error got = engine_submit(w->e, w->now, queue_text(job.queue), j, w->clients[client], timeout, w,
                                   &watch, &out, &end);
    REQUIRE(got == want, "%s says %s, not %s", watch.call ? "call" : "submit", error_name(got),
            error_name(want));
    if (got && !out.id) {
        job_discard(j);
        if (got == ERROR_FULL)
            MODEL_COUNT(m, job.queue, refused);
        return;
    }
    REQUIRE(out.existing == (key != NULL), "it says existing=%d", out.existing);
    struct mwait wait = {.kind = WAITER_RESULT,
                         .client = client,
                         .until = timeout == FOREVER ? 0 : w->now.mono + timeout,
                         .watch = watch.progress,
                         .call = watch.call,
                         .forget = watch.call};
    if (!key && full) {
        REQUIRE(out.waiting && !out.id, "it does not wait at a full queue");
        wait.kind = WAITER_PUT;
        wait.queues = 1u << job.queue;
        wait.job = job;
        if (!watch.call)
            wait.notify = model_subscribe(m, client, 0, watch.progress, watch.tag)->order + 1;
        model_wait_add(m, &wait, out.waiting);
        return;
    }
    if (key) {
        REQUIRE(out.id == key->id, "it found job %" PRIu64 ", not %" PRIu64, out.id, key->id);
        storage_tell(w, out.id, engine_promise(w->e));
    } else {
        model_admit(m, &job, out.id);
    }
    REQUIRE((out.waiting != NULL) ==
                (watch.call && got == ERROR_NONE &&
                 (!model_job(m, out.id) || model_outcome(model_job(m, out.id)) == ERROR_TIMEOUT)),
            "waits=%d", out.waiting != NULL);
    if (!watch.call) {
        model_told_late(m, model_subscribe(m, client, out.id, watch.progress, watch.tag), out.id);
    } else if (out.waiting) {
        wait.id = out.id;
        wait.forget = !key;
        model_wait_add(m, &wait, out.waiting);
    } else {
        check_at_once(w, &end, got, out.id);
    }
}

// ---- progress

void op_progress(struct world *w)
{
    struct claim c = any_claim(w, "progress");
    unsigned n = ++w->texts;
    struct blob *text = blob_new(note_text('p', n));
    enum error got = engine_progress(w->e, w->now, claimant(w, &c), c.id, c.delivery, text);
    blob_unref(text);
    REQUIRE(got == c.want, "progress says %s, not %s", error_name(got), error_name(c.want));
    if (got)
        return;
    c.job->progress = n;
    c.job->progress_at = w->now.mono;
}

void news_came(struct world *w, struct waiter *c)
{
    model_calls_let_in(w->m, c->id);
    struct mwait *wait = model_wait(w->m, c->of);
    REQUIRE(wait && wait->watch && !wait->silent && !c->orphan,
            "news for somebody who does not ask for them");
    REQUIRE(!wait->flying, "news overtake others");
    REQUIRE(wait->id == c->id && c->tag == wait->tag, "news of another job");
    REQUIRE(w->pending_count < MODEL_WAITS, "too many are pending");
    wait->flying = true;
    w->pending[w->pending_count++] =
        (struct pending){.waiter = c, .client = wait->client, .order = wait->order};
}

// Whether the wait is still the engine's: it waits, or its end is under way.
static bool lives(struct world *w, uint64_t order)
{
    for (unsigned i = 0; i < w->pending_count; i++)
        if (w->pending[i].order == order && w->pending[i].waiter->kind != WAITER_PROGRESS)
            return !w->pending[i].waiter->orphan;
    return model_wait_of(w->m, order);
}

static void take(struct world *w, struct pending *p)
{
    struct mwait *wait = model_wait_of(w->m, p->order);
    struct blob *text = waiter_take_progress(p->waiter);
    REQUIRE(text || p->took, "news that say nothing");
    p->took = true;
    if (text && wait) {
        const struct mjob *j = model_job(w->m, wait->id);
        unsigned n = (unsigned)strtoul(text->data + 2, NULL, 10);
        REQUIRE(n > wait->seen, "news %u after %u", n, wait->seen);
        REQUIRE(!j || !j->progress || n <= j->progress, "news %u, but %u was the last", n, j->progress);
        wait->seen = n;
    }
    blob_unref(text);
}

// Some take the text early and confirm later.
void op_news(struct world *w)
{
    for (unsigned i = 0; i < w->pending_count; i++)
        if (w->pending[i].waiter->kind == WAITER_PROGRESS && !w->pending[i].waiter->orphan) {
            say("take news");
            take(w, &w->pending[i]);
            return;
        }
}

void news_confirm(struct world *w, const struct pending *p)
{
    struct mwait *wait = model_wait_of(w->m, p->order);
    bool orphan = p->waiter->orphan;
    REQUIRE(orphan == !lives(w, p->order), "news say orphan=%d", orphan);
    if (!orphan && !(p->took && one_in(w, 2)))
        take(w, &(struct pending){.waiter = p->waiter, .order = p->order, .took = p->took});
    say("confirm news of job %" PRIu64 " orphan=%d", p->waiter->id, orphan);
    if (wait)
        wait->flying = false;
    engine_confirm(w->e, w->now, p->waiter);
}

void news_are_told(struct world *w)
{
    for (unsigned i = 0; i < w->m->wait_count; i++) {
        const struct mwait *wait = &w->m->waits[i];
        bool hears = wait->watch && (wait->kind == WAITER_RESULT || wait->kind == WAITER_NOTIFY);
        if (!hears || wait->silent || wait->flying || wait->over)
            continue;
        const struct mjob *j = model_job(w->m, wait->id);
        REQUIRE(!j || j->progress <= wait->seen || w->now.mono < j->progress_at + PROGRESS_PACE,
                "job %" PRIu64 ": progress %u is not told", j ? j->id : 0, j ? j->progress : 0);
    }
}
