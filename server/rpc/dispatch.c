#include "server/rpc/dispatch.h"

#include "common/clock.h"
#include "common/json_reader.h"
#include "server/access/quota.h"
#include "server/access/strangers.h"
#include "server/engine/account.h"
#include "server/hub.h"
#include "server/mailbox.h"
#include "server/rpc/input.h"
#include "server/rpc/method.h"
#include "server/rpc/output.h"
#include "server/rpc/parse.h"
#include "server/rpc/permit.h"
#include "server/rpc/reply.h"
#include "server/rpc/share.h"
#include "server/rpc/task.h"
#include "server/rpc/throttle.h"
#include "server/rpc/trail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool dispatch_init(struct dispatch *d, const struct rpc *rpc, const struct dispatch_ops *ops,
                   struct mailbox *mailbox)
{
    *d = (struct dispatch){.rpc = rpc, .ops = ops, .access = rpc->access, .mailbox = mailbox};
    d->requests = calloc(DISPATCH_ROUND, sizeof *d->requests);
    d->groups = calloc(DISPATCH_GROUPS, sizeof *d->groups);
    d->pieces = calloc(DISPATCH_PIECES, sizeof *d->pieces);
    if (d->requests && d->groups && d->pieces && timing_init(&d->timing))
        return true;
    free(d->requests);
    free(d->groups);
    free(d->pieces);
    return false;
}

void dispatch_release(struct dispatch *d)
{
    shares_set(d, NULL);
    dispatch_rouse(d);
    dispatch_rested(d, INT64_MAX);
    while (d->tasks) {
        struct task *t = d->tasks;
        d->tasks = t->next;
        task_free(t);
    }
    d->tasks_last = NULL;
    while (d->closing_count > 0)
        dispatch_work(d);
    free(d->closing);
    free(d->requests);
    free(d->groups);
    free(d->pieces);
    free(d->marks);
    timing_release(&d->timing);
    buffer_release(&d->out);
    arena_release(&d->arena);
}

bool dispatch_blocked(const struct dispatch *d, const struct session *s)
{
    return d->crowded || s->task || s->refused || s->broken || throttle_paused(s->throttle) ||
           s->unsent + (d->out.len - d->piece) > d->rpc->output_limit;
}

bool dispatch_uncrowd(struct dispatch *d)
{
    if (!d->crowded || hub_crowded(d->rpc->hub))
        return false;
    d->crowded = false;
    return true;
}

bool dispatch_busy(const struct session *s)
{
    return s->task || s->unsent > 0 || s->pieces > 0;
}

// ---- a round's second phase

struct engine_client *dispatch_client(struct session *s, struct engine *e)
{
    if (s->client)
        return s->client;
    s->client = engine_client_new(e, s->dispatch->mailbox);
    if (s->client && s->throttle)
        engine_client_charge(s->client, s->throttle->use->account);
    return s->client;
}

static void carry_out(struct dispatch *d, struct session *s, struct call *call, struct request *r)
{
    unsigned flags = r->method->flags;
    if ((flags & METHOD_SILENT) && r->id.len == 0)
        return;
    if (call->batch && s->batched > d->rpc->output_limit) {
        request_refuse(r, ERROR_TOO_LARGE, (struct slice){0}, "the replies of this batch are too large");
        return;
    }
    if ((flags & METHOD_CLIENT) && !call->client) {
        call->client = dispatch_client(s, call->engine);
        if (!call->client) {
            request_refuse(r, ERROR_OVERLOADED, (struct slice){0}, NULL);
            return;
        }
    }
    if (call->access && !permit_job(call->session, call->engine, call->arena, r))
        return;
    call->promise = 0;
    r->method->exec(call, r);
    if (r->error == ERROR_OVERLOADED && s->throttle)
        throttle_explain(s->throttle, r);
    call_promise(call);
    r->promise = call->promise;
    if (!r->waits) {
        timing_answered(&d->timing, r->number);
        return;
    }
    assert(s->waits); // the newest is this request's
    s->waits->number = r->number;
    s->waits->began = hub_locked_at(d->rpc->hub);
}

