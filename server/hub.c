#include "server/hub.h"

#include "server/engine/journal.h"
#include "server/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define YIELD_MS   1  // that the ticker leaves the lock to others while more is due
#define TIMED_EACH 31 // every 31st lock is timed: a prime, so that it does not keep step with what clients do

struct hub {
    pthread_mutex_t lock;
    struct engine *engine;
    struct mailbox *ticker;
    struct moment now;  // of the last lock: readings of several threads must not go back
    int64_t now_ns;     // as well
    int64_t ticker_due; // when the ticker will call of its own accord

    // Who posts now, by the turn in which they unlocked. hub_quiesce changes the turn and sees the old one
    // end.
    atomic_uint posting[2];
    unsigned turn;
    pthread_mutex_t quiescing; // one at a time

    atomic_uint waiting;             // for the lock, now
    uint64_t locks, waits, requests; // see struct hub_load
    int64_t timed_from;              // when this lock was taken, if it is timed; else 0
    int64_t timed_ns;                // of all that were

    bool replies_wait, stopping;
    bool committer_waits;
    uint64_t wanted; // marks for which the committer is woken
    pthread_cond_t marked;
    atomic_uint_least64_t durable_marks;
    atomic_bool crowded;
};

struct hub *hub_new(struct engine *engine_take)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->quiescing, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->marked, &attr);
    pthread_condattr_destroy(&attr);
    h->engine = engine_take;
    h->ticker_due = INT64_MAX;
    return h;
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    engine_free(h->engine);
    pthread_cond_destroy(&h->marked);
    pthread_mutex_destroy(&h->quiescing);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct engine *hub_engine(struct hub *h)
{
    return h->engine;
}

void hub_set_ticker(struct hub *h, struct mailbox *mailbox)
{
    h->ticker = mailbox;
}

struct moment hub_lock(struct hub *h)
{
    int64_t now_ns;
    struct moment now = clock_now_ns(&now_ns); // not under the lock, which others want
    bool waited = pthread_mutex_trylock(&h->lock) != 0;
    if (waited) {
        atomic_fetch_add_explicit(&h->waiting, 1, memory_order_relaxed);
        pthread_mutex_lock(&h->lock);
        atomic_fetch_sub_explicit(&h->waiting, 1, memory_order_relaxed);
    }
    if (now.mono < h->now.mono)
        now.mono = h->now.mono;
    h->now = now;
    h->now_ns = now_ns;
    h->waits += waited;
    if (++h->locks % TIMED_EACH == 0)
        h->timed_from = clock_ns();
    return now;
}

bool hub_wanted(const struct hub *h)
{
    return atomic_load_explicit(&h->waiting, memory_order_relaxed) > 0;
}

int64_t hub_locked_at(const struct hub *h)
{
    return h->now_ns;
}

void hub_carried_out(struct hub *h, unsigned requests)
{
    h->requests += requests;
}

void hub_load(struct hub *h, struct hub_load *out)
{
    uint64_t timed = h->locks / TIMED_EACH;
    *out = (struct hub_load){.locks = h->locks, .waits = h->waits, .requests = h->requests};
    // A lock is held for as long as the timed ones on average, and is taken locks/requests times a request.
    if (timed > 0 && h->requests > 0)
        out->held_ns =
            (int64_t)((double)h->timed_ns / (double)timed * (double)h->locks / (double)h->requests);
}

static void post_all(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        mailbox_post(w->mailbox, w);
        w = next;
    }
}

bool hub_crowded(const struct hub *h)
{
    return atomic_load_explicit(&h->crowded, memory_order_relaxed);
}

static void look_whether_crowded(struct hub *h)
{
    bool was = hub_crowded(h);
    bool is = journal_waiting_bytes(h->engine) > (was ? HUB_GATHER_MAX / 2 : HUB_GATHER_MAX);
    if (is != was)
        atomic_store(&h->crowded, is);
}

void hub_unlock(struct hub *h)
{
    look_whether_crowded(h);
    struct waiter *completed = engine_take_completed(h->engine);
    for (struct mailbox *m; (m = engine_take_woken(h->engine));)
        mailbox_wake(m);
    struct job *removed = engine_take_removed(h->engine);
    int64_t due = engine_next_due(h->engine, h->now);
    bool earlier = due < h->ticker_due;
    if (earlier)
        h->ticker_due = due;
    struct mailbox *ticker = h->ticker;
    bool marked = h->committer_waits && journal_marked(h->engine) - journal_taken(h->engine) >= h->wanted;
    if (marked)
        h->committer_waits = false;
    atomic_uint *posting = completed ? &h->posting[h->turn] : NULL;
    if (posting)
        atomic_fetch_add_explicit(posting, 1,
                                  memory_order_relaxed); // the lock orders it before the next turn

    if (h->timed_from) {
        h->timed_ns += clock_ns() - h->timed_from;
        h->timed_from = 0;
    }
    pthread_mutex_unlock(&h->lock);
    if (marked)
        pthread_cond_signal(&h->marked);

    if (posting) {
        post_all(completed);
        atomic_fetch_sub_explicit(posting, 1, memory_order_release);
    }
    jobs_free(removed);
    if (earlier && ticker)
        mailbox_wake(ticker);
}

