#include "server/engine/waiter.h"
#include "server/engine/event.h"

#include "server/engine/account.h"
#include "server/engine/journal.h"
#include "server/engine/retry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// ---- waits

void wait_post(struct engine *e, struct waiter *w)
{
    w->next = NULL;
    *e->completed_end = w;
    e->completed_end = &w->next;
}

static struct wait_list *list_of(struct wait *w, struct queue *q)
{
    switch (w->pub.kind) {
    case WAITER_GET:
        return &q->gets;
    case WAITER_PUT:
        return &q->puts;
    case WAITER_JOIN:
        return &q->joins;
    default:
        return &q->results;
    }
}

static void client_link(struct wait **list, struct wait *w)
{
    w->client_next = *list;
    if (w->client_next)
        w->client_next->client_at = &w->client_next;
    *list = w;
    w->client_at = list;
}

static void client_unlink(struct wait *w)
{
    *w->client_at = w->client_next;
    if (w->client_next)
        w->client_next->client_at = w->client_at;
}

void client_forget(struct wait *w)
{
    if (!w->client)
        return;
    client_unlink(w);
    if (w->pub.kind == WAITER_NOTIFY) {
        w->client->subscription_count--;
        w->engine->bytes -= SUBSCRIPTION_BYTES;
    }
    w->client = NULL;
}

static void gauge_waits(struct engine *e, struct wait *w, struct queue *q, int step)
{
    if (w->pub.kind == WAITER_GET)
        GAUGE(e, q, waiting_gets, step);
    else if (w->pub.kind == WAITER_PUT)
        GAUGE(e, q, waiting_puts, step);
    else if (w->pub.kind == WAITER_JOIN)
        GAUGE(e, q, waiting_joins, step);
}

void wait_link_add(struct engine *e, struct wait *w, struct wait_link *l, struct queue *q)
{
    struct wait_list *list = list_of(w, q);
    *l = (struct wait_link){.prev = list->last, .wait = w, .queue = q};
    *(list->last ? &list->last->next : &list->first) = l;
    list->last = l;
    gauge_waits(e, w, q, 1);
}

void wait_link_remove(struct engine *e, struct wait_link *l)
{
    struct queue *q = l->queue;
    if (!q)
        return;
    struct wait_list *list = list_of(l->wait, q);
    *(l->prev ? &l->prev->next : &list->first) = l->next;
    *(l->next ? &l->next->prev : &list->last) = l->prev;
    gauge_waits(e, l->wait, q, -1);
    l->queue = NULL;
    queue_touch(e, q);
}

static void count_wait(struct engine_client *c, int change)
{
    c->wait_count += (uint32_t)change;
    if (c->account)
        account_count_waits(c->account, change);
}

enum error wait_new(struct engine *e, struct engine_client *c, enum waiter_kind kind, struct queue **queues,
                    unsigned count, int64_t timeout, void *context, struct wait **out)
{
    assert(c && timeout != 0);
    if (kind == WAITER_NOTIFY ? c->subscription_count >= e->config.max_subscriptions ||
                                    e->bytes + SUBSCRIPTION_BYTES > e->config.max_bytes
                              : c->wait_count >= e->config.max_waits)
        return ERROR_OVERLOADED;
    if (c->account && kind != WAITER_NOTIFY && !account_may_wait(c->account))
        return ERROR_OVERLOADED;
    struct wait *w = calloc(1, sizeof *w + count * sizeof(struct wait_link));
    if (!w)
        return ERROR_OVERLOADED;
    w->pub.kind = kind;
    w->pub.mailbox = c->mailbox;
    w->pub.context = context;
    w->engine = e;
    w->client = c;
    if (kind == WAITER_NOTIFY) {
        client_link(&c->subscriptions, w);
        c->subscription_count++;
        e->bytes += SUBSCRIPTION_BYTES;
    } else {
        client_link(&c->waits, w);
        count_wait(c, 1);
    }
    w->link_count = count;
    for (unsigned i = 0; queues && i < count; i++)
        wait_link_add(e, w, &w->links[i], queues[i]);
    w->timeout.kind = TIMER_WAIT;
    if (timeout != FOREVER)
        wheel_add(&e->wheel, &w->timeout, e->now + timeout);
    *out = w;
    return ERROR_NONE;
}

