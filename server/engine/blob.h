// Bytes that several owners share: large bodies, results, errors. Immutable once made, counted, so that
// nothing large is copied under the engine's lock.
#ifndef ENGINE_BLOB_H
#define ENGINE_BLOB_H

#include "common/slice.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    atomic_uint refs;
    uint32_t len;
    char data[];
};

// A copy of `text` with one reference, or NULL when there is no memory. Any thread; no lock.
struct blob *blob_new(struct slice text);

// One more reference, for the caller to give back. NULL stays NULL. Any thread.
struct blob *blob_ref(struct blob *b);

// Gives one reference back; the last one frees. NULL is fine. Any thread.
void blob_unref(struct blob *b);

static inline struct slice blob_slice(const struct blob *b)
{
    return b ? (struct slice){b->data, b->len} : (struct slice){NULL, 0};
}

#endif