static_assert(offsetof(struct held_params, id) == 0 && offsetof(struct result_params, id) == 0 &&
                  offsetof(struct queue_params, id) == 0,
              "METHOD_BY_ID and SCOPE_JOB say so");
static_assert(offsetof(struct put_params, queue) == 0 && offsetof(struct get_params, queue) == 0,
              "METHOD_BY_QUEUE says so");

// The jobs and queues that the round names may be anywhere in memory.
static void prefetch(const struct dispatch *d, const struct engine *e)
{
    uint64_t ids[DISPATCH_ROUND];
    struct slice names[DISPATCH_ROUND];
    unsigned id_count = 0, name_count = 0;
    for (unsigned i = 0; i < d->count; i++) {
        const struct request *r = &d->requests[i];
        if (r->error)
            continue;
        if (r->method->flags & METHOD_BY_ID)
            memcpy(&ids[id_count++], &r->in, sizeof *ids);
        else if (r->method->flags & METHOD_BY_QUEUE)
            memcpy(&names[name_count++], &r->in, sizeof *names);
    }
    if (id_count > 1)
        engine_prefetch(e, ids, id_count);
    if (name_count > 1)
        engine_prefetch_queues(e, names, name_count);
}

// Carries the round out, in order, and stops early where replies would be too large to hold. Returns how many
// are done.
static unsigned execute(struct dispatch *d, struct session *s, struct batch *batch)
{
    unsigned i = 0;
    struct call call = {.rpc = d->rpc,
                        .arena = &d->arena,
                        .session = s,
                        .batch = batch,
                        .access = d->access,
                        .client = s->client};
    uint64_t room = d->slice_ends ? SHARE_BYTES : d->rpc->output_limit;
    call.now = hub_lock(d->rpc->hub);
    call.engine = hub_engine(d->rpc->hub);
    timing_begin(&d->timing, hub_locked_at(d->rpc->hub));
    prefetch(d, call.engine);
    while (i < d->count && call.bytes <= room) {
        struct request *r = &d->requests[i++];
        if (!r->error)
            carry_out(d, s, &call, r);
    }
    hub_carried_out(d->rpc->hub, i);
    hub_unlock(d->rpc->hub);
    return i;
}

static bool needs_lock(const struct dispatch *d)
{
    for (unsigned i = 0; i < d->count; i++)
        if (!d->requests[i].error)
            return true;
    return false;
}

// ---- slow requests

static void finish_task(struct dispatch *d, struct task *t)
{
    struct session *s = t->session;
    if (t->request.method && (t->request.method->flags & METHOD_TRAIL))
        trail_note_task(t);
    if (t->request.method)
        timing_took(&d->timing, t->request.number, clock_ns() - t->began_ns);
    if (s) {
        s->task = NULL;
        output_task(d, s, t);
    }
    task_free(t);
}

// To where what goes on at once waits.
void dispatch_task(struct dispatch *d, struct task *t)
{
    if (d->tasks_last)
        d->tasks_last->next = t;
    else
        d->tasks = t;
    d->tasks_last = t;
}

static void queue_task(struct dispatch *d, struct task *t)
{
    if (t->rests_until) {
        if (d->resting_last)
            d->resting_last->next = t;
        else
            d->resting = t;
        d->resting_last = t;
        return;
    }
    if (t->asleep) {
        t->next = d->asleep;
        d->asleep = t;
        return;
    }
    if (!share_task(d, t))
        dispatch_task(d, t);
}

void dispatch_rouse(struct dispatch *d)
{
    struct task *t = d->asleep;
    d->asleep = NULL;
    for (struct task *next; t; t = next) {
        next = t->next;
        t->next = NULL;
        t->asleep = false;
        queue_task(d, t);
    }
}

void dispatch_rested(struct dispatch *d, int64_t now_ms)
{
    for (struct task *t; (t = d->resting) && t->rests_until <= now_ms;) {
        d->resting = t->next;
        if (!d->resting)
            d->resting_last = NULL;
        t->next = NULL;
        t->rests_until = 0;
        queue_task(d, t);
    }
    if (now_ms < INT64_MAX)
        throttle_resume(d, now_ms);
}

