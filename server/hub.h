// The hub: one engine, the one lock around it, and the clock it is given. Whoever works with the engine does
// it between hub_lock and hub_unlock; what the engine wants done elsewhere (completed waiters) is posted
// after unlocking.
#ifndef SERVER_HUB_H
#define SERVER_HUB_H

#include "common/clock.h"
#include "server/engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;

// Takes the engine. NULL: no memory.
struct hub *hub_new(struct engine *engine_take);
void hub_free(struct hub *h); // no other thread uses it any more; frees the engine

// Locks and reads the clock. Keep it short: format and allocate outside. Any thread.
struct moment hub_lock(struct hub *h);

// When hub_lock was called last, before it waited for the lock, as clock_mono_ns() has it. The lock is held.
int64_t hub_locked_at(const struct hub *h);

// Unlocks, then posts the waiters that completed to their mailboxes. Any thread.
void hub_unlock(struct hub *h);

// Waits until whoever has unlocked before is through with posting, which takes microseconds. A client's
// mailbox that is to go while others work must not go before: close the client, call this, then release it.
// Any thread, without the lock.
void hub_quiesce(struct hub *h);

// Whether another thread waits for the lock now. Any thread, without the lock.
bool hub_wanted(const struct hub *h);

// What the lock has seen since the start. Its time is taken now and then only, so it costs next to nothing.
struct hub_load {
    uint64_t locks;    // how often it was taken,
    uint64_t waits;    // and how often of those another thread had it
    uint64_t requests; // carried out under it
    int64_t held_ns;   // for how long a request holds it on average, all that is done under it counted; 0: no
                       // request was carried out yet
};
void hub_load(struct hub *h, struct hub_load *out); // the lock is held

// So many requests were carried out. The lock is held.
void hub_carried_out(struct hub *h, unsigned requests);

// The engine, for use between hub_lock and hub_unlock only.
struct engine *hub_engine(struct hub *h);

// One thread is the ticker: it calls hub_tick when the time is due, and its mailbox is woken when that time
// became earlier than it knows. Set before other threads start.
void hub_set_ticker(struct hub *h, struct mailbox *mailbox);

// Does what is due, a slice of it, and returns in how many ms (0: at once; -1: never) to call again: not at
// once where others wait for the lock. The ticker only.
int64_t hub_tick(struct hub *h);

// The number of the newest batch that is on disk: a promise up to it is kept. UINT64_MAX where nothing is
// ever written (-m). Any thread, without the lock.
uint64_t hub_durable(struct hub *h);

// While more than this is waiting to be written, no further requests are read. Less than a segment of the
// store: what has gathered has room in its reserve when the disk gets full, so that acks are not stuck behind
// puts.
#define HUB_GATHER_MAX ((uint64_t)8 << 20)

// Whether that is so; once it is, until half of it is taken. After that the committer has commits to tell of.
// Any thread, without the lock.
bool hub_crowded(const struct hub *h);

// ---- for the committer

// From now on a journal is kept. `waits`: replies wait for it. Before other threads start.
void hub_keep_journal(struct hub *h, bool waits);

uint64_t hub_marked(struct hub *h);        // marks made so far
uint64_t hub_durable_marks(struct hub *h); // of them on disk

// The first `marks` marks are on disk.
void hub_set_durable(struct hub *h, uint64_t marks);

enum hub_wait { HUB_WAIT_MARKED, HUB_WAIT_TIMEOUT, HUB_WAIT_STOP, HUB_WAIT_FAILED };

// Waits until there are marks that are not taken, for at most `ms` (-1: for ever; 0: just looks). STOP:
// hub_stop_waiting was called and nothing is left to take. FAILED: the journal ran out of memory.
enum hub_wait hub_wait_marked(struct hub *h, int64_t ms);
void hub_stop_waiting(struct hub *h);

// Waits for `ms`, whatever is marked. True: hub_stop_waiting was called, which ends it at once.
bool hub_nap(struct hub *h, int64_t ms);

// Waits until so many marks are not taken, or `ns` have passed, or hub_stop_waiting.
void hub_gather(struct hub *h, uint64_t marks, int64_t ns);

#endif
