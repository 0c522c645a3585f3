// What must hold inside the engine after every call: the containers agree with each other and with the
// counts.
#include "tests/model/world.h"

#include "server/engine/account.h"
#include "server/engine/core.h"
#include "server/engine/event.h"
#include "server/engine/job.h"
#include "server/engine/queue.h"
#include "server/engine/waiter.h"

#include <string.h>

// What was found of one queue in the table of jobs.
struct found {
    uint64_t in[JOB_PLACE_COUNT];
    uint64_t bytes, dead_bytes, result_bytes;
};

static void check_job(const struct engine *e, const struct job *j)
{
    const struct queue *q = job_queue(j);
    REQUIRE(j->state < JOB_STATE_COUNT, "a job in the table is in no state");
    bool timed = j->state != JOB_READY && !(j->flags & JOB_WALL);
    REQUIRE(wheel_waiting(&j->timer) == timed, "job %llu: its timer", (unsigned long long)j->id);
    REQUIRE(j->state == JOB_READY || !(j->flags & JOB_FRESH), "a fresh job is not ready");
    REQUIRE(j->state == JOB_RESERVED || !(j->flags & (JOB_HANDING | JOB_DETACHED)),
            "handed and not reserved");
    REQUIRE(j->state == JOB_DELAYED || !(j->flags & JOB_WALL), "waits for the wall clock and is not delayed");
    if (j->state == JOB_READY && !(j->flags & JOB_FRESH))
        REQUIRE(tree_find(&j->level->back, &j->node, job_compare) == &j->node, "not in its level");
    if (j->state == JOB_DELAYED)
        REQUIRE(tree_find(&q->delayed, &j->node, job_compare) == &j->node, "not among the delayed");
    if (j->state == JOB_DEAD)
        REQUIRE(tree_find(&q->dead, &j->node, job_compare) == &j->node, "not among the dead");
    if (j->state == JOB_DONE || j->state == JOB_CANCELLED)
        REQUIRE(tree_find(&q->finished, &j->node, job_compare) == &j->node, "not among the finished");
    if (j->state == JOB_RESERVED)
        REQUIRE(j->holder < e->client_slots && client_slot_used(e, j->holder), "held by nobody");
    if (j->extra)
        REQUIRE(j->extra->job == j, "another's extra");
    if (j->extra && j->state != JOB_RESERVED)
        REQUIRE(!j->extra->cancelling && !j->extra->progress, "what its holder said outlives the holder");
    for (const struct wait *w = j->extra ? j->extra->results : NULL; w; w = w->result_next)
        REQUIRE(*w->result_at == w && w->job == j && !w->completed,
                "a broken list of those who wait for an end");
    if (j->extra && j->extra->key)
        REQUIRE(j->extra->key->queue == q && j->extra->key->id == j->id && !j->extra->key->kept,
                "another's key");
}

static void find(const struct engine *e, const struct queue *q, struct found *f)
{
    memset(f, 0, sizeof *f);
    struct id_cursor c = {0};
    for (const struct job *j; (j = id_map_next(&e->jobs, &c));) {
        if (job_queue(j) != q)
            continue;
        f->in[j->state]++;
        f->bytes += job_bytes(j);
        f->dead_bytes += j->state == JOB_DEAD ? job_bytes(j) : 0;
        f->result_bytes += j->state == JOB_DONE || j->state == JOB_CANCELLED ? job_bytes(j) : 0;
    }
}

static uint64_t links(const struct wait_list *list, const struct queue *q, enum waiter_kind kind)
{
    uint64_t n = 0;
    const struct wait_link *before = NULL;
    for (const struct wait_link *l = list->first; l; before = l, l = l->next, n++)
        REQUIRE(l->prev == before && l->queue == q && !l->wait->completed && l->wait->pub.kind == kind,
                "a broken list of waits");
    REQUIRE(list->last == before, "a broken end of a list of waits");
    return n;
}

static uint64_t check_levels(const struct queue *q)
{
    uint64_t ready = 0;
    double before = 0;
    struct tree_node *n = tree_first(&q->ready_levels);
    REQUIRE(q->top == level_of_ready(n), "the top level is not the first");
    for (bool first = true; n; first = false, n = tree_after(&q->ready_levels, n, level_ready_compare)) {
        const struct level *l = level_of_ready(n);
        REQUIRE(l->queue == q && l->ready && l->refs >= l->ready, "a level's counts");
        REQUIRE(first || before < l->priority, "levels out of order");
        before = l->priority;
        uint64_t here = 0;
        for (const struct job *j = l->first, *last = NULL; j; last = j, j = j->next, here++)
            REQUIRE(j->level == l && j->prev == last && (j->flags & JOB_FRESH) && (!last || last->id < j->id),
                    "a level's list");
        for (struct tree_node *b = tree_first(&l->back); b; b = tree_after(&l->back, b, job_compare))
            here++;
        REQUIRE(here == l->ready, "a level counts otherwise than it has");
        ready += here;
    }
    return ready;
}

