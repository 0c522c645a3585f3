#include "client/flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void flight_release(struct flight *f)
{
    free(f->entries);
    *f = (struct flight){0};
}

// Moves the live entries to the front. Their order stays.
static void compact(struct flight *f)
{
    size_t to = 0;
    for (size_t i = f->begin; i < f->end; i++)
        if (!f->entries[i].done)
            f->entries[to++] = f->entries[i];
    f->begin = 0;
    f->end = to;
}

enum taskq_error flight_reserve(struct flight *f)
{
    if (f->end < f->cap)
        return TASKQ_OK;
    if (f->live < f->cap / 2) {
        compact(f);
        return TASKQ_OK;
    }
    size_t cap = f->cap == 0 ? 16 : f->cap * 2;
    struct flight_entry *entries = realloc(f->entries, cap * sizeof(*entries));
    if (entries == NULL)
        return TASKQ_NO_MEMORY;
    f->entries = entries;
    f->cap = cap;
    return TASKQ_OK;
}

struct flight_entry *flight_add(struct flight *f, uint64_t request)
{
    assert(f->end < f->cap);
    struct flight_entry *e = &f->entries[f->end++];
    *e = (struct flight_entry){.request = request};
    f->live++;
    return e;
}

void flight_own(struct flight *f, struct flight_entry *e, struct taskq_future *future)
{
    assert(!e->owned && e->fate == TASKQ_OK);
    e->owned = true;
    e->future = future;
    f->owned++;
}

struct flight_entry *flight_find(struct flight *f, uint64_t request)
{
    size_t low = f->begin, high = f->end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->entries[middle].request < request)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == f->end || f->entries[low].request != request || f->entries[low].done)
        return NULL;
    return &f->entries[low];
}

struct flight_entry *flight_first_fated(struct flight *f, bool owned)
{
    if ((owned ? f->owned_fated : f->fated - f->owned_fated) == 0)
        return NULL;
    for (size_t i = f->begin; i < f->end; i++) {
        struct flight_entry *e = &f->entries[i];
        if (!e->done && e->fate != TASKQ_OK && e->owned == owned)
            return e;
    }
    return NULL;
}

struct flight_entry *flight_largest(struct flight *f)
{
    struct flight_entry *largest = NULL;
    for (size_t i = f->begin; i < f->end; i++) {
        struct flight_entry *e = &f->entries[i];
        if (!e->done && e->fate == TASKQ_OK && (largest == NULL || e->line_len > largest->line_len))
            largest = e;
    }
    return largest;
}

void flight_doom(struct flight *f, struct flight_entry *e, enum taskq_error fate)
{
    assert(e->fate == TASKQ_OK && fate != TASKQ_OK);
    e->fate = fate;
    f->fated++;
    f->owned_fated += e->owned;
}

void flight_doom_all(struct flight *f, uint64_t sent)
{
    for (size_t i = f->begin; i < f->end; i++) {
        struct flight_entry *e = &f->entries[i];
        if (!e->done && e->fate == TASKQ_OK)
            flight_doom(f, e, e->end <= sent ? TASKQ_LOST : TASKQ_UNSENT);
    }
}

void flight_remove(struct flight *f, struct flight_entry *e)
{
    e->done = true;
    f->live--;
    if (e->fate != TASKQ_OK) {
        f->fated--;
        f->owned_fated -= e->owned;
    }
    f->owned -= e->owned;
    while (f->begin < f->end && f->entries[f->begin].done)
        f->begin++;
    if (f->begin == f->end)
        f->begin = f->end = 0;
}
