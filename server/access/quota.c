#include "server/access/quota.h"

#include <string.h>

#define NS_A_SECOND ((int64_t)1000000000)

bool quotas_any(const struct quotas *q)
{
    static const struct quotas none;
    return !quotas_equal(q, &none);
}

bool quotas_equal(const struct quotas *a, const struct quotas *b)
{
    return memcmp(a, b, sizeof *a) == 0; // numbers of one width
}

// ---- connections

bool quota_connect(struct quota_use *u, const struct quotas *q, bool always)
{
    unsigned before = atomic_fetch_add(&u->connections, 1);
    if (always || !q->connections || before < q->connections)
        return true;
    atomic_fetch_sub(&u->connections, 1);
    atomic_fetch_add_explicit(&u->refused, 1, memory_order_relaxed);
    return false;
}

void quota_disconnect(struct quota_use *u)
{
    atomic_fetch_sub(&u->connections, 1);
}

// ---- the rate: what has to wait is counted too, and has its turn when the clock has followed

static struct pace_rate rate_of(const struct quotas *q)
{
    return (struct pace_rate){.each = NS_A_SECOND / (int64_t)q->requests_per_second, .ahead = NS_A_SECOND};
}

unsigned quota_allow(struct quota_use *u, const struct quotas *q, unsigned most, int64_t now, int64_t *until)
{
    if (!q->requests_per_second)
        return most;
    struct pace_rate rate = rate_of(q);
    int64_t room = pace_room_or_turn(&u->pace, &rate, now, until);
    if (room == 0)
        atomic_fetch_add_explicit(&u->slowed, 1, memory_order_relaxed);
    return room < most ? (unsigned)room : most;
}

void quota_take(struct quota_use *u, const struct quotas *q, int64_t count, int64_t now)
{
    if (!q->requests_per_second || count == 0)
        return;
    struct pace_rate rate = rate_of(q);
    pace_move(&u->pace, &rate, count, now);
}

uint64_t quota_rate_used(const struct quota_use *u, const struct quotas *q, int64_t now)
{
    if (!q->requests_per_second)
        return 0;
    struct pace_rate rate = rate_of(q);
    uint64_t used = (uint64_t)pace_used(&u->pace, &rate, now);
    return used < q->requests_per_second ? used : q->requests_per_second;
}
