#include "server/quotas.h"

#include "server/engine/account.h"
#include "server/hub.h"

#include <stdlib.h>
#include <string.h>

struct quota_slot {
    struct quota_slot *next;
    struct quota_use use;
    enum identity_kind kind;
    uint64_t rate; // as it was last
    char name[];
};

static struct quota_slot *find(struct quota_slot *all, const struct identity *i)
{
    while (all && !(all->kind == i->kind && strcmp(all->name, i->name) == 0))
        all = all->next;
    return all;
}

static bool add(struct quota_slot **all, const struct identity *i, struct hub *h)
{
    size_t size = strlen(i->name) + 1;
    struct quota_slot *s = calloc(1, sizeof *s + size);
    if (!s)
        return false;
    memcpy(s->name, i->name, size);
    s->kind = i->kind;
    hub_lock(h);
    s->use.account = engine_account_new(hub_engine(h));
    hub_unlock(h);
    if (!s->use.account) {
        free(s);
        return false;
    }
    s->next = *all;
    *all = s;
    return true;
}

static void limit(struct quota_slot *s, const struct quotas *q, struct hub *h)
{
    const struct account_limits limits = {.waits = q->waiting, .bytes = q->bytes_queued};
    hub_lock(h);
    engine_account_limit(s->use.account, &limits);
    hub_unlock(h);
    if (s->rate != q->requests_per_second)
        atomic_store(&s->use.pace.due, 0); // what was counted at another rate is no measure
    s->rate = q->requests_per_second;
}

bool quotas_attach(struct quota_slot **all, struct access *a, struct hub *h)
{
    for (size_t n = 0; n < a->count; n++)
        if (quotas_any(&a->items[n].quotas) && !find(*all, &a->items[n]) && !add(all, &a->items[n], h))
            return false;
    for (size_t n = 0; n < a->count; n++) {
        struct identity *i = &a->items[n];
        struct quota_slot *s = quotas_any(&i->quotas) ? find(*all, i) : NULL;
        i->use = s ? &s->use : NULL;
        if (s)
            limit(s, &i->quotas, h);
    }
    return true;
}

void quotas_free(struct quota_slot *all)
{
    while (all) {
        struct quota_slot *next = all->next;
        free(all);
        all = next;
    }
}
