// auth, who.
#include "server/access/identity.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"
#include "server/rpc/throttle.h"
#include "server/rpc/trail.h"

#include "common/clock.h"
#include "common/json_writer.h"

#include <stdint.h>

// ---- auth

#define FAILURES_MAX 10 // wrong tokens that a connection is heard for

static const struct param auth_rows[] = {
    {PARAM_NAME("token"), .type = PARAM_TEXT, .bit = 0, .low = 1, .high = 255, PARAM_FIELD(queue.client)},
};

static bool auth_step(struct task *t)
{
    struct slice token = t->request.in.queue.client;
    if (t->session && t->session->alone) {
        token_forget((void *)(uintptr_t)token.data, token.len);
        request_refuse(&t->request, ERROR_INVALID_REQUEST, (struct slice){0},
                       "over HTTP each request says who it is from: Authorization: Bearer TOKEN");
        return true;
    }
    if (t->begun) { // and has rested
        if (t->session && t->session->failures >= FAILURES_MAX)
            t->session->refused = true;
        request_refuse(&t->request, ERROR_UNAUTHORIZED, (struct slice){0}, "this token is nobody's");
        return true;
    }
    const struct access *access = t->session->dispatch->access;
    const struct identity *who = access ? access_of_token(access, token) : NULL;
    token_forget((void *)(uintptr_t)token.data, token.len); // of the task's own copy
    if (access && !who) {
        trail_wrong_token(t->session);
        t->rests_until = clock_ns() / 1000000 + TOKEN_WRONG_MS;
        return false;
    }
    if (!session_identify(t->session, who, false)) {
        request_refuse(&t->request, ERROR_OVERLOADED, (struct slice){0}, THROTTLE_CONNECTIONS);
        return true;
    }
    json_write_raw(&t->out, "{\"identity\":");
    identity_write(&t->out, who);
    json_write_raw(&t->out, "}");
    return true;
}

// ---- who

#define WHO_SLICE 100
#define WHO_USUAL 1000
#define WHO_MOST  10000

static const struct param who_rows[] = {
    {PARAM_NAME("limit"), .type = PARAM_WHOLE, .bit = 0, .low = 1, .high = WHO_MOST,
     PARAM_FIELD(queue.limit)},
};

static void write_use(struct buffer *b, const char *name, uint64_t used, uint64_t limit)
{
    json_write_key(b, name);
    json_write_raw(b, "{");
    json_write_key(b, "used");
    json_write_uint(b, used);
    json_write_key(b, "limit");
    json_write_uint(b, limit);
    json_write_raw(b, "}");
}

static void write_quotas(struct buffer *b, const struct identity *i)
{
    struct identity_use use;
    identity_use(i, &use);
    json_write_comma(b);
    json_write_raw(b, "{");
    json_write_key(b, "identity");
    identity_write(b, i);
#define X(field, type, low, high, value, text) write_use(b, #field, use.used.field, i->quotas.field);
    QUOTAS(X)
#undef X
    json_write_key(b, "slowed");
    json_write_uint(b, use.slowed);
    json_write_key(b, "refused");
    json_write_uint(b, use.refused);
    json_write_raw(b, "}");
}

static bool who_step(struct task *t)
{
    unsigned limit = t->request.seen ? (unsigned)t->request.in.queue.limit : WHO_USUAL, count = 0;
    if (!t->begun) {
        t->at.who.place = (struct roll_place){.before = INT64_MAX};
        json_write_raw(&t->out, "{\"connections\":[");
    }
    unsigned most = limit - t->at.who.count;
    bool all = !t->rpc->roll_call || t->rpc->roll_call(t->rpc->connection_context, &t->at.who.place,
                                                       most < WHO_SLICE ? most : WHO_SLICE, &count, &t->out);
    t->at.who.count += count;
    if (!all && t->at.who.count < limit)
        return false;
    json_write_raw(&t->out, "],\"more\":");
    json_write_bool(&t->out, !all);
    json_write_raw(&t->out, ",\"quotas\":[");
    const struct access *access = t->rpc->access;
    for (size_t i = 0; access && i < access->count; i++)
        if (access->items[i].use)
            write_quotas(&t->out, &access->items[i]);
    json_write_raw(&t->out, "]}");
    return true;
}

const struct method methods_access[] = {
    {METHOD("auth", OPEN, 0), METHOD_PARAMS(auth_rows, queue), .required = PARAM_BIT(0), .step = auth_step},
    {METHOD("who", DAEMON, ROLE_ADMIN), METHOD_PARAMS(who_rows, queue), .flags = METHOD_LOOKS | METHOD_SILENT,
     .step = who_step},
    {0},
};
