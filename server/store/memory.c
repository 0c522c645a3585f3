// The store of `-m`: batches go nowhere. It serves the whole interface, so that the owner need not ask at
// every turn which store it has; store_keeps() tells one that wants to spare itself the work.
#include "server/store/ops.h"

#include <stdlib.h>

struct memory {
    struct store base;
    uint64_t *scratch; // where puts write their bytes
    size_t size;
};

static void memory_close(struct store *store)
{
    struct memory *m = (struct memory *)store;
    free(m->scratch);
    free(m);
}

static enum store_error memory_load(struct store *store, const struct store_loader *loader)
{
    (void)store;
    (void)loader;
    return STORE_OK;
}

static size_t memory_batch_max(const struct store *store)
{
    (void)store;
    return STORE_SEGMENT_MAX / 4;
}

static enum store_error memory_batch_begin(struct store *store, size_t bytes, uint32_t *segment)
{
    struct memory *m = (struct memory *)store;
    if (bytes > memory_batch_max(store))
        return store_fail(store->message, STORE_TOO_LARGE, "a batch of %zu bytes is too large", bytes);
    if (bytes > m->size) {
        uint64_t *more = malloc(bytes);
        if (!more)
            return store_fail(store->message, STORE_MEMORY, "no memory for a batch of %zu bytes", bytes);
        free(m->scratch);
        m->scratch = more;
        m->size = bytes;
    }
    *segment = 1;
    return STORE_OK;
}

static void *memory_batch_put(struct store *store, uint8_t kind, uint64_t id, uint32_t length,
                              struct store_place old)
{
    (void)kind;
    (void)id;
    (void)length;
    (void)old;
    return ((struct memory *)store)->scratch;
}

static void memory_batch_delete(struct store *store, uint8_t kind, uint64_t id, struct store_place old)
{
    (void)store;
    (void)kind;
    (void)id;
    (void)old;
}

static enum store_error memory_commit(struct store *store)
{
    (void)store;
    return STORE_OK;
}

static bool memory_clean_wanted(const struct store *store)
{
    (void)store;
    return false;
}

static enum store_error memory_clean_next(struct store *store, store_lives *lives, void *arg)
{
    (void)store;
    (void)lives;
    (void)arg;
    return STORE_OK;
}

static enum store_space memory_space(const struct store *store, uint64_t *left)
{
    (void)store;
    if (left)
        *left = UINT64_MAX;
    return STORE_SPACE_OK;
}

static void memory_prepare(struct store *store)
{
    (void)store;
}

static enum store_error memory_snapshot_begin(struct store *store, struct store_snapshot **out)
{
    *out = NULL;
    return store_fail(store->message, STORE_OPTION,
                      "jobs are kept in memory only, so there is nothing to copy");
}

static void memory_snapshot_end(struct store *store, struct store_snapshot *snapshot)
{
    (void)store;
    (void)snapshot;
}

static struct store_stats memory_stats(const struct store *store)
{
    (void)store;
    return (struct store_stats){0};
}

static const struct store_ops memory_ops = {
    .keeps = false,
    .close = memory_close,
    .load = memory_load,
    .batch_max = memory_batch_max,
    .batch_begin = memory_batch_begin,
    .batch_put = memory_batch_put,
    .batch_delete = memory_batch_delete,
    .commit = memory_commit,
    .clean_wanted = memory_clean_wanted,
    .clean_next = memory_clean_next,
    .space = memory_space,
    .prepare = memory_prepare,
    .snapshot_begin = memory_snapshot_begin,
    .snapshot_end = memory_snapshot_end,
    .stats = memory_stats,
};

enum store_error store_open_memory(struct store **out)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return STORE_MEMORY;
    m->base.ops = &memory_ops;
    *out = &m->base;
    return STORE_OK;
}
