// Confirming, taking back, going away; and the clock.
#include "tests/model/world.h"

#include "server/engine/account.h"
#include "server/engine/core.h"

#include <inttypes.h>
#include <string.h>

void op_wait_cancel(struct world *w)
{
    if (w->m->wait_count && !one_in(w, 5)) {
        struct mwait *wait = &w->m->waits[any(w, w->m->wait_count)];
        if (wait->kind == WAITER_NOTIFY)
            return; // the engine alone knows it
        say("take back a wait of kind %d", wait->kind);
        REQUIRE(engine_wait_cancel(w->e, wait->waiter), "a wait that waits has completed");
        uint64_t order = wait->order;
        if (wait->notify) {
            w->m->subscriptions[wait->client]--;
            model_wait_remove(w->m, model_wait_of(w->m, wait->notify - 1));
        }
        model_wait_remove(w->m, model_wait_of(w->m, order));
    } else if (w->pending_count) {
        struct waiter *c = w->pending[any(w, w->pending_count)].waiter;
        if (c->kind == WAITER_PROGRESS)
            return; // no wait
        say("take back a completed wait");
        REQUIRE(!engine_wait_cancel(w->e, c), "a completed wait was taken back");
    }
}

void world_confirm(struct world *w, unsigned pending)
{
    struct model *m = w->m;
    struct pending p = w->pending[pending];
    struct waiter *c = p.waiter;
    memmove(&w->pending[pending], &w->pending[pending + 1],
            (--w->pending_count - pending) * sizeof w->pending[0]);
    if (c->kind == WAITER_PROGRESS) {
        news_confirm(w, &p);
        return;
    }
    uint64_t id = c->kind == WAITER_GET ? c->taken.id : c->id;
    struct mjob *j = c->error == ERROR_NONE && !c->orphan ? model_job(m, id) : NULL;
    if (c->kind == WAITER_GET && j) {
        struct mjob *taken = j;
        REQUIRE(c->taken.body.len == body_text(c->taken.body.len ? taken->body : 0).len, "the body went");
        if (j->state == JOB_RESERVED && j->handing && model_token(m, j) == c->taken.delivery) {
            j->handing = false;
            if (p.auto_ack)
                model_finish(m, j, j->cancelling ? JOB_CANCELLED : JOB_DONE, 0);
        }
    } else if (c->kind == WAITER_RESULT && !c->orphan && p.forget && is_outcome(c->error)) {
        j = model_job(m, id);
        if (j && (j->state == JOB_DONE || j->state == JOB_CANCELLED))
            model_remove(m, j);
    }
    if (c->kind == WAITER_NOTIFY && !c->orphan)
        m->subscriptions[p.client]--;
    if (c->kind == WAITER_PUT && !c->orphan && p.notify && c->error == ERROR_NONE)
        model_wait_of(m, p.notify - 1)->silent = false;
    say("confirm kind=%d error=%s job=%" PRIu64 " auto_ack=%d orphan=%d", c->kind, error_name(c->error), id,
        p.auto_ack, c->orphan);
    engine_confirm(w->e, w->now, c);
}

void op_confirm(struct world *w)
{
    if (w->pending_count)
        world_confirm(w, (unsigned)any(w, w->pending_count));
}

void world_connect(struct world *w, int client)
{
    enum { ACCOUNTS = 2 };
    w->clients[client] = engine_client_new(w->e, (struct mailbox *)w);
    while (w->clients[client] && w->e->account_count < ACCOUNTS)
        REQUIRE(engine_account_new(w->e), "no memory");
    REQUIRE(w->clients[client], "no memory");
    unsigned account = (unsigned)client % (ACCOUNTS + 1);
    engine_client_charge(w->clients[client], account ? w->e->accounts[account - 1] : NULL);
}

void op_client_close(struct world *w)
{
    int client = any_client(w);
    say("close client %d", client);
    while (!engine_client_close(w->e, w->now, w->clients[client]))
        ;
    model_client_gone(w->m, client);
    world_connect(w, client);
}

void op_tick(struct world *w)
{
    world_pass(w, 4 * (int64_t)any(w, 12));
    say("tick");
    world_tick(w);
}

void op_jump(struct world *w)
{
    int64_t due = engine_next_due(w->e, w->now);
    int64_t ms = due == INT64_MAX ? 4 : due - w->now.mono;
    if (one_in(w, 20))
        ms = one_in(w, 4) ? 90000000 : 70000;
    if (ms > 200000000)
        ms = 200000000;
    ms = (ms + 3) / 4 * 4;
    say("jump %" PRId64 " ms ahead and tick", ms);
    world_pass(w, ms);
    world_tick(w);
}

void op_wall(struct world *w)
{
    int64_t ms = 4 * ((int64_t)any(w, 2000) - 1000);
    say("the wall clock jumps by %" PRId64 " ms", ms);
    w->now.wall += ms;
    w->m->now = w->now;
}
