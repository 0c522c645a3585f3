// What waits in the journal goes into the store, and what the store cleans goes into the journal.
#include "tests/model/storage.h"

#include "server/engine/journal.h"
#include "tests/model/world.h"

#include <inttypes.h>

#define WRITTEN STORE_RECORD_SIZE(0) // of a record beside its bytes

static struct change *change_add(struct storage *s, uint8_t kind, uint64_t id, struct journal_place old)
{
    const struct kept_record *r = store_keeps(s->store) ? kept_find(&s->kept, kind, id) : NULL;
    for (unsigned i = 0; i < s->change_count; i++)
        REQUIRE(s->changes[i].kind != kind || s->changes[i].id != id, "record %" PRIu64 " twice in a batch",
                id);
    if (store_keeps(s->store))
        REQUIRE(old.segment == (r ? r->place.segment : 0) && old.length == (r ? r->place.length : 0),
                "record %" PRIu64 " of kind %d lies elsewhere than the journal says", id, kind);
    REQUIRE(s->change_count < CHANGES, "a batch of too many records");
    s->changes[s->change_count] = (struct change){.kind = kind, .id = id};
    return &s->changes[s->change_count++];
}

static void *sink_put(void *arg, uint8_t kind, uint64_t id, uint32_t length, struct journal_place old)
{
    struct storage *s = arg;
    struct change *c = change_add(s, kind, id, old);
    c->length = length;
    c->bytes = store_batch_put(s->store, kind, id, length, (struct store_place){old.segment, old.length});
    return (void *)(uintptr_t)c->bytes;
}

static void sink_remove(void *arg, uint8_t kind, uint64_t id, struct journal_place old)
{
    struct storage *s = arg;
    change_add(s, kind, id, old)->removed = true;
    store_batch_delete(s->store, kind, id, (struct store_place){old.segment, old.length});
}

bool storage_waits(const struct world *w)
{
    return journal_marked(w->e) > journal_taken(w->e);
}

// Takes what fits into so many bytes, a mark at least. It is not committed yet.
uint64_t storage_take(struct world *w, uint64_t most)
{
    struct storage *s = w->s;
    struct job *removed;
    uint64_t bytes = journal_measure(w->e, w->now, most, WRITTEN);
    CHECKED(store_batch_begin(s->store, bytes, &s->segment));
    s->change_count = 0;
    struct journal_sink sink = {s, s->segment, sink_put, sink_remove};
    uint64_t marks = journal_take(w->e, w->now, &sink, &removed), used = 0;
    jobs_free(removed);
    for (unsigned i = 0; i < s->change_count; i++)
        used += STORE_RECORD_SIZE(s->changes[i].length);
    REQUIRE(used <= bytes, "a batch has %" PRIu64 " bytes and was measured as %" PRIu64, used, bytes);
    return marks;
}

static void kept_now(struct world *w)
{
    struct storage *s = w->s;
    for (unsigned i = 0; store_keeps(s->store) && i < s->change_count; i++) {
        const struct change *c = &s->changes[i];
        if (c->removed)
            kept_remove(&s->kept, c->kind, c->id);
        else
            kept_put(&s->kept, w->m, c->kind, c->id, c->bytes, (struct journal_place){s->segment, c->length});
    }
    s->change_count = 0;
}

bool storage_rewrite(void *arg, uint8_t kind, uint64_t id, uint32_t segment)
{
    struct world *w = arg;
    bool marked = journal_rewrite(w->e, kind, id, segment);
    struct storage *s = w->s;
    const struct kept_record *r = marked ? kept_find(&s->kept, kind, id) : NULL;
    if (r && s->asked_count < CHANGES)
        s->asked[s->asked_count++] = (struct asked){kind, id, r->order};
    s->totals.rewritten += marked;
    return marked;
}

static void rewrite_all(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    for (unsigned i = 0; i < count; i++)
        refs[i].lives = storage_rewrite(arg, refs[i].kind, refs[i].id, segment);
}

void storage_commit(struct world *w, uint64_t most)
{
    struct storage *s = w->s;
    uint64_t room = store_batch_max(s->store), marks = storage_take(w, most < room ? most : room);
    kept_now(w); // before the commit, which ends the bytes' life
    CHECKED(store_commit(s->store));
    journal_on_disk(w->e, marks);
    if (store_keeps(s->store))
        promises_check(&s->promises, &s->kept, w->m, marks);
    REQUIRE(store_stats(s->store).live_bytes == (store_keeps(s->store) ? kept_bytes(&s->kept) : 0),
            "the store counts %" PRIu64 " bytes that live", store_stats(s->store).live_bytes);
    if (store_clean_wanted(s->store))
        CHECKED(store_clean_next(s->store, rewrite_all, w));
}

static void asked_done(struct storage *s)
{
    for (unsigned i = 0; i < s->asked_count; i++) {
        const struct kept_record *r = kept_find(&s->kept, s->asked[i].kind, s->asked[i].id);
        REQUIRE(!r || r->order > s->asked[i].order, "record %" PRIu64 " of kind %d was not written again",
                r->id, r->kind);
    }
    s->asked_count = 0;
}

// All that is marked, and all the cleaning there is: it has to come to an end.
void storage_settle(struct world *w)
{
    struct storage *s = w->s;
    for (unsigned turns = 0; s && (storage_waits(w) || store_clean_wanted(s->store)); turns++) {
        REQUIRE(turns < 10000, "the cleaning goes on for ever");
        storage_commit(w, storage_waits(w) ? UINT64_MAX : 0);
    }
    if (!s || !store_keeps(s->store))
        return;
    kept_complete(&s->kept, w->m);
    asked_done(s);
    struct store_stats stats = store_stats(s->store);
    REQUIRE(stats.disk_bytes <= 2 * stats.live_bytes + SLACK + SEGMENT,
            "%" PRIu64 " bytes of files in %" PRIu64 " segments of %" PRIu64 " bytes for %" PRIu64
            " that live",
            stats.disk_bytes, stats.segments, stats.log_bytes, stats.live_bytes);
}

bool storage_empty(const struct world *w)
{
    return !w->s || w->s->kept.count == store_keeps(w->s->store);
}
