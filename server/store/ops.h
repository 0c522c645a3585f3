// What a kind of store implements behind store.h. The functions mean what their namesakes there say.
#ifndef SERVER_STORE_OPS_H
#define SERVER_STORE_OPS_H

#include "server/store/store.h"

struct store_ops {
    bool keeps;
    void (*close)(struct store *store);
    enum store_error (*load)(struct store *store, const struct store_loader *loader);
    size_t (*batch_max)(const struct store *store);
    enum store_error (*batch_begin)(struct store *store, size_t bytes, uint32_t *segment);
    void *(*batch_put)(struct store *store, uint8_t kind, uint64_t id, uint32_t length,
                       struct store_place old);
    void (*batch_delete)(struct store *store, uint8_t kind, uint64_t id, struct store_place old);
    enum store_error (*commit)(struct store *store);
    bool (*clean_wanted)(const struct store *store);
    enum store_error (*clean_next)(struct store *store, store_lives *lives, void *arg);
    enum store_space (*space)(const struct store *store, uint64_t *left);
    void (*prepare)(struct store *store);
    enum store_error (*snapshot_begin)(struct store *store, struct store_snapshot **out);
    void (*snapshot_end)(struct store *store, struct store_snapshot *snapshot);
    struct store_stats (*stats)(const struct store *store);
};

// The first member of every kind of store.
struct store {
    const struct store_ops *ops;
    char message[STORE_MESSAGE_MAX];
};

// Writes the line about an error into `message`, cut if it is too long, and returns `e`.
__attribute__((format(printf, 3, 4))) enum store_error
store_fail(char message[STORE_MESSAGE_MAX], enum store_error e, const char *format, ...);

// The store's word for an errno.
enum store_error store_error_of(int number);

#endif
