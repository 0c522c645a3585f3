#include "server/rpc/permit.h"

#include "server/access/identity.h"
#include "server/hub.h"
#include "server/rpc/arena.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/session.h"

#include <string.h>

bool permit_method(struct call *call, struct request *r)
{
    if (call->session->who || (r->method && r->method->scope == SCOPE_OPEN))
        return true;
    request_refuse(r, ERROR_UNAUTHORIZED, (struct slice){0},
                   call->session->failures ? "say who you are first: the token that was given is nobody's"
                                           : NULL);
    return false;
}

static unsigned roles_for(const struct request *r)
{
    return r->seen && r->method->roles_to_tell ? r->method->roles_to_tell : r->method->roles;
}

static void forbid(struct arena *arena, struct request *r, const struct identity *who, unsigned roles,
                   const struct slice *queue)
{
    char names[ROLE_TEXT_MAX];
    const char *kind = identity_kind_name(who->kind);
    role_print(roles, names);
    const char *text =
        queue ? arena_printf(arena, "%s \"%s\" lacks the role %s on the queue \"%.*s\"", kind, who->name,
                             names, (int)queue->len, queue->data)
              : arena_printf(arena, "%s \"%s\" lacks the role %s on all queues (a grant for \"*\")", kind,
                             who->name, names);
    request_refuse(r, ERROR_FORBIDDEN, (struct slice){0}, text);
}

// Whether the role is there on one queue; else it is refused.
static bool permit_queue(struct call *call, struct request *r, const struct slice *queue)
{
    const struct identity *who = call->session->who;
    if (identity_roles(who, *queue) & r->method->roles)
        return true;
    forbid(call->arena, r, who, r->method->roles, queue);
    return false;
}

// How many queues the params name, all of which are looked at.
static unsigned permit_queues(struct call *call, struct request *r)
{
    unsigned named = 0;
    for (unsigned i = 0; i < r->method->param_count && !r->error; i++) {
        const struct param *p = &r->method->params[i];
        const void *field = (const char *)r + p->offset;
        const struct slice *one = field;
        const struct param_names *several = field;
        if (!(r->seen & PARAM_BIT(p->bit)))
            continue;
        if (p->type == PARAM_QUEUE || (p->type == PARAM_QUEUE_OR_NULL && one->len > 0)) {
            named++;
            permit_queue(call, r, one);
        } else if (p->type == PARAM_QUEUES) {
            for (unsigned n = 0; n < several->count && permit_queue(call, r, &several->items[n]); n++)
                named++;
        }
    }
    return named;
}

static void permit_everywhere(struct call *call, struct request *r)
{
    const struct identity *who = call->session->who;
    unsigned roles = roles_for(r);
    if (!(identity_roles_everywhere(who) & roles))
        forbid(call->arena, r, who, roles, NULL);
}

void permit_params(struct call *call, struct request *r)
{
    switch ((enum method_scope)r->method->scope) {
    case SCOPE_OPEN:
    case SCOPE_OWN:
    case SCOPE_LIST:
    case SCOPE_JOB:
        break;
    case SCOPE_QUEUE:
    case SCOPE_QUEUE_OR_JOB:
        permit_queues(call, r);
        break;
    case SCOPE_QUEUE_OR_DAEMON:
        if (permit_queues(call, r) == 0 && !r->error)
            permit_everywhere(call, r);
        break;
    case SCOPE_DAEMON:
        permit_everywhere(call, r);
        break;
    }
}

enum error permit_job_id(const struct session *s, const struct engine *e, const struct request *r,
                         uint64_t id)
{
    struct slice queue;
    if (!s->dispatch->access || !engine_job_queue(e, id, &queue))
        return ERROR_NONE;
    unsigned roles = identity_roles(s->who, queue);
    return roles & r->method->roles ? ERROR_NONE : roles & ROLE_READ ? ERROR_FORBIDDEN : ERROR_NOT_FOUND;
}

bool permit_job(const struct session *s, const struct engine *e, struct arena *arena, struct request *r)
{
    static const uint64_t nobodys = 0;
    uint64_t id;
    struct slice queue;
    if (r->method->scope != SCOPE_JOB && r->method->scope != SCOPE_QUEUE_OR_JOB)
        return true;
    memcpy(&id, &r->in, sizeof id);
    switch (permit_job_id(s, e, r, id)) {
    case ERROR_NONE:
        return true;
    case ERROR_FORBIDDEN:
        if (engine_job_queue(e, id, &queue))
            forbid(arena, r, s->who, r->method->roles, &queue);
        return false;
    default:
        memcpy(&r->in, &nobodys, sizeof nobodys);
        return true;
    }
}

#define WAITS_AT_ONCE 64 // under one lock

static bool may_wait(const struct identity *who, const struct wait *w)
{
    struct slice queue;
    unsigned at = 0, roles = method_at(w->number)->roles;
    while (engine_wait_queue(w->waiter, &at, &queue))
        if (!(identity_roles(who, queue) & roles))
            return false;
    return true;
}

void permit_waits(struct session *s)
{
    struct hub *hub = s->dispatch->rpc->hub;
    unsigned seen = 0;
    if (!s->waits)
        return;
    hub_lock(hub);
    for (const struct wait *w = s->waits; w; w = w->next) {
        if (!may_wait(s->who, w))
            engine_wait_end(hub_engine(hub), w->waiter, ERROR_FORBIDDEN);
        if (++seen % WAITS_AT_ONCE == 0) { // the list is this thread's alone
            hub_unlock(hub);
            hub_lock(hub);
        }
    }
    hub_unlock(hub);
}
