// events.
#include "server/access/identity.h"
#include "server/access/pattern.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/session.h"

enum { EVENTS_QUEUES, EVENTS_STATES_BIT };

static const struct param events_rows[] = {
    {PARAM_NAME("queues"), .type = PARAM_QUEUES, .bit = EVENTS_QUEUES, .high = EVENTS_QUEUES_MAX,
     PARAM_FIELD(events.queues)},
    {PARAM_NAME("states"), .type = PARAM_STATES, .bit = EVENTS_STATES_BIT, .high = EVENT_STATES,
     PARAM_FIELD(events.states)},
};

static void events_check(struct call *call, struct request *r)
{
    if (call->session->alone)
        request_refuse(r, ERROR_INVALID_REQUEST, (struct slice){0},
                       "over HTTP nobody could be told; connect to the other port");
    else if (r->id.len == 0)
        request_refuse(r, ERROR_INVALID_REQUEST, (struct slice){0}, "events needs an id, to be ended by it");
    if (!r->in.events.states)
        r->in.events.states = EVENT_STATES;
}

// Whether a listener is to hear of a queue: one of its patterns fits, and it may read there. In any thread
// that has the lock, which also ends the wait.
static bool wants(void *context, struct slice queue)
{
    const struct wait *w = context;
    const struct session *s = w->session;
    if (!s)
        return false;
    bool fits = w->name_count == 0;
    for (unsigned i = 0; i < w->name_count && !fits; i++)
        fits = pattern_matches(wait_name(w, i), queue);
    if (!fits || !atomic_load(&s->dispatch->rpc->access))
        return fits;
    const struct identity *who = atomic_load(&s->who);
    return who && (identity_roles(who, queue) & ROLE_READ);
}

static void events_exec(struct call *call, struct request *r)
{
    const struct events_params *in = &r->in.events;
    const struct listen_options options = {.states = in->states, .wants = wants};
    struct waiter *waiting = NULL;
    r->error = engine_listen(call->engine, call->now, call->client, &options, NULL, &waiting);
    if (r->error)
        return;
    if (pending_new(call->session, call->batch, waiting, r->id, in->queues.items, in->queues.count))
        r->waits = true;
    else if (engine_wait_cancel(call->engine, waiting))
        r->error = ERROR_OVERLOADED;
}

const struct method methods_events[] = {
    {METHOD("events", LIST, ROLE_READ), METHOD_PARAMS(events_rows, events), .flags = METHOD_CLIENT,
     .check = events_check, .exec = events_exec},
    {0},
};
