// Power loss. The store runs on a disk in memory under a seeded workload with the smallest segments, so that
// cleaning and recycling happen all the time. Before each sync that is about to take effect the disk is cut
// off in several ways (any subset of what is unsynced, sector by sector, and names likewise), and a store
// opened on what is left must load without --recover and hold exactly what was committed, or that and the
// whole batch in flight. From time to time the run itself goes on from such a remainder, or from a killed
// process with the kernel's cache kept.
//
//     crash_store_power [RUNS [FIRST-SEED]]
#include "tests/crash/disk.h"
#include "tests/crash/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS        400
#define STEPS          600
#define LOSSES         3 // at a sync that is looked at
#define SYNCS_PER_LOOK 3

struct run {
    uint64_t seed, state;
    struct disk *disk;
    struct store *store;
    struct owner owner;
    struct owner before;        // what the disk held when the run stopped; while the next start loads it
    const struct owner *ledger; // what must be found now
    unsigned long looked, syncs, losses, kills, retired;
};

static _Noreturn void die(const struct run *r, const char *what, const char *detail)
{
    fprintf(stderr, "store_power: seed %llu: %s: %s\n", (unsigned long long)r->seed, what, detail);
    exit(EXIT_FAILURE);
}

static struct store_options options(struct disk *disk)
{
    return (struct store_options){.path = "disk", .segment_size = STORE_SEGMENT_MIN, .io = disk_io(disk)};
}

static void check(const struct run *r, struct disk *disk, uint64_t seed)
{
    char message[STORE_MESSAGE_MAX], detail[STORE_MESSAGE_MAX + 64];
    struct owner o;
    struct store *store;
    struct store_options opt = options(disk);
    owner_init(&o, RECORDS);
    if (store_open_log(&opt, &store, message))
        die(r, "cannot open after power loss", message);
    if (owner_load(&o, store)) {
        snprintf(detail, sizeof detail, "%s (cut %llu)", store_message(store), (unsigned long long)seed);
        die(r, "cannot load after power loss", detail);
    }
    if (o.wrong)
        die(r, "a record came back that was never written", "");
    if (!owner_matches(r->ledger, &o)) {
        snprintf(detail, sizeof detail, "cut %llu, after sync %lu", (unsigned long long)seed, r->syncs);
        die(r, "neither what was committed, nor that and the whole batch", detail);
    }
    if (store_stats(store).live_bytes != owner_live_bytes(&o))
        die(r, "live bytes are counted wrongly after a load", "");
    store_close(store);
    owner_release(&o);
}

static void look(void *arg)
{
    struct run *r = arg;
    if (r->syncs++ % SYNCS_PER_LOOK != 0)
        return;
    for (uint64_t i = 0; i < LOSSES; i++) {
        uint64_t seed = i < 2 && draw_below(&r->state, 4) == 0 ? i : draw(&r->state) | 2;
        struct disk *left = disk_after_power_loss(r->disk, seed);
        check(r, left, seed);
        disk_free(left);
        r->looked++;
    }
}

static void remember(struct run *r)
{
    if (r->before.count == 0)
        owner_copy(&r->before, &r->owner);
}

// The loading is looked at like all else. What it loaded is promised to be on disk, whatever it was before.
static void start(struct run *r)
{
    char message[STORE_MESSAGE_MAX];
    struct store_options opt = options(r->disk);
    owner_init(&r->owner, RECORDS);
    r->ledger = &r->before;
    disk_at_sync(r->disk, look, r);
    if (store_open_log(&opt, &r->store, message))
        die(r, "cannot open", message);
    if (owner_load(&r->owner, r->store))
        die(r, "cannot load", store_message(r->store));
    if (!owner_matches(&r->before, &r->owner))
        die(r, "what was loaded is not what was left", r->owner.remarks);
    r->ledger = &r->owner;
    owner_release(&r->before);
}

