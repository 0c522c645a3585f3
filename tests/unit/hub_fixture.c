#include "tests/unit/hub_fixture.h"

#include "server/engine/journal.h"

#include <check.h>

struct hub *hub_made(struct engine_config config)
{
    config.start_number = 1;
    config.first_id = config.seed = 1;
    struct engine *e = engine_new(&config);
    ck_assert_ptr_nonnull(e);
    struct hub *h = hub_new(e);
    ck_assert_ptr_nonnull(h);
    return h;
}

void hub_keep(struct hub *h)
{
    (void)hub_lock(h);
    ck_assert(journal_begin(hub_engine(h)));
    hub_unlock(h);
    hub_keep_journal(h, true);
}

static void *sink_put(void *arg, uint8_t kind, uint64_t id, uint32_t length, struct journal_place old)
{
    static char room[1 << 20];
    (void)arg, (void)kind, (void)id, (void)old;
    ck_assert_uint_le(length, sizeof room);
    return room;
}

static void sink_remove(void *arg, uint8_t kind, uint64_t id, struct journal_place old)
{
    (void)arg, (void)kind, (void)id, (void)old;
}

uint64_t hub_commit(struct hub *h, uint64_t *bytes)
{
    struct journal_sink sink = {.segment = 1, .put = sink_put, .remove = sink_remove};
    struct job *removed;
    struct moment now = hub_lock(h);
    uint64_t measured = journal_measure(hub_engine(h), now, UINT64_MAX, 16);
    uint64_t marks = journal_take(hub_engine(h), now, &sink, &removed);
    hub_unlock(h);
    jobs_free(removed);
    hub_set_durable(h, marks);
    if (bytes)
        *bytes = measured;
    return marks;
}