// Out of all it waits in.
static void stop_waiting(struct engine *e, struct wait *w)
{
    for (unsigned i = 0; i < w->link_count; i++)
        wait_link_remove(e, &w->links[i]);
    wheel_remove(&e->wheel, &w->timeout);
    if (w->pub.kind == WAITER_LISTEN)
        listener_stop(e, w);
    if (w->result_at) {
        *w->result_at = w->result_next;
        if (w->result_next)
            w->result_next->result_at = w->result_at;
        w->result_at = NULL;
    }
    if (w->client && w->pub.kind != WAITER_NOTIFY)
        count_wait(w->client, -1);
}

// A put's job that finds no room, and what was to tell of its end.
static void never_put(struct engine *e, struct wait *w)
{
    if (w->subscribed)
        wait_free(e, w->subscribed);
    w->subscribed = NULL;
    if (!w->job)
        return;
    e->bytes -= job_bytes(w->job);
    account_discharge(e, w->job);
    job_discard(w->job);
}

void wait_complete(struct engine *e, struct wait *w, enum error error)
{
    assert(!w->completed);
    if (w->pub.kind == WAITER_NOTIFY && w->client->closing) {
        wait_free(e, w); // its turn has not come yet
        return;
    }
    stop_waiting(e, w);
    w->completed = true;
    w->pub.error = error;
    w->pub.promise = w->promised > e->promise ? w->promised : e->promise;
    if (w->pub.kind == WAITER_GET)
        w->pub.promise = 0; // a reservation is not kept on disk
    if (w->pub.kind == WAITER_PUT && error != ERROR_NONE)
        never_put(e, w);
    w->job = NULL;
    if (w->pub.kind == WAITER_NOTIFY) { // from now on with those that are under way
        client_unlink(w);
        client_link(&w->client->waits, w);
    }
    if (!w->silent)
        wait_post(e, &w->pub);
}

void wait_free(struct engine *e, struct wait *w)
{
    if (!w->completed)
        stop_waiting(e, w);
    client_forget(w);
    if (w->pub.kind == WAITER_PUT && !w->completed)
        never_put(e, w);
    if (w->watch)
        watch_leave(w->watch);
    blob_unref(w->copy);
    blob_unref(w->pub.taken.blob);
    blob_unref(w->pub.outcome.result);
    blob_unref(w->pub.outcome.error);
    free(w);
}

struct waiter *engine_take_completed(struct engine *e)
{
    struct waiter *first = e->completed_first;
    e->completed_first = NULL;
    e->completed_end = &e->completed_first;
    return first;
}

// The consumer has the job from now on.
static void confirm_get(struct engine *e, struct wait *w)
{
    struct job *j = job_find(e, w->pub.taken.id);
    if (!j || j->state != JOB_RESERVED || engine_token(e, j) != w->pub.taken.delivery)
        return;
    j->flags &= ~(unsigned)JOB_HANDING & 0xff;
    if (w->auto_ack)
        job_finish(e, j, job_cancelling(j) ? JOB_CANCELLED : JOB_DONE, NULL);
}

// The outcome was given out: it may be forgotten now, and not before, lest a connection that closes on the
// way takes it along.
static void confirm_result(struct engine *e, struct wait *w)
{
    struct job *j = w->forget ? job_find(e, w->pub.id) : NULL;
    if (j && (j->state == JOB_DONE || j->state == JOB_CANCELLED))
        job_remove(e, j);
}

void engine_confirm(struct engine *e, struct moment now, struct waiter *pub)
{
    struct wait *w = (struct wait *)pub;
    engine_begin(e, now);
    if (pub->kind == WAITER_PROGRESS || pub->kind == WAITER_EVENTS) {
        watch_confirm(e, (struct watch *)pub);
        return;
    }
    assert(w->completed);
    if (pub->kind == WAITER_GET && pub->error == ERROR_NONE && !pub->orphan)
        confirm_get(e, w);
    else if (pub->kind == WAITER_RESULT && is_outcome(pub->error) && !pub->orphan)
        confirm_result(e, w);
    else if (pub->kind == WAITER_PUT)
        wait_confirm_put(e, w);
    wait_free(e, w);
    engine_settle(e);
}

