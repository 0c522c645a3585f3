// get, ack, nack, release, bury, touch, progress.
#include "server/engine/blob.h"
#include "server/rpc/method.h"
#include "server/rpc/permit.h"
#include "server/rpc/reply.h"
#include "server/rpc/session.h"

#include "common/json_writer.h"
#include "common/progress.h"

#include <string.h>

// ---- get

enum { GET_QUEUE, GET_QUEUES, GET_TIMEOUT, GET_LEASE, GET_AUTO_ACK, GET_MAX_JOBS, GET_DETACHED };

static const struct param get_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = GET_QUEUE, PARAM_FIELD(get.queue)},
    {PARAM_NAME("queues"), .type = PARAM_QUEUES, .bit = GET_QUEUES, .high = GET_QUEUES_MAX,
     PARAM_FIELD(get.queues)},
    {PARAM_NAME("timeout"), .type = PARAM_TIMEOUT, .bit = GET_TIMEOUT, PARAM_FIELD(get.timeout)},
    {PARAM_NAME("lease"), .type = PARAM_SECONDS, .bit = GET_LEASE, .low = 1, .high = SETTING_SECONDS_MAX,
     PARAM_FIELD(get.lease)},
    {PARAM_NAME("auto_ack"), .type = PARAM_FLAG, .bit = GET_AUTO_ACK, PARAM_FIELD(get.auto_ack)},
    {PARAM_NAME("max"), .type = PARAM_WHOLE, .bit = GET_MAX_JOBS, .low = 1, .high = GET_MAX,
     PARAM_FIELD(get.max)},
    {PARAM_NAME("detached"), .type = PARAM_FLAG, .bit = GET_DETACHED, PARAM_FIELD(get.detached)},
};

// A get of many takes so many at a time, and no more once it has as many bytes as a connection may have
// unsent.
#define GET_STEP 32

static void get_check(struct call *call, struct request *r)
{
    struct get_params *in = &r->in.get;
    bool one = r->seen & PARAM_BIT(GET_QUEUE), several = r->seen & PARAM_BIT(GET_QUEUES);
    if (one == several) {
        request_refuse(r, ERROR_INVALID_PARAMS, one ? SLICE("queues") : SLICE("queue"),
                       "get takes either queue or queues");
        return;
    }
    if (in->auto_ack && in->detached) {
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("detached"),
                       "auto_ack and detached do not go together: what is acknowledged has no lease");
        return;
    }
    if (call->session->alone && !in->auto_ack)
        in->detached = true;
    if (one)
        in->queues = (struct param_names){&in->queue, 1};
    if (!(r->seen & PARAM_BIT(GET_TIMEOUT)))
        in->timeout = FOREVER;
    unsigned room = in->max ? (unsigned)in->max : 1;
    r->out.get.count = 0;
    r->out.get.jobs = arena_alloc(call->arena, room * sizeof *r->out.get.jobs);
    if (!r->out.get.jobs)
        request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
}

// Small bodies belong to the jobs, which may be gone once the lock is released.
static uint64_t keep_bodies(struct call *call, struct taken *jobs, unsigned count)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += jobs[i].body.len;
        if (jobs[i].blob)
            continue;
        char *copy = arena_alloc(call->arena, jobs[i].body.len);
        if (copy)
            memcpy(copy, jobs[i].body.data, jobs[i].body.len);
        else
            call->session->broken = true; // closing gives the job back
        jobs[i].body = (struct slice){copy, copy ? jobs[i].body.len : 0};
    }
    return bytes;
}

static void get_exec(struct call *call, struct request *r)
{
    struct get_params *in = &r->in.get;
    unsigned room = in->max ? (unsigned)in->max : 1, got = 0;
    uint64_t bytes = 0;
    struct get_options options = {.queues = in->queues.items,
                                  .queue_count = in->queues.count,
                                  .lease = in->lease,
                                  .auto_ack = in->auto_ack,
                                  .detached = in->detached,
                                  .timeout = in->timeout};
    struct waiter *waiting = NULL;
    do {
        struct taken *jobs = r->out.get.jobs + r->out.get.count;
        options.max = room - r->out.get.count < GET_STEP ? room - r->out.get.count : GET_STEP;
        enum error error = engine_get(call->engine, call->now, call->client, &options, jobs, &got, &waiting);
        call_promise(call);
        if (error) {
            if (r->out.get.count == 0)
                r->error = error;
            return;
        }
        if (waiting)
            break;
        r->out.get.count += got;
        bytes += keep_bodies(call, jobs, got);
        options.timeout = 0; // more only if they are there
    } while (r->out.get.count < room && got == options.max && bytes < call->rpc->output_limit);
    call->bytes += bytes;
    if (!waiting)
        return;
    struct wait *w =
        pending_new(call->session, call->batch, waiting, r->id, in->queues.items, in->queues.count);
    if (w) {
        w->listed = in->max > 0;
        r->waits = true;
    } else if (engine_wait_cancel(call->engine, waiting)) {
        r->error = ERROR_OVERLOADED;
    }
}

