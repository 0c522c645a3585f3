#include "server/committer.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/engine/journal.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// Marks are taken with the lock held: a batch is so large at the most that nobody notices.
#define BATCH_BYTES (1u << 20)

// Producers that wait for their replies come back together when a batch is on disk. The next one waits for as
// many as came last time, since a sync costs the same for one as for all of them; but no longer than
// so many commits take, and never longer than this.
#define GATHER_COMMITS 2
#define GATHER_MAX_NS  2000000

// While space is low it is looked for again this often.
#define SPACE_RETRY_MS 1000

// There is space again once it has not been low for so long: a disk on which a segment is written and another
// one given back from moment to moment is full.
#define SPACE_QUIET_MS 1000

struct committer {
    struct committer_options options;
    pthread_t thread;
    bool stop; // with the hub's lock
    bool space_low;
    int64_t low_seen, looked_for; // clock_ns() when space was last seen to be low, and last looked for
    uint64_t durable, last_count; // marks on disk, and how many of them came with the last batch
    int64_t commit_ns;            // what a commit takes, about
    pthread_mutex_t store_lock;   // around the store: the thread and those who take snapshots
    pthread_mutex_t stats_lock;
    struct store_stats stats;
    struct histogram commits; // ns; the thread's own
};

struct committer *committer_new(const struct committer_options *options)
{
    struct committer *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->options = *options;
    pthread_mutex_init(&c->store_lock, NULL);
    pthread_mutex_init(&c->stats_lock, NULL);
    return c;
}

void committer_free(struct committer *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->store_lock);
    pthread_mutex_destroy(&c->stats_lock);
    free(c);
}

// ---- one batch

static void *sink_put(void *arg, uint8_t kind, uint64_t id, uint32_t length, struct journal_place old)
{
    return store_batch_put(arg, kind, id, length, (struct store_place){old.segment, old.length});
}

static void sink_remove(void *arg, uint8_t kind, uint64_t id, struct journal_place old)
{
    store_batch_delete(arg, kind, id, (struct store_place){old.segment, old.length});
}

static uint64_t measure(struct committer *c, uint64_t most)
{
    struct moment now = hub_lock(c->options.hub);
    uint64_t bytes = journal_measure(hub_engine(c->options.hub), now, most, STORE_RECORD_SIZE(0));
    hub_unlock(c->options.hub);
    return bytes;
}

// Takes what fits into `promised` bytes. False: what comes first has grown beyond that since it was measured.
static bool take(struct committer *c, uint64_t promised, uint32_t segment, uint64_t *marks)
{
    struct hub *hub = c->options.hub;
    struct store *store = c->options.store;
    struct journal_sink sink = {store, segment, sink_put, sink_remove};
    struct job *removed = NULL;
    struct moment now = hub_lock(hub);
    bool fits = journal_measure(hub_engine(hub), now, promised, STORE_RECORD_SIZE(0)) <= promised;
    if (fits)
        *marks = journal_take(hub_engine(hub), now, &sink, &removed);
    hub_unlock(hub);
    jobs_free(removed);
    return fits;
}

static void kept(struct committer *c, uint64_t marks)
{
    hub_set_durable(c->options.hub, marks);
    if (c->options.kept)
        c->options.kept(c->options.arg);
}

// Tells the engine whether new jobs can be written; an ack always can, from the reserve.
static void look_at_space(struct committer *c)
{
    bool low = store_space(c->options.store, NULL) == STORE_SPACE_LOW;
    if (low)
        c->low_seen = clock_ns();
    if (low == c->space_low || (!low && clock_ns() - c->low_seen < SPACE_QUIET_MS * NS_A_MS))
        return;
    c->space_low = low;
    if (low)
        log_event(LOG_DISK_FULL);
    else
        log_event(LOG_DISK_SPACE);
    hub_lock(c->options.hub);
    engine_set_store_full(hub_engine(c->options.hub), low);
    hub_unlock(c->options.hub);
}

// However many batches are committed meanwhile: each try writes a file, and mostly in vain.
static void look_for_space(struct committer *c)
{
    int64_t now = clock_ns();
    if (!c->space_low || now - c->looked_for < SPACE_RETRY_MS * NS_A_MS)
        return;
    c->looked_for = now;
    pthread_mutex_lock(&c->store_lock);
    store_prepare(c->options.store);
    pthread_mutex_unlock(&c->store_lock);
}

static void save_stats(struct committer *c)
{
    struct store_stats now = store_stats(c->options.store);
    pthread_mutex_lock(&c->stats_lock);
    c->stats = now;
    pthread_mutex_unlock(&c->stats_lock);
}

static enum store_error commit_one(struct committer *c)
{
    struct store *store = c->options.store;
    uint64_t most = store_batch_max(store) < BATCH_BYTES ? store_batch_max(store) : BATCH_BYTES;
    uint64_t bytes = measure(c, most), marks = 0;
    uint32_t segment;
    for (;;) {
        enum store_error error = store_batch_begin(store, bytes, &segment);
        if (error != STORE_OK)
            return error;
        if (take(c, bytes, segment, &marks))
            break;
        bytes = measure(c, most);
    }
    int64_t began = clock_ns();
    enum store_error error = store_commit(store);
    if (error != STORE_OK)
        return error;
    int64_t took = clock_ns() - began;
    c->commit_ns += (took - c->commit_ns) / 8;
    histogram_add(&c->commits, (uint64_t)took, 1);
    c->last_count = marks - c->durable;
    c->durable = marks;
    save_stats(c); // before anybody hears of it, so that who looks finds it counted
    kept(c, marks);
    return error;
}

