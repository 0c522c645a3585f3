#include "server/engine/queue.h"

#include "server/engine/mark.h"
#include "server/engine/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// ---- levels

int level_compare(const struct tree_node *a, const struct tree_node *b)
{
    double x = OWNER_OF(const struct level, node, a)->priority,
           y = OWNER_OF(const struct level, node, b)->priority;
    return x < y ? -1 : x > y;
}

int level_ready_compare(const struct tree_node *a, const struct tree_node *b)
{
    double x = OWNER_OF(const struct level, ready_node, a)->priority;
    double y = OWNER_OF(const struct level, ready_node, b)->priority;
    return x < y ? -1 : x > y;
}

struct level *level_get(struct queue *q, double priority)
{
    if (priority == 0) {
        q->zero.refs++;
        return &q->zero;
    }
    struct level probe = {.priority = priority};
    struct tree_node *n = tree_find(&q->levels, &probe.node, level_compare);
    struct level *l = n ? OWNER_OF(struct level, node, n) : NULL;
    if (!l) {
        l = calloc(1, sizeof *l);
        if (!l)
            return NULL;
        l->queue = q;
        l->priority = priority;
        tree_insert(&q->levels, &l->node, level_compare);
    }
    l->refs++;
    return l;
}

void level_unref(struct level *l)
{
    assert(l->refs > 0);
    if (--l->refs || l == &l->queue->zero)
        return;
    assert(l->ready == 0);
    tree_remove(&l->queue->levels, &l->node, level_compare);
    free(l);
}

static void find_top(struct queue *q)
{
    q->top = level_of_ready(tree_first(&q->ready_levels));
}

void level_add(struct level *l, struct job *j, bool fresh)
{
    struct queue *q = l->queue;
    if (fresh) {
        j->prev = l->last;
        j->next = NULL;
        *(l->last ? &l->last->next : &l->first) = j;
        l->last = j;
    } else {
        tree_insert(&l->back, &j->node, job_compare);
    }
    if (l->ready++)
        return;
    tree_insert(&q->ready_levels, &l->ready_node, level_ready_compare);
    if (!q->top || l->priority < q->top->priority)
        q->top = l;
}

void level_remove(struct level *l, struct job *j)
{
    if (j->flags & JOB_FRESH) {
        *(j->prev ? &j->prev->next : &l->first) = j->next;
        *(j->next ? &j->next->prev : &l->last) = j->prev;
        j->flags &= ~(unsigned)JOB_FRESH & 0xff;
    } else {
        tree_remove(&l->back, &j->node, job_compare);
    }
    if (--l->ready)
        return;
    tree_remove(&l->queue->ready_levels, &l->ready_node, level_ready_compare);
    if (l->queue->top == l)
        find_top(l->queue);
}

struct job *level_head(const struct level *l)
{
    bool lifo = l->queue->settings->order;
    struct job *fresh = lifo ? l->last : l->first;
    if (tree_empty(&l->back))
        return fresh;
    struct job *back = job_of_node(lifo ? tree_last(&l->back) : tree_first(&l->back));
    if (!fresh)
        return back;
    return (fresh->id < back->id) != lifo ? fresh : back;
}

struct job *queue_head(const struct queue *q)
{
    return q->top ? level_head(q->top) : NULL;
}

bool queue_takes(const struct queue *q)
{
    return q->top && !q->paused && q->work == QUEUE_WORK_NONE &&
           (!q->settings->concurrency || q->gauges.reserved < q->settings->concurrency);
}

uint64_t queue_unfinished(const struct queue *q)
{
    return q->gauges.delayed + q->gauges.ready + q->gauges.reserved;
}

bool queue_over(const struct queue *q)
{
    return q->shut_down && (q->shut_down_hard || queue_unfinished(q) == 0);
}

bool queue_full(const struct queue *q)
{
    return q->settings->maxsize && q->gauges.ready + q->gauges.delayed >= q->settings->maxsize;
}

// ---- the queues of an engine

int queue_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct queue *x = OWNER_OF(const struct queue, ordered, a),
                       *y = OWNER_OF(const struct queue, ordered, b);
    size_t shorter = x->name_len < y->name_len ? x->name_len : y->name_len;
    int side = memcmp(x->name, y->name, shorter);
    return side ? side : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

