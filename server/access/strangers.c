#include "server/access/strangers.h"

#include "common/clock.h"
#include "common/log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LINE_NS (STRANGERS_LINES_MS * NS_A_MS)

void strangers_init(struct strangers *s, unsigned most, uint64_t seed)
{
    atomic_store(&s->most, most);
    s->seed = seed;
}

static void refuse(struct strangers *s)
{
    atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
}

int strangers_enter(struct strangers *s, const void *address, size_t len)
{
    unsigned most = atomic_load(&s->most), share = (most + STRANGERS_SHARE - 1) / STRANGERS_SHARE;
    unsigned place = (unsigned)XXH3_64bits_withSeed(address, len, s->seed) % STRANGERS_PLACES;
    if (atomic_fetch_add(&s->count, 1) >= most) {
        atomic_fetch_sub(&s->count, 1);
        refuse(s);
        return -1;
    }
    if (atomic_fetch_add(&s->places[place], 1) >= share) {
        strangers_leave(s, (int)place);
        refuse(s);
        return -1;
    }
    return (int)place;
}

void strangers_leave(struct strangers *s, int place)
{
    atomic_fetch_sub(&s->places[place], 1);
    atomic_fetch_sub(&s->count, 1);
}

bool strangers_crowd(const struct strangers *s)
{
    return atomic_load(&s->count) > atomic_load(&s->most) / 2;
}

bool strangers_may_log(struct strangers *s, int64_t now)
{
    static const struct pace_rate rate = {.each = LINE_NS, .ahead = STRANGERS_LINES * LINE_NS};
    uint64_t left_out = 0;
    if (s && !flood_pass(&s->lines, &rate, now, &left_out))
        return false;
    if (left_out > 0)
        log_event(LOG_STRANGERS_SILENCED, KV("left_out", left_out));
    return true;
}
