#include "server/engine/account.h"
#include "server/engine/core.h"
#include "server/engine/event.h"
#include "server/engine/mark.h"
#include "server/engine/retry.h"
#include "server/engine/work.h"

#include <assert.h>
#include <stdlib.h>

// ---- life

struct engine *engine_new(const struct engine_config *config)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->config = *config;
    e->next_id = config->first_id;
    e->chance = config->seed;
    e->completed_end = &e->completed_first;
    wheel_init(&e->wheel, 0);
    bool ok = id_map_init(&e->jobs);
    ok = table_init(&e->names, queue_table_hash) && ok;
    ok = table_init(&e->keys, key_table_hash) && ok;
    ok = table_init(&e->numbers, queue_number_hash) && ok;
    ok = table_init(&e->kept_keys, key_id_hash) && ok;
    e->clients = calloc(1, sizeof *e->clients);
    e->client_slots = 1;
    struct engine_client *detached = calloc(1, sizeof *detached); // number 0
    if (!ok || !e->clients || !detached) {
        free(detached);
        e->client_slots = 0;
        engine_free(e);
        return NULL;
    }
    e->clients[0] = detached;
    return e;
}

void engine_set_limits(struct engine *e, uint64_t max_bytes, uint64_t max_queues, uint32_t max_waits,
                       uint32_t max_subscriptions)
{
    e->config.max_bytes = max_bytes;
    e->config.max_queues = max_queues;
    e->config.max_waits = max_waits;
    e->config.max_subscriptions = max_subscriptions;
}

// Everything goes, by the book: what is forgotten shows as a leak.
static void free_jobs(struct engine *e)
{
    struct id_cursor c = {0};
    for (struct job *j; (j = id_map_next(&e->jobs, &c));) {
        if (j->extra && j->extra->key) {
            key_free(e, j->extra->key);
            j->extra->key = NULL;
        }
        struct level *l = j->level;
        if (l && --l->refs == 0 && l != &l->queue->zero) {
            tree_remove(&l->queue->levels, &l->node, level_compare);
            free(l);
        }
        job_discard(j);
    }
}

static void free_queue(struct queue *q)
{
    if (q->settings != &queue_settings_default)
        free((void *)(uintptr_t)q->settings);
    free(q);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    assert(!e->completed_first);
    for (struct job *j = e->client_slots ? e->clients[0]->first : NULL, *next; j; j = next) {
        next = j->next;
        if (job_queue(j)->dropped) // its queue has no name by which it could be found below
            job_remove(e, j);
    }
    engine_settle(e);
    journal_free(e);
    free_jobs(e);
    jobs_free(e->removed);
    for (size_t i = 0; i < e->keys.buckets; i++)
        for (struct table_node *n; (n = table_chain(&e->keys, i));) {
            table_remove_first(&e->keys, i);
            free(OWNER_OF(struct key, by_key, n));
        }
    // Dropped queues that are still being emptied have no name any more.
    while (e->work_first) {
        struct queue *q = e->work_first;
        e->work_first = q->work_next;
        if (q->dropped)
            free_queue(q);
    }
    for (size_t i = 0; i < e->names.buckets; i++)
        for (struct table_node *n; (n = table_chain(&e->names, i));) {
            struct queue *q = OWNER_OF(struct queue, by_name, n);
            table_remove_first(&e->names, i);
            free_queue(q);
        }
    id_map_release(&e->jobs);
    table_release(&e->names);
    table_release(&e->keys);
    table_release(&e->numbers);
    table_release(&e->kept_keys);
    if (e->client_slots)
        free(e->clients[0]);
    free(e->clients);
    accounts_free(e);
    free(e);
}

// xorshift64* (Vigna 2014).
double engine_chance(struct engine *e)
{
    uint64_t x = e->chance ? e->chance : 0x9e3779b97f4a7c15u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    e->chance = x;
    return (double)((x * 0x2545f4914f6cdd1du) >> 11) / 9007199254740992.0;
}

uint64_t engine_token(const struct engine *e, const struct job *j)
{
    // A lease that a clean stop saved keeps the token it was given then.
    uint32_t start = j->extra && j->extra->lease_start ? j->extra->lease_start : e->config.start_number;
    return (uint64_t)start << 32 | j->handouts;
}

