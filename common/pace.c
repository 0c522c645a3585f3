#include "common/pace.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t room(const struct pace_rate *r, int64_t from, int64_t now)
{
    return (now + r->ahead - from) / r->each;
}

int64_t pace_room(const struct pace *p, const struct pace_rate *r, int64_t now)
{
    return room(r, later(atomic_load(&p->due), now), now);
}

bool pace_take(struct pace *p, const struct pace_rate *r, int64_t now)
{
    int64_t due = atomic_load(&p->due), from;
    do {
        from = later(due, now);
        if (room(r, from, now) <= 0)
            return false;
    } while (!atomic_compare_exchange_weak(&p->due, &due, from + r->each));
    return true;
}

int64_t pace_room_or_turn(struct pace *p, const struct pace_rate *r, int64_t now, int64_t *until)
{
    int64_t due = atomic_load(&p->due), from;
    do {
        from = later(due, now);
        int64_t count = room(r, from, now);
        if (count > 0)
            return count;
    } while (!atomic_compare_exchange_weak(&p->due, &due, from + r->each));
    *until = from + r->each - r->ahead;
    return 0;
}

void pace_move(struct pace *p, const struct pace_rate *r, int64_t count, int64_t now)
{
    int64_t due = atomic_load(&p->due);
    while (!atomic_compare_exchange_weak(&p->due, &due, later(due, now) + count * r->each))
        ;
}

int64_t pace_used(const struct pace *p, const struct pace_rate *r, int64_t now)
{
    int64_t ahead = atomic_load(&p->due) - now;
    return ahead > 0 ? (ahead + r->each - 1) / r->each : 0;
}

// ---- what is left out

bool flood_pass(struct flood *f, const struct pace_rate *r, int64_t now, uint64_t *left_out)
{
    bool may = pace_take(&f->pace, r, now);
    if (may)
        *left_out = atomic_exchange(&f->left_out, 0);
    else
        atomic_fetch_add(&f->left_out, 1);
    return may;
}

bool flood_settle(struct flood *f, const struct pace_rate *r, int64_t now, uint64_t *left_out)
{
    if (atomic_load(&f->left_out) == 0 || !pace_take(&f->pace, r, now))
        return false;
    *left_out = atomic_exchange(&f->left_out, 0);
    return *left_out > 0; // else another told of them meanwhile
}
