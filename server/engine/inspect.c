// Looking: one job, pages of jobs, queues. Nothing here changes anything.
#include "server/engine/measure.h"
#include "server/engine/retry.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---- why a job is not running

static void explain_ready(const struct queue *q, char *why, size_t size)
{
    uint64_t most = q->settings->concurrency;
    if (q->work != QUEUE_WORK_NONE)
        snprintf(why, size, "the queue is being shut down at once");
    else if (q->paused)
        snprintf(why, size, "the queue is paused");
    else if (most && q->gauges.reserved >= most)
        snprintf(why, size, "%llu of %llu that the queue's concurrency allows are running",
                 (unsigned long long)q->gauges.reserved, (unsigned long long)most);
    else
        snprintf(why, size, "no consumer is waiting for it");
}

static void explain(const struct job *j, const struct job_info *info, char *why, size_t size)
{
    switch (j->state) {
    case JOB_DELAYED:
        snprintf(why, size, "due in %.1f s%s", (double)info->left / 1000,
                 j->attempts ? ", after a failed attempt" : "");
        break;
    case JOB_READY:
        explain_ready(job_queue(j), why, size);
        break;
    case JOB_RESERVED:
        snprintf(why, size,
                 info->cancelling ? "it is cancelled, and a consumer still has it" : "a consumer has it");
        break;
    case JOB_DEAD:
        snprintf(why, size, "dead: %s", dead_reason_name(info->reason));
        break;
    default:
        snprintf(why, size, "%s", j->state == JOB_DONE ? "finished" : "cancelled");
    }
}

static int64_t until(const struct engine *e, int64_t when)
{
    return when > e->now ? when - e->now : 0;
}

static void fill(const struct engine *e, const struct job *j, struct job_info *info)
{
    const struct extra *x = j->extra;
    *info = (struct job_info){
        .id = j->id,
        .queue = queue_name(job_queue(j)),
        .state = (enum job_state)j->state,
        .priority = j->level->priority,
        .attempts = j->attempts,
        .lost = j->timer.note,
        .deliveries = j->handouts,
        .max_attempts = job_max_attempts(j),
        .created = (int64_t)j->created,
        .expires = -1,
        .detached = j->flags & JOB_DETACHED,
        .reason = (enum dead_reason)j->timer.mark,
        .body = job_body(j),
        .submit = j->flags & JOB_SUBMIT,
        .keep_result = -1,
    };
    if (wheel_waiting(&j->timer))
        info->left = until(e, (int64_t)j->timer.when);
    if (x) {
        info->cancelling = x->cancelling;
        info->progress = x->progress ? blob_slice(x->progress->text) : (struct slice){NULL, 0};
        info->failed = x->failed;
        info->failed_attempts = x->failed_attempts;
        info->keep_result = x->keep_result;
        info->own_lease = x->lease;
        info->own_max_attempts = x->max_attempts;
        info->key_for = x->key ? x->key->key_for : 0;
        info->at = j->flags & JOB_WALL ? x->at : 0;
        if (j->flags & JOB_WALL)
            info->left = x->at > e->wall ? x->at - e->wall : 0;
        if (wheel_waiting(&x->expiry))
            info->expires = until(e, (int64_t)x->expiry.when);
        if (x->key)
            info->key = (struct slice){x->key->text, x->key->len};
        info->error = blob_slice(x->error);
        info->result = blob_slice(x->result);
        info->origin = blob_slice(x->origin);
    }
    explain(j, info, info->why, sizeof info->why);
}

bool engine_job_queue(const struct engine *e, uint64_t id, struct slice *name)
{
    const struct job *j = id_map_find(&e->jobs, id);
    if (j)
        *name = queue_name(job_queue(j));
    return j;
}

enum error engine_job_info(struct engine *e, struct moment now, uint64_t id, struct job_info *out)
{
    engine_begin(e, now);
    const struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    fill(e, j, out);
    return ERROR_NONE;
}

// ---- pages of jobs

struct page {
    const struct engine *e;
    struct queue *q;
    enum job_state state;
    struct job_cursor *cursor;
    unsigned limit, visited;
    int steps;
    job_visitor *visit;
    void *context;
};