void engine_begin(struct engine *e, struct moment now)
{
    if (!e->now)
        e->wheel.now = now.mono; // the wheel need not turn from the machine's start to today
    e->now = now.mono;
    e->wall = now.wall;
    e->promise = 0;
}

uint64_t engine_promise(const struct engine *e)
{
    return e->promise;
}

struct job *engine_take_removed(struct engine *e)
{
    struct job *first = e->removed;
    e->removed = NULL;
    return first;
}

// ---- time

static void job_due(struct engine *e, struct job *j)
{
    switch (j->state) {
    case JOB_DELAYED:
        job_move(e, j, JOB_READY, 0);
        break;
    case JOB_RESERVED:
        client_wake(e, j->holder);
        job_come_back(e, j, BACK_LEASE_OVER, NULL, -1);
        break;
    default: // kept long enough
        job_remove(e, j);
    }
}

static void job_expired(struct engine *e, struct extra *x)
{
    if (job_queue(x->job)->dropped)
        job_remove(e, x->job); // not to the dead-letter queue
    else if (x->job->state == JOB_RESERVED)
        x->expired = true; // it may still be finished; it dies if it comes back
    else
        job_die(e, x->job, DEAD_EXPIRED, NULL);
}

static void fire(struct engine *e, struct timer *t)
{
    switch (t->kind) {
    case TIMER_JOB:
        job_due(e, OWNER_OF(struct job, timer, t));
        break;
    case TIMER_EXPIRY:
        job_expired(e, OWNER_OF(struct extra, expiry, t));
        break;
    case TIMER_KEY:
        key_free(e, OWNER_OF(struct key, expiry, t));
        break;
    case TIMER_WAIT:
        wait_timed_out(e, OWNER_OF(struct wait, timeout, t));
        break;
    case TIMER_PROGRESS:
        progress_tell(e, OWNER_OF(struct progress, pause, t));
        break;
    case TIMER_EVENTS:
        listener_rested(e, t);
        break;
    }
}

int64_t engine_tick(struct engine *e, struct moment now)
{
    engine_begin(e, now);
    int budget = SLICE_OF_TICK;
    work_go_on(e, &budget);
    for (struct timer *t; (t = wheel_pop(&e->wheel, e->now, &budget));)
        fire(e, t);
    for (struct extra *x; budget > 0 && (x = extra_of_at(tree_first(&e->at))) && x->at <= e->wall; budget--)
        job_move(e, x->job, JOB_READY, 0);
    engine_settle(e);
    for (; budget > 0 && e->idle_first && e->now - e->idle_first->idle_since >= QUEUE_LINGER; budget--)
        queue_free(e, e->idle_first);
    return engine_next_due(e, now);
}

int64_t engine_next_due(const struct engine *e, struct moment now)
{
    if (e->settle_first || e->work_first)
        return now.mono;
    int64_t due = wheel_next(&e->wheel);
    struct extra *x = extra_of_at(tree_first(&e->at));
    if (x) {
        // The wall clock may be set: look at it every second while somebody waits for it.
        int64_t wait = x->at - now.wall;
        wait = wait > 1000 ? 1000 : wait < 0 ? 0 : wait;
        due = now.mono + wait < due ? now.mono + wait : due;
    }
    if (e->idle_first && e->idle_first->idle_since + QUEUE_LINGER < due)
        due = e->idle_first->idle_since + QUEUE_LINGER;
    return due > now.mono ? due : now.mono;
}

void engine_set_store_full(struct engine *e, bool full)
{
    e->store_full = full;
}

enum error engine_ready(const struct engine *e)
{
    if (e->draining)
        return ERROR_DRAINING;
    if (e->store_full && e->journal)
        return ERROR_STORE_FAILED;
    return e->bytes < e->config.max_bytes ? ERROR_NONE : ERROR_OVERLOADED;
}

void engine_drain(struct engine *e)
{
    e->draining = true;
    e->promise = 0;
    for (uint32_t i = 1; i < e->client_slots; i++) {
        if (!client_slot_used(e, i))
            continue;
        for (struct wait *w = e->clients[i]->waits, *next; w; w = next) {
            next = w->client_next;
            if (!w->completed)
                wait_complete(e, w, ERROR_DRAINING);
        }
    }
    engine_settle(e);
}
