// put, submit, call, result, cancel.
#include "server/engine/blob.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/reply.h"
#include "server/rpc/session.h"

#include "common/json_writer.h"

// ---- put, submit, call

enum {
    PUT_QUEUE,
    PUT_BODY,
    PUT_PRIORITY,
    PUT_DELAY,
    PUT_AT,
    PUT_LEASE,
    PUT_MAX_ATTEMPTS,
    PUT_EXPIRES,
    PUT_KEY,
    PUT_KEY_FOR,
    PUT_TIMEOUT,
    PUT_KEEP_RESULT,
    PUT_PROGRESS,
    PUT_NOTIFY
};

#define PUT_ROWS                                                                                              \
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = PUT_QUEUE, PARAM_FIELD(put.queue)},                     \
        {PARAM_NAME("body"), .type = PARAM_ANY, .bit = PUT_BODY, PARAM_FIELD(put.body)},                      \
        {PARAM_NAME("priority"), .type = PARAM_NUMBER, .bit = PUT_PRIORITY, PARAM_FIELD(put.priority)},       \
        {PARAM_NAME("delay"), .type = PARAM_SECONDS, .bit = PUT_DELAY, .high = SETTING_SECONDS_MAX,           \
         PARAM_FIELD(put.delay)},                                                                             \
        {PARAM_NAME("at"), .type = PARAM_SECONDS, .bit = PUT_AT, .high = 10000000000000,                      \
         PARAM_FIELD(put.at)},                                                                                \
        {PARAM_NAME("lease"),         .type = PARAM_SECONDS, .bit = PUT_LEASE, .low = 1,                      \
         .high = SETTING_SECONDS_MAX, PARAM_FIELD(put.lease)},                                                \
        {PARAM_NAME("max_attempts"),   .type = PARAM_WHOLE, .bit = PUT_MAX_ATTEMPTS, .low = 1, .high = 65535, \
         PARAM_FIELD(put.max_attempts)},                                                                      \
        {PARAM_NAME("expires"), .type = PARAM_SECONDS, .bit = PUT_EXPIRES, .high = SETTING_SECONDS_MAX,       \
         PARAM_FIELD(put.expires)},                                                                           \
        {PARAM_NAME("key"), .type = PARAM_TEXT, .bit = PUT_KEY, .low = 1, .high = 255, PARAM_FIELD(put.key)}, \
        {PARAM_NAME("key_for"), .type = PARAM_SECONDS, .bit = PUT_KEY_FOR, .high = SETTING_SECONDS_MAX,       \
         PARAM_FIELD(put.key_for)},                                                                           \
    {                                                                                                         \
        PARAM_NAME("timeout"), .type = PARAM_TIMEOUT, .bit = PUT_TIMEOUT, PARAM_FIELD(put.timeout)            \
    }

static const struct param put_rows[] = {PUT_ROWS};

#define FUTURE_ROWS                                                                                          \
    {PARAM_NAME("keep_result"), .type = PARAM_SECONDS, .bit = PUT_KEEP_RESULT, .high = SETTING_SECONDS_MAX,  \
     PARAM_FIELD(put.keep_result)},                                                                          \
    {                                                                                                        \
        PARAM_NAME("progress"), .type = PARAM_FLAG, .bit = PUT_PROGRESS, PARAM_FIELD(put.progress)           \
    }

static const struct param submit_rows[] = {
    PUT_ROWS,
    FUTURE_ROWS,
    {PARAM_NAME("notify"), .type = PARAM_FLAG, .bit = PUT_NOTIFY, PARAM_FIELD(put.notify)},
};
static const struct param call_rows[] = {PUT_ROWS, FUTURE_ROWS};