static void get_reply(struct buffer *b, const struct request *r)
{
    const struct get_params *in = &r->in.get;
    const struct taken *jobs = r->out.get.jobs;
    if (!in->max) {
        write_taken(b, in->queues.items[jobs->queue_index], jobs);
        return;
    }
    json_write_raw(b, "{\"jobs\":[");
    for (unsigned i = 0; i < r->out.get.count; i++) {
        json_write_comma(b);
        write_taken(b, in->queues.items[jobs[i].queue_index], &jobs[i]);
    }
    json_write_raw(b, "]}");
}

static void get_release(struct request *r)
{
    if (!r->out.get.jobs)
        return;
    for (unsigned i = 0; i < r->out.get.count; i++)
        blob_unref(r->out.get.jobs[i].blob);
    r->out.get.count = 0;
}

// ---- what is done to a job that one holds

enum {
    HELD_ID,
    HELD_DELIVERY,
    HELD_VALUE,
    HELD_DELAY,
    HELD_PRIORITY,
    HELD_LEASE,
    HELD_IDS,
    HELD_DONE,
    HELD_TOTAL,
    HELD_MESSAGE
};

#define HELD_ROW_ID                                                                                          \
    {                                                                                                        \
        PARAM_NAME("id"), .type = PARAM_WHOLE, .bit = HELD_ID, .high = INT64_MAX, PARAM_FIELD(held.id)       \
    }
#define HELD_ROW_DELIVERY                                                                                    \
    {                                                                                                        \
        PARAM_NAME("delivery"), .type = PARAM_WHOLE, .bit = HELD_DELIVERY, .low = 1, .high = INT64_MAX,      \
                                PARAM_FIELD(held.delivery)                                                   \
    }
#define HELD_ROW_DELAY                                                                                       \
    {                                                                                                        \
        PARAM_NAME("delay"), .type = PARAM_SECONDS, .bit = HELD_DELAY, .high = SETTING_SECONDS_MAX,          \
                             PARAM_FIELD(held.delay)                                                         \
    }
#define HELD_ROW_VALUE(name)                                                                                 \
    {                                                                                                        \
        PARAM_NAME(name), .type = PARAM_ANY, .bit = HELD_VALUE, PARAM_FIELD(held.value)                      \
    }

static const struct param ack_rows[] = {
    HELD_ROW_ID,
    HELD_ROW_DELIVERY,
    HELD_ROW_VALUE("result"),
    {PARAM_NAME("ids"), .type = PARAM_IDS, .bit = HELD_IDS, .high = GET_MAX, PARAM_FIELD(held.ids)},
};
static const struct param nack_rows[] = {HELD_ROW_ID, HELD_ROW_DELIVERY, HELD_ROW_VALUE("error"),
                                         HELD_ROW_DELAY};
static const struct param release_rows[] = {
    HELD_ROW_ID,
    HELD_ROW_DELIVERY,
    HELD_ROW_DELAY,
    {PARAM_NAME("priority"), .type = PARAM_NUMBER, .bit = HELD_PRIORITY, PARAM_FIELD(held.priority)},
};
static const struct param bury_rows[] = {HELD_ROW_ID, HELD_ROW_DELIVERY, HELD_ROW_VALUE("error")};
static const struct param touch_rows[] = {
    HELD_ROW_ID,
    HELD_ROW_DELIVERY,
    {PARAM_NAME("lease"), .type = PARAM_SECONDS, .bit = HELD_LEASE, .low = 1, .high = SETTING_SECONDS_MAX,
     PARAM_FIELD(held.lease)},
};

