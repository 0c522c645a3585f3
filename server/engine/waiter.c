#include "server/engine/waiter.h"

#include "server/engine/retry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// ---- clients

struct engine_client *engine_client_new(struct engine *e, struct mailbox *mailbox)
{
    struct engine_client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    if (!e->client_free) {
        // Slots double and their free ones are chained by number.
        uint32_t slots = e->client_slots ? 2 * e->client_slots : 16;
        struct engine_client **bigger = realloc(e->clients, slots * sizeof *bigger);
        if (!bigger) {
            free(c);
            return NULL;
        }
        e->clients = bigger;
        for (uint32_t i = slots; i-- > e->client_slots;)
            if (i) { // number 0 is the detached leases', and means "none" in the chain
                e->clients[i] = (struct engine_client *)(((uintptr_t)e->client_free << 1) | 1);
                e->client_free = i;
            }
        e->client_slots = slots;
    }
    c->engine = e;
    c->mailbox = mailbox;
    c->number = e->client_free;
    e->client_free = (uint32_t)((uintptr_t)e->clients[c->number] >> 1);
    e->clients[c->number] = c;
    e->client_count++;
    return c;
}

bool client_slot_used(const struct engine *e, uint32_t number)
{
    return !((uintptr_t)e->clients[number] & 1);
}

void client_hold(struct engine *e, uint32_t number, struct job *j)
{
    struct engine_client *c = e->clients[number];
    j->prev = NULL;
    j->next = c->first;
    if (j->next)
        j->next->prev = j;
    c->first = j;
    e->detached_count += number == 0;
}

void client_drop(struct engine *e, struct job *j)
{
    struct engine_client *c = e->clients[j->holder];
    *(j->prev ? &j->prev->next : &c->first) = j->next;
    if (j->next)
        j->next->prev = j->prev;
    e->detached_count -= j->holder == 0;
}

// What was handed to a waiter and not confirmed comes back as if nothing had been.
static void take_back_handed(struct engine *e, struct wait *w)
{
    struct job *j =
        w->pub.kind == WAITER_GET && w->pub.error == ERROR_NONE ? job_find(e, w->pub.taken.id) : NULL;
    if (j && j->state == JOB_RESERVED && engine_token(e, j) == w->pub.taken.delivery &&
        (j->flags & JOB_HANDING))
        job_come_back(e, j, BACK_RELEASED, NULL, 0);
}

static void client_forget(struct wait *w)
{
    if (!w->client)
        return;
    *(w->client_prev ? &w->client_prev->client_next : &w->client->waits) = w->client_next;
    if (w->client_next)
        w->client_next->client_prev = w->client_prev;
    w->client = NULL;
}

bool engine_client_close(struct engine *e, struct moment now, struct engine_client *c)
{
    engine_begin(e, now);
    while (c->waits) {
        struct wait *w = c->waits;
        if (w->completed) {
            client_forget(w);
            take_back_handed(e, w);
            w->pub.orphan = true;
        } else {
            wait_free(e, w);
        }
    }
    int i = 0;
    for (; c->owned && i < SLICE_OF_WORK; i++)
        queue_drop(e, c->owned);
    for (; c->first && i < SLICE_OF_WORK; i++)
        job_come_back(e, c->first, BACK_LOST, NULL, -1);
    bool done = !c->first && !c->owned;
    if (done) {
        e->clients[c->number] = (struct engine_client *)(((uintptr_t)e->client_free << 1) | 1);
        e->client_free = c->number;
        e->client_count--;
        free(c);
    }
    engine_settle(e);
    return done;
}

// ---- waits

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

static void gauge_waits(struct engine *e, struct wait *w, struct queue *q, int step)
{
    if (w->pub.kind == WAITER_GET)
        GAUGE(e, q, waiting_gets, step);
    else if (w->pub.kind == WAITER_PUT)
        GAUGE(e, q, waiting_puts, step);
    else if (w->pub.kind == WAITER_JOIN)
        GAUGE(e, q, waiting_joins, step);
}

