// Those who wait for a job's end, and what they are told of its progress meanwhile.
#include "server/engine/event.h"
#include "server/engine/waiter.h"

#include <stdatomic.h>
#include <stdlib.h>

// ---- news of progress: one is under way at a time, and takes the newest along

void watch_post(struct engine *e, struct watch *t)
{
    struct wait *w = (struct wait *)t->pub.of;
    t->flying_next = w->client->flying;
    if (t->flying_next)
        t->flying_next->flying_at = &t->flying_next;
    w->client->flying = t;
    t->flying_at = &w->client->flying;
    t->pub.id = w->pub.id;
    t->pub.tag = w->pub.tag;
    wait_post(e, &t->pub);
}

static void watch_land(struct watch *t)
{
    *t->flying_at = t->flying_next;
    if (t->flying_next)
        t->flying_next->flying_at = t->flying_at;
    t->flying_at = NULL;
}

static void watch_offer(struct engine *e, struct watch *t, const struct progress *p)
{
    if (t->number == p->number)
        return; // it came while this one began to wait
    t->number = p->number;
    blob_unref(atomic_exchange(&t->newest, blob_ref(p->text)));
    if (!t->flying_at)
        watch_post(e, t);
}

static void watch_free(struct watch *t)
{
    if (t->pub.kind == WAITER_EVENTS) {
        listener_free(t);
        return;
    }
    blob_unref(atomic_load(&t->newest));
    free(t);
}

// The wait goes.
void watch_leave(struct watch *t)
{
    if (!t->flying_at) {
        watch_free(t);
        return;
    }
    watch_land(t);
    t->pub.orphan = true; // freed by whoever finds it
}

void watch_confirm(struct engine *e, struct watch *t)
{
    if (t->pub.orphan) {
        watch_free(t);
        return;
    }
    watch_land(t);
    if (t->pub.kind == WAITER_EVENTS)
        listener_landed(e, t);
    else if (atomic_load(&t->newest) && !((struct wait *)t->pub.of)->completed)
        watch_post(e, t);
}

struct blob *waiter_take_progress(struct waiter *w)
{
    return atomic_exchange(&((struct watch *)w)->newest, NULL);
}

// ---- waits for a job's end, and its progress

enum error wait_for_end_new(struct engine *e, struct engine_client *c, enum waiter_kind kind,
                            const struct watch_options *o, int64_t timeout, void *context, struct wait **out)
{
    struct wait *w;
    enum error error = wait_new(e, c, kind, NULL, 1, timeout, context, &w);
    if (error != ERROR_NONE)
        return error;
    w->call = o->call;
    w->pub.tag = o->tag;
    if (o->progress && !wait_watch(w)) {
        wait_free(e, w);
        return ERROR_OVERLOADED;
    }
    *out = w;
    return ERROR_NONE;
}

void wait_attach(struct engine *e, struct wait *w, struct job *j)
{
    struct extra *x = j->extra;
    w->job = j;
    w->pub.id = j->id;
    w->promised = e->promise;
    wait_link_add(e, w, &w->links[0], job_queue(j));
    w->result_next = x->results;
    if (w->result_next)
        w->result_next->result_at = &w->result_next;
    x->results = w;
    w->result_at = &x->results;
    if (w->watch && x->progress && !w->silent)
        watch_offer(e, w->watch, x->progress);
}

bool wait_watch(struct wait *w)
{
    struct watch *t = calloc(1, sizeof *t);
    if (!t)
        return false;
    t->pub.kind = WAITER_PROGRESS;
    t->pub.mailbox = w->pub.mailbox;
    t->pub.of = &w->pub;
    w->watch = t;
    return true;
}

void progress_tell(struct engine *e, struct progress *p)
{
    bool heard = false;
    for (struct wait *w = p->news ? p->job->extra->results : NULL; w; w = w->result_next)
        if (w->watch && !w->silent && !w->client->closing) {
            watch_offer(e, w->watch, p);
            heard = true;
        }
    p->news = false;
    if (heard)
        wheel_add(&e->wheel, &p->pause, e->now + PROGRESS_PACE);
}

// The caller knows the job's id: now it may be told of the job.
void wait_confirm_put(struct engine *e, struct wait *w)
{
    struct wait *s = w->subscribed;
    if (!s)
        return;
    s->silent = false;
    if (s->completed)
        wait_post(e, &s->pub);
    else if (s->watch && s->job->extra->progress)
        watch_offer(e, s->watch, s->job->extra->progress);
}