static void prepare(struct request *r, bool submit, bool watched)
{
    struct put_params *in = &r->in.put;
    if ((r->seen & PARAM_BIT(PUT_DELAY)) && (r->seen & PARAM_BIT(PUT_AT))) {
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("at"), "give delay or at, not both");
        return;
    }
    if ((r->seen & PARAM_BIT(PUT_KEY_FOR)) && !(r->seen & PARAM_BIT(PUT_KEY))) {
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("key_for"), "key_for needs a key");
        return;
    }
    if (!(r->seen & PARAM_BIT(PUT_TIMEOUT)))
        in->timeout = FOREVER;

    struct put_options options = {
        .priority = in->priority,
        .delay = in->delay,
        .at = in->at,
        .lease = in->lease,
        .max_attempts = (uint32_t)in->max_attempts,
        // 0 means never to the engine, and at once to the client.
        .expires = (r->seen & PARAM_BIT(PUT_EXPIRES)) && in->expires == 0 ? 1 : in->expires,
        .key = in->key,
        .key_for = in->key_for,
        .submit = submit,
        .watched = watched,
        .keep_result = r->seen & PARAM_BIT(PUT_KEEP_RESULT) ? in->keep_result : -1,
    };
    in->job = job_prepare(&options, in->body);
    if (!in->job)
        request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
}

// What comes without being asked for has nowhere to go over HTTP.
static bool refuse_alone(const struct call *call, struct request *r, bool wanted, struct slice param)
{
    bool refused = wanted && call->session->alone;
    if (refused)
        request_refuse(r, ERROR_INVALID_PARAMS, param,
                       "over HTTP nobody could be told; ask with result, or connect to the other port");
    return refused;
}

static void put_check(struct call *call, struct request *r)
{
    (void)call;
    prepare(r, false, false);
}

static void submit_check(struct call *call, struct request *r)
{
    if (refuse_alone(call, r, r->in.put.notify, SLICE("notify")))
        return;
    if (r->in.put.progress && !r->in.put.notify)
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("progress"), "progress of a submit needs notify");
    else
        prepare(r, true, r->in.put.notify);
}

static void call_check(struct call *call, struct request *r)
{
    if (!refuse_alone(call, r, r->in.put.progress, SLICE("progress")))
        prepare(r, true, true);
}

// The request waits; NULL, and an error, where there is no memory for that.
static struct wait *begin_wait(struct call *call, struct request *r, struct waiter *waiting)
{
    struct wait *w = pending_new(call->session, call->batch, waiting, r->id, NULL, 0);
    if (w)
        r->waits = true;
    else if (engine_wait_cancel(call->engine, waiting))
        r->error = ERROR_OVERLOADED;
    return w;
}

static void put_exec(struct call *call, struct request *r)
{
    struct put_params *in = &r->in.put;
    struct put_result *out = &r->out.put;
    r->error = engine_put(call->engine, call->now, in->queue, in->job, call->client, in->timeout, NULL, out);
    if (r->error)
        return;
    in->job = NULL;
    if (out->waiting)
        begin_wait(call, r, out->waiting);
}

static void submit_exec(struct call *call, struct request *r)
{
    struct put_params *in = &r->in.put;
    struct put_result *out = &r->out.put;
    if (!in->notify) {
        put_exec(call, r);
        return;
    }
    struct watch_options watch = {.progress = in->progress, .context = call->session};
    watch.tag = call->batch ? batch_tag(call->batch, ++call->session->dispatch->tags) : 0;
    struct outcome none;
    r->error = engine_submit(call->engine, call->now, in->queue, in->job, call->client, in->timeout, NULL,
                             &watch, out, &none);
    if (r->error)
        return;
    in->job = NULL;
    if (out->waiting)
        begin_wait(call, r, out->waiting);
}

static void call_exec(struct call *call, struct request *r)
{
    struct put_params *in = &r->in.put;
    struct watch_options watch = {.call = true, .progress = in->progress};
    struct put_result put;
    r->out.outcome = (struct outcome){0};
    r->error = engine_submit(call->engine, call->now, in->queue, in->job, call->client, in->timeout, NULL,
                             &watch, &put, &r->out.outcome);
    r->job = put.id;
    if (!r->error || put.id)
        in->job = NULL;
    struct wait *w = put.waiting ? begin_wait(call, r, put.waiting) : NULL;
    if (w)
        w->call = true;
}

static void put_reply(struct buffer *b, const struct request *r)
{
    write_put(b, r->out.put.id, r->out.put.existing);
}

static void put_release(struct request *r)
{
    job_discard(r->in.put.job);
    r->in.put.job = NULL;
}

static void outcome_release(struct request *r)
{
    if (r->waits || !is_outcome(r->error))
        return;
    blob_unref(r->out.outcome.result);
    blob_unref(r->out.outcome.error);
}

static void call_release(struct request *r)
{
    put_release(r);
    outcome_release(r);
}

// ---- result

