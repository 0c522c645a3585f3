// Holds the engine's completions against what the model allows at that point.
#include "tests/model/model.h"

#include <inttypes.h>

static void get_served(struct model *m, struct mwait *w, const struct waiter *c)
{
    const struct taken *t = &c->taken;
    int queue = w->names[t->queue_index];
    REQUIRE(w->queues >> queue & 1, "a get was served from a queue that it does not wait at");
    for (unsigned i = 0; i < m->wait_count; i++) {
        const struct mwait *other = &m->waits[i];
        REQUIRE(other->kind != WAITER_GET || other->order >= w->order || other->over ||
                    !(other->queues >> queue & 1),
                "a get was served before an older one of queue %d", queue);
    }
    struct mjob *j = model_head(m, queue);
    REQUIRE(j && j->id == t->id, "a waiting get got job %" PRIu64 " of queue %d, not %" PRIu64, t->id, queue,
            j ? j->id : 0);
    model_hand_out(m, j, w->client, w->lease, w->detached, true);
    REQUIRE(t->delivery == model_token(m, j), "job %" PRIu64 ": token %" PRIu64 ", not %" PRIu64, t->id,
            t->delivery, model_token(m, j));
    REQUIRE(t->attempt == j->attempts + 1, "attempt %u, not %u", t->attempt, j->attempts + 1);
    REQUIRE(t->priority == j->priority, "priority %g, not %g", t->priority, j->priority);
    REQUIRE(slice_same(t->body, body_text(j->body)), "job %" PRIu64 " has another body", t->id);
}

// A put that waited has this job now, its own or one that bore its key.
static void put_let_in(struct model *m, struct mwait *w, uint64_t id)
{
    int queue = w->job.queue;
    struct mkey *k = model_key(m, queue, w->job.key);
    if (k) {
        REQUIRE(id == k->id, "a waiting put found job %" PRIu64 ", not %" PRIu64, id, k->id);
        w->forget = false;
        return;
    }
    REQUIRE(!model_full(m, queue), "a put was let into a full queue");
    for (unsigned i = 0; i < m->wait_count; i++) {
        const struct mwait *other = &m->waits[i];
        REQUIRE(other->kind != WAITER_PUT || other->order >= w->order || other->over ||
                    !(other->queues >> queue & 1),
                "a put was let in before an older one of queue %d", queue);
    }
    model_admit(m, &w->job, id);
}

static void put_served(struct model *m, struct mwait *w, const struct waiter *c)
{
    REQUIRE(c->existing == (model_key(m, w->job.queue, w->job.key) != NULL), "a waiting put says existing=%d",
            c->existing);
    put_let_in(m, w, c->id);
    if (w->notify)
        model_told_late(m, model_wait_of(m, w->notify - 1), c->id);
}

static void put_failed(struct model *m, const struct mwait *w)
{
    if (!w->notify)
        return;
    m->subscriptions[w->client]--;
    model_wait_remove(m, model_wait_of(m, w->notify - 1));
}

// The call whose turn it is; NULL: none of them was let in, or only to find that its job has ended, which is
// the end of it.
static struct mwait *call_let_in(struct model *m, uint64_t id)
{
    struct mwait *first = NULL;
    for (unsigned i = 0; i < m->wait_count; i++) {
        struct mwait *w = &m->waits[i];
        if (w->kind != WAITER_PUT || !w->call || w->waiter->kind != WAITER_RESULT || w->waiter->id > id)
            continue;
        const struct mjob *j = model_job(m, w->waiter->id);
        if (w->waiter->id <= m->last_id && (!j || model_outcome(j) != ERROR_TIMEOUT))
            continue;
        bool earlier = !first || w->waiter->id < first->waiter->id ||
                       (w->waiter->id == first->waiter->id && w->order < first->order);
        first = earlier ? w : first;
    }
    return first;
}

void model_calls_let_in(struct model *m, uint64_t id)
{
    for (struct mwait *w; (w = call_let_in(m, id));) {
        put_let_in(m, w, w->waiter->id);
        w->kind = WAITER_RESULT;
        w->id = w->waiter->id;
        w->queues = 0;
    }
}