uint64_t queue_hash(const struct engine *e, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.len, e->config.seed);
}

uint64_t queue_table_hash(const struct table_node *n)
{
    return OWNER_OF(const struct queue, by_name, n)->hash;
}

static struct queue *find_hashed(const struct engine *e, struct slice name, uint64_t hash)
{
    for (struct table_node *n = table_chain(&e->names, hash); n; n = n->next) {
        struct queue *q = OWNER_OF(struct queue, by_name, n);
        if (q->hash == hash && slice_same(queue_name(q), name))
            return q;
    }
    return NULL;
}

struct queue *queue_find(const struct engine *e, struct slice name)
{
    return find_hashed(e, name, queue_hash(e, name));
}

static uint64_t queue_bytes(const struct queue *q)
{
    return sizeof *q + q->name_len;
}

enum error queue_get(struct engine *e, struct slice name, struct queue **out)
{
    assert(name.len >= 1 && name.len <= QUEUE_NAME_MAX);
    uint64_t hash = queue_hash(e, name);
    *out = find_hashed(e, name, hash);
    if (*out) {
        // Somebody is about to use it: it must not be the one that makes room for another in the same call.
        if ((*out)->idle) {
            queue_idle_remove(e, *out);
            queue_touch(e, *out);
        }
        return ERROR_NONE;
    }
    // At the limit those that merely linger make room.
    if (e->queue_count >= e->config.max_queues && e->idle_first)
        queue_free(e, e->idle_first);
    if (e->queue_count >= e->config.max_queues || e->bytes >= e->config.max_bytes)
        return ERROR_OVERLOADED;
    struct queue *q = calloc(1, sizeof *q + name.len);
    if (!q)
        return ERROR_OVERLOADED;
    q->settings = &queue_settings_default;
    q->zero.queue = q;
    q->hash = hash;
    q->name_len = (uint8_t)name.len;
    memcpy(q->name, name.data, name.len);
    table_insert(&e->names, &q->by_name);
    tree_insert(&e->ordered, &q->ordered, queue_compare);
    e->queue_count++;
    e->bytes += queue_bytes(q);
    queue_touch(e, q);
    *out = q;
    return ERROR_NONE;
}

void queue_own(struct queue *q, struct engine_client *who)
{
    assert(!q->owner && !q->dropped);
    q->owner = who;
    q->owned_next = who->owned;
    if (q->owned_next)
        q->owned_next->owned_prev = q;
    who->owned = q;
}

static void disown(struct queue *q)
{
    if (!q->owner)
        return;
    *(q->owned_prev ? &q->owned_prev->owned_next : &q->owner->owned) = q->owned_next;
    if (q->owned_next)
        q->owned_next->owned_prev = q->owned_prev;
    q->owner = NULL;
    q->owned_prev = q->owned_next = NULL;
}

void queue_forget_name(struct engine *e, struct queue *q)
{
    assert(!q->dropped);
    disown(q);
    q->dropped = true;
#define X(name, metric, label, text) e->gauges.name -= q->gauges.name;
    QUEUE_GAUGES(X)
#undef X
    table_remove(&e->names, &q->by_name);
    tree_remove(&e->ordered, &q->ordered, queue_compare);
    queue_touch(e, q);
}

uint64_t queue_number_hash(const struct table_node *n)
{
    return job_id_hash(OWNER_OF(const struct queue, by_number, n)->number);
}

void queue_set_number(struct engine *e, struct queue *q, uint64_t number)
{
    q->number = number;
    table_insert(&e->numbers, &q->by_number);
}

struct queue *queue_by_number(const struct engine *e, uint64_t number)
{
    for (struct table_node *n = table_chain(&e->numbers, job_id_hash(number)); n; n = n->next) {
        struct queue *q = OWNER_OF(struct queue, by_number, n);
        if (q->number == number)
            return q;
    }
    return NULL;
}

void queue_touch(struct engine *e, struct queue *q)
{
    if (q->to_settle)
        return;
    q->to_settle = true;
    q->settle_next = e->settle_first;
    e->settle_first = q;
}

