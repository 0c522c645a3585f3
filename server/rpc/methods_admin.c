// hello, ping, pool, backup, $/cancelRequest.
#include "server/access/identity.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/reply.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"

#include "common/json_reader.h"
#include "common/json_writer.h"
#include "common/log.h"

#include <string.h>

// ---- hello

static const struct param hello_rows[] = {
    {PARAM_NAME("client"), .type = PARAM_TEXT, .bit = 0, .low = 0, .high = 255, PARAM_FIELD(queue.client)},
};

static bool hello_step(struct task *t)
{
    struct slice client = t->request.in.queue.client;
    const struct rpc *rpc = t->rpc;
    struct buffer *b = &t->out;
    if (client.len > 0)
        log_event(LOG_CLIENT_NAME, KV("client", client));
    if (client.len > 0 && !t->session->client_name) // `who` tells less where memory is short
        t->session->client_name = strndup(client.data, client.len);
    json_write_raw(b, "{\"name\":\"taskqd\",\"version\":");
    json_write_string(b, slice_of(rpc->version));
    json_write_raw(b, ",\"protocol\":1,\"durability\":");
    json_write_string(b, slice_of(rpc->durability));
    json_write_raw(b, ",\"limits\":{\"body\":");
    json_write_uint(b, rpc->max_body);
    json_write_raw(b, ",\"request\":");
    json_write_uint(b, rpc->max_request);
    json_write_raw(b, ",\"depth\":");
    json_write_uint(b, JSON_DEPTH_MAX);
    json_write_raw(b, ",\"batch\":");
    json_write_uint(b, BATCH_MAX);
    json_write_raw(b, ",\"waits\":");
    json_write_uint(b, rpc->max_waits);
    json_write_raw(b, ",\"subscriptions\":");
    json_write_uint(b, rpc->max_subscriptions);
    json_write_raw(b, ",\"max\":");
    json_write_uint(b, GET_MAX);
    json_write_raw(b, "},\"identity\":");
    identity_write(b, t->session->who);
    json_write_raw(b, ",\"grants\":");
    if (t->session->dispatch->access)
        identity_write_grants(b, t->session->who);
    else
        json_write_raw(b, "null");
    json_write_raw(b, "}");
    return true;
}

// ---- ping

static void empty_reply(struct buffer *b, const struct request *r)
{
    (void)r;
    json_write_raw(b, "{}");
}

static void nothing_exec(struct call *call, struct request *r)
{
    (void)call;
    (void)r;
}

// ---- pool

enum { POOL_HANDLER, POOL_WORKERS };

static const struct param pool_rows[] = {
    {PARAM_NAME("handler"), .type = PARAM_TEXT, .bit = POOL_HANDLER, .low = 1, .high = 255,
     PARAM_FIELD(pool.handler)},
    {PARAM_NAME("workers"), .type = PARAM_WHOLE, .bit = POOL_WORKERS, .low = 1, .high = POOL_RESIZE_MAX,
     PARAM_FIELD(pool.workers)},
};

static void pool_check(struct call *call, struct request *r)
{
    (void)call;
    bool handler = r->seen & PARAM_BIT(POOL_HANDLER), workers = r->seen & PARAM_BIT(POOL_WORKERS);
    if (handler != workers)
        request_refuse(r, ERROR_INVALID_PARAMS, handler ? SLICE("workers") : SLICE("handler"),
                       "handler and workers go together");
}

// One slice of it. True: it is done, or refused.
static bool pool_resize(struct task *t)
{
    struct request *r = &t->request;
    const struct pool_params *in = &r->in.pool;
    char text[POOL_TEXT_MAX] = "there is no pool";
    bool done = false;
    enum error error = ERROR_NOT_FOUND;
    if (t->rpc->pool_resize)
        error = t->rpc->pool_resize(t->rpc->pool_context, in->handler, (unsigned)in->workers, &done, text);
    if (error != ERROR_NONE)
        request_refuse(r, error, error == ERROR_INVALID_PARAMS ? SLICE("workers") : (struct slice){0},
                       arena_printf(&t->arena, "%s", text));
    return done || error != ERROR_NONE;
}

