// The journal: what has changed since the last batch, and how it is written down. The engine marks what
// changed; whoever keeps a store takes the marks, in their order, as records (kind, id) → bytes, and says
// when they are on disk. Two changes of one job before they are taken are one record; a job that was put and
// finished in between is none.
//
// A promise is a number of marks: a reply may leave when that many are on disk. Gets and looks promise
// nothing.
//
// On disk times are of the wall clock; integers are little-endian. server/engine/records.h has the records'
// layout.
//
// Threads: as the engine: everything here is called with its lock held, except where it says otherwise.
#ifndef ENGINE_JOURNAL_H
#define ENGINE_JOURNAL_H

#include "common/clock.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct job;

// Where a record lies: what the store said, kept for it. Segment 0: nowhere.
struct journal_place {
    uint32_t segment;
    uint32_t length;
};

// ---- writing

// Takes records. The bytes of a put are written right after, before the next call.
struct journal_sink {
    void *arg;
    uint32_t segment; // where all of this batch's puts will lie
    void *(*put)(void *arg, uint8_t kind, uint64_t id, uint32_t length, struct journal_place old);
    void (*remove)(void *arg, uint8_t kind, uint64_t id, struct journal_place old);
};

// Makes the engine keep a journal from now on. False: no memory. A new engine, or one that was just loaded.
bool journal_begin(struct engine *e) __attribute__((warn_unused_result));

// How many marks were made since the start, and about how many bytes those not yet taken will need (bodies
// and fixed parts; not errors and results).
uint64_t journal_marked(const struct engine *e);
uint64_t journal_taken(const struct engine *e); // of them into batches
uint64_t journal_waiting_bytes(const struct engine *e);

// Begins a batch: how many bytes of records, each of them `head` bytes longer than it is and padded to 8, the
// next marks need, as many as fit into `most` (at least one, however large). Then journal_take writes just
// these into the sink and says up to which mark it came; *removed is a list of jobs for jobs_free after
// unlocking.
uint64_t journal_measure(struct engine *e, struct moment now, uint64_t most, uint32_t head);
uint64_t journal_take(struct engine *e, struct moment now, const struct journal_sink *sink,
                      struct job **removed);

// The first `marks` marks are on disk. Call it before the next batch is measured.
void journal_on_disk(struct engine *e, uint64_t marks);

// True where memory ran out while something was marked: what was promised cannot be kept, and the daemon has
// to stop.
bool journal_failed(const struct engine *e);

// As engine_prefetch, for the next calls of journal_rewrite.
void journal_prefetch(const struct engine *e, const uint64_t *ids, unsigned count);

// Called for records in the oldest segment: if this one still lives there it is marked to be written again.
bool journal_rewrite(struct engine *e, uint8_t kind, uint64_t id, uint32_t segment);

// A clean stop: the detached leases are marked, to be found again at the next start.
void journal_save_leases(struct engine *e, struct moment now);

// ---- loading, into a new engine and before anything else is done with it

struct journal_load;

// NULL: no memory.
struct journal_load *journal_load_begin(struct engine *e, struct moment now);

// One record of the store in the order of writing; `bytes` NULL: a removal. *old is the place of the one that
// it ends. ERROR_INTERNAL: these are not bytes that we wrote (*why says what is wrong with them).
// ERROR_OVERLOADED: no memory.
enum error journal_load_record(struct journal_load *l, uint8_t kind, uint64_t id, const void *bytes,
                               uint32_t length, uint32_t segment, struct journal_place *old, const char **why)
    __attribute__((warn_unused_result));

struct journal_loaded {
    uint64_t jobs, queues, keys;
    uint64_t orphans; // records without what they belong to: left by a drop under way or by damage; they are
                      // removed
    uint32_t start_number; // the last start's
};

// Puts everything where it belongs, frees `l`, begins the journal and raises the start number (marked: it has
// to be on disk before the daemon listens). ERROR_OVERLOADED: no memory.
enum error journal_load_end(struct journal_load *l, struct moment now, struct journal_loaded *out)
    __attribute__((warn_unused_result));
void journal_load_abandon(struct journal_load *l);

#endif