static void show(struct page *p, const struct job *j)
{
    struct job_info info;
    fill(p->e, j, &info);
    p->visit(p->context, &info);
    p->visited++;
    p->cursor->started = true;
    p->cursor->priority = j->level->priority;
    p->cursor->id = j->id;
}

static bool page_open(const struct page *p)
{
    return p->visited < p->limit && p->steps > 0;
}

static struct job *tree_next_id(const struct tree *t, uint64_t id, bool lifo)
{
    struct job probe = {.id = id};
    struct tree_node *n =
        lifo ? tree_before(t, &probe.node, job_compare) : tree_after(t, &probe.node, job_compare);
    return job_of_node(n);
}

static bool is_fresh_here(const struct job *j, const struct level *l)
{
    return j && j->state == JOB_READY && j->level == l && (j->flags & JOB_FRESH);
}

// The first job of the level's list that is taken after `id`. Where the job of that id has gone, its place in
// the list is not known: ids are then tried in their order, *at keeping the place between calls. NULL with
// steps left: there is none.
static struct job *fresh_after(struct page *p, const struct level *l, uint64_t *at, bool lifo)
{
    const struct job *first = lifo ? l->last : l->first, *last = lifo ? l->first : l->last;
    if (!first || (lifo ? last->id >= *at : last->id <= *at))
        return NULL;
    if (lifo ? first->id < *at : first->id > *at)
        return (struct job *)first;
    struct job *j = job_find(p->e, *at);
    if (is_fresh_here(j, l))
        return lifo ? j->prev : j->next;
    for (; p->steps > 0; p->steps--) {
        j = id_map_step(&p->e->jobs, at, lifo);
        if (is_fresh_here(j, l))
            return j;
    }
    return NULL;
}

static bool later(const struct job *a, const struct job *b, bool lifo)
{
    return lifo ? a->id < b->id : a->id > b->id;
}

// One level, from the cursor on. False: out of steps or the page is full.
static bool page_level(struct page *p, const struct level *l)
{
    bool lifo = p->q->settings->order;
    bool continued = p->cursor->started && p->cursor->priority == l->priority;
    uint64_t id = continued ? p->cursor->id : lifo ? ((uint64_t)1 << 53) - 1 : 0;
    while (page_open(p)) {
        uint64_t at = id;
        struct job *fresh = fresh_after(p, l, &at, lifo);
        struct job *back = tree_next_id(&l->back, id, lifo);
        if (p->steps <= 0) {
            // Nothing between the cursor and `at` is in the list, but something may be in the tree: remember
            // only what is sure.
            if (!back || (lifo ? back->id < at : back->id > at))
                *p->cursor = (struct job_cursor){.started = true, .priority = l->priority, .id = at};
            else
                show(p, back);
            return false;
        }
        struct job *j = !fresh ? back : !back || later(back, fresh, lifo) ? fresh : back;
        if (!j)
            return true;
        show(p, j);
        id = j->id;
        p->steps--;
    }
    return false;
}

static bool page_ready(struct page *p)
{
    struct level probe = {.priority = p->cursor->started ? p->cursor->priority : -INFINITY};
    struct tree_node *n = tree_find(&p->q->ready_levels, &probe.ready_node, level_ready_compare);
    if (!n)
        n = tree_after(&p->q->ready_levels, &probe.ready_node, level_ready_compare);
    for (; n; n = tree_after(&p->q->ready_levels, n, level_ready_compare))
        if (!page_level(p, level_of_ready(n)))
            return false;
    return true;
}

static bool page_tree(struct page *p, const struct tree *t)
{
    uint64_t id = p->cursor->started ? p->cursor->id : 0;
    while (page_open(p)) {
        struct job *j = tree_next_id(t, id, false);
        if (!j)
            return true;
        p->steps--;
        id = j->id;
        if (j->state == (unsigned)p->state)
            show(p, j);
        else // done and cancelled share a set
            *p->cursor = (struct job_cursor){.started = true, .id = id};
    }
    return false;
}

