// What producers do: put, cancel, wait for the outcome.
#include "server/engine/mark.h"
#include "server/engine/retry.h"

#include <assert.h>

// A put that cannot go on now waits, if it may.
static enum error wait_for_room(struct engine *e, struct queue *q, struct job *j, struct engine_client *who,
                                int64_t timeout, void *context, struct put_result *out)
{
    if (timeout == 0) {
        COUNT(e, q, refused);
        return ERROR_FULL;
    }
    struct wait *w;
    enum error error = wait_new(e, who, WAITER_PUT, &q, 1, timeout, context, &w);
    if (error != ERROR_NONE)
        return error;
    w->job = j;
    w->asked = e->now;
    e->bytes += job_bytes(j);
    out->waiting = &w->pub;
    return ERROR_NONE;
}

static enum error put(struct engine *e, struct queue *q, struct job *j, struct engine_client *who,
                      int64_t timeout, void *context, struct put_result *out)
{
    if (q->shut_down)
        return ERROR_SHUT_DOWN;
    struct key *own = j->extra ? j->extra->key : NULL;
    struct key *known = own ? key_find(e, q, (struct slice){own->text, own->len}) : NULL;
    if (known) {
        out->id = known->id;
        out->existing = true;
        job_discard(j);
        return ERROR_NONE;
    }
    if (e->store_full && e->journal && q->settings->durable)
        return ERROR_STORE_FAILED;
    if (e->bytes + job_bytes(j) > e->config.max_bytes)
        return ERROR_OVERLOADED;
    if (queue_full(q) || q->puts.first)
        return wait_for_room(e, q, j, who, timeout, context, out);
    struct level *l = id_map_ready(&e->jobs) ? level_get(q, job_wanted_priority(j)) : NULL;
    if (!l)
        return ERROR_OVERLOADED;
    e->bytes += job_bytes(j);
    job_admit(e, j, l, e->now);
    out->id = j->id;
    return ERROR_NONE;
}

enum error engine_put(struct engine *e, struct moment now, struct slice queue, struct job *j,
                      struct engine_client *who, int64_t timeout, void *context, struct put_result *out)
{
    engine_begin(e, now);
    *out = (struct put_result){0};
    if (e->draining)
        return ERROR_DRAINING;
    if (!mark_ids(e))
        return ERROR_OVERLOADED; // more ids are on their way to the disk
    struct queue *q;
    enum error error = queue_get(e, queue, &q);
    if (error == ERROR_NONE)
        error = put(e, q, j, who, timeout, context, out);
    engine_settle(e);
    return error;
}

enum error engine_cancel(struct engine *e, struct moment now, uint64_t id, bool *cancelled)
{
    engine_begin(e, now);
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    *cancelled = j->state == JOB_DELAYED || j->state == JOB_READY;
    if (*cancelled)
        job_finish(e, j, JOB_CANCELLED, NULL);
    engine_settle(e);
    return ERROR_NONE;
}

enum error engine_result(struct engine *e, struct moment now, uint64_t id, bool forget,
                         struct engine_client *who, int64_t timeout, void *context, struct outcome *out,
                         struct waiter **waiting)
{
    engine_begin(e, now);
    *waiting = NULL;
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    enum error error = job_outcome(j, out);
    if (error != ERROR_TIMEOUT) {
        if (forget && (j->state == JOB_DONE || j->state == JOB_CANCELLED))
            job_remove(e, j);
        engine_settle(e);
        return error;
    }
    if (timeout == 0)
        return ERROR_TIMEOUT;
    if (e->draining)
        return ERROR_DRAINING;
    // The check and the wait are one step: no outcome can come in between.
    struct queue *q = job_queue(j); // for as long as the job has no outcome
    struct wait *w;
    error = wait_new(e, who, WAITER_RESULT, &q, 1, timeout, context, &w);
    if (error != ERROR_NONE)
        return error;
    if (!job_extra(e, j)) {
        wait_free(e, w);
        engine_settle(e);
        return ERROR_OVERLOADED;
    }
    w->job = j;
    w->forget = forget;
    w->pub.id = id;
    w->result_next = j->extra->results;
    j->extra->results = w;
    *waiting = &w->pub;
    return ERROR_NONE;
}
