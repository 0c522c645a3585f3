// What producers do: put, cancel, wait for the outcome.
#include "server/engine/account.h"
#include "server/engine/journal.h"
#include "server/engine/mark.h"
#include "server/engine/retry.h"

#include <assert.h>

// Who puts, and what beside.
struct putting {
    struct engine_client *who;
    int64_t timeout;
    void *context;
    const struct watch_options *watch; // NULL: it is a plain put
    struct put_result *out;
    struct outcome *outcome;
};

// What waits for the end of a job that is about to be put, or is there already. NULL without an error: a call
// that may not wait.
static enum error watch_new(struct engine *e, const struct putting *p, struct wait **out)
{
    const struct watch_options *o = p->watch;
    *out = NULL;
    if (!o->call)
        return wait_for_end_new(e, p->who, WAITER_NOTIFY, o, FOREVER, o->context, out);
    if (p->timeout == 0)
        return ERROR_NONE;
    return wait_for_end_new(e, p->who, WAITER_RESULT, o, p->timeout, p->context, out);
}

// A put that cannot go on now waits, if it may.
static enum error wait_for_room(struct engine *e, struct queue *q, struct job *j, const struct putting *p)
{
    if (p->timeout == 0) {
        COUNT(e, q, refused);
        return ERROR_FULL;
    }
    struct wait *w;
    enum error error = wait_new(e, p->who, WAITER_PUT, &q, 1, p->timeout, p->context, &w);
    if (error != ERROR_NONE)
        return error;
    if (p->watch && p->watch->call) {
        w->call = true;
        w->forget = true;
        if (p->watch->progress && !wait_watch(w))
            error = ERROR_OVERLOADED;
    } else if (p->watch) {
        error = watch_new(e, p, &w->subscribed);
        if (error == ERROR_NONE)
            w->subscribed->silent = true;
    }
    if (error != ERROR_NONE) {
        wait_free(e, w);
        return error;
    }
    w->job = j;
    w->asked = e->now;
    e->bytes += job_bytes(j);
    account_charge(p->who->account, j);
    p->out->waiting = &w->pub;
    return ERROR_NONE;
}

// A put whose key is taken by the job `id`: j is discarded, and what waits for its end waits for that one's.
// After ERROR_OVERLOADED nothing has happened.
static enum error put_existing(struct engine *e, uint64_t id, struct job *j, const struct putting *p)
{
    struct job *known = p->watch ? job_find(e, id) : NULL;
    struct wait *w = NULL;
    e->promise = journal_marked(e); // who hears of it relies on it, whoever put it
    struct outcome outcome = {.state = JOB_CANCELLED};
    enum error end = known ? job_outcome(known, &outcome) : ERROR_NOT_FOUND;
    if (p->watch && (end == ERROR_TIMEOUT || !p->watch->call)) {
        enum error error = watch_new(e, p, &w);
        if (error == ERROR_NONE && end == ERROR_TIMEOUT && !job_extra(e, known)) {
            error = ERROR_OVERLOADED;
            if (w)
                wait_free(e, w);
        }
        if (error != ERROR_NONE) {
            blob_unref(outcome.result);
            blob_unref(outcome.error);
            return error;
        }
    }
    p->out->id = id;
    p->out->existing = true;
    job_discard(j);
    if (!p->watch)
        return ERROR_NONE;
    if (w && end == ERROR_TIMEOUT) {
        wait_attach(e, w, known);
        p->out->waiting = p->watch->call ? &w->pub : NULL;
        return ERROR_NONE;
    }
    if (w) { // the subscription to a job that has ended
        w->pub.id = id;
        w->pub.outcome = outcome;
        wait_complete(e, w, end);
        return ERROR_NONE;
    }
    *p->outcome = outcome;
    return end;
}