static bool pool_step(struct task *t)
{
    if (t->request.seen && !pool_resize(t))
        return false;
    if (t->request.error)
        return true;
    json_write_raw(&t->out, "{\"handlers\":");
    if (t->rpc->pool_report)
        t->rpc->pool_report(t->rpc->pool_context, &t->out);
    else
        json_write_raw(&t->out, "[]");
    json_write_raw(&t->out, "}");
    return true;
}

// ---- backup

#define BACKUP_FOLDER_MAX 4000

static const struct param backup_rows[] = {
    {PARAM_NAME("folder"), .type = PARAM_TEXT, .bit = 0, .low = 1, .high = BACKUP_FOLDER_MAX,
     PARAM_FIELD(backup.folder)},
};

static void backup_begin(struct task *t)
{
    struct request *r = &t->request;
    const struct rpc *rpc = t->rpc;
    struct slice folder = r->in.backup.folder;
    enum error why;
    if (folder.data[0] != '/' || memchr(folder.data, '\0', folder.len)) {
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("folder"), "folder has to be an absolute path");
        return;
    }
    if (!rpc->backup_begin) {
        request_refuse(r, ERROR_STORE_FAILED, (struct slice){0}, "jobs are kept in memory only");
        return;
    }
    r->in.backup.running =
        rpc->backup_begin(rpc->backup_context, folder, t->session->dispatch->mailbox, &why);
    r->in.backup.leave = rpc->backup_leave;
    if (!r->in.backup.running)
        request_refuse(r, why, (struct slice){0}, "another backup is under way");
}

static bool backup_step(struct task *t)
{
    struct request *r = &t->request;
    struct backup_result result;
    if (!t->begun)
        backup_begin(t);
    if (r->error)
        return true;
    if (!t->rpc->backup_ended(r->in.backup.running, &result)) {
        t->asleep = true;
        return false;
    }
    if (result.error) {
        struct slice param = result.error == ERROR_INVALID_PARAMS ? SLICE("folder") : (struct slice){0};
        request_refuse(r, result.error, param, arena_printf(&t->arena, "%s", result.text));
        return true;
    }
    json_write_raw(&t->out, "{\"segments\":");
    json_write_uint(&t->out, result.segments);
    json_write_raw(&t->out, ",\"bytes\":");
    json_write_uint(&t->out, result.bytes);
    json_write_raw(&t->out, "}");
    return true;
}

static void backup_release(struct request *r)
{
    if (r->in.backup.running)
        r->in.backup.leave(r->in.backup.running);
}

// ---- $/cancelRequest

static const struct param take_back_rows[] = {
    {PARAM_NAME("id"), .type = PARAM_ID, .bit = 0, PARAM_FIELD(take_back.id)},
};

static void take_back_exec(struct call *call, struct request *r)
{
    struct wait *w = wait_find(call->session, r->in.take_back.id);
    if (w && engine_wait_cancel(call->engine, w->waiter)) {
        wait_unlink(w);
        r->out.taken_back = w; // the dispatcher answers it before this
    }
}

const struct method methods_admin[] = {
    {METHOD("ping", OPEN, 0), .exec = nothing_exec, .reply = empty_reply},
    {METHOD("hello", OPEN, 0), METHOD_PARAMS(hello_rows, queue), .flags = METHOD_LOOKS, .step = hello_step},
    {METHOD("pool", DAEMON, ROLE_READ), .roles_to_tell = ROLE_ADMIN, METHOD_PARAMS(pool_rows, pool),
     .flags = METHOD_TRAIL, .check = pool_check, .step = pool_step},
    {METHOD("backup", DAEMON, ROLE_ADMIN), METHOD_PARAMS(backup_rows, backup), .flags = METHOD_TRAIL,
     .required = PARAM_BIT(0), .step = backup_step, .release = backup_release},
    {METHOD("$/cancelRequest", OWN, 0), METHOD_PARAMS(take_back_rows, take_back), .flags = METHOD_TAKES_BACK,
     .required = PARAM_BIT(0), .exec = take_back_exec, .reply = empty_reply},
    {0},
};