// Reserved jobs are in the lists of their holders, in no order: the page's are picked from all of them,
// smallest ids first. This is the one look that costs by how much the whole daemon has in hand; a set for
// each queue would cost every get and ack instead.
static bool page_reserved(struct page *p)
{
    const struct job **best = calloc(p->limit + 1u, sizeof *best);
    if (!best)
        return true;
    uint64_t after = p->cursor->started ? p->cursor->id : 0;
    unsigned count = 0;
    bool more = false;
    for (uint32_t c = 0; c < p->e->client_slots; c++) {
        if (!client_slot_used(p->e, c))
            continue;
        for (const struct job *j = p->e->clients[c]->first; j; j = j->next) {
            if (job_queue(j) != p->q || j->id <= after ||
                (count == p->limit && j->id > best[count - 1]->id)) {
                more |= job_queue(j) == p->q && j->id > after;
                continue;
            }
            more |= count == p->limit;
            unsigned at = count < p->limit ? count++ : count - 1;
            for (; at > 0 && best[at - 1]->id > j->id; at--)
                best[at] = best[at - 1];
            best[at] = j;
        }
    }
    for (unsigned i = 0; i < count; i++)
        show(p, best[i]);
    free(best);
    return !more;
}

enum error engine_list_jobs(struct engine *e, struct moment now, struct slice queue, enum job_state state,
                            struct job_cursor *cursor, unsigned limit, job_visitor *visit, void *context,
                            unsigned *visited, bool *more)
{
    assert(limit >= 1);
    engine_begin(e, now);
    *visited = 0;
    *more = false;
    struct page p = {e, queue_find(e, queue), state, cursor, limit, 0, SLICE_OF_WORK, visit, context};
    if (!p.q)
        return ERROR_NOT_FOUND;
    bool done = state == JOB_READY      ? page_ready(&p)
                : state == JOB_RESERVED ? page_reserved(&p)
                : state == JOB_DELAYED  ? page_tree(&p, &p.q->delayed)
                : state == JOB_DEAD     ? page_tree(&p, &p.q->dead)
                                        : page_tree(&p, &p.q->finished);
    *visited = p.visited;
    *more = !done;
    return ERROR_NONE;
}

// ---- queues

static void fill_queue(const struct engine *e, const struct queue *q, struct queue_info *info)
{
    *info = (struct queue_info){
        .name = queue_name(q),
        .settings = *q->settings,
        .declared = q->declared,
        .paused = q->paused,
        .shut_down = q->shut_down,
        .shut_down_hard = q->shut_down_hard,
        .oldest = -1,
        .gauges = q->gauges,
        .counters = q->counters,
    };
    int looked = 0;
    info->oldest = queue_oldest(e, q, &looked);
}

enum error engine_queue_info(struct engine *e, struct moment now, struct slice queue, struct queue_info *out)
{
    engine_begin(e, now);
    const struct queue *q = queue_find(e, queue);
    if (!q)
        return ERROR_NOT_FOUND;
    fill_queue(e, q, out);
    return ERROR_NONE;
}

void engine_list_queues(struct engine *e, struct moment now, struct slice after, unsigned limit,
                        queue_visitor *visit, void *context)
{
    engine_begin(e, now);
    struct queue *q = after.len ? queue_after(e, after) : queue_of_node(tree_first(&e->ordered));
    for (unsigned i = 0; q && i < limit; i++) {
        struct queue_info info;
        fill_queue(e, q, &info);
        visit(context, &info);
        q = queue_of_node(tree_after(&e->ordered, &q->ordered, queue_compare));
    }
}

void engine_info(const struct engine *e, struct engine_info *out)
{
    *out = (struct engine_info){
        .queues = e->names.count,
        .clients = e->client_count,
        .detached = e->detached_count,
        .held = e->held_count,
        .bytes = e->bytes,
        .max_bytes = e->config.max_bytes,
        .gauges = e->gauges,
        .counters = e->counters,
        .more = e->more,
    };
}

void engine_times(const struct engine *e, struct engine_times *out)
{
    *out = e->times;
}
