// Stops, crashes and starts.
#include "tests/model/storage.h"

#include "server/engine/journal.h"
#include "tests/crash/disk.h"
#include "tests/model/world.h"

#include <inttypes.h>

// ---- starting

static void open_store(struct storage *s)
{
    char message[STORE_MESSAGE_MAX];
    struct store_options o = {.path = s->disk ? "disk" : s->folder,
                              .segment_size = SEGMENT,
                              .slack = SLACK,
                              .io = s->disk ? disk_io(s->disk) : NULL};
    if (s->kind == STORAGE_MEMORY)
        REQUIRE(store_open_memory(&s->store) == STORE_OK, "no memory");
    else
        REQUIRE(store_open_log(&o, &s->store, message) == STORE_OK, "the store: %s", message);
}

static enum store_error on_record(void *arg, const struct store_record *r, struct store_place *old)
{
    struct journal_place place;
    const char *why;
    enum error error = journal_load_record(arg, r->kind, r->id, r->deleted ? NULL : r->bytes, r->length,
                                           r->segment, &place, &why);
    REQUIRE(error == ERROR_NONE, "record %" PRIu64 " of kind %d: %s", r->id, r->kind, why);
    *old = (struct store_place){place.segment, place.length};
    return STORE_OK;
}

static void no_remark(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

// A new engine, as it was before if the store keeps anything, and its model.
static void load(struct world *w)
{
    struct storage *s = w->s;
    s->config.seed = any(w, UINT64_MAX);
    s->config.start_number = 1 + (uint32_t)any(w, 1000); // where nothing is kept chance has to do
    w->e = engine_new(&s->config);
    REQUIRE(w->e, "no memory");
    if (!store_keeps(s->store)) { // there is nothing to load: no record may come
        CHECKED(store_load(s->store, &(struct store_loader){.record = NULL}));
        REQUIRE(journal_begin(w->e), "no memory");
        model_init(w->m, &s->config);
        w->m->now = w->now;
        return;
    }
    struct journal_loaded loaded;
    struct journal_load *l = journal_load_begin(w->e, w->now);
    REQUIRE(l, "no memory");
    CHECKED(store_load(s->store, &(struct store_loader){.arg = l, .record = on_record, .remark = no_remark}));
    REQUIRE(journal_load_end(l, w->now, &loaded) == ERROR_NONE, "no memory");
    REQUIRE(store_stats(s->store).live_bytes == kept_bytes(&s->kept), "other bytes live after the start");
    REQUIRE(loaded.start_number == s->kept.start_number, "the last start was %u, not %u", loaded.start_number,
            s->kept.start_number);
    kept_restore(&s->kept, w->m, w->now);
    REQUIRE(loaded.jobs == w->m->job_count, "%" PRIu64 " jobs were loaded, not %u", loaded.jobs,
            w->m->job_count);
    s->totals.jobs += loaded.jobs;
    s->totals.keys += loaded.keys;
    for (unsigned i = 0; i < w->m->job_count; i++)
        s->totals.leases += w->m->jobs[i].state == JOB_RESERVED;
}

void storage_start(struct world *w)
{
    open_store(w->s);
    load(w);
    promises_init(&w->s->promises);
    w->s->asked_count = 0;
    for (int c = 0; c < CLIENTS; c++)
        world_connect(w, c);
    compare(w, true);
}

// ---- stopping

static void store_count(struct storage *s)
{
    struct store_stats stats = store_stats(s->store);
    s->totals.commits += stats.commits;
    s->totals.cleaned += stats.cleaned_segments;
}

// What the process had in memory goes; nobody hears of it.
static void forget(struct world *w)
{
    for (int c = 0; c < CLIENTS; c++)
        while (!engine_client_close(w->e, w->now, w->clients[c]))
            ;
    for (; w->pending_count; w->pending_count--)
        engine_confirm(w->e, w->now, w->pending[w->pending_count - 1].waiter);
    for (struct waiter *c; (c = engine_take_completed(w->e));)
        for (struct waiter *next; c; c = next) {
            next = c->next;
            engine_confirm(w->e, w->now, c);
        }
    jobs_free(engine_take_removed(w->e));
    engine_free(w->e);
    store_count(w->s);
    store_close(w->s->store);
}

static void lose_power(struct world *w)
{
    struct disk *after = disk_after_power_loss(w->s->disk, any(w, UINT64_MAX));
    disk_free(w->s->disk);
    w->s->disk = after;
}

// It may have been a second or a day; the wall clock may have been set meanwhile, and the other one begins
// anew where the machine did.
static void time_passes(struct world *w)
{
    static const int64_t most[] = {2, 10, 50, 2000, 22500000};
    int64_t ms = 4 * (int64_t)any(w, (uint64_t)most[any(w, 5)]);
    w->now.mono = one_in(w, 2) ? w->now.mono + ms : 4000 + 4 * (int64_t)any(w, 100000);
    w->now.wall += one_in(w, 4) ? ms - 4 * (int64_t)any(w, 4000) : ms;
}

static void crash(struct world *w)
{
    bool power = w->s->disk && one_in(w, 2);
    // What was taken and not committed is lost with the rest.
    bool amid = storage_waits(w) && one_in(w, 3);
    say("crash power=%d amid=%d", power, amid);
    if (amid)
        storage_take(w, 1 + any(w, store_batch_max(w->s->store)));
    forget(w);
    if (power)
        lose_power(w);
    else if (w->s->disk)
        disk_kill(w->s->disk);
}

static void stop(struct world *w)
{
    say("stop");
    w->s->totals.stops++;
    if (one_in(w, 2))
        world_drain(w);
    journal_save_leases(w->e, w->now);
    w->s->kept.saving = true;
    promises_init(&w->s->promises); // what counts is how it ends, lease for lease
    storage_settle(w);
    forget(w);
}

void storage_restart(struct world *w)
{
    if (one_in(w, 3))
        stop(w);
    else
        crash(w);
    w->s->totals.restarts++;
    time_passes(w);
    storage_start(w);
    // Killed before anybody could be served: as if it had not been started.
    for (; one_in(w, 4); storage_start(w)) {
        crash(w);
        time_passes(w);
    }
    storage_settle(w);
    world_tick(w);
    compare(w, true);
}
