#include "server/rpc/trail.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/access/identity.h"
#include "server/access/strangers.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/task.h"

#include <assert.h>
#include <string.h>

#define FIELDS_MAX (32 + 5) // params of a method, and what is beside them

static_assert(sizeof(((struct request *)0)->seen) * 8 <= 32, "each param has its bit");

struct trail {
    struct log_field fields[FIELDS_MAX];
    unsigned count;
};

static void note(struct trail *t, struct log_field field)
{
    t->fields[t->count++] = field;
}

// What was asked for, by the names of the params. Settings of other types are left out.
static void note_params(struct trail *t, const struct request *r)
{
    for (unsigned i = 0; i < r->method->param_count; i++) {
        const struct param *p = &r->method->params[i];
        const void *field = (const char *)r + p->offset;
        if (!(r->seen & PARAM_BIT(p->bit)))
            continue;
        if (p->type == PARAM_QUEUE || p->type == PARAM_QUEUE_OR_NULL || p->type == PARAM_TEXT)
            note(t, KV(p->name, *(const struct slice *)field));
        else if (p->type == PARAM_WHOLE)
            note(t, KV(p->name, *(const uint64_t *)field));
        else if (p->type == PARAM_FLAG)
            note(t, KV(p->name, *(const bool *)field));
    }
}

static const char *peer_of(const struct session *s, char text[DISPATCH_PEER_MAX])
{
    strcpy(text, "unknown");
    if (s->dispatch->ops->peer)
        s->dispatch->ops->peer(s, text);
    return text;
}

static void write_line(const struct identity *who, const char *peer, const struct request *r)
{
    struct trail t = {.count = 0};
    note(&t, KV("action", r->method->name));
    if (who) {
        note(&t, KV("kind", identity_kind_name(who->kind)));
        note(&t, KV("who", who->name));
    }
    note(&t, KV("peer", peer));
    note_params(&t, r);
    if (r->method->flags & METHOD_COUNTS)
        note(&t, KV("count", r->out.count));
    log_write(LOG_ADMIN, 0, t.fields, t.count);
}

void trail_note(const struct session *s, const struct request *r)
{
    char peer[DISPATCH_PEER_MAX];
    if (!r->error && r->seen)
        write_line(s->who, peer_of(s, peer), r);
}

void trail_keep(struct task *t)
{
    char peer[DISPATCH_PEER_MAX];
    t->who = t->session->who;
    t->peer = arena_printf(&t->arena, "%s", peer_of(t->session, peer));
}

void trail_note_task(const struct task *t)
{
    const struct request *r = &t->request;
    char peer[DISPATCH_PEER_MAX] = "unknown"; // if memory was short
    if (r->error || !r->seen)
        return;
    if (t->peer || !t->session)
        write_line(t->who, t->peer ? t->peer : peer, r);
    else
        write_line(t->session->who, peer_of(t->session, peer), r);
}

void trail_wrong_token(struct session *s)
{
    char peer[DISPATCH_PEER_MAX];
    const struct rpc *rpc = s->dispatch->rpc;
    peer_of(s, peer);
    s->failures++;
    if (rpc->auth_failures)
        atomic_fetch_add_explicit(rpc->auth_failures, 1, memory_order_relaxed);
    if (strangers_may_log(rpc->strangers, clock_ns()))
        log_event(LOG_TOKEN_WRONG, KV("peer", peer), KV("failures", s->failures));
}