static void link_add(struct engine *e, struct wait *w, struct wait_link *l, struct queue *q)
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

enum error wait_new(struct engine *e, struct engine_client *c, enum waiter_kind kind, struct queue **queues,
                    unsigned count, int64_t timeout, void *context, struct wait **out)
{
    assert(c && timeout != 0);
    if (c->wait_count >= e->config.max_waits)
        return ERROR_OVERLOADED;
    struct wait *w = calloc(1, sizeof *w + count * sizeof(struct wait_link));
    if (!w)
        return ERROR_OVERLOADED;
    w->pub.kind = kind;
    w->pub.mailbox = c->mailbox;
    w->pub.context = context;
    w->engine = e;
    w->client = c;
    w->client_next = c->waits;
    if (w->client_next)
        w->client_next->client_prev = w;
    c->waits = w;
    c->wait_count++;
    w->link_count = count;
    for (unsigned i = 0; i < count; i++)
        link_add(e, w, &w->links[i], queues[i]);
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
    if (w->pub.kind == WAITER_RESULT && w->job) {
        struct wait **at = &w->job->extra->results;
        while (*at != w)
            at = &(*at)->result_next;
        *at = w->result_next;
    }
    if (w->client)
        w->client->wait_count--;
}

void wait_complete(struct engine *e, struct wait *w, enum error error)
{
    assert(!w->completed);
    stop_waiting(e, w);
    w->completed = true;
    w->pub.error = error;
    w->pub.promise = w->pub.kind == WAITER_GET ? 0 : e->promise; // a reservation is not kept on disk
    if (w->pub.kind == WAITER_PUT && w->job && error != ERROR_NONE) {
        e->bytes -= job_bytes(w->job); // never put
        job_discard(w->job);
    }
    w->job = NULL;
    w->pub.next = NULL;
    *e->completed_end = &w->pub;
    e->completed_end = &w->pub.next;
}

void wait_free(struct engine *e, struct wait *w)
{
    if (!w->completed)
        stop_waiting(e, w);
    client_forget(w);
    if (w->job && w->pub.kind == WAITER_PUT) {
        e->bytes -= job_bytes(w->job);
        job_discard(w->job);
    }
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
        job_finish(e, j, JOB_DONE, NULL);
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
    assert(w->completed);
    if (pub->kind == WAITER_GET && pub->error == ERROR_NONE && !pub->orphan)
        confirm_get(e, w);
    else if (pub->kind == WAITER_RESULT && pub->error != ERROR_TIMEOUT && !pub->orphan)
        confirm_result(e, w);
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

void wait_timed_out(struct engine *e, struct wait *w)
{
    static const enum error errors[] = {[WAITER_GET] = ERROR_EMPTY,
                                        [WAITER_PUT] = ERROR_FULL,
                                        [WAITER_RESULT] = ERROR_TIMEOUT,
                                        [WAITER_JOIN] = ERROR_TIMEOUT};
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

static bool admit_waiting(struct engine *e, struct queue *q)
{
    struct wait *w = q->puts.first->wait;
    struct job *j = w->job;
    struct key *own = j->extra ? j->extra->key : NULL;
    struct key *known = own ? key_find(e, q, (struct slice){own->text, own->len}) : NULL;
    if (known) { // put by somebody else while this one waited
        w->job = NULL;
        w->pub.id = known->id;
        w->pub.existing = true;
        e->bytes -= job_bytes(j);
        job_discard(j);
        wait_complete(e, w, ERROR_NONE);
        return true;
    }
    struct level *l = id_map_ready(&e->jobs) ? level_get(q, job_wanted_priority(j)) : NULL;
    if (!l) {
        wait_complete(e, w, ERROR_OVERLOADED);
        return true;
    }
    w->job = NULL;
    job_admit(e, j, l, w->asked);
    w->pub.id = j->id;
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