static void result_told(const struct mwait *w, const struct waiter *c)
{
    const struct outcome *o = &c->outcome;
    const struct mjob *j = &w->end;
    REQUIRE(c->id == w->id, "a result is of job %" PRIu64 ", not %" PRIu64, c->id, w->id);
    if (!is_outcome(c->error))
        return;
    enum job_state state = c->error == ERROR_FAILED ? JOB_DEAD : j->state;
    REQUIRE(o->state == state, "an outcome's state is %d, not %d", o->state, state);
    REQUIRE(c->error != ERROR_NONE || slice_same(blob_slice(o->result), note_text('r', j->result)),
            "another result");
    if (c->error == ERROR_FAILED) {
        REQUIRE(slice_same(blob_slice(o->error), note_text('e', j->error)), "another error");
        REQUIRE(o->reason == j->failed_reason, "reason %d, not %d", o->reason, j->failed_reason);
        REQUIRE(o->attempts == j->failed_attempts, "%u attempts, not %u", o->attempts, j->failed_attempts);
    }
}

// Whether the wait may end with this now, though it did not have to when the call had done its first part.
static bool may_end(struct model *m, const struct mwait *w, enum error error)
{
    if (w->kind == WAITER_JOIN && error == ERROR_NONE)
        for (int q = 0; q < QUEUES; q++)
            if ((w->queues >> q & 1) && model_unfinished(m, q) == 0)
                return true;
    if (w->kind == WAITER_GET && error == ERROR_SHUT_DOWN) {
        for (int q = 0; q < QUEUES; q++)
            if ((w->queues >> q & 1) && !model_over(m, q))
                return false;
        return true;
    }
    return w->kind == WAITER_PUT && error == ERROR_SHUT_DOWN && m->queues[w->job.queue].shut_down;
}

void model_completed(struct model *m, const struct waiter *c)
{
    // Calls that were let in before it have no completion of their own; one of them may bear the key.
    if (c->kind == WAITER_PUT && c->error == ERROR_NONE)
        model_calls_let_in(m, c->existing ? c->id : c->id - 1);
    else if (c->kind == WAITER_GET && c->error == ERROR_NONE && !model_job(m, c->taken.id))
        model_calls_let_in(m, c->taken.id);
    struct mwait *w = model_wait(m, c);
    REQUIRE(w, "a waiter completed that does not wait");
    if (w->kind == WAITER_PUT && w->call && c->kind == WAITER_RESULT && !w->over) { // its job has ended
        put_let_in(m, w, c->id);
        w->kind = WAITER_RESULT;
        model_told_late(m, w, c->id);
        REQUIRE(w->over, "a call ended whose job did not");
    }
    REQUIRE(c->kind == w->kind, "a waiter changed its kind");
    REQUIRE(!w->silent, "the end of a job is told before its put is answered");
    if (w->over) {
        REQUIRE(c->error == w->error, "a wait of kind %d ended with %s, not %s", c->kind,
                error_name(c->error), error_name(w->error));
        if (w->kind == WAITER_RESULT || w->kind == WAITER_NOTIFY)
            result_told(w, c);
    } else if (w->kind == WAITER_GET && c->error == ERROR_NONE) {
        get_served(m, w, c);
    } else if (w->kind == WAITER_PUT && c->error == ERROR_NONE) {
        put_served(m, w, c);
    } else {
        REQUIRE(may_end(m, w, c->error), "a wait of kind %d ended with %s", c->kind, error_name(c->error));
    }
    if (c->kind == WAITER_PUT && c->error != ERROR_NONE)
        put_failed(m, w);
    model_wait_remove(m, model_wait(m, c));
}

void model_settled(struct model *m)
{
    model_calls_let_in(m, UINT64_MAX);
    for (unsigned i = 0; i < m->wait_count; i++) {
        const struct mwait *w = &m->waits[i];
        REQUIRE(!w->over || w->silent, "a wait of kind %d should have ended with %s", w->kind,
                error_name(w->error));
        for (int q = 0; q < QUEUES; q++) {
            if (!(w->queues >> q & 1))
                continue;
            REQUIRE(w->kind != WAITER_GET || !model_head(m, q),
                    "a get waits at queue %d while job %" PRIu64 " is ready", q, model_head(m, q)->id);
            REQUIRE(w->kind != WAITER_PUT || model_full(m, q), "a put waits at queue %d that has room", q);
            REQUIRE(w->kind != WAITER_PUT || !m->queues[q].shut_down, "a put waits at queue %d", q);
            REQUIRE(w->kind != WAITER_JOIN || model_unfinished(m, q), "a join waits at queue %d", q);
        }
        REQUIRE(w->kind != WAITER_GET || !may_end(m, w, ERROR_SHUT_DOWN), "a get waits at what is shut down");
    }
}