static void lives(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    struct committer *c = arg;
    uint64_t ids[STORE_REFS_MAX];
    for (unsigned i = 0; i < count; i++)
        ids[i] = refs[i].id;
    hub_lock(c->options.hub);
    struct engine *e = hub_engine(c->options.hub);
    journal_prefetch(e, ids, count); // those of other kinds are a few
    for (unsigned i = 0; i < count; i++)
        refs[i].lives = journal_rewrite(e, refs[i].kind, refs[i].id, segment);
    hub_unlock(c->options.hub);
}

// A batch, and a share of the cleaning. True: all is well, or there is no space and *full is set.
static bool commit_and_clean(struct committer *c, bool *full)
{
    struct store *store = c->options.store;
    pthread_mutex_lock(&c->store_lock);
    enum store_error error = commit_one(c);
    *full = error == STORE_NO_SPACE;
    if (*full)
        error = STORE_OK;
    if (error == STORE_OK && store_clean_wanted(store))
        error = store_clean_next(store, lives, c);
    if (error == STORE_OK)
        look_at_space(c);
    else
        log_event(LOG_STORE_FAILED, KV("why", store_message(store)));
    save_stats(c);
    pthread_mutex_unlock(&c->store_lock);
    return error == STORE_OK;
}

bool committer_flush(struct committer *c)
{
    while (hub_marked(c->options.hub) > hub_durable_marks(c->options.hub)) {
        bool full;
        if (!commit_and_clean(c, &full))
            return false;
        if (full) {
            log_event(LOG_DISK_LOSES);
            return false;
        }
    }
    return true;
}

bool committer_settle(struct committer *c)
{
    bool ok = committer_flush(c);
    while (ok && store_clean_wanted(c->options.store)) {
        bool full;
        ok = commit_and_clean(c, &full) && !full;
    }
    return ok && committer_flush(c);
}

// ---- the thread

static void gather(struct committer *c)
{
    int64_t most = GATHER_COMMITS * c->commit_ns;
    hub_gather(c->options.hub, c->last_count, most < GATHER_MAX_NS ? most : GATHER_MAX_NS);
}

static void *run(void *arg)
{
    struct committer *c = arg;
    struct hub *hub = c->options.hub;
    for (;;) {
        pthread_mutex_lock(&c->store_lock);
        bool idle_work = store_clean_wanted(c->options.store);
        pthread_mutex_unlock(&c->store_lock);
        // Cleaning goes on while nothing is marked; a full disk is looked at again now and then.
        enum hub_wait why = hub_wait_marked(hub, idle_work ? 0 : c->space_low ? SPACE_RETRY_MS : -1);
        if (why == HUB_WAIT_FAILED) {
            log_event(LOG_STORE_FAILED, KV("why", "out of memory"));
            c->options.fatal(c->options.arg);
        }
        if (why == HUB_WAIT_STOP)
            return NULL;
        if (why == HUB_WAIT_MARKED && !c->options.interval_ms && c->last_count > 1)
            gather(c);
        look_for_space(c);
        bool full;
        if (!commit_and_clean(c, &full))
            c->options.fatal(c->options.arg);
        if (full && hub_nap(hub, SPACE_RETRY_MS)) {
            log_event(LOG_DISK_LOSES);
            return NULL;
        }
        if (!full && c->options.interval_ms && !idle_work)
            hub_nap(hub, c->options.interval_ms);
    }
}

bool committer_start(struct committer *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

void committer_stop(struct committer *c)
{
    hub_stop_waiting(c->options.hub);
    pthread_join(c->thread, NULL);
}

// ---- snapshots and figures

struct store_snapshot *committer_snapshot_begin(struct committer *c, char message[STORE_MESSAGE_MAX])
{
    struct store_snapshot *snapshot = NULL;
    pthread_mutex_lock(&c->store_lock);
    if (store_snapshot_begin(c->options.store, &snapshot) != STORE_OK) {
        strncpy(message, store_message(c->options.store), STORE_MESSAGE_MAX - 1);
        message[STORE_MESSAGE_MAX - 1] = '\0';
        snapshot = NULL;
    }
    pthread_mutex_unlock(&c->store_lock);
    return snapshot;
}

void committer_snapshot_end(struct committer *c, struct store_snapshot *snapshot)
{
    pthread_mutex_lock(&c->store_lock);
    store_snapshot_end(c->options.store, snapshot);
    pthread_mutex_unlock(&c->store_lock);
}

void committer_times(struct committer *c, struct histogram *out)
{
    histogram_merge(out, &c->commits);
}

struct store_stats committer_stats(struct committer *c)
{
    pthread_mutex_lock(&c->stats_lock);
    struct store_stats stats = c->stats;
    pthread_mutex_unlock(&c->stats_lock);
    return stats;
}
