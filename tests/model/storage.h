// The store under a world's engine, and what happens to both: batches are taken from the journal and
// committed, segments are cleaned, and now and then all that is in memory goes.
//
// The memory store promises nothing but to take what it is given: after a restart nothing is there. The log
// stands on a disk in memory (tests/crash/disk.h), which a crash may leave as a killed process does or as a
// loss of power does, or in a folder.
#ifndef TESTS_MODEL_STORAGE_H
#define TESTS_MODEL_STORAGE_H

#include "server/store/store.h"
#include "tests/model/promises.h"

#define SEGMENT STORE_SEGMENT_MIN // so small that cleaning runs
#define SLACK   (4 * (uint64_t)SEGMENT)
#define CHANGES 4096

struct disk;
struct world;

enum storage_kind {
    STORAGE_NONE,   // the engine keeps no journal
    STORAGE_MEMORY, // server/store/memory
    STORAGE_LOG,    // server/store/log on a disk in memory
    STORAGE_FOLDER, // the same in a temporary folder
    STORAGE_COUNT
};

const char *storage_name(enum storage_kind kind); // "none", "memory", …
bool storage_of_name(const char *name, enum storage_kind *kind);

// What happened, for whoever looks whether it did.
struct storage_totals {
    uint64_t restarts, stops, commits;
    uint64_t jobs, leases, keys; // found again at a start
    uint64_t cleaned, rewritten; // segments, and records of these
};

// A record of the batch under way. It is on disk, and the model's disk hears of it, once it is committed.
struct change {
    uint8_t kind;
    bool removed;
    uint64_t id;
    uint32_t length;
    const void *bytes;
};

// A record that the journal said is to be written again; how it was written until then.
struct asked {
    uint8_t kind;
    uint64_t id, order;
};

struct storage {
    enum storage_kind kind;
    struct engine_config config;
    struct disk *disk;
    char folder[64];
    struct store *store;
    struct kept kept;
    struct promises promises;
    struct change changes[CHANGES];
    unsigned change_count;
    uint32_t segment; // of the batch
    struct asked asked[CHANGES];
    unsigned asked_count;
    struct storage_totals totals;
};

// Ends the test with the store's words unless a call of it went well; where `s` is the storage.
#define CHECKED(call)                                                                                        \
    do {                                                                                                     \
        enum store_error checked = (call);                                                                   \
        REQUIRE(checked == STORE_OK, "the store: %s", store_message(s->store));                              \
    } while (0)

// Opens a new store; the engine is made, loaded from it, and its first marks are on disk.
void storage_new(struct world *w, enum storage_kind kind, const struct engine_config *config);
void storage_free(struct storage *s); // and the folder

// Between two steps: perhaps a batch, all that is marked, a record that moves on, or a restart.
void storage_step(struct world *w);

// Somebody is told of a job, with the promise of the engine's last call. Nothing where there is no store.
void storage_tell(struct world *w, uint64_t id, uint64_t marks);

// Adds what happened so far.
void storage_count(const struct storage *s, struct storage_totals *sum);

// ---- batches.c

bool storage_waits(const struct world *w); // whether anything is marked

// Takes what fits into so many bytes, a mark at least, and says how many marks that makes. It is not
// committed yet.
uint64_t storage_take(struct world *w, uint64_t most);

// That, committed, and a share of the cleaning.
void storage_commit(struct world *w, uint64_t most);

// As the cleaning asks for a record: one that lives in the segment is marked, which is true.
bool storage_rewrite(void *world, uint8_t kind, uint64_t id, uint32_t segment);

// Commits all that is marked with all the cleaning there is, which has to come to an end, and holds the disk
// against the model. Nothing where there is no store.
void storage_settle(struct world *w);

// Nothing is left on disk but what says how far the ids are.
bool storage_empty(const struct world *w);

// ---- restart.c

void storage_start(struct world *w);
void storage_restart(struct world *w);

#endif