static const struct param progress_rows[] = {
    HELD_ROW_ID,
    HELD_ROW_DELIVERY,
    {PARAM_NAME("done"), .type = PARAM_NUMBER, .bit = HELD_DONE, PARAM_FIELD(held.done)},
    {PARAM_NAME("total"), .type = PARAM_NUMBER, .bit = HELD_TOTAL, PARAM_FIELD(held.total)},
    {PARAM_NAME("message"), .type = PARAM_TEXT, .bit = HELD_MESSAGE, .high = PROGRESS_MESSAGE_MAX,
     PARAM_FIELD(held.message)},
};

static void held_check(struct call *call, struct request *r)
{
    (void)call;
    struct held_params *in = &r->in.held;
    if (in->value.len > 0 && !(in->blob = blob_new(in->value)))
        request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
}

static void held_release(struct request *r)
{
    blob_unref(r->in.held.blob);
    r->in.held.blob = NULL;
}

// The job is being cancelled: the answer says which it is.
static void name_cancelled(struct request *r)
{
    if (r->error == ERROR_CANCELLED)
        r->job = r->in.held.id;
}

static void empty_reply(struct buffer *b, const struct request *r)
{
    (void)r;
    json_write_raw(b, "{}");
}

// ---- ack

static void ack_check(struct call *call, struct request *r)
{
    bool one = r->seen & PARAM_BIT(HELD_ID), several = r->seen & PARAM_BIT(HELD_IDS);
    if (one == several) {
        request_refuse(r, ERROR_INVALID_PARAMS, one ? SLICE("ids") : SLICE("id"),
                       "ack takes either id or ids");
        return;
    }
    if (one) {
        if (slice_equal(r->in.held.value, "null")) // as if it had not been given
            r->in.held.value = (struct slice){0};
        held_check(call, r);
        return;
    }
    if (r->seen & (PARAM_BIT(HELD_DELIVERY) | PARAM_BIT(HELD_VALUE))) {
        request_refuse(r, ERROR_INVALID_PARAMS,
                       r->seen & PARAM_BIT(HELD_DELIVERY) ? SLICE("delivery") : SLICE("result"),
                       "ack with ids takes neither delivery nor result");
        return;
    }
    r->out.ack.errors = arena_alloc(call->arena, r->in.held.ids.count * sizeof *r->out.ack.errors);
    if (!r->out.ack.errors)
        request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
}

// As many ids as surely fit into what is near the processor.
#define PREFETCHED 64

static void ack_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    if (!in->ids.count) {
        r->error = engine_ack(call->engine, call->now, call->client, in->id, in->delivery, in->blob);
        name_cancelled(r);
        return;
    }
    r->out.ack.acked = r->out.ack.failed = 0;
    for (unsigned i = 0; i < in->ids.count; i++) {
        unsigned left = in->ids.count - i;
        if (i % PREFETCHED == 0)
            engine_prefetch(call->engine, &in->ids.items[i], left < PREFETCHED ? left : PREFETCHED);
        enum error error = permit_job_id(call->session, call->engine, r, in->ids.items[i]);
        if (!error)
            error = engine_ack(call->engine, call->now, call->client, in->ids.items[i], 0, NULL);
        call_promise(call);
        r->out.ack.errors[i] = error;
        if (error)
            r->out.ack.failed++;
        else
            r->out.ack.acked++;
    }
}

static void ack_reply(struct buffer *b, const struct request *r)
{
    const struct held_params *in = &r->in.held;
    if (!in->ids.count) {
        json_write_raw(b, "{}");
        return;
    }
    json_write_raw(b, "{\"acked\":");
    json_write_uint(b, r->out.ack.acked);
    if (r->out.ack.failed) {
        json_write_raw(b, ",\"failed\":[");
        for (unsigned i = 0; i < in->ids.count; i++) {
            if (!r->out.ack.errors[i])
                continue;
            json_write_comma(b);
            json_write_raw(b, "{\"id\":");
            json_write_uint(b, in->ids.items[i]);
            json_write_raw(b, ",\"name\":\"");
            json_write_raw(b, error_name(r->out.ack.errors[i]));
            json_write_raw(b, "\"}");
        }
        json_write_raw(b, "]");
    }
    json_write_raw(b, "}");
}

// ---- nack, release, bury, touch

static void nack_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    int64_t delay = r->seen & PARAM_BIT(HELD_DELAY) ? in->delay : -1;
    r->error = engine_nack(call->engine, call->now, call->client, in->id, in->delivery, in->blob, delay,
                           &r->out.nack);
    name_cancelled(r);
}