void hub_quiesce(struct hub *h)
{
    pthread_mutex_lock(&h->quiescing);
    pthread_mutex_lock(&h->lock);
    atomic_uint *before = &h->posting[h->turn];
    h->turn = !h->turn;
    pthread_mutex_unlock(&h->lock);
    while (atomic_load_explicit(before, memory_order_acquire) > 0)
        sched_yield();
    pthread_mutex_unlock(&h->quiescing);
}

int64_t hub_tick(struct hub *h)
{
    struct moment now = hub_lock(h);
    h->ticker_due = engine_tick(h->engine, now);
    int64_t due = h->ticker_due;
    hub_unlock(h);
    if (due == INT64_MAX)
        return -1;
    if (due > now.mono)
        return due - now.mono;
    // More is due at once. Whoever waits for the lock takes longer to wake than the ticker to be back for it:
    // it would get it when all is done.
    return hub_wanted(h) ? YIELD_MS : 0;
}

uint64_t hub_durable(struct hub *h)
{
    return h->replies_wait ? atomic_load_explicit(&h->durable_marks, memory_order_acquire) : UINT64_MAX;
}

// ---- for the committer

void hub_keep_journal(struct hub *h, bool waits)
{
    h->replies_wait = waits;
}

uint64_t hub_marked(struct hub *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t marks = journal_marked(h->engine);
    pthread_mutex_unlock(&h->lock);
    return marks;
}

uint64_t hub_durable_marks(struct hub *h)
{
    return atomic_load(&h->durable_marks);
}

void hub_set_durable(struct hub *h, uint64_t marks)
{
    pthread_mutex_lock(&h->lock);
    journal_on_disk(h->engine, marks);
    pthread_mutex_unlock(&h->lock);
    atomic_store_explicit(&h->durable_marks, marks, memory_order_release);
}

static struct timespec after(int64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ns / 1000000000;
    t.tv_nsec += ns % 1000000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

enum hub_wait hub_wait_marked(struct hub *h, int64_t ms)
{
    struct timespec end = after(ms > 0 ? ms * 1000000 : 0);
    enum hub_wait why = HUB_WAIT_MARKED;
    pthread_mutex_lock(&h->lock);
    while (journal_marked(h->engine) == journal_taken(h->engine)) {
        if (h->stopping || ms == 0) {
            why = h->stopping ? HUB_WAIT_STOP : HUB_WAIT_TIMEOUT;
            break;
        }
        h->committer_waits = true;
        h->wanted = 1;
        if (ms < 0) {
            pthread_cond_wait(&h->marked, &h->lock);
        } else if (pthread_cond_timedwait(&h->marked, &h->lock, &end) == ETIMEDOUT) {
            why = HUB_WAIT_TIMEOUT;
            break;
        }
    }
    h->committer_waits = false;
    if (journal_failed(h->engine))
        why = HUB_WAIT_FAILED;
    pthread_mutex_unlock(&h->lock);
    return why;
}

bool hub_nap(struct hub *h, int64_t ms)
{
    struct timespec end = after(ms);
    pthread_mutex_lock(&h->lock);
    while (!h->stopping && pthread_cond_timedwait(&h->marked, &h->lock, &end) != ETIMEDOUT)
        ;
    bool stopping = h->stopping;
    pthread_mutex_unlock(&h->lock);
    return stopping;
}

void hub_stop_waiting(struct hub *h)
{
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_mutex_unlock(&h->lock);
    pthread_cond_signal(&h->marked);
}

void hub_gather(struct hub *h, uint64_t marks, int64_t ns)
{
    struct timespec end = after(ns);
    pthread_mutex_lock(&h->lock);
    while (journal_marked(h->engine) - journal_taken(h->engine) < marks && !h->stopping) {
        h->committer_waits = true;
        h->wanted = marks;
        if (pthread_cond_timedwait(&h->marked, &h->lock, &end) == ETIMEDOUT)
            break;
    }
    h->committer_waits = false;
    pthread_mutex_unlock(&h->lock);
}
