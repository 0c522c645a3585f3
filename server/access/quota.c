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

// ---- the rate
//
// Each request moves `due` by its share of a second. It may be ahead of the clock by a second: that is what
// may come at once. What has to wait moves it too, and has its turn when the clock has followed.

static int64_t share(const struct quotas *q)
{
    return NS_A_SECOND / (int64_t)q->requests_per_second;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

unsigned quota_allow(struct quota_use *u, const struct quotas *q, unsigned most, int64_t now, int64_t *until)
{
    if (!q->requests_per_second)
        return most;
    int64_t each = share(q), due = atomic_load(&u->due), from;
    do {
        from = later(due, now);
        int64_t room = (now + NS_A_SECOND - from) / each;
        if (now + NS_A_SECOND > from && room > 0)
            return room < most ? (unsigned)room : most;
    } while (!atomic_compare_exchange_weak(&u->due, &due, from + each));
    *until = from + each - NS_A_SECOND;
    atomic_fetch_add_explicit(&u->slowed, 1, memory_order_relaxed);
    return 0;
}

void quota_take(struct quota_use *u, const struct quotas *q, int64_t count, int64_t now)
{
    if (!q->requests_per_second || count == 0)
        return;
    int64_t due = atomic_load(&u->due);
    while (!atomic_compare_exchange_weak(&u->due, &due, later(due, now) + count * share(q)))
        ;
}

uint64_t quota_rate_used(const struct quota_use *u, const struct quotas *q, int64_t now)
{
    if (!q->requests_per_second)
        return 0;
    int64_t ahead = atomic_load(&u->due) - now;
    int64_t used = ahead > 0 ? (ahead + share(q) - 1) / share(q) : 0;
    return (uint64_t)used < q->requests_per_second ? (uint64_t)used : q->requests_per_second;
}