static void nack_reply(struct buffer *b, const struct request *r)
{
    json_write_raw(b, "{\"state\":\"");
    json_write_raw(b, job_state_name(r->out.nack.state));
    json_write_raw(b, "\",\"delay\":");
    json_write_seconds(b, r->out.nack.delay);
    json_write_raw(b, "}");
}

static void release_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    r->error = engine_release(call->engine, call->now, call->client, in->id, in->delivery, in->delay,
                              r->seen & PARAM_BIT(HELD_PRIORITY) ? &in->priority : NULL);
    name_cancelled(r);
}

static void bury_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    r->error = engine_bury(call->engine, call->now, call->client, in->id, in->delivery, in->blob);
    name_cancelled(r);
}

static void touch_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    r->error =
        engine_touch(call->engine, call->now, call->client, in->id, in->delivery, in->lease, &r->out.left);
    name_cancelled(r);
}

static void touch_reply(struct buffer *b, const struct request *r)
{
    json_write_raw(b, "{\"lease\":");
    json_write_seconds(b, r->out.left);
    json_write_raw(b, "}");
}

// ---- progress

static void progress_check_params(struct call *call, struct request *r)
{
    (void)call;
    struct held_params *in = &r->in.held;
    struct progress_text p = {.has_done = r->seen & PARAM_BIT(HELD_DONE),
                              .has_total = r->seen & PARAM_BIT(HELD_TOTAL),
                              .has_message = r->seen & PARAM_BIT(HELD_MESSAGE),
                              .done = in->done,
                              .total = in->total,
                              .message = in->message};
    const char *member, *why = progress_check(&p, &member);
    if (why) {
        request_refuse(r, ERROR_INVALID_PARAMS, slice_of(member), why);
        return;
    }
    struct buffer text = BUFFER_INIT;
    progress_write(&text, &p);
    if (!text.failed)
        in->blob = blob_new((struct slice){text.data, text.len});
    buffer_release(&text);
    if (!in->blob)
        request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
}

static void progress_exec(struct call *call, struct request *r)
{
    struct held_params *in = &r->in.held;
    r->error = engine_progress(call->engine, call->now, call->client, in->id, in->delivery, in->blob);
    name_cancelled(r);
}

const struct method methods_consume[] = {
    {METHOD("get", QUEUE, ROLE_TAKE), METHOD_PARAMS(get_rows, get),
     .flags = METHOD_CLIENT | METHOD_BY_QUEUE | METHOD_SILENT, .check = get_check, .exec = get_exec,
     .reply = get_reply, .release = get_release},
    {METHOD("ack", JOB, ROLE_TAKE), METHOD_PARAMS(ack_rows, held), .flags = METHOD_CLIENT | METHOD_BY_ID,
     .check = ack_check, .exec = ack_exec, .reply = ack_reply, .release = held_release},
    {METHOD("nack", JOB, ROLE_TAKE), METHOD_PARAMS(nack_rows, held), .flags = METHOD_CLIENT | METHOD_BY_ID,
     .required = PARAM_BIT(HELD_ID), .check = held_check, .exec = nack_exec, .reply = nack_reply,
     .release = held_release},
    {METHOD("release", JOB, ROLE_TAKE), METHOD_PARAMS(release_rows, held),
     .flags = METHOD_CLIENT | METHOD_BY_ID, .required = PARAM_BIT(HELD_ID), .check = held_check,
     .exec = release_exec, .reply = empty_reply},
    {METHOD("bury", JOB, ROLE_TAKE), METHOD_PARAMS(bury_rows, held), .flags = METHOD_CLIENT | METHOD_BY_ID,
     .required = PARAM_BIT(HELD_ID), .check = held_check, .exec = bury_exec, .reply = empty_reply,
     .release = held_release},
    {METHOD("touch", JOB, ROLE_TAKE), METHOD_PARAMS(touch_rows, held), .flags = METHOD_CLIENT | METHOD_BY_ID,
     .required = PARAM_BIT(HELD_ID), .check = held_check, .exec = touch_exec, .reply = touch_reply},
    {METHOD("progress", JOB, ROLE_TAKE), METHOD_PARAMS(progress_rows, held),
     .flags = METHOD_CLIENT | METHOD_BY_ID, .required = PARAM_BIT(HELD_ID), .check = progress_check_params,
     .exec = progress_exec, .reply = empty_reply, .release = held_release},
    {0},
};
