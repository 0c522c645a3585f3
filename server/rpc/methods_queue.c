// declare, pause, resume, join.
#include "server/hub.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/reply.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"

#include "common/json_writer.h"

#include <string.h>

// ---- declare: a row for each of QUEUE_SETTINGS

#define DECLARE_QUEUE   31
#define DECLARE_BACKOFF 30
#define DECLARE_OWNED   29
_Static_assert(QUEUE_SETTING_COUNT < DECLARE_OWNED, "a setting's bit would be taken twice");

#define TYPE_ORDER   PARAM_ORDER
#define TYPE_COUNT   PARAM_WHOLE
#define TYPE_BYTES   PARAM_WHOLE
#define TYPE_SECONDS PARAM_SECONDS
#define TYPE_SHARE   PARAM_SHARE
#define TYPE_FLAG    PARAM_FLAG

#define ROW(name, setting, type_, low_, high_)                                                               \
    {                                                                                                        \
        PARAM_NAME(name), .type = TYPE_##type_, .bit = QUEUE_SETTING_##setting, .low = (low_),               \
                          .high = (high_), PARAM_FIELD(declare.settings.setting)                             \
    }

static const struct param backoff_rows[] = {
    ROW("base", backoff_base, SECONDS, 0, SETTING_SECONDS_MAX),
    ROW("cap", backoff_cap, SECONDS, 0, SETTING_SECONDS_MAX),
    ROW("jitter", backoff_jitter, SHARE, 0, 1),
};
static const struct param declare_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = DECLARE_QUEUE, PARAM_FIELD(declare.queue)},
    {PARAM_NAME("owned"), .type = PARAM_FLAG, .bit = DECLARE_OWNED, PARAM_FIELD(declare.owned)},
    ROW("order", order, ORDER, 0, 1),
    ROW("maxsize", maxsize, COUNT, 0, INT64_MAX),
    ROW("lease", lease, SECONDS, 1, SETTING_SECONDS_MAX),
    ROW("max_attempts", max_attempts, COUNT, 1, 65535),
    ROW("max_lost", max_lost, COUNT, 1, 255),
    {PARAM_NAME("backoff"), .type = PARAM_OBJECT, .bit = DECLARE_BACKOFF, .rows = backoff_rows,
     .row_count = sizeof backoff_rows / sizeof *backoff_rows},
    {PARAM_NAME("dead_letter"), .type = PARAM_QUEUE_OR_NULL, .bit = QUEUE_SETTING_dead_letter,
     PARAM_FIELD(declare.dead_letter)},
    ROW("concurrency", concurrency, COUNT, 0, 4294967295),
    ROW("durable", durable, FLAG, 0, 1),
    ROW("keep_result", keep_result, SECONDS, 0, SETTING_SECONDS_MAX),
    ROW("keep_dead", keep_dead, SECONDS, 0, SETTING_SECONDS_MAX),
    ROW("keep_result_bytes", keep_result_bytes, BYTES, 0, INT64_MAX),
    ROW("keep_dead_bytes", keep_dead_bytes, BYTES, 0, INT64_MAX),
};
// queue, owned and backoff are no settings, and three settings are in backoff.
_Static_assert(sizeof declare_rows / sizeof *declare_rows == 3 + QUEUE_SETTING_COUNT - 3,
               "a setting has no row");

