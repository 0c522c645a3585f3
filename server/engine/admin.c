// What admins do to queues and single jobs.
#include "server/engine/mark.h"
#include "server/engine/retry.h"
#include "server/engine/work.h"

#include <stdlib.h>
#include <string.h>

static bool queue_holds_jobs(const struct queue *q)
{
    return queue_unfinished(q) || q->gauges.dead || q->gauges.finished;
}

static void merge(struct queue_settings *into, const struct queue_settings *from, unsigned named)
{
#define X(field, type, low, high, value, text)                                                               \
    if (named & (1u << QUEUE_SETTING_##field))                                                               \
        memcpy(&into->field, &from->field, sizeof into->field);
    QUEUE_SETTINGS(X)
#undef X
}

// Whether a client may have this queue for its own, or has it.
static bool may_own(const struct queue *q, const struct engine_client *who)
{
    return q->owner == who ||
           (!q->owner && !q->declared && !q->paused && !q->shut_down && !queue_holds_jobs(q));
}

static enum error declare(struct engine *e, struct moment now, struct slice queue,
                          const struct queue_settings *settings, unsigned named, struct engine_client *who,
                          struct queue_settings *now_set, const char **why)
{
    engine_begin(e, now);
    if ((named & (1u << QUEUE_SETTING_dead_letter)) && slice_equal(queue, settings->dead_letter)) {
        *why = "a queue cannot be its own dead-letter queue";
        return ERROR_INVALID_PARAMS;
    }
    struct queue *q;
    *why = NULL;
    enum error error = queue_get(e, queue, &q);
    if (error != ERROR_NONE)
        return error;
    struct queue_settings *own = malloc(sizeof *own);
    if (!own)
        error = ERROR_OVERLOADED;
    if (own) {
        *own = *q->settings;
        if (who)
            own->durable = false;
        merge(own, settings, named);
        if (own->durable && (who || q->owner)) {
            *why = "a queue that goes with its connection is not kept on disk";
            error = ERROR_INVALID_PARAMS;
        } else if (who && !may_own(q, who)) {
            *why = "there is such a queue already, and it is not this connection's own";
            error = ERROR_INVALID_PARAMS;
        } else if (own->durable != q->settings->durable && queue_holds_jobs(q)) {
            *why = "durable can be changed only while the queue holds no jobs";
            error = ERROR_INVALID_PARAMS;
        }
    }
    if (error != ERROR_NONE) {
        free(own);
        engine_settle(e);
        return error;
    }
    if (q->settings != &queue_settings_default)
        free((void *)(uintptr_t)q->settings);
    q->settings = own;
    q->declared = true;
    *now_set = *own;
    if (who && !q->owner) {
        mark_queue_gone(e, q); // it may have been on disk before
        queue_own(q, who);
    }
    mark_queue(e, q);
    queue_trim(e, q);
    queue_touch(e, q); // room or concurrency may have grown
    engine_settle(e);
    return ERROR_NONE;
}

enum error engine_declare(struct engine *e, struct moment now, struct slice queue,
                          const struct queue_settings *settings, unsigned named,
                          struct queue_settings *now_set, const char **why)
{
    return declare(e, now, queue, settings, named, NULL, now_set, why);
}

enum error engine_declare_owned(struct engine *e, struct moment now, struct slice queue,
                                const struct queue_settings *settings, unsigned named,
                                struct engine_client *who, struct queue_settings *now_set, const char **why)
{
    return declare(e, now, queue, settings, named, who, now_set, why);
}

static void set_paused(struct engine *e, struct queue *q, bool paused)
{
    q->paused = paused;
    mark_queue(e, q);
    queue_touch(e, q);
}

enum error engine_pause(struct engine *e, struct moment now, struct slice queue)
{
    struct queue *q;
    engine_begin(e, now);
    enum error error = queue_get(e, queue, &q);
    if (error == ERROR_NONE)
        set_paused(e, q, true);
    engine_settle(e);
    return error;
}

enum error engine_resume(struct engine *e, struct moment now, struct slice queue)
{
    struct queue *q;
    engine_begin(e, now);
    enum error error = queue_get(e, queue, &q);
    if (error == ERROR_NONE) {
        set_paused(e, q, false);
    }
    engine_settle(e);
    return error;
}

enum error engine_join(struct engine *e, struct moment now, struct slice queue, struct engine_client *who,
                       int64_t timeout, void *context, struct waiter **waiting)
{
    engine_begin(e, now);
    *waiting = NULL;
    struct queue *q = queue_find(e, queue);
    if (!q || queue_unfinished(q) == 0) {
        if (q)
            e->promise = journal_marked(e); // that the last of them are finished is on disk
        return ERROR_NONE;
    }
    if (timeout == 0)
        return ERROR_TIMEOUT;
    if (e->draining)
        return ERROR_DRAINING;
    struct wait *w;
    enum error error = wait_new(e, who, WAITER_JOIN, &q, 1, timeout, context, &w);
    if (error == ERROR_NONE)
        *waiting = &w->pub;
    return error;
}

enum error engine_shutdown(struct engine *e, struct moment now, struct slice queue, bool immediate)
{
    struct queue *q;
    engine_begin(e, now);
    enum error error = queue_get(e, queue, &q);
    if (error == ERROR_NONE) {
        q->shut_down = true;
        if (immediate) {
            q->shut_down_hard = true;
            work_begin(e, q, QUEUE_WORK_EMPTY);
        }
        mark_queue(e, q);
        queue_touch(e, q);
    }
    engine_settle(e);
    return error;
}

void queue_drop(struct engine *e, struct queue *q)
{
    queue_idle_remove(e, q);
    mark_queue_gone(e, q); // without it its jobs are nothing, whatever of them is still on disk
    queue_forget_name(e, q);
    work_begin(e, q, QUEUE_WORK_DROP);
    while (q->puts.first)
        wait_complete(e, q->puts.first->wait, ERROR_NOT_FOUND);
    while (q->joins.first)
        wait_complete(e, q->joins.first->wait, ERROR_NONE);
    while (q->results.first)
        wait_complete(e, q->results.first->wait, ERROR_NOT_FOUND);
    while (q->gets.first) {
        struct wait *w = q->gets.first->wait;
        bool others = false;
        wait_link_remove(e, q->gets.first);
        for (unsigned i = 0; i < w->link_count; i++)
            if (w->links[i].queue) {
                others = true;
                queue_touch(e, w->links[i].queue); // all that are left may be shut down
            }
        if (!others)
            wait_complete(e, w, ERROR_NOT_FOUND);
    }
}

enum error engine_drop(struct engine *e, struct moment now, struct slice queue, uint64_t *count)
{
    engine_begin(e, now);
    struct queue *q = queue_find(e, queue);
    if (!q)
        return ERROR_NOT_FOUND;
    *count = queue_unfinished(q) + q->gauges.dead + q->gauges.finished;
    queue_drop(e, q);
    engine_settle(e);
    return ERROR_NONE;
}

// ---- single jobs

enum error engine_kick(struct engine *e, struct moment now, uint64_t id, bool *kicked)
{
    engine_begin(e, now);
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    *kicked = (j->state == JOB_DEAD || j->state == JOB_DELAYED) && !job_queue(j)->shut_down_hard;
    if (*kicked)
        job_kick(e, j);
    engine_settle(e);
    return ERROR_NONE;
}

enum error engine_delete(struct engine *e, struct moment now, uint64_t id)
{
    engine_begin(e, now);
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    COUNT(e, job_queue(j), deleted);
    if (j->state == JOB_RESERVED)
        client_wake(e, j->holder);
    job_remove(e, j);
    engine_settle(e);
    return ERROR_NONE;
}

// ---- sweeps

#define FINISHED (JOB_STATE_BIT(JOB_DONE) | JOB_STATE_BIT(JOB_CANCELLED))

// Done and cancelled jobs share a set: those of the other state are passed over, once a sweep and each for a
// step.
static struct job *next_finished(struct queue *q, struct sweep *s, int *steps)
{
    struct job probe = {.id = s->at};
    for (; *steps > 0; --*steps) {
        struct job *j = job_of_node(tree_after(&q->finished, &probe.node, job_compare));
        if (!j || (s->states & JOB_STATE_BIT(j->state)))
            return j;
        s->at = probe.id = j->id;
    }
    return NULL;
}

// The next job of these states for a sweep; NULL: there is none, or no step is left.
static struct job *sweep_next(struct queue *q, struct sweep *s, int *steps)
{
    struct job *j = NULL;
    if (s->states & JOB_STATE_BIT(JOB_DEAD))
        j = job_of_node(tree_first(&q->dead));
    if (!j && (s->states & JOB_STATE_BIT(JOB_DELAYED)))
        j = job_of_node(tree_first(&q->delayed));
    if (!j && (s->states & JOB_STATE_BIT(JOB_READY)))
        j = queue_head(q);
    if (!j && (s->states & FINISHED))
        j = next_finished(q, s, steps);
    return j;
}

static uint64_t sweep_most(const struct queue *q, unsigned states)
{
    return (states & JOB_STATE_BIT(JOB_DEAD) ? q->gauges.dead : 0) +
           (states & JOB_STATE_BIT(JOB_DELAYED) ? q->gauges.delayed : 0) +
           (states & JOB_STATE_BIT(JOB_READY) ? q->gauges.ready : 0) +
           (states & FINISHED ? q->gauges.finished : 0);
}

enum error engine_sweep(struct engine *e, struct moment now, struct sweep *s)
{
    engine_begin(e, now);
    struct queue *q = queue_find(e, s->queue);
    s->done = true;
    if (!q)
        return s->begun ? ERROR_NONE : ERROR_NOT_FOUND; // it went in between: nothing is left to do
    if (s->kind == SWEEP_KICK && q->shut_down_hard)
        return ERROR_NONE; // as engine_kick
    // Not more than there are now, so that a busy producer cannot keep a sweep going for ever.
    uint64_t most = s->begun ? s->limit : sweep_most(q, s->states);
    s->limit = s->limit < most ? s->limit : most;
    s->begun = true;
    int steps = SLICE_OF_WORK;
    struct job *j = NULL;
    while (s->count < s->limit && steps > 0 && (j = sweep_next(q, s, &steps))) {
        s->count++;
        steps--;
        if (s->kind == SWEEP_KICK) {
            job_kick(e, j);
        } else {
            COUNT(e, q, deleted);
            job_remove(e, j);
        }
    }
    s->done = s->count >= s->limit || steps > 0;
    engine_settle(e);
    return ERROR_NONE;
}
