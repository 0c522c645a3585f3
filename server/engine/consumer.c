// What consumers do: get, and then ack, nack, release, bury or touch what they hold, or say how far it is.
#include "server/engine/mark.h"
#include "server/engine/retry.h"

#include <assert.h>

// Of several queues the one with the most urgent job; NULL: none has one to give.
static struct queue *most_urgent(struct queue **queues, unsigned count, unsigned *index)
{
    struct queue *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        struct queue *q = queues[i];
        if (q && queue_takes(q) && (!best || job_before(queue_head(q), queue_head(best)))) {
            best = q;
            *index = i;
        }
    }
    return best;
}

// Hands one out to somebody who does not wait; its body is valid until the lock is released.
static void take(struct engine *e, struct queue *q, struct engine_client *who, const struct get_options *o,
                 struct taken *out)
{
    struct job *j = queue_head(q);
    uint32_t holder = o->detached ? 0 : who->number;
    job_hand_out(e, j, holder, o->lease, out);
    out->blob = blob_ref(job_body_blob(j));
    if (o->detached)
        j->flags |= JOB_DETACHED;
    if (o->auto_ack)
        job_finish(e, j, JOB_DONE, NULL);
}

static bool all_over(struct queue **queues, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!queues[i] || !queue_over(queues[i]))
            return false;
    return true;
}

static enum error wait_for_job(struct engine *e, struct engine_client *who, const struct get_options *o,
                               struct queue **queues, struct waiter **waiting)
{
    for (unsigned i = 0; i < o->queue_count; i++) {
        enum error error = queue_get(e, o->queues[i], &queues[i]);
        if (error != ERROR_NONE)
            return error;
    }
    struct wait *w;
    enum error error = wait_new(e, who, WAITER_GET, queues, o->queue_count, o->timeout, o->context, &w);
    if (error != ERROR_NONE)
        return error;
    w->lease = o->lease;
    w->auto_ack = o->auto_ack;
    w->detached = o->detached;
    *waiting = &w->pub;
    return ERROR_NONE;
}

static enum error get(struct engine *e, struct engine_client *who, const struct get_options *o,
                      struct taken *out, unsigned *count, struct waiter **waiting)
{
    struct queue *queues[GET_QUEUES_MAX];
    for (unsigned i = 0; i < o->queue_count; i++)
        queues[i] = queue_find(e, o->queues[i]);
    while (*count < o->max) {
        unsigned index = 0;
        struct queue *q = most_urgent(queues, o->queue_count, &index);
        if (!q)
            break;
        take(e, q, who, o, &out[*count]);
        out[*count].queue_index = index;
        ++*count;
    }
    if (*count)
        return ERROR_NONE;
    if (all_over(queues, o->queue_count))
        return ERROR_SHUT_DOWN;
    if (o->timeout == 0)
        return ERROR_EMPTY;
    return wait_for_job(e, who, o, queues, waiting);
}

enum error engine_get(struct engine *e, struct moment now, struct engine_client *who,
                      const struct get_options *o, struct taken *out, unsigned *count,
                      struct waiter **waiting)
{
    assert(o->queue_count >= 1 && o->queue_count <= GET_QUEUES_MAX && o->max >= 1 && who);
    engine_begin(e, now);
    *count = 0;
    *waiting = NULL;
    if (e->draining)
        return ERROR_DRAINING;
    enum error error = get(e, who, o, out, count, waiting);
    engine_settle(e);
    return error;
}

// The job, if it is reserved and this is its holder: by the token from anywhere, without one only from the
// client that holds it.
static enum error held(struct engine *e, struct moment now, const struct engine_client *who, uint64_t id,
                       uint64_t delivery, struct job **out)
{
    engine_begin(e, now);
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    if (j->state != JOB_RESERVED)
        return ERROR_NOT_RESERVED;
    bool holds = who && !(j->flags & JOB_DETACHED) && j->holder == who->number;
    if (delivery ? delivery != engine_token(e, j) : !holds)
        return ERROR_NOT_RESERVED;
    *out = j;
    return ERROR_NONE;
}

enum error engine_ack(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                      uint64_t delivery, struct blob *result)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    job_count_run(e, j);
    if (job_cancelling(j))
        error = job_cancel_held(e, j);
    else
        job_finish(e, j, JOB_DONE, result);
    engine_settle(e);
    return error;
}

enum error engine_nack(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery, struct blob *error_text, int64_t delay, struct nack_result *out)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    out->state = job_come_back(e, j, BACK_FAILED, error_text, delay);
    out->delay = out->state == JOB_DELAYED ? (int64_t)j->timer.when - e->now : 0;
    engine_settle(e);
    return out->state == JOB_CANCELLED ? ERROR_CANCELLED : ERROR_NONE;
}

enum error engine_release(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                          uint64_t delivery, int64_t delay, const double *priority)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    if (priority && !job_cancelling(j)) {
        // While it is reserved it stands in no level's containers: the level can be exchanged.
        struct level *l = level_get(job_queue(j), *priority);
        if (!l)
            return ERROR_OVERLOADED;
        level_unref(j->level);
        j->level = l;
        mark_job(e, j, JOB_HEAD_DIRTY);
    }
    enum job_state state = job_come_back(e, j, BACK_RELEASED, NULL, delay);
    engine_settle(e);
    return state == JOB_CANCELLED ? ERROR_CANCELLED : ERROR_NONE;
}

enum error engine_lost(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    enum job_state state = job_come_back(e, j, BACK_LOST, NULL, -1);
    engine_settle(e);
    return state == JOB_CANCELLED ? ERROR_CANCELLED : ERROR_NONE;
}

enum error engine_bury(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                       uint64_t delivery, struct blob *error_text)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    job_count_run(e, j);
    if (job_cancelling(j))
        error = job_cancel_held(e, j);
    else
        job_die(e, j, DEAD_BURIED, error_text);
    engine_settle(e);
    return error;
}

enum error engine_touch(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                        uint64_t delivery, int64_t lease, int64_t *left)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    if (job_cancelling(j))
        return ERROR_CANCELLED;
    *left = lease ? lease : job_lease(j);
    job_note_start(e, j);
    wheel_remove(&e->wheel, &j->timer);
    wheel_add(&e->wheel, &j->timer, e->now + *left);
    return ERROR_NONE;
}

enum error engine_progress(struct engine *e, struct moment now, struct engine_client *who, uint64_t id,
                           uint64_t delivery, struct blob *progress)
{
    struct job *j;
    enum error error = held(e, now, who, id, delivery, &j);
    if (error != ERROR_NONE)
        return error;
    if (job_cancelling(j))
        return ERROR_CANCELLED;
    if (e->bytes + progress->len > e->config.max_bytes || !job_set_progress(e, j, progress))
        return ERROR_OVERLOADED;
    j->extra->progress->news = true;
    if (!wheel_waiting(&j->extra->progress->pause))
        progress_tell(e, j->extra->progress);
    return ERROR_NONE;
}