bool engine_wait_cancel(struct engine *e, struct waiter *pub)
{
    struct wait *w = (struct wait *)pub;
    if (w->completed)
        return false;
    e->promise = 0;
    wait_free(e, w);
    engine_settle(e);
    return true;
}

bool engine_wait_queue(const struct waiter *pub, unsigned *at, struct slice *name)
{
    const struct wait *w = (const struct wait *)pub;
    while (!w->completed && *at < w->link_count) {
        const struct queue *q = w->links[(*at)++].queue;
        if (!q) // dropped
            continue;
        *name = queue_name(q);
        return true;
    }
    return false;
}

void engine_wait_end(struct engine *e, struct waiter *pub, enum error error)
{
    struct wait *w = (struct wait *)pub;
    if (w->completed)
        return;
    e->promise = 0;
    wait_complete(e, w, error);
    engine_settle(e);
}

void wait_timed_out(struct engine *e, struct wait *w)
{
    static const enum error errors[] = {[WAITER_GET] = ERROR_EMPTY,
                                        [WAITER_PUT] = ERROR_FULL,
                                        [WAITER_RESULT] = ERROR_TIMEOUT,
                                        [WAITER_JOIN] = ERROR_TIMEOUT}; // the others have no time
    if (w->pub.kind == WAITER_PUT)
        COUNT(e, w->links[0].queue, refused);
    wait_complete(e, w, errors[w->pub.kind]);
}

// ---- settling

// The queue from which a waiting get takes: of all in which its turn has come the one with the most urgent
// job; the oldest among equals.
static struct wait_link *most_urgent(struct wait *w)
{
    struct wait_link *best = NULL;
    struct job *best_job = NULL;
    for (unsigned i = 0; i < w->link_count; i++) {
        struct wait_link *l = &w->links[i];
        if (!l->queue || l->prev || !queue_takes(l->queue))
            continue;
        struct job *j = queue_head(l->queue);
        if (!best || job_before(j, best_job)) {
            best = l;
            best_job = j;
        }
    }
    return best;
}

// The reply is formed later and without the lock: the body has to outlive the job.
static bool keep_body(struct wait *w, struct job *j)
{
    struct blob *b = job_body_blob(j);
    if (b) {
        w->pub.taken.blob = blob_ref(b);
        return true;
    }
    w->copy = blob_new(job_body(j));
    return w->copy != NULL;
}

static bool serve_get(struct engine *e, struct wait *w)
{
    struct wait_link *l = most_urgent(w);
    if (!l)
        return false;
    struct job *j = queue_head(l->queue);
    unsigned index = (unsigned)(l - w->links);
    if (!keep_body(w, j)) {
        wait_complete(e, w, ERROR_OVERLOADED);
        return true;
    }
    struct blob *shared = w->pub.taken.blob;
    job_hand_out(e, j, w->detached ? 0 : w->client->number, w->lease, &w->pub.taken);
    j->flags |= JOB_HANDING | (w->detached ? JOB_DETACHED : 0);
    w->pub.taken.queue_index = index;
    w->pub.taken.blob = shared;
    w->pub.taken.body = shared ? blob_slice(shared) : blob_slice(w->copy);
    wait_complete(e, w, ERROR_NONE);
    return true;
}

static bool all_shut(const struct wait *w)
{
    for (unsigned i = 0; i < w->link_count; i++)
        if (w->links[i].queue && !queue_over(w->links[i].queue))
            return false;
    return true;
}

// A call's job is put: now it waits for the outcome.
static void begin_result(struct engine *e, struct wait *w, struct job *j)
{
    wait_link_remove(e, &w->links[0]);
    w->pub.kind = WAITER_RESULT;
    wait_attach(e, w, j);
}