static void check_queue(const struct engine *e, const struct queue *q)
{
    struct found f;
    find(e, q, &f);
    const struct queue_gauges *g = &q->gauges;
    REQUIRE(g->ready == f.in[JOB_READY] && g->delayed == f.in[JOB_DELAYED] &&
                g->reserved == f.in[JOB_RESERVED] && g->dead == f.in[JOB_DEAD] &&
                g->finished == f.in[JOB_DONE] + f.in[JOB_CANCELLED],
            "a queue's gauges");
    REQUIRE(check_levels(q) == f.in[JOB_READY], "ready jobs that are in no level");
    REQUIRE(g->bytes == f.bytes && q->dead_bytes == f.dead_bytes && q->result_bytes == f.result_bytes,
            "a queue's bytes: %llu, not %llu", (unsigned long long)g->bytes, (unsigned long long)f.bytes);
    REQUIRE(g->waiting_gets == links(&q->gets, q, WAITER_GET) &&
                g->waiting_puts == links(&q->puts, q, WAITER_PUT) &&
                g->waiting_joins == links(&q->joins, q, WAITER_JOIN),
            "a queue's waits");
    REQUIRE(!q->to_settle, "a queue is left unsettled");
    REQUIRE(q->idle == queue_unused(q), "a queue is idle=%d and unused=%d", q->idle, queue_unused(q));
}

static uint64_t check_waits(const struct engine *e)
{
    uint64_t bytes = 0;
    for (uint32_t c = 1; c < e->client_slots; c++) {
        if (!client_slot_used(e, c))
            continue;
        unsigned waiting = 0, subscribed = 0;
        for (const struct wait *w = e->clients[c]->waits; w; w = w->client_next) {
            bool notify = w->pub.kind == WAITER_NOTIFY;
            REQUIRE(w->client == e->clients[c], "a wait of another client");
            REQUIRE(!notify || w->completed, "a subscription among the waits");
            waiting += !w->completed;
            subscribed += notify;
            bytes += w->job && w->pub.kind == WAITER_PUT ? job_bytes(w->job) : 0;
            bytes += w->pub.kind == WAITER_LISTEN && !w->completed ? LISTENER_BYTES : 0;
        }
        for (const struct wait *w = e->clients[c]->subscriptions; w; w = w->client_next, subscribed++)
            REQUIRE(w->client == e->clients[c] && w->pub.kind == WAITER_NOTIFY && !w->completed,
                    "what is no subscription, or another's");
        bytes += subscribed * SUBSCRIPTION_BYTES;
        REQUIRE(subscribed == e->clients[c]->subscription_count && subscribed <= e->config.max_subscriptions,
                "a client counts its subscriptions wrong");
        REQUIRE(waiting == e->clients[c]->wait_count && waiting <= e->config.max_waits,
                "a client counts its waits wrong");
    }
    return bytes;
}

static uint64_t charged(const struct job *j, uint16_t account)
{
    return j->extra && j->extra->account == account ? j->len + (uint64_t)ACCOUNT_JOB_BYTES : 0;
}

static void check_account(const struct engine *e, uint16_t account)
{
    uint64_t waits = 0, bytes = 0;
    struct account_use use;
    struct id_cursor c = {0};
    engine_account_look(e->accounts[account - 1], &use);
    for (const struct job *j; (j = id_map_next(&e->jobs, &c));)
        if (j->state == JOB_READY || j->state == JOB_DELAYED || j->state == JOB_RESERVED)
            bytes += charged(j, account);
    for (uint32_t i = 1; i < e->client_slots; i++) {
        if (!client_slot_used(e, i))
            continue;
        for (const struct wait *w = e->clients[i]->waits; w; w = w->client_next)
            bytes += w->job && w->pub.kind == WAITER_PUT ? charged(w->job, account) : 0;
        waits += e->clients[i]->account == e->accounts[account - 1] ? e->clients[i]->wait_count : 0;
    }
    REQUIRE(use.waits == waits, "account %u has %llu waits, not %llu", account, (unsigned long long)use.waits,
            (unsigned long long)waits);
    REQUIRE(use.bytes == bytes, "account %u has %llu bytes, not %llu", account, (unsigned long long)use.bytes,
            (unsigned long long)bytes);
}

// All that counts against max_bytes, found again.
static void check_bytes(const struct engine *e)
{
    uint64_t bytes = check_waits(e);
    struct id_cursor c = {0};
    for (const struct job *j; (j = id_map_next(&e->jobs, &c));)
        bytes += job_bytes(j);
    for (size_t i = 0; i < e->keys.buckets; i++)
        for (struct table_node *n = table_chain(&e->keys, i); n; n = n->next) {
            const struct key *k = OWNER_OF(struct key, by_key, n);
            bytes += k->kept ? sizeof *k + k->len : 0;
        }
    for (size_t i = 0; i < e->names.buckets; i++)
        for (struct table_node *n = table_chain(&e->names, i); n; n = n->next) {
            const struct queue *q = OWNER_OF(struct queue, by_name, n);
            bytes += sizeof *q + q->name_len;
        }
    // Queues that were dropped have no name and yet their bytes, until they are empty.
    if (e->queue_count == e->names.count)
        REQUIRE(bytes == e->bytes, "%llu bytes count, not %llu", (unsigned long long)e->bytes,
                (unsigned long long)bytes);
    else
        REQUIRE(bytes < e->bytes, "a dropped queue counts for nothing");
}

void invariants(struct engine *e)
{
    struct id_cursor c = {0};
    for (struct job *j; (j = id_map_next(&e->jobs, &c));)
        check_job(e, j);
    for (unsigned a = 1; a <= e->account_count; a++)
        check_account(e, (uint16_t)a);
    for (struct tree_node *n = tree_first(&e->ordered); n; n = tree_after(&e->ordered, n, queue_compare))
        check_queue(e, queue_of_node(n));
    check_bytes(e);
}
