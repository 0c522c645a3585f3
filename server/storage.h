// Storage: opens a data folder and brings an engine to the state that is in it.
#ifndef SERVER_STORAGE_H
#define SERVER_STORAGE_H

#include "server/engine/engine.h"
#include "server/engine/journal.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stdint.h>

// The largest max_body that the store can be made for.
#define STORAGE_BODY_MOST ((uint64_t)20 << 20)

struct storage_options {
    const char *path;
    bool read_only;        // for checks and dumps: nothing is changed, and a running daemon is respected
    bool recover;          // leave damaged parts out, and say so
    uint64_t max_body;     // bytes of the largest job: decides how large segments are
    uint32_t segment_size; // 0: by max_body
    uint64_t slack;        // 0: the store's default
};

// Opens and loads into a new engine, logging the progress of a long one. On failure *store is NULL and
// `message` has one line for a person. The journal is begun, and what it marked (the start number) is not
// committed yet.
bool storage_open(const struct storage_options *options, struct engine *e, struct store **store,
                  struct journal_loaded *loaded, char message[STORE_MESSAGE_MAX])
    __attribute__((warn_unused_result));

#endif
