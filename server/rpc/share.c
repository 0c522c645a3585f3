#include "server/rpc/share.h"

#include "server/access/identity.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"

#include "common/clock.h"

#include <stdlib.h>

static struct share *share_of(const struct dispatch *d, const struct session *s)
{
    return &d->shares[s->share];
}

// ---- who is in which

static void release_sessions(struct dispatch *d, struct share *h)
{
    for (struct session *s; (s = h->first);) {
        h->first = s->share_next;
        s->queued = false;
        d->ops->unblocked(s);
    }
}

static void release_tasks(struct dispatch *d, struct share *h)
{
    for (struct task *t; (t = h->tasks);) {
        h->tasks = t->next;
        t->next = NULL;
        dispatch_task(d, t);
    }
}

void shares_set(struct dispatch *d, const struct access *access)
{
    for (unsigned i = 0; i < d->share_count; i++) {
        release_sessions(d, &d->shares[i]);
        release_tasks(d, &d->shares[i]);
        dispatch_late(d, d->shares[i].done);
    }
    free(d->shares);
    d->listed = d->listed_last = NULL;
    d->live_shares = 0;
    d->ran = d->other = 0;
    d->share_count = !access ? 0 : access->count < SHARES_MAX ? (unsigned)access->count + 1 : SHARES_MAX;
    d->shares = access ? calloc(d->share_count, sizeof *d->shares) : NULL;
    if (!d->shares)
        d->share_count = 0; // also without memory: then all is done as it comes
}

void share_join(struct session *s, const struct identity *who)
{
    struct dispatch *d = s->dispatch;
    const struct access *access = d->access;
    bool known = who && access && who >= access->items && who < access->items + access->count;
    unsigned share = known ? (unsigned)(who - access->items) + 1 : 0;
    if (share > SHARES_MAX - 1)
        share = SHARES_MAX - 1; // whom there is no share for share one
    if (!d->shares || s->share == share)
        return;
    if (s->share && --share_of(d, s)->sessions == 0)
        d->live_shares--;
    s->share = (uint16_t)share;
    if (share && share_of(d, s)->sessions++ == 0)
        d->live_shares++;
}

bool share_contended(const struct dispatch *d, const struct session *s)
{
    return d->shares && (d->live_shares > 1 || s->share == 0);
}

// ---- what waits

static void list(struct dispatch *d, struct share *h)
{
    if (h->listed)
        return;
    h->listed = true;
    h->next = NULL;
    if (d->listed)
        d->listed_last->next = h;
    else
        d->listed = h;
    d->listed_last = h;
}

void share_queue(struct dispatch *d, struct session *s)
{
    struct share *h = share_of(d, s);
    if (s->queued)
        return;
    s->queued = true;
    s->share_next = NULL;
    if (h->first)
        h->last->share_next = s;
    else
        h->first = s;
    h->last = s;
    list(d, h);
}

bool share_waiter(struct dispatch *d, struct waiter *w)
{
    struct session *s = waiter_session(w);
    if (!s || !share_contended(d, s))
        return false;
    struct share *h = share_of(d, s);
    w->next = NULL;
    if (h->done)
        h->done_last->next = w;
    else
        h->done = w;
    h->done_last = w;
    list(d, h);
    return true;
}

bool share_task(struct dispatch *d, struct task *t)
{
    struct session *s = t->session;
    if (!s || !share_contended(d, s))
        return false;
    struct share *h = share_of(d, s);
    t->next = NULL;
    if (h->tasks)
        h->tasks_last->next = t;
    else
        h->tasks = t;
    h->tasks_last = t;
    list(d, h);
    return true;
}

// ---- slices

static int64_t spent(const struct dispatch *d, const struct share *h)
{
    return h->turn == d->turn ? h->spent : 0;
}

static void begin(struct dispatch *d, struct share *h, int64_t now)
{
    d->slice_began = now;
    d->slice_ends = now + SHARE_SLICE - spent(d, h);
}

static void end(struct dispatch *d, struct share *h)
{
    int64_t now = clock_ns(), took = now - d->slice_began;
    unsigned which = (unsigned)(h - d->shares);
    h->spent = spent(d, h) + took;
    h->turn = d->turn;
    if (d->ran != which) {
        d->other = d->ran_at;
        d->ran = which;
    }
    d->ran_at = now;
    if (took > SHARE_LONG && d->other && now - d->other < SHARE_LATELY)
        h->rests_until = now + took * SHARE_REST;
    d->slice_ends = 0;
}

bool share_begin(struct dispatch *d, struct session *s)
{
    struct share *h = share_of(d, s);
    int64_t now = clock_ns();
    if (h->first || spent(d, h) >= SHARE_SLICE || now < h->rests_until) {
        share_queue(d, s);
        return false;
    }
    begin(d, h, now);
    return true;
}

void share_end(struct dispatch *d, struct session *s)
{
    end(d, share_of(d, s));
}

static void run_one_session(struct dispatch *d, struct share *h)
{
    struct session *s = h->first;
    h->first = s->share_next;
    s->queued = false;
    d->ops->turn(s);
}

static void run_one_task(struct dispatch *d, struct share *h)
{
    struct task *t = h->tasks;
    h->tasks = t->next;
    t->next = NULL;
    dispatch_step(d, t);
}

static bool has_work(const struct share *h)
{
    return h->done || h->first || h->tasks;
}

// Completions first: somebody has waited for them. Whatever there is gets its part.
static void run(struct dispatch *d, struct share *h)
{
    begin(d, h, clock_ns());
    if (h->done)
        h->done = dispatch_answer(d, h->done, SHARE_WAITERS);
    do {
        if (h->first)
            run_one_session(d, h);
        if (h->tasks)
            run_one_task(d, h);
    } while ((h->first || h->tasks) && clock_ns() < d->slice_ends);
    dispatch_flush(d);
    end(d, h);
}

void shares_turn(struct dispatch *d)
{
    struct share *h = d->listed, *next;
    d->turn++;
    if (!h)
        return;
    d->listed = d->listed_last = NULL;
    int64_t now = clock_ns();
    for (; h; h = next) {
        next = h->next;
        h->listed = false;
        if (now >= h->rests_until)
            run(d, h);
        if (has_work(h))
            list(d, h);
    }
}

int64_t shares_next(const struct dispatch *d)
{
    int64_t first = -1;
    for (const struct share *h = d->listed; h; h = h->next)
        if (first < 0 || h->rests_until < first)
            first = h->rests_until;
    return first;
}
