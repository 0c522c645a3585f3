// The calls of taskq.h that are about single futures.
#include "client/future.h"

#include "client/call.h"
#include "client/link.h"
#include "client/produce.h"
#include "common/clock.h"

#include <stdlib.h>

static int64_t deadline_of(double timeout)
{
    return timeout < 0 ? -1 : clock_ns() + (int64_t)(timeout > 1e9 ? 1e18 : timeout * 1e9);
}

// Sends a new future's request as far as that goes by itself; what does not go now goes with a later wait.
static enum taskq_error start(struct taskq *q, enum taskq_error begun, struct taskq_future **f)
{
    enum taskq_error e = begun == TASKQ_OK ? futures_send(q) : begun;
    if (e != TASKQ_OK && begun == TASKQ_OK) {
        taskq_future_free(*f);
        *f = NULL;
    }
    return e;
}

enum taskq_error taskq_future_submit(struct taskq *q, const char *queue, const char *body, size_t body_len,
                                     const struct taskq_put_options *options,
                                     const struct taskq_future_options *future_options,
                                     struct taskq_future **f)
{
    const struct taskq_put_options *o = produce_options(options);
    enum taskq_error e = link_ensure(q, false);
    if (e != TASKQ_OK)
        return e;
    produce_request(q, "submit", queue, body, body_len, o, o->key);
    return start(q, future_begin(q, o->key != NULL, future_options, NULL, f), f);
}

enum taskq_error taskq_future_of(struct taskq *q, uint64_t id,
                                 const struct taskq_future_options *future_options, struct taskq_future **f)
{
    enum taskq_error e = link_ensure(q, false);
    if (e != TASKQ_OK)
        return e;
    if (id == 0 || id >= UINT64_C(1) << 53)
        return handle_fail(q, TASKQ_USAGE, "this is no job's id");
    return start(q, future_begin_asking(q, id, future_options, NULL, f), f);
}

static bool has_ended(const void *arg)
{
    const struct taskq_future *f = arg;
    return f->state == FUTURE_ENDED;
}

enum taskq_error taskq_future_wait(struct taskq_future *f, double timeout)
{
    if (f->state != FUTURE_ENDED) {
        enum taskq_error e = futures_until(f->q, deadline_of(timeout), has_ended, f);
        if (e != TASKQ_OK)
            return e;
    }
    if (f->options.ended == NULL)
        list_leave(&f->link); // taskq_future_next() need not hand it out
    return TASKQ_OK;
}

static bool next_has_ended(const void *arg)
{
    const struct taskq *q = arg;
    return !list_empty(&q->futures.next.ended);
}

enum taskq_error taskq_future_next(struct taskq *q, double timeout, struct taskq_future **f)
{
    struct future_sink *sink = &q->futures.next;
    if (list_empty(&sink->ended)) {
        if (sink->open == 0)
            return handle_fail(q, TASKQ_NOTHING, "%s", "no future is open");
        enum taskq_error e = futures_until(q, deadline_of(timeout), next_has_ended, q);
        if (e != TASKQ_OK)
            return e;
    }
    *f = list_entry(sink->ended.next, struct taskq_future, link);
    list_leave(&(*f)->link);
    return TASKQ_OK;
}

static bool something_to_call(const void *arg)
{
    const struct taskq *q = arg;
    return !list_empty(&q->futures.calls.ended) || !list_empty(&q->futures.news);
}

enum taskq_error taskq_dispatch(struct taskq *q, double timeout)
{
    struct future_set *s = &q->futures;
    if (!something_to_call(q)) {
        if (s->watched == 0)
            return handle_fail(q, TASKQ_NOTHING, "%s", "no future with a callback is open");
        enum taskq_error e = futures_until(q, deadline_of(timeout), something_to_call, q);
        if (e != TASKQ_OK)
            return e;
    }
    // Only what is there now: what the callbacks begin, and what comes while they run, is for the next time.
    struct list news, ended;
    list_init(&news);
    list_init(&ended);
    list_splice(&news, &s->news);
    list_splice(&ended, &s->calls.ended);
    while (!list_empty(&news)) {
        struct taskq_future *f = list_entry(news.next, struct taskq_future, news);
        struct taskq_report report = f->report;
        list_leave(&f->news);
        f->options.progressed(f, &report, f->options.arg);
    }
    while (!list_empty(&ended)) {
        struct taskq_future *f = list_entry(ended.next, struct taskq_future, link);
        list_leave(&f->link);
        f->options.ended(f, f->options.arg);
    }
    return TASKQ_OK;
}

const struct taskq_outcome *taskq_future_outcome(const struct taskq_future *f)
{
    return f->state == FUTURE_ENDED ? &f->outcome : NULL;
}

uint64_t taskq_future_id(const struct taskq_future *f)
{
    return f->outcome.id;
}

bool taskq_future_report(const struct taskq_future *f, struct taskq_report *report)
{
    if (f->reported)
        *report = f->report;
    return f->reported;
}

static bool is_answered(const void *arg)
{
    const struct taskq_future *f = arg;
    return f->state != FUTURE_TO_SUBMIT && f->state != FUTURE_SUBMITTED;
}

bool future_was_taken_back(struct taskq_future *f)
{
    if (f->state != FUTURE_ENDED || f->outcome.error != TASKQ_REQUEST_CANCELLED)
        return false;
    f->outcome.error = TASKQ_CANCELLED;
    f->outcome.message = "it was cancelled before it was put";
    return true;
}

enum taskq_error taskq_future_cancel(struct taskq_future *f, bool running, bool *cancelled)
{
    struct taskq *q = f->q;
    bool done = false;
    if (f->state == FUTURE_TO_SUBMIT && !f->maybe_put) {
        future_end(f, TASKQ_CANCELLED, "it was cancelled before it was submitted");
        done = true;
    } else if (!is_answered(f)) {
        if (f->state == FUTURE_SUBMITTED)
            call_cancel(q, f->request); // it may wait for room in its queue
        enum taskq_error e = futures_until(q, call_deadline(q, 0), is_answered, f);
        if (e != TASKQ_OK)
            return e;
        done = future_was_taken_back(f);
    }
    if (f->state != FUTURE_ENDED) {
        enum taskq_error e =
            running ? taskq_cancel_running(q, f->outcome.id, &done) : taskq_cancel(q, f->outcome.id, &done);
        if (e != TASKQ_OK)
            return e;
    }
    if (cancelled != NULL)
        *cancelled = done;
    return TASKQ_OK;
}