static enum error put(struct engine *e, struct queue *q, struct job *j, const struct putting *p)
{
    if (q->shut_down)
        return ERROR_SHUT_DOWN;
    struct key *own = j->extra ? j->extra->key : NULL;
    struct key *known = own ? key_find(e, q, (struct slice){own->text, own->len}) : NULL;
    if (known)
        return put_existing(e, known->id, j, p);
    if (e->store_full && e->journal && q->settings->durable)
        return ERROR_STORE_FAILED;
    struct engine_account *account = p->who ? p->who->account : NULL;
    if (account_prepare(account, j) != ERROR_NONE || e->bytes + job_bytes(j) > e->config.max_bytes)
        return ERROR_OVERLOADED;
    if (queue_full(q) || q->puts.first)
        return wait_for_room(e, q, j, p);
    struct wait *w = NULL;
    if (p->watch) {
        enum error error = watch_new(e, p, &w);
        if (error != ERROR_NONE)
            return error;
    }
    struct level *l = id_map_ready(&e->jobs) ? level_get(q, job_wanted_priority(j)) : NULL;
    if (!l) {
        if (w)
            wait_free(e, w);
        return ERROR_OVERLOADED;
    }
    e->bytes += job_bytes(j);
    account_charge(account, j);
    job_admit(e, j, l, e->now);
    p->out->id = j->id;
    if (w) {
        w->forget = p->watch->call;
        wait_attach(e, w, j);
        p->out->waiting = p->watch->call ? &w->pub : NULL;
    }
    return p->watch && p->watch->call && !w ? ERROR_TIMEOUT : ERROR_NONE;
}

static inline enum error put_into(struct engine *e, struct moment now, struct slice queue, struct job *j,
                                  const struct putting *p)
{
    engine_begin(e, now);
    *p->out = (struct put_result){0};
    if (e->draining)
        return ERROR_DRAINING;
    if (!mark_ids(e))
        return ERROR_OVERLOADED; // more ids are on their way to the disk
    struct queue *q;
    enum error error = queue_get(e, queue, &q);
    if (error == ERROR_NONE)
        error = put(e, q, j, p);
    engine_settle(e);
    return error;
}

enum error engine_put(struct engine *e, struct moment now, struct slice queue, struct job *j,
                      struct engine_client *who, int64_t timeout, void *context, struct put_result *out)
{
    return put_into(e, now, queue, j,
                    &(struct putting){.who = who, .timeout = timeout, .context = context, .out = out});
}

enum error engine_submit(struct engine *e, struct moment now, struct slice queue, struct job *j,
                         struct engine_client *who, int64_t timeout, void *context,
                         const struct watch_options *watch, struct put_result *out, struct outcome *outcome)
{
    assert(who && j->extra);
    struct putting p = {who, timeout, context, watch, out, outcome};
    return put_into(e, now, queue, j, &p);
}

// The mark is all there is for now: the job stays with its holder, until that one lets go of it.
static enum error cancel_held(struct engine *e, struct job *j)
{
    struct extra *x = job_extra(e, j);
    if (!x)
        return ERROR_OVERLOADED;
    x->cancelling = true;
    mark_job(e, j, JOB_HEAD_DIRTY);
    client_wake(e, j->holder);
    return ERROR_NONE;
}

enum error engine_cancel(struct engine *e, struct moment now, uint64_t id, bool running, bool *cancelled)
{
    engine_begin(e, now);
    struct job *j = job_find(e, id);
    if (!j)
        return ERROR_NOT_FOUND;
    *cancelled = j->state == JOB_DELAYED || j->state == JOB_READY || (running && j->state == JOB_RESERVED);
    enum error error = ERROR_NONE;
    if (j->state == JOB_RESERVED && running)
        error = cancel_held(e, j);
    else if (*cancelled)
        job_finish(e, j, JOB_CANCELLED, NULL);
    engine_settle(e);
    return error;
}

enum error engine_result(struct engine *e, struct moment now, uint64_t id, unsigned flags,
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
        mark_told(e, j);
        if ((flags & OUTCOME_FORGET) && (j->state == JOB_DONE || j->state == JOB_CANCELLED))
            job_remove(e, j);
        engine_settle(e);
        return error;
    }
    if (timeout == 0)
        return ERROR_TIMEOUT;
    if (e->draining)
        return ERROR_DRAINING;
    // The check and the wait are one step: no outcome can come in between.
    const struct watch_options watch = {.progress = flags & OUTCOME_PROGRESS};
    struct wait *w;
    error = wait_for_end_new(e, who, WAITER_RESULT, &watch, timeout, context, &w);
    if (error != ERROR_NONE)
        return error;
    if (!job_extra(e, j)) {
        wait_free(e, w);
        engine_settle(e);
        return ERROR_OVERLOADED;
    }
    w->forget = flags & OUTCOME_FORGET;
    wait_attach(e, w, j);
    *waiting = &w->pub;
    return ERROR_NONE;
}
