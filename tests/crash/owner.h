// An owner of a store, for tests: some thousand records whose bytes say which record and which version they
// are, so that whatever is loaded can be told right from wrong.
#ifndef TESTS_CRASH_OWNER_H
#define TESTS_CRASH_OWNER_H

#include "server/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
    uint32_t version; // 0: there is no such record
    uint32_t length;
    struct store_place place;
    bool dirty;         // in the list of what the next commits write
    bool in_flight;     // in the batch that is being committed, as `version`
    uint32_t committed; // the version that is surely on disk
};

struct owner {
    struct store *store; // not owned
    struct entry *entries;
    size_t count;
    uint32_t next_version;
    uint32_t *dirty;
    size_t dirty_count;
    bool wrong;         // a record was loaded that nobody wrote
    char remarks[4096]; // that the loading made, a line each
};

void owner_init(struct owner *o, size_t count);
void owner_release(struct owner *o);

// The records alone, to compare with.
void owner_copy(struct owner *to, const struct owner *from);

// Changes, gathered for the next commit. `length` at least 4.
void owner_put(struct owner *o, uint32_t id, uint32_t length);
void owner_delete(struct owner *o, uint32_t id);

// Commits what has gathered, in as many batches as it takes; one at most with `one`.
enum store_error owner_commit(struct owner *o, bool one);

// One share of cleaning, as the committer does after each commit. Marks what it finds.
enum store_error owner_clean(struct owner *o);

// Loads into a fresh owner.
enum store_error owner_load(struct owner *o, struct store *store);

// Whether `loaded` holds exactly what `o` has committed, or exactly that and the batch that `o` has in
// flight.
bool owner_matches(const struct owner *o, const struct owner *loaded);

// Sum of STORE_RECORD_SIZE over what lives, as it should be counted by the store once all is committed.
uint64_t owner_live_bytes(const struct owner *o);

#endif