static bool declare_step(struct task *t)
{
    struct request *r = &t->request;
    struct declare_params *in = &r->in.declare;
    struct queue_settings now_set;
    const char *why = NULL;
    if (r->seen & PARAM_BIT(QUEUE_SETTING_dead_letter)) {
        // A name holds no control characters, so no NUL either.
        memcpy(in->settings.dead_letter, in->dead_letter.len ? in->dead_letter.data : "",
               in->dead_letter.len);
        in->settings.dead_letter[in->dead_letter.len] = '\0';
    }
    unsigned named = r->seen & (PARAM_BIT(QUEUE_SETTING_COUNT) - 1);

    struct moment now = hub_lock(t->rpc->hub);
    struct engine *e = hub_engine(t->rpc->hub);
    struct engine_client *who = in->owned ? dispatch_client(t->session, e) : NULL;
    enum error error =
        in->owned && !who ? ERROR_OVERLOADED
        : in->owned       ? engine_declare_owned(e, now, in->queue, &in->settings, named, who, &now_set, &why)
                          : engine_declare(e, now, in->queue, &in->settings, named, &now_set, &why);
    r->promise = engine_promise(e);
    hub_unlock(t->rpc->hub);

    if (error == ERROR_INVALID_PARAMS) {
        bool itself = in->dead_letter.len > 0 && slice_same(in->dead_letter, in->queue);
        bool durable = r->seen & PARAM_BIT(QUEUE_SETTING_durable);
        request_refuse(r, error,
                       itself                                            ? SLICE("dead_letter")
                       : in->owned && !(durable && in->settings.durable) ? SLICE("owned")
                                                                         : SLICE("durable"),
                       why);
    } else if (error) {
        request_refuse(r, error, (struct slice){0}, why);
    } else {
        json_write_raw(&t->out, "{\"queue\":");
        json_write_string(&t->out, in->queue);
        json_write_raw(&t->out, in->owned ? ",\"declared\":true,\"owned\":true" : ",\"declared\":true");
        write_queue_settings(&t->out, &now_set);
        json_write_raw(&t->out, "}");
    }
    return true;
}

// ---- pause, resume

static const struct param queue_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = 0, PARAM_FIELD(queue.queue)},
};

static void pause_exec(struct call *call, struct request *r)
{
    r->error = engine_pause(call->engine, call->now, r->in.queue.queue);
}

static void resume_exec(struct call *call, struct request *r)
{
    r->error = engine_resume(call->engine, call->now, r->in.queue.queue);
}

static void empty_reply(struct buffer *b, const struct request *r)
{
    (void)r;
    json_write_raw(b, "{}");
}

// ---- join

enum { JOIN_QUEUE, JOIN_TIMEOUT };

static const struct param join_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = JOIN_QUEUE, PARAM_FIELD(queue.queue)},
    {PARAM_NAME("timeout"), .type = PARAM_TIMEOUT, .bit = JOIN_TIMEOUT, PARAM_FIELD(queue.timeout)},
};

static void join_check(struct call *call, struct request *r)
{
    (void)call;
    if (!(r->seen & PARAM_BIT(JOIN_TIMEOUT)))
        r->in.queue.timeout = FOREVER;
}

static void join_exec(struct call *call, struct request *r)
{
    struct waiter *waiting = NULL;
    r->error = engine_join(call->engine, call->now, r->in.queue.queue, call->client, r->in.queue.timeout,
                           NULL, &waiting);
    if (r->error || !waiting)
        return;
    if (pending_new(call->session, call->batch, waiting, r->id, NULL, 0))
        r->waits = true;
    else if (engine_wait_cancel(call->engine, waiting))
        r->error = ERROR_OVERLOADED;
}

const struct method methods_queue[] = {
    {METHOD("join", QUEUE, ROLE_PUT | ROLE_READ), METHOD_PARAMS(join_rows, queue),
     .flags = METHOD_CLIENT | METHOD_SILENT, .required = PARAM_BIT(JOIN_QUEUE), .check = join_check,
     .exec = join_exec, .reply = empty_reply},
    {METHOD("pause", QUEUE, ROLE_ADMIN), METHOD_PARAMS(queue_rows, queue), .flags = METHOD_TRAIL,
     .required = PARAM_BIT(0), .exec = pause_exec, .reply = empty_reply},
    {METHOD("resume", QUEUE, ROLE_ADMIN), METHOD_PARAMS(queue_rows, queue), .flags = METHOD_TRAIL,
     .required = PARAM_BIT(0), .exec = resume_exec, .reply = empty_reply},
    {METHOD("declare", QUEUE, ROLE_ADMIN), METHOD_PARAMS(declare_rows, declare), .flags = METHOD_TRAIL,
     .required = PARAM_BIT(DECLARE_QUEUE), .step = declare_step},
    {0},
};
