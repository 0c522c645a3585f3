#include "server/rpc/throttle.h"

#include "server/access/identity.h"
#include "server/engine/account.h"
#include "server/hub.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/session.h"
#include "server/rpc/share.h"

#include "common/clock.h"

#include <stdlib.h>

#define AT_ONCE 1000 // pauses that are ended in one go

static const struct quotas *quotas_of(const struct session *s)
{
    return &((const struct identity *)s->who)->quotas;
}

// ---- who it is

static void charge(struct session *s, struct engine_account *account)
{
    if (!s->client)
        return; // when it is made
    hub_lock(s->dispatch->rpc->hub);
    engine_client_charge(s->client, account);
    hub_unlock(s->dispatch->rpc->hub);
}

static struct throttle *throttle_new(struct session *s, const struct identity *who, bool always)
{
    struct throttle *t = calloc(1, sizeof *t);
    if (t && !quota_connect(who->use, &who->quotas, always)) {
        free(t);
        return NULL;
    }
    if (t) {
        t->session = s;
        t->use = who->use;
    }
    return t;
}

static void end_pause(struct throttle *t)
{
    if (!throttle_paused(t))
        return;
    wheel_remove(&t->session->dispatch->paused, &t->timer);
    t->session->dispatch->paused_count--;
}

// What was counted and not used is given back, at the rate that it was counted with.
static void throttle_free(struct throttle *t)
{
    if (!t)
        return;
    end_pause(t);
    if (t->paid)
        quota_take(t->use, quotas_of(t->session), -1, clock_ns());
    quota_disconnect(t->use);
    free(t);
}

bool session_identify(struct session *s, const struct identity *who, bool always)
{
    struct throttle *was = s->throttle, *now = was;
    struct quota_use *use = who ? who->use : NULL;
    bool paused = throttle_paused(was);
    if (use != (was ? was->use : NULL)) {
        now = use ? throttle_new(s, who, always) : NULL;
        if (use && !now && !always)
            return false;
        throttle_free(was);
        charge(s, now ? use->account : NULL);
    } else if (was) {
        end_pause(was); // the limits may be others
    }
    s->throttle = now;
    s->who = who;
    share_join(s, who);
    if (s->client) { // which may listen, and read other queues now
        struct hub *hub = s->dispatch->rpc->hub;
        hub_lock(hub);
        engine_listeners_changed(hub_engine(hub));
        hub_unlock(hub);
    }
    if (paused)
        s->dispatch->ops->unblocked(s);
    return true;
}

void throttle_leave(struct session *s)
{
    throttle_free(s->throttle);
    s->throttle = NULL;
}

// ---- the rate

unsigned throttle_allow(struct session *s, unsigned most)
{
    struct throttle *t = s->throttle;
    struct dispatch *d = s->dispatch;
    int64_t until, now = clock_ns();
    if (t->paid)
        return 1;
    unsigned allowed = quota_allow(t->use, quotas_of(s), most, now, &until);
    if (allowed > 0)
        return allowed;
    t->paid = true;
    if (d->paused_count++ == 0)
        d->paused.now = now / NS_A_MS; // nothing is in it: it need not turn to here
    wheel_add(&d->paused, &t->timer, until / NS_A_MS + 1);
    return 0;
}

void throttle_take(struct session *s, unsigned count)
{
    struct throttle *t = s->throttle;
    if (!t || count == 0)
        return;
    quota_take(t->use, quotas_of(s), (int64_t)count - t->paid, clock_ns());
    t->paid = false;
}

void throttle_resume(struct dispatch *d, int64_t now_ms)
{
    int budget = AT_ONCE;
    for (struct timer *timer; d->paused_count > 0 && (timer = wheel_pop(&d->paused, now_ms, &budget));) {
        struct throttle *t = (struct throttle *)((char *)timer - offsetof(struct throttle, timer));
        d->paused_count--;
        d->ops->unblocked(t->session);
    }
}

int64_t throttle_next(const struct dispatch *d)
{
    return d->paused_count > 0 ? wheel_next(&d->paused) : -1;
}

// ---- what is said

void identity_use(const struct identity *i, struct identity_use *out)
{
    const struct quota_use *use = i->use;
    struct account_use account;
    engine_account_look(use->account, &account);
    *out = (struct identity_use){.used = {.connections = atomic_load(&use->connections),
                                          .requests_per_second = quota_rate_used(use, &i->quotas, clock_ns()),
                                          .waiting = account.waits,
                                          .bytes_queued = account.bytes},
                                 .refused = atomic_load(&use->refused) + account.refused,
                                 .slowed = atomic_load(&use->slowed)};
}

void throttle_explain(const struct throttle *t, struct request *r)
{
    switch (engine_account_why(t->use->account)) {
    case ACCOUNT_WAITS:
        r->text =
            "this identity has as many requests waiting as its quota `waiting` allows: let some of them "
            "end first, or take them back";
        break;
    case ACCOUNT_BYTES:
        r->text = "the unfinished jobs of this identity take what its quota `bytes_queued` allows: put more "
                  "when some of them are done";
        break;
    case ACCOUNT_NOT_REFUSED:
        break;
    }
}