int64_t dispatch_rests_until(const struct dispatch *d)
{
    int64_t share = shares_next(d);
    int64_t task = d->resting ? d->resting->rests_until : -1, session = throttle_next(d);
    int64_t first = task < 0 || (session >= 0 && session < task) ? session : task;
    share = share < 0 ? -1 : (share + 999999) / 1000000;
    return first < 0 || (share >= 0 && share < first) ? share : first;
}

static void begin_task(struct dispatch *d, struct session *s, const char *text, size_t len)
{
    struct task *t = calloc(1, sizeof *t + len);
    if (!t) {
        struct request r;
        request_make_error(&r, text, ERROR_OVERLOADED, NULL);
        output_request(d, s, s->batch, &r);
        return;
    }
    memcpy(t->text, text, len);
    t->rpc = d->rpc;
    t->session = s;
    t->batch = s->batch;
    t->began_ns = clock_ns();
    struct call call = {
        .rpc = d->rpc, .arena = &t->arena, .session = s, .batch = s->batch, .access = d->access};
    request_parse(&call, t->text, len, &t->request);
    s->task = t;
    bool silent = (t->request.method->flags & METHOD_SILENT) && t->request.id.len == 0;
    if (t->request.error || silent || task_step(t)) {
        finish_task(d, t);
        return;
    }
    if (t->request.method->flags & METHOD_TRAIL)
        trail_keep(t);
    queue_task(d, t);
}

void dispatch_step(struct dispatch *d, struct task *t)
{
    struct session *s = t->session;
    if (!task_step(t)) {
        queue_task(d, t);
        return;
    }
    output_begin(d);
    finish_task(d, t);
    if (s) {
        output_end(d, s);
        d->ops->unblocked(s);
    }
}

static void work_on_tasks(struct dispatch *d)
{
    struct task *t = d->tasks;
    d->tasks = d->tasks_last = NULL;
    while (t) {
        struct task *next = t->next;
        t->next = NULL;
        dispatch_step(d, t);
        t = next;
    }
}

// ---- input

// Only the session's own thread writes it.
static void count_requests(struct session *s, unsigned more)
{
    uint64_t before = atomic_load_explicit(&s->requests, memory_order_relaxed);
    atomic_store_explicit(&s->requests, before + more, memory_order_relaxed);
}

// How much the next round may have. False: nothing for now.
static bool may_go_on(struct dispatch *d, struct session *s, const struct input *in, bool first)
{
    d->most = d->slice_ends ? SHARE_ROUND : DISPATCH_ROUND;
    if (in->at == in->end)
        return true;
    if (d->slice_ends && !first && clock_ns() >= d->slice_ends) {
        s->yielded = true;
        return false;
    }
    if (s->throttle)
        d->most = throttle_allow(s, d->most);
    return d->most > 0;
}

// Who has asked for so much without having said who it is, is not listened to any more.
static void leave_stranger(struct dispatch *d, struct session *s)
{
    struct request r;
    request_make_error(&r, "", ERROR_UNAUTHORIZED, "that is enough without having said who you are");
    if (!s->batch)
        output_request(d, s, NULL, &r);
    s->refused = true;
}

