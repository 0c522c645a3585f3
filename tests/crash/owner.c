#include "tests/crash/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS 3

static uint8_t kind_of(uint32_t id)
{
    return (uint8_t)(1 + id % KINDS);
}

void owner_init(struct owner *o, size_t count)
{
    *o = (struct owner){.count = count, .next_version = 1};
    o->entries = calloc(count, sizeof *o->entries);
    o->dirty = calloc(count, sizeof *o->dirty);
    if (!o->entries || !o->dirty)
        abort();
}

void owner_release(struct owner *o)
{
    free(o->entries);
    free(o->dirty);
    *o = (struct owner){0};
}

void owner_copy(struct owner *to, const struct owner *from)
{
    owner_init(to, from->count);
    memcpy(to->entries, from->entries, from->count * sizeof *to->entries);
}

static void mark(struct owner *o, uint32_t id)
{
    if (o->entries[id].dirty)
        return;
    o->entries[id].dirty = true;
    o->dirty[o->dirty_count++] = id;
}

void owner_put(struct owner *o, uint32_t id, uint32_t length)
{
    o->entries[id].version = o->next_version++;
    o->entries[id].length = length;
    mark(o, id);
}

void owner_delete(struct owner *o, uint32_t id)
{
    o->entries[id].version = 0;
    mark(o, id);
}

static void fill(uint8_t *bytes, uint32_t id, uint32_t version, uint32_t length)
{
    memcpy(bytes, &version, sizeof version);
    for (uint32_t i = sizeof version; i < length; i++)
        bytes[i] = (uint8_t)(id * 31 + version * 7 + i);
}

static uint64_t size_of(const struct entry *e)
{
    return e->version ? STORE_RECORD_SIZE(e->length) : e->place.segment ? STORE_RECORD_SIZE(0) : 0;
}

static enum store_error commit_some(struct owner *o)
{
    size_t most = store_batch_max(o->store), bytes = 0, n = 0;
    while (n < o->dirty_count && bytes + size_of(&o->entries[o->dirty[n]]) <= most)
        bytes += size_of(&o->entries[o->dirty[n++]]);
    uint32_t segment;
    enum store_error e = store_batch_begin(o->store, bytes, &segment);
    if (e)
        return e;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = o->dirty[i];
        struct entry *x = &o->entries[id];
        x->dirty = false;
        x->in_flight = true;
        if (x->version) {
            fill(store_batch_put(o->store, kind_of(id), id, x->length, x->place), id, x->version, x->length);
            x->place = (struct store_place){segment, x->length};
        } else if (x->place.segment) {
            store_batch_delete(o->store, kind_of(id), id, x->place);
            x->place = (struct store_place){0, 0};
        }
    }
    e = store_commit(o->store);
    for (size_t i = 0; i < n && !e; i++) {
        struct entry *x = &o->entries[o->dirty[i]];
        x->in_flight = false;
        x->committed = x->version;
    }
    o->dirty_count -= n;
    memmove(o->dirty, o->dirty + n, o->dirty_count * sizeof *o->dirty);
    return e;
}

enum store_error owner_commit(struct owner *o, bool one)
{
    enum store_error e = STORE_OK;
    while (!e && o->dirty_count > 0) {
        e = commit_some(o);
        if (one)
            break;
    }
    return e;
}

static bool lives_one(void *arg, uint8_t kind, uint64_t id, uint32_t segment)
{
    struct owner *o = arg;
    if (id >= o->count || kind != kind_of((uint32_t)id)) {
        o->wrong = true;
        return false;
    }
    struct entry *x = &o->entries[id];
    if (!x->version || x->place.segment != segment || x->dirty)
        return false;
    mark(o, (uint32_t)id);
    return true;
}

static void lives(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    for (unsigned i = 0; i < count; i++)
        refs[i].lives = lives_one(arg, refs[i].kind, refs[i].id, segment);
}

enum store_error owner_clean(struct owner *o)
{
    return store_clean_wanted(o->store) ? store_clean_next(o->store, lives, o) : STORE_OK;
}

static enum store_error take_record(void *arg, const struct store_record *r, struct store_place *old)
{
    struct owner *o = arg;
    if (r->id >= o->count || r->kind != kind_of((uint32_t)r->id)) {
        o->wrong = true;
        return STORE_OK;
    }
    struct entry *x = &o->entries[r->id];
    *old = x->place;
    x->place = (struct store_place){0, 0};
    x->version = 0;
    if (r->deleted)
        return STORE_OK;
    uint8_t *expected = malloc(r->length);
    if (!expected || r->length < sizeof x->version)
        abort();
    memcpy(&x->version, r->bytes, sizeof x->version);
    fill(expected, (uint32_t)r->id, x->version, r->length);
    if (memcmp(expected, r->bytes, r->length) != 0)
        o->wrong = true;
    free(expected);
    x->length = r->length;
    x->place = (struct store_place){r->segment, r->length};
    if (x->version >= o->next_version)
        o->next_version = x->version + 1;
    return STORE_OK;
}

static void take_remark(void *arg, const char *line)
{
    struct owner *o = arg;
    size_t used = strlen(o->remarks);
    snprintf(o->remarks + used, sizeof o->remarks - used, "%s\n", line);
}

enum store_error owner_load(struct owner *o, struct store *store)
{
    o->store = store;
    enum store_error e =
        store_load(store, &(struct store_loader){.arg = o, .record = take_record, .remark = take_remark});
    for (size_t i = 0; i < o->count; i++)
        o->entries[i].committed = o->entries[i].version;
    return e;
}

bool owner_matches(const struct owner *o, const struct owner *loaded)
{
    bool without = !loaded->wrong, with = !loaded->wrong;
    for (size_t i = 0; i < o->count; i++) {
        const struct entry *x = &o->entries[i];
        uint32_t version = loaded->entries[i].version;
        without = without && version == x->committed;
        with = with && version == (x->in_flight ? x->version : x->committed);
    }
    return without || with;
}

uint64_t owner_live_bytes(const struct owner *o)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < o->count; i++)
        if (o->entries[i].version)
            sum += STORE_RECORD_SIZE(o->entries[i].length);
    return sum;
}