static void stop(struct run *r)
{
    remember(r);
    r->retired += store_stats(r->store).cleaned_segments;
    disk_at_sync(r->disk, NULL, NULL);
    store_close(r->store);
    owner_release(&r->owner);
}

static void cut_power(struct run *r)
{
    struct disk *left = disk_after_power_loss(r->disk, draw(&r->state) | 2);
    stop(r);
    disk_free(r->disk);
    r->disk = left;
    r->losses++;
    start(r);
}

// The hook cannot stop the store, so it takes the disk as a loss at that sync leaves it, and the run goes on
// with that.
struct interruption {
    struct run *run;
    struct disk *left;
    uint64_t after; // syncs
    bool kill;
};

static void interrupt(void *arg)
{
    struct interruption *i = arg;
    if (i->left || i->after-- > 0)
        return;
    uint64_t seed = draw(&i->run->state) | 2;
    remember(i->run);
    i->left = i->kill ? disk_after_kill(i->run->disk) : disk_after_power_loss(i->run->disk, seed);
    struct disk *same = i->kill ? disk_after_kill(i->run->disk) : disk_after_power_loss(i->run->disk, seed);
    check(i->run, same, seed);
    disk_free(same);
}

// True if the power was lost, or the process killed, during the commit.
static bool commit_under_threat(struct run *r)
{
    struct interruption i = {.run = r, .after = draw_below(&r->state, 2)};
    i.kill = draw_below(&r->state, 2);
    disk_at_sync(r->disk, interrupt, &i);
    if (owner_commit(&r->owner, true))
        die(r, "cannot commit", store_message(r->store));
    disk_at_sync(r->disk, look, r);
    if (!i.left)
        return false;
    stop(r);
    disk_free(r->disk);
    r->disk = i.left;
    r->kills += i.kill;
    r->losses += !i.kill;
    start(r);
    return true;
}

static void change_some(struct run *r, uint32_t hot)
{
    uint64_t n = 1 + draw_below(&r->state, 12);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)draw_below(&r->state, draw_below(&r->state, 3) ? hot : RECORDS);
        uint64_t what = draw_below(&r->state, 10);
        if (what < 3)
            owner_delete(&r->owner, id);
        else
            owner_put(&r->owner, id, (uint32_t)(4 + draw_below(&r->state, what == 9 ? 6000 : 300)));
    }
}

static void run(uint64_t seed, unsigned long *looked)
{
    struct run r = {.seed = seed, .state = seed, .disk = disk_new(seed)};
    owner_init(&r.before, RECORDS);
    start(&r);
    uint32_t hot = (uint32_t)(5 + draw_below(&r.state, RECORDS - 5));
    for (int step = 0; step < STEPS; step++) {
        change_some(&r, hot);
        if (draw_below(&r.state, 12) == 0 && commit_under_threat(&r))
            continue;
        if (owner_commit(&r.owner, true))
            die(&r, "cannot commit", store_message(r.store));
        if (owner_clean(&r.owner))
            die(&r, "cannot clean", store_message(r.store));
        uint64_t what = draw_below(&r.state, 60);
        if (what == 0) {
            cut_power(&r);
        } else if (what == 1) {
            stop(&r);
            disk_kill(r.disk);
            r.kills++;
            start(&r);
        }
    }
    stop(&r);
    printf("store_power: seed %llu: %lu syncs, %lu remainders looked at, %lu losses, %lu kills, %lu segments "
           "retired\n",
           (unsigned long long)seed, r.syncs, r.looked, r.losses, r.kills, r.retired);
    *looked += r.looked;
    owner_release(&r.before);
    disk_free(r.disk);
}

int main(int argc, char **argv)
{
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 10, looked = 0;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (unsigned long i = 0; i < runs; i++)
        run(first + i, &looked);
    printf("store_power: %lu runs, %lu remainders of the disk held what they should\n", runs, looked);
    return looked > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