// A put that waited finds its key taken by the job `id`, and waits for that one's end if it was to wait for
// its own.
static void admit_existing(struct engine *e, struct wait *w, uint64_t id)
{
    struct wait *s = w->call ? w : w->subscribed;
    struct job *known = s ? job_find(e, id) : NULL;
    struct outcome outcome = {.state = JOB_CANCELLED};
    enum error end = known ? job_outcome(known, &outcome) : ERROR_NOT_FOUND;
    if (end == ERROR_TIMEOUT && !job_extra(e, known)) {
        wait_complete(e, w, ERROR_OVERLOADED);
        return;
    }
    e->bytes -= job_bytes(w->job);
    account_discharge(e, w->job);
    job_discard(w->job);
    w->job = NULL;
    e->promise = journal_marked(e); // as in put_existing
    w->forget = false;
    if (w->call && end == ERROR_TIMEOUT) {
        begin_result(e, w, known);
        return;
    }
    if (s && end != ERROR_TIMEOUT)
        s->pub.outcome = outcome;
    w->pub.id = id;
    if (w->call) {
        wait_link_remove(e, &w->links[0]);
        w->pub.kind = WAITER_RESULT;
        wait_complete(e, w, end);
        return;
    }
    w->pub.existing = true;
    if (s && end == ERROR_TIMEOUT) {
        wait_attach(e, s, known);
    } else if (s) {
        s->pub.id = id;
        wait_complete(e, s, end);
    }
    wait_complete(e, w, ERROR_NONE);
}

static bool admit_waiting(struct engine *e, struct queue *q)
{
    struct wait *w = q->puts.first->wait;
    struct job *j = w->job;
    struct key *own = j->extra ? j->extra->key : NULL;
    struct key *known = own ? key_find(e, q, (struct slice){own->text, own->len}) : NULL;
    if (known) { // put by somebody else while this one waited
        admit_existing(e, w, known->id);
        return true;
    }
    struct level *l = id_map_ready(&e->jobs) ? level_get(q, job_wanted_priority(j)) : NULL;
    if (!l) {
        wait_complete(e, w, ERROR_OVERLOADED);
        return true;
    }
    w->job = NULL;
    job_admit(e, j, l, w->asked);
    if (w->call) {
        begin_result(e, w, j);
        return true;
    }
    w->pub.id = j->id;
    if (w->subscribed)
        wait_attach(e, w->subscribed, j);
    wait_complete(e, w, ERROR_NONE);
    return true;
}

bool queue_settle(struct engine *e, struct queue *q)
{
    int left = SLICE_OF_WORK;
    while (left > 0) {
        bool moved = false;
        if (q->gets.first && queue_takes(q))
            moved = serve_get(e, q->gets.first->wait);
        if (q->puts.first && q->shut_down)
            wait_complete(e, q->puts.first->wait, ERROR_SHUT_DOWN), moved = true;
        else if (q->puts.first && !queue_full(q))
            moved = admit_waiting(e, q) || moved;
        if (!moved)
            break;
        left--;
    }
    if (q->gets.first && queue_over(q)) {
        struct wait_link *next;
        for (struct wait_link *l = q->gets.first; l && left > 0; l = next) {
            next = l->next;
            if (all_shut(l->wait)) {
                wait_complete(e, l->wait, ERROR_SHUT_DOWN);
                left--;
            }
        }
    }
    for (; q->joins.first && queue_unfinished(q) == 0 && left > 0; left--)
        wait_complete(e, q->joins.first->wait, ERROR_NONE);
    return left <= 0;
}

// A queue that nothing refers to lingers a while (its counters are worth seeing, and the next job may come at
// once).
static void idle_or_go(struct engine *e, struct queue *q)
{
    if (!queue_unused(q)) {
        queue_idle_remove(e, q);
    } else if (q->dropped) {
        queue_free(e, q);
    } else if (!q->idle) {
        q->idle = true;
        q->idle_since = e->now;
        q->idle_next = NULL;
        q->idle_prev = e->idle_last;
        *(e->idle_last ? &e->idle_last->idle_next : &e->idle_first) = q;
        e->idle_last = q;
    }
}

void engine_settle(struct engine *e)
{
    struct queue *unfinished = NULL;
    while (e->settle_first) {
        struct queue *q = e->settle_first;
        e->settle_first = q->settle_next;
        // It stays marked meanwhile, so that what happens to it here does not put it back into the list.
        if (queue_settle(e, q)) {
            q->settle_next = unfinished; // the rest in the next tick: others want the lock too
            unfinished = q;
        } else {
            q->to_settle = false;
            idle_or_go(e, q);
        }
    }
    e->settle_first = unfinished;
}