enum { RESULT_ID, RESULT_TIMEOUT, RESULT_FORGET, RESULT_PROGRESS };

static const struct param result_rows[] = {
    {PARAM_NAME("id"), .type = PARAM_WHOLE, .bit = RESULT_ID, .high = INT64_MAX, PARAM_FIELD(result.id)},
    {PARAM_NAME("timeout"), .type = PARAM_TIMEOUT, .bit = RESULT_TIMEOUT, PARAM_FIELD(result.timeout)},
    {PARAM_NAME("forget"), .type = PARAM_FLAG, .bit = RESULT_FORGET, PARAM_FIELD(result.forget)},
    {PARAM_NAME("progress"), .type = PARAM_FLAG, .bit = RESULT_PROGRESS, PARAM_FIELD(result.progress)},
};

static void result_check(struct call *call, struct request *r)
{
    if (refuse_alone(call, r, r->in.result.progress, SLICE("progress")))
        return;
    if (!(r->seen & PARAM_BIT(RESULT_TIMEOUT)))
        r->in.result.timeout = FOREVER;
}

static void result_exec(struct call *call, struct request *r)
{
    struct result_params *in = &r->in.result;
    struct waiter *waiting = NULL;
    unsigned flags = (in->forget ? OUTCOME_FORGET : 0u) | (in->progress ? OUTCOME_PROGRESS : 0u);
    r->out.outcome = (struct outcome){0};
    r->error = engine_result(call->engine, call->now, in->id, flags, call->client, in->timeout, NULL,
                             &r->out.outcome, &waiting);
    if (waiting)
        begin_wait(call, r, waiting);
    else if (is_outcome(r->error))
        r->job = in->id;
}

// ---- cancel

enum { CANCEL_ID, CANCEL_RUNNING };

static const struct param cancel_rows[] = {
    {PARAM_NAME("id"), .type = PARAM_WHOLE, .bit = CANCEL_ID, .high = INT64_MAX, PARAM_FIELD(result.id)},
    {PARAM_NAME("running"), .type = PARAM_FLAG, .bit = CANCEL_RUNNING, PARAM_FIELD(result.running)},
};

static void cancel_exec(struct call *call, struct request *r)
{
    const struct result_params *in = &r->in.result;
    r->error = engine_cancel(call->engine, call->now, in->id, in->running, &r->out.flag);
}

static void cancel_reply(struct buffer *b, const struct request *r)
{
    json_write_raw(b, "{\"cancelled\":");
    json_write_bool(b, r->out.flag);
    json_write_raw(b, "}");
}

const struct method methods_produce[] = {
    {METHOD("put", QUEUE, ROLE_PUT), METHOD_PARAMS(put_rows, put), .flags = METHOD_CLIENT | METHOD_BY_QUEUE,
     .required = PARAM_BIT(PUT_QUEUE) | PARAM_BIT(PUT_BODY), .check = put_check, .exec = put_exec,
     .reply = put_reply, .release = put_release},
    {METHOD("submit", QUEUE, ROLE_PUT), METHOD_PARAMS(submit_rows, put),
     .flags = METHOD_CLIENT | METHOD_BY_QUEUE, .required = PARAM_BIT(PUT_QUEUE) | PARAM_BIT(PUT_BODY),
     .check = submit_check, .exec = submit_exec, .reply = put_reply, .release = put_release},
    {METHOD("call", QUEUE, ROLE_PUT), METHOD_PARAMS(call_rows, put),
     .flags = METHOD_CLIENT | METHOD_BY_QUEUE | METHOD_OUTCOME | METHOD_SILENT,
     .required = PARAM_BIT(PUT_QUEUE) | PARAM_BIT(PUT_BODY), .check = call_check, .exec = call_exec,
     .release = call_release},
    {METHOD("result", JOB, ROLE_PUT | ROLE_READ), METHOD_PARAMS(result_rows, result),
     .flags = METHOD_CLIENT | METHOD_OUTCOME | METHOD_SILENT, .required = PARAM_BIT(RESULT_ID),
     .check = result_check, .exec = result_exec, .release = outcome_release},
    {METHOD("cancel", JOB, ROLE_PUT | ROLE_ADMIN), METHOD_PARAMS(cancel_rows, result),
     .required = PARAM_BIT(CANCEL_ID), .exec = cancel_exec, .reply = cancel_reply},
    {0},
};