bool queue_unused(const struct queue *q)
{
    const struct queue_gauges *g = &q->gauges;
    bool jobs = g->ready || g->delayed || g->reserved || g->dead || g->finished;
    bool waits = q->gets.first || q->puts.first || q->joins.first;
    bool kept = q->declared || q->paused || q->shut_down;
    return !jobs && !waits && !q->keys && (q->dropped || !kept) && q->work == QUEUE_WORK_NONE;
}

void queue_idle_remove(struct engine *e, struct queue *q)
{
    if (!q->idle)
        return;
    q->idle = false;
    *(q->idle_prev ? &q->idle_prev->idle_next : &e->idle_first) = q->idle_next;
    *(q->idle_next ? &q->idle_next->idle_prev : &e->idle_last) = q->idle_prev;
}

void queue_free(struct engine *e, struct queue *q)
{
    assert(queue_unused(q) && !q->to_settle);
    queue_idle_remove(e, q);
    if (!q->dropped)
        queue_forget_name(e, q);
    if (q->to_settle) { // by the line above
        assert(e->settle_first == q);
        e->settle_first = q->settle_next;
    }
    mark_queue_gone(e, q);
    if (q->number)
        table_remove(&e->numbers, &q->by_number);
    if (q->settings != &queue_settings_default)
        free((void *)(uintptr_t)q->settings);
    e->queue_count--;
    e->bytes -= queue_bytes(q);
    free(q);
}

// ---- keys

uint64_t key_table_hash(const struct table_node *n)
{
    return OWNER_OF(const struct key, by_key, n)->hash;
}

static uint64_t key_hash(const struct engine *e, const struct queue *q, struct slice text)
{
    return XXH3_64bits_withSeed(text.data, text.len, e->config.seed ^ q->hash);
}

struct key *key_find(const struct engine *e, const struct queue *q, struct slice text)
{
    uint64_t hash = key_hash(e, q, text);
    for (struct table_node *n = table_chain(&e->keys, hash); n; n = n->next) {
        struct key *k = OWNER_OF(struct key, by_key, n);
        if (k->hash == hash && k->queue == q && slice_same((struct slice){k->text, k->len}, text))
            return k;
    }
    return NULL;
}

void key_add(struct engine *e, struct queue *q, struct key *k, uint64_t id)
{
    k->queue = q;
    k->id = id;
    k->hash = key_hash(e, q, (struct slice){k->text, k->len});
    k->expiry.kind = TIMER_KEY;
    table_insert(&e->keys, &k->by_key);
}

uint64_t key_id_hash(const struct table_node *n)
{
    return job_id_hash(OWNER_OF(const struct key, by_id, n)->id);
}

struct key *key_by_id(const struct engine *e, uint64_t id)
{
    for (struct table_node *n = table_chain(&e->kept_keys, job_id_hash(id)); n; n = n->next) {
        struct key *k = OWNER_OF(struct key, by_id, n);
        if (k->id == id)
            return k;
    }
    return NULL;
}

static uint64_t key_bytes(const struct key *k)
{
    return sizeof *k + k->len;
}

// Its job is finished: it belongs to the queue until its time is over.
static void keep_until(struct engine *e, struct key *k, int64_t until)
{
    struct queue *q = k->queue;
    k->kept = true;
    k->prev = NULL;
    k->next = q->keys;
    if (k->next)
        k->next->prev = k;
    q->keys = k;
    e->bytes += key_bytes(k);
    table_insert(&e->kept_keys, &k->by_id);
    wheel_add(&e->wheel, &k->expiry, until);
}

void key_keep(struct engine *e, struct key *k)
{
    keep_until(e, k, e->now + k->key_for);
    mark_key(e, k);
}

void key_restore(struct engine *e, struct queue *q, struct key *k, uint64_t id, int64_t until)
{
    key_add(e, q, k, id);
    keep_until(e, k, until);
}

void key_free(struct engine *e, struct key *k)
{
    if (k->kept) {
        mark_key_gone(e, k);
        e->bytes -= key_bytes(k);
        table_remove(&e->kept_keys, &k->by_id);
        wheel_remove(&e->wheel, &k->expiry);
        *(k->prev ? &k->prev->next : &k->queue->keys) = k->next;
        if (k->next)
            k->next->prev = k->prev;
    }
    if (k->queue) {
        table_remove(&e->keys, &k->by_key);
        queue_touch(e, k->queue);
    }
    free(k);
}