size_t dispatch_input(struct dispatch *d, struct session *s, const char *data, size_t len)
{
    struct input in = {.at = data, .end = data + len};
    output_begin(d);
    s->yielded = false;
    for (bool first = true; !dispatch_blocked(d, s) && may_go_on(d, s, &in, first); first = false) {
        const char *before = in.at;
        struct batch *batch = s->batch;
        input_gather(d, s, &in);
        if (s->batch != batch) { // one was begun: its elements are a round of their own
            assert(d->count == 0);
            continue;
        }
        unsigned done = needs_lock(d) ? execute(d, s, batch) : d->count;
        count_requests(s, done + (done == d->count && in.slow.len > 0));
        throttle_take(s, done + (done == d->count && in.slow.len > 0));
        for (unsigned i = 0; i < d->count; i++) {
            struct request *r = &d->requests[i];
            if (i < done && r->method && (r->method->flags & METHOD_TRAIL))
                trail_note(s, r);
            if (i < done)
                output_request(d, s, batch, r);
            request_release(r);
        }
        if (done < d->count) {
            input_rewind(s, &in, &d->requests[done]);
        } else if (in.slow.len > 0) {
            begin_task(d, s, in.slow.data, in.slow.len);
        } else if (in.batch_ends) {
            s->batch = NULL;
            batch->read = true;
            output_batch(d, s, batch);
        }
        if (hub_crowded(d->rpc->hub))
            d->crowded = true;
        if (d->access && !s->who && !s->task && s->requests > STRANGER_REQUESTS)
            leave_stranger(d, s);
        bool moved = in.at != before || d->count > 0;
        arena_reset(&d->arena);
        if (!moved)
            break;
    }
    s->held_up = s->yielded || dispatch_blocked(d, s);
    output_end(d, s);
    return (size_t)(in.at - data);
}

// ---- the end of a session

static void give_back_client(struct dispatch *d, struct moment now, struct engine_client *client)
{
    struct engine *e = hub_engine(d->rpc->hub);
    if (engine_client_close(e, now, client))
        return;
    if (d->closing_count == d->closing_cap) {
        unsigned cap = d->closing_cap ? 2 * d->closing_cap : 16;
        struct engine_client **grown = realloc(d->closing, cap * sizeof *grown);
        if (!grown) {
            while (!engine_client_close(e, now, client))
                ; // no memory to do it in turns
            return;
        }
        d->closing = grown;
        d->closing_cap = cap;
    }
    d->closing[d->closing_count++] = client;
}

// Frees the batch when nobody is left who would answer in it.
static void leave_batch(struct session *s, struct batch *b)
{
    if (!b)
        return;
    b->waiting--;
    if (b->waiting == 0 && b != s->batch)
        batch_free(b);
}

static void drop_waits(struct dispatch *d, struct session *s)
{
    struct engine *e = hub_engine(d->rpc->hub);
    while (s->waits) {
        struct wait *w = s->waits;
        wait_unlink(w);
        leave_batch(s, w->batch);
        w->batch = NULL;
        w->session = NULL;
        if (engine_wait_cancel(e, w->waiter))
            free(w); // else its completion is on the way
    }
}

void dispatch_close(struct dispatch *d, struct session *s)
{
    assert(s->pieces == 0 && s->round == 0);
    // What was not told will not be: it goes back to the engine when completions are seen to.
    while (s->tagged)
        dispatch_late(d, batch_untag(s->tagged));
    for (struct waiter *w; (w = session_unkeep(s));) {
        w->next = NULL;
        dispatch_late(d, w);
    }
    if (s->waits || s->client) {
        struct moment now = hub_lock(d->rpc->hub);
        drop_waits(d, s);
        if (s->client)
            give_back_client(d, now, s->client);
        hub_unlock(d->rpc->hub);
    }
    s->client = NULL;
    throttle_leave(s);
    share_join(s, NULL);
    free(s->client_name);
    s->client_name = NULL;
    batch_free(s->batch);
    s->batch = NULL;
    if (s->task) {
        s->task->session = NULL;
        s->task->batch = NULL;
        s->task = NULL;
    }
}

static void work_on_closing(struct dispatch *d)
{
    struct moment now = hub_lock(d->rpc->hub);
    unsigned last = d->closing_count - 1;
    if (engine_client_close(hub_engine(d->rpc->hub), now, d->closing[last]))
        d->closing_count = last;
    hub_unlock(d->rpc->hub);
}

bool dispatch_work(struct dispatch *d)
{
    if (d->closing_count > 0)
        work_on_closing(d);
    if (d->tasks)
        work_on_tasks(d);
    return dispatch_has_work(d);
}

bool dispatch_has_work(const struct dispatch *d)
{
    return d->closing_count > 0 || d->tasks;
}
