// delete, kick, shutdown, drop.
#include "server/hub.h"
#include "server/rpc/method.h"
#include "server/rpc/task.h"

#include "common/json_writer.h"

enum { MANY_ID, MANY_QUEUE, MANY_STATE, MANY_LIMIT };

#define DELETABLE                                                                                            \
    (JOB_STATE_BIT(JOB_READY) | JOB_STATE_BIT(JOB_DELAYED) | JOB_STATE_BIT(JOB_DEAD) |                       \
     JOB_STATE_BIT(JOB_DONE) | JOB_STATE_BIT(JOB_CANCELLED))
#define KICKABLE (JOB_STATE_BIT(JOB_DEAD) | JOB_STATE_BIT(JOB_DELAYED))

#define MANY_ROWS(which)                                                                                     \
    {PARAM_NAME("id"), .type = PARAM_WHOLE, .bit = MANY_ID, .high = INT64_MAX, PARAM_FIELD(queue.id)},       \
        {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = MANY_QUEUE, PARAM_FIELD(queue.queue)},             \
        {PARAM_NAME("state"), .type = PARAM_STATE, .bit = MANY_STATE, .high = (which),                       \
         PARAM_FIELD(queue.states)},                                                                         \
    {                                                                                                        \
        PARAM_NAME("limit"), .type = PARAM_WHOLE, .bit = MANY_LIMIT, .low = 1, .high = INT64_MAX,            \
                             PARAM_FIELD(queue.limit)                                                        \
    }

static const struct param delete_rows[] = {MANY_ROWS(DELETABLE)};
static const struct param kick_rows[] = {MANY_ROWS(KICKABLE)};

static void sweep_check(struct call *call, struct request *r)
{
    (void)call;
    bool one = r->seen & PARAM_BIT(MANY_ID), many = r->seen & PARAM_BIT(MANY_QUEUE);
    if (one == many)
        request_refuse(r, ERROR_INVALID_PARAMS, one ? SLICE("queue") : SLICE("id"),
                       "give either id or queue");
    else if (one && r->seen & PARAM_BIT(MANY_STATE))
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("state"), "state goes with queue only");
    else if (one && r->seen & PARAM_BIT(MANY_LIMIT))
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("limit"), "limit goes with queue only");
    r->quick = one;
}

static void write_count(struct buffer *b, uint64_t count)
{
    json_write_raw(b, "{\"count\":");
    json_write_uint(b, count);
    json_write_raw(b, "}");
}

// One slice of a sweep that begins as `begin` says. True: it is done.
static bool sweep_slice(struct task *t, const struct sweep *begin)
{
    struct sweep *s = &t->at.sweep;
    struct hub *hub = t->rpc->hub;
    if (!t->begun)
        *s = *begin;
    struct moment now = hub_lock(hub);
    t->request.error = engine_sweep(hub_engine(hub), now, s);
    uint64_t promise = engine_promise(hub_engine(hub));
    hub_unlock(hub);
    if (promise > t->request.promise)
        t->request.promise = promise;
    return t->request.error || s->done;
}

static bool sweep_queue(struct task *t, enum sweep_kind kind, unsigned states)
{
    const struct queue_params *in = &t->request.in.queue;
    struct sweep begin = {.kind = kind,
                          .queue = in->queue,
                          .states = in->states ? in->states : states,
                          .limit = in->limit ? in->limit : UINT64_MAX};
    if (!sweep_slice(t, &begin))
        return false;
    t->request.out.count = t->at.sweep.count;
    if (!t->request.error)
        write_count(&t->out, t->at.sweep.count);
    return true;
}

static bool delete_step(struct task *t)
{
    return sweep_queue(t, SWEEP_DELETE, DELETABLE);
}

static bool kick_step(struct task *t)
{
    return sweep_queue(t, SWEEP_KICK, KICKABLE);
}

// One job, by its id.
static void delete_exec(struct call *call, struct request *r)
{
    r->error = engine_delete(call->engine, call->now, r->in.queue.id);
    r->out.count = 1;
}

static void kick_exec(struct call *call, struct request *r)
{
    bool kicked = false;
    r->error = engine_kick(call->engine, call->now, r->in.queue.id, &kicked);
    r->out.count = kicked;
}

static void count_reply(struct buffer *b, const struct request *r)
{
    write_count(b, r->out.count);
}

// ---- shutdown, drop

enum { SHUTDOWN_QUEUE, SHUTDOWN_IMMEDIATE };

static const struct param shutdown_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = SHUTDOWN_QUEUE, PARAM_FIELD(queue.queue)},
    {PARAM_NAME("immediate"), .type = PARAM_FLAG, .bit = SHUTDOWN_IMMEDIATE, PARAM_FIELD(queue.immediate)},
};
static const struct param drop_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = 0, PARAM_FIELD(queue.queue)},
};

static void shutdown_exec(struct call *call, struct request *r)
{
    r->error = engine_shutdown(call->engine, call->now, r->in.queue.queue, r->in.queue.immediate);
}

static void shutdown_reply(struct buffer *b, const struct request *r)
{
    (void)r;
    json_write_raw(b, "{}");
}

static void drop_exec(struct call *call, struct request *r)
{
    r->error = engine_drop(call->engine, call->now, r->in.queue.queue, &r->out.count);
}

const struct method methods_sweep[] = {
    {METHOD("delete", QUEUE_OR_JOB, ROLE_ADMIN), METHOD_PARAMS(delete_rows, queue),
     .flags = METHOD_BY_ID | METHOD_TRAIL | METHOD_COUNTS, .check = sweep_check, .exec = delete_exec,
     .reply = count_reply, .step = delete_step},
    {METHOD("kick", QUEUE_OR_JOB, ROLE_ADMIN), METHOD_PARAMS(kick_rows, queue),
     .flags = METHOD_BY_ID | METHOD_TRAIL | METHOD_COUNTS, .check = sweep_check, .exec = kick_exec,
     .reply = count_reply, .step = kick_step},
    {METHOD("shutdown", QUEUE, ROLE_ADMIN), METHOD_PARAMS(shutdown_rows, queue), .flags = METHOD_TRAIL,
     .required = PARAM_BIT(SHUTDOWN_QUEUE), .exec = shutdown_exec, .reply = shutdown_reply},
    {METHOD("drop", QUEUE, ROLE_ADMIN), METHOD_PARAMS(drop_rows, queue),
     .flags = METHOD_TRAIL | METHOD_COUNTS, .required = PARAM_BIT(0), .exec = drop_exec,
     .reply = count_reply},
    {0},
};
