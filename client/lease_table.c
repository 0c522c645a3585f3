#include "client/lease_table.h"

#include <stdlib.h>

// Ids follow each other, so the low bits are spread by a multiplication (2^64 divided by the golden ratio).
static size_t home(const struct lease_table *t, uint64_t id)
{
    return (size_t)((id * 0x9E3779B97F4A7C15u) >> 32) & (t->cap - 1);
}

void lease_table_release(struct lease_table *t)
{
    free(t->slots);
    *t = (struct lease_table){0};
}

static struct lease *slot_of(const struct lease_table *t, uint64_t id)
{
    size_t i = home(t, id);
    while (t->slots[i].id != 0 && t->slots[i].id != id)
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

static bool grow(struct lease_table *t)
{
    struct lease_table bigger = {.cap = t->cap == 0 ? 16 : t->cap * 2, .count = t->count};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].id != 0)
            *slot_of(&bigger, t->slots[i].id) = t->slots[i];
    free(t->slots);
    *t = bigger;
    return true;
}

enum taskq_error lease_table_put(struct lease_table *t, struct lease lease)
{
    // At most half full, so that the walks stay short.
    if (t->count * 2 >= t->cap && !grow(t))
        return TASKQ_NO_MEMORY;
    struct lease *slot = slot_of(t, lease.id);
    t->count += slot->id == 0;
    *slot = lease;
    return TASKQ_OK;
}

bool lease_table_remove(struct lease_table *t, uint64_t id)
{
    if (t->count == 0 || id == 0)
        return false;
    struct lease *slot = slot_of(t, id);
    if (slot->id == 0)
        return false;
    slot->id = 0;
    t->count--;
    // Those behind it that this slot kept from their home move up, until a free one.
    for (size_t i = ((size_t)(slot - t->slots) + 1) & (t->cap - 1); t->slots[i].id != 0;
         i = (i + 1) & (t->cap - 1)) {
        struct lease moved = t->slots[i];
        t->slots[i].id = 0;
        *slot_of(t, moved.id) = moved;
    }
    return true;
}

void lease_table_remove_bound(struct lease_table *t)
{
    // Removing moves others up to this slot, but none that was not seen yet to a slot before it.
    for (size_t i = 0; i < t->cap; i++)
        while (t->slots[i].id != 0 && !t->slots[i].detached)
            lease_table_remove(t, t->slots[i].id);
}
