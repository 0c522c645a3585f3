#include "server/store/ops.h"

#include "server/store/format.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const texts[STORE_ERROR_COUNT] = {[STORE_OK] = "ok",
#define X(constant, text) [STORE_##constant] = text,
                                                     STORE_ERRORS(X)
#undef X
};

const char *store_error_text(enum store_error e)
{
    assert((unsigned)e < STORE_ERROR_COUNT);
    return texts[e];
}

enum store_error store_fail(char message[STORE_MESSAGE_MAX], enum store_error e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, STORE_MESSAGE_MAX, format, args);
    va_end(args);
    return e;
}

enum store_error store_error_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STORE_NO_SPACE;
    case EACCES:
    case EPERM:
        return STORE_PERMISSION;
    case EROFS:
        return STORE_READ_ONLY;
    case ENOTDIR:
        return STORE_NOT_A_FOLDER;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return STORE_MEMORY;
    default:
        return STORE_IO;
    }
}

uint32_t store_segment_size_for(uint64_t length)
{
    uint64_t size = STORE_SEGMENT_DEFAULT;
    while (size <= STORE_SEGMENT_MAX && size / 4 - 2 * FORMAT_HEAD_SIZE < 2 * STORE_RECORD_SIZE(length))
        size *= 2;
    return size <= STORE_SEGMENT_MAX ? (uint32_t)size : 0;
}

bool store_keeps(const struct store *store)
{
    return store->ops->keeps;
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

const char *store_message(const struct store *store)
{
    return store->message;
}

enum store_error store_load(struct store *store, const struct store_loader *loader)
{
    return store->ops->load(store, loader);
}

size_t store_batch_max(const struct store *store)
{
    return store->ops->batch_max(store);
}

enum store_error store_batch_begin(struct store *store, size_t bytes, uint32_t *segment)
{
    return store->ops->batch_begin(store, bytes, segment);
}

void *store_batch_put(struct store *store, uint8_t kind, uint64_t id, uint32_t length, struct store_place old)
{
    assert(kind != 0);
    return store->ops->batch_put(store, kind, id, length, old);
}

void store_batch_delete(struct store *store, uint8_t kind, uint64_t id, struct store_place old)
{
    assert(kind != 0);
    store->ops->batch_delete(store, kind, id, old);
}

enum store_error store_commit(struct store *store)
{
    return store->ops->commit(store);
}

bool store_clean_wanted(const struct store *store)
{
    return store->ops->clean_wanted(store);
}

enum store_error store_clean_next(struct store *store, store_lives *lives, void *arg)
{
    return store->ops->clean_next(store, lives, arg);
}

enum store_space store_space(const struct store *store, uint64_t *left)
{
    return store->ops->space(store, left);
}

void store_prepare(struct store *store)
{
    store->ops->prepare(store);
}

enum store_error store_snapshot_begin(struct store *store, struct store_snapshot **out)
{
    return store->ops->snapshot_begin(store, out);
}

void store_snapshot_end(struct store *store, struct store_snapshot *snapshot)
{
    store->ops->snapshot_end(store, snapshot);
}

struct store_stats store_stats(const struct store *store)
{
    return store->ops->stats(store);
}
