#include "server/engine/wheel.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define BITS 6

void wheel_init(struct wheel *w, int64_t now)
{
    memset(w, 0, sizeof *w);
    w->now = now;
}

static void list_push(struct timer **head, struct timer *t)
{
    t->next = *head;
    if (t->next)
        t->next->back = &t->next;
    t->back = head;
    *head = t;
}

static void place(struct wheel *w, struct timer *t)
{
    if ((int64_t)t->when <= w->now) {
        list_push(&w->due, t);
        return;
    }
    int highest = 63 - __builtin_clzll((uint64_t)t->when ^ (uint64_t)w->now);
    int level = highest / BITS;
    int slot = (int)(t->when >> (level * BITS)) & (WHEEL_SLOTS - 1);
    list_push(&w->slots[level][slot], t);
    w->used[level] |= (uint64_t)1 << slot;
}

void wheel_add(struct wheel *w, struct timer *t, int64_t when)
{
    assert(!wheel_waiting(t));
    if (when < 0)
        when = 0;
    if (when >= WHEEL_END)
        when = WHEEL_END - 1;
    t->when = (uint64_t)when & (WHEEL_END - 1);
    place(w, t);
}

void wheel_remove(struct wheel *w, struct timer *t)
{
    if (!t->back)
        return;
    struct timer **back = t->back;
    *back = t->next;
    if (t->next)
        t->next->back = back;
    t->next = NULL;
    t->back = NULL;
    // The last of a slot: `back` is then the slot itself, which tells which bit to clear.
    struct timer **first = &w->slots[0][0];
    if (!*back && back >= first && back < first + WHEEL_LEVELS * WHEEL_SLOTS) {
        size_t i = (size_t)(back - first);
        w->used[i / WHEEL_SLOTS] &= ~((uint64_t)1 << (i % WHEEL_SLOTS));
    }
}

// The earliest slot in use: its level, its number, and the time at which it begins. False: none is in use.
static bool earliest(const struct wheel *w, int *level, int *slot, int64_t *begins)
{
    for (int l = 0; l < WHEEL_LEVELS; l++) {
        if (!w->used[l])
            continue;
        int shift = l * BITS;
        *level = l;
        *slot = __builtin_ctzll(w->used[l]);
        *begins = ((w->now >> shift >> BITS) << BITS << shift) | ((int64_t)*slot << shift);
        return true;
    }
    return false;
}

struct timer *wheel_pop(struct wheel *w, int64_t now, int *budget)
{
    while (*budget > 0) {
        struct timer *t = w->due;
        if (t) {
            --*budget;
            wheel_remove(w, t);
            if ((int64_t)t->when <= w->now)
                return t;
            place(w, t); // its slot has begun, its own time has not come: down a level
            continue;
        }
        int level, slot;
        int64_t begins;
        if (!earliest(w, &level, &slot, &begins) || begins > now) {
            if (now > w->now)
                w->now = now;
            return NULL;
        }
        w->now = begins;
        w->due = w->slots[level][slot];
        w->due->back = &w->due;
        w->slots[level][slot] = NULL;
        w->used[level] &= ~((uint64_t)1 << slot);
    }
    return NULL;
}

int64_t wheel_next(const struct wheel *w)
{
    int level, slot;
    int64_t begins;
    if (w->due)
        return w->now;
    return earliest(w, &level, &slot, &begins) ? begins : INT64_MAX;
}
