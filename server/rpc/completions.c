// The dispatcher's other half: requests that waited and are done.
#include "server/rpc/dispatch.h"

#include "server/hub.h"
#include "server/mailbox.h"
#include "server/rpc/output.h"
#include "server/rpc/share.h"

#include <stdlib.h>

static void append(struct dispatch_group *g, struct waiter *w)
{
    w->next = NULL;
    if (g->last)
        g->last->next = w;
    else
        g->first = w;
    g->last = w;
}

// Adds a completion to its session's group. False: there is no room for another session in this round.
static bool add_to_group(struct dispatch *d, struct session *s, struct waiter *w)
{
    if (!s->round) {
        if (d->group_count == DISPATCH_GROUPS)
            return false;
        d->groups[d->group_count++] = (struct dispatch_group){.session = s};
        s->round = d->group_count;
    }
    append(&d->groups[s->round - 1], w);
    return true;
}

// Writes the replies of one session, as many as it may have unsent; the others are kept until those are sent.
static void write_group(struct dispatch *d, struct dispatch_group *g)
{
    struct session *s = g->session;
    struct waiter *w = g->first, *next;
    g->start = d->out.len;
    g->first = g->last = NULL;
    for (; w; w = next) {
        next = w->next;
        struct batch *batch = w->kind >= WAITER_NOTIFY ? batch_of_tag(s, w->tag) : NULL;
        if (batch) { // not before the reply to what subscribed
            batch_hold(batch, w);
            continue;
        }
        if (s->kept || s->unsent + (d->out.len - g->start) > d->rpc->output_limit) {
            session_keep(s, w);
            continue;
        }
        if (waiter_wait(w))
            wait_unlink(waiter_wait(w));
        output_waiter(d, s, w);
        append(g, w);
    }
    g->end = d->out.len;
}

// Tells the engine that the replies are on their streams, which makes the jobs in them the consumers'. The
// lock is held.
static void confirm_group(struct dispatch *d, struct dispatch_group *g, struct moment now)
{
    struct engine *e = hub_engine(d->rpc->hub);
    g->mark_start = d->piece_marks = d->mark_count;
    for (struct waiter *w = g->first, *next; w; w = next) {
        struct wait *wait = waiter_wait(w);
        uint64_t at = w->at, promise = w->promise;
        next = w->next;
        engine_confirm(e, now, w);
        if (promise < engine_promise(e))
            promise = engine_promise(e);
        output_waiter_promise(d, wait, at, promise);
        if (wait)
            timing_took(&d->timing, wait->number, hub_locked_at(d->rpc->hub) - wait->began);
        free(wait);
    }
    g->mark_end = d->mark_count;
}

// Who does not read what it asked to be told is not kept for.
static void close_flooded(struct dispatch *d)
{
    uint64_t most = DISPATCH_KEPT_TIMES * d->rpc->output_limit;
    if (most < DISPATCH_KEPT_BYTES)
        most = DISPATCH_KEPT_BYTES;
    for (unsigned i = 0; i < d->group_count; i++) {
        struct session *s = d->groups[i].session;
        if (s->kept_bytes <= most || s->broken)
            continue;
        dispatch_flush(d);
        s->broken = true;
        d->ops->unblocked(s);
    }
}

static void answer_groups(struct dispatch *d, struct waiter *orphans)
{
    if (d->piece_count + d->group_count > DISPATCH_PIECES)
        dispatch_flush(d);
    for (unsigned i = 0; i < d->group_count; i++)
        write_group(d, &d->groups[i]);
    bool failed = d->out.failed;
    d->out.failed = false;
    struct moment now = hub_lock(d->rpc->hub);
    for (unsigned i = 0; i < d->group_count; i++)
        confirm_group(d, &d->groups[i], now);
    for (struct waiter *w = orphans, *next; w; w = next) {
        next = w->next;
        free(waiter_wait(w));
        engine_confirm(hub_engine(d->rpc->hub), now, w);
    }
    hub_unlock(d->rpc->hub);
    for (unsigned i = 0; i < d->group_count; i++) {
        struct dispatch_group *g = &d->groups[i];
        g->session->round = 0;
        if (failed || d->out.failed) { // nobody knows whose replies are whole
            g->session->broken = true;
            d->ops->unblocked(g->session);
        } else {
            output_add(d, g->session, g->start, g->end, g->mark_start, g->mark_end);
        }
    }
    output_begin(d);
    close_flooded(d);
    d->group_count = 0;
    output_relieve(d);
}

struct waiter *dispatch_answer(struct dispatch *d, struct waiter *list, unsigned most)
{
    struct waiter *orphans = NULL;
    for (unsigned n = 0; list && n < most; n++) {
        struct waiter *w = list, *next = w->next;
        struct session *s = waiter_session(w);
        if (!s) {
            w->next = orphans;
            orphans = w;
        } else if (!add_to_group(d, s, w)) {
            break;
        }
        list = next;
    }
    answer_groups(d, orphans);
    return list;
}

// Those that are not: nobody's, or of a session that is in no hurry.
static struct waiter *leave_to_shares(struct dispatch *d, struct waiter *list)
{
    struct waiter *rest = NULL, **end = &rest;
    for (struct waiter *next; list; list = next) {
        next = list->next;
        if (share_waiter(d, list))
            continue;
        *end = list;
        end = &list->next;
    }
    *end = NULL;
    return rest;
}

void dispatch_completions(struct dispatch *d)
{
    for (;;) {
        struct waiter *list = d->late;
        d->late = d->late_last = NULL;
        if (!list && !(list = mailbox_take(d->mailbox)))
            break;
        if (d->live_shares > 1)
            list = leave_to_shares(d, list);
        while (list)
            list = dispatch_answer(d, list, DISPATCH_WAITERS);
    }
}

void dispatch_late(struct dispatch *d, struct waiter *list)
{
    if (!list)
        return;
    if (d->late)
        d->late_last->next = list;
    else
        d->late = list;
    while (list->next)
        list = list->next;
    d->late_last = list;
}

bool dispatch_has_late(const struct dispatch *d)
{
    return d->late;
}

void dispatch_drained(struct dispatch *d, struct session *s)
{
    struct waiter *kept = NULL, **end = &kept;
    for (struct waiter *w; (w = session_unkeep(s));) {
        w->next = NULL;
        *end = w;
        end = &w->next;
    }
    while (kept)
        kept = dispatch_answer(d, kept, DISPATCH_WAITERS);
}
