// The committer: the thread between the engine's journal and the store. It takes all that has gathered,
// writes it as one batch, syncs once, and tells those who hold replies back. While a batch is being synced
// the next one gathers (group commit).
//
// Threads: made and started by main, which also stops it. The thread takes the hub's lock to take marks,
// never while it writes.
#ifndef SERVER_COMMITTER_H
#define SERVER_COMMITTER_H

#include "common/histogram.h"
#include "server/hub.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct committer;

struct committer_options {
    struct hub *hub;
    struct store *store; // loaded; the committer's alone until committer_stop has returned
    int64_t
        interval_ms; // 0: a reply waits for its batch; above: a batch every so often, and replies do not wait
    // Promises were kept: whoever holds replies should look at hub_durable(). On the committer's thread,
    // without locks. May be NULL.
    void (*kept)(void *arg);
    // The store failed: what was promised cannot be kept. Logged already; must not return. Any thread.
    void (*fatal)(void *arg);
    void *arg;
};

// NULL: no memory.
struct committer *committer_new(const struct committer_options *options);

// Commits what is marked now, on the calling thread, before the thread is started or after it was stopped.
// False: the store failed (logged).
bool committer_flush(struct committer *c) __attribute__((warn_unused_result));

// After damaged parts of a log were left out: cleans until they are gone and all that lives is written again,
// as committer_flush.
bool committer_settle(struct committer *c) __attribute__((warn_unused_result));

// Starts the thread, with all signals blocked. False: it could not be.
bool committer_start(struct committer *c) __attribute__((warn_unused_result));

// Commits what is marked and ends the thread.
void committer_stop(struct committer *c);
void committer_free(struct committer *c); // not the store

// Begins a snapshot of the store as it is after the batch under way; to be ended by committer_snapshot_end.
// NULL: it could not be
// (*message). Any thread, while the committer runs; waits for the batch.
struct store_snapshot *committer_snapshot_begin(struct committer *c, char message[STORE_MESSAGE_MAX]);
void committer_snapshot_end(struct committer *c, struct store_snapshot *snapshot);

// How long commits took since the start, in ns, added to *out. Any thread.
void committer_times(struct committer *c, struct histogram *out);

// The store's figures as of the last batch. Any thread.
struct store_stats committer_stats(struct committer *c);

#endif
