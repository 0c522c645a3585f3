// What all network threads share: the hub and the limits. Constant once the first thread runs, but for what
// is atomic: a reload may change it.
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "common/error.h"
#include "common/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access;
struct backup;
struct buffer;
struct history;
struct hub;
struct mailbox;
struct metrics;

#define BATCH_MAX 10000 // requests in a batch

#define BACKUP_TEXT_MAX 512

#define POOL_RESIZE_MAX 1024
#define POOL_TEXT_MAX   512

// What a backup came to.
struct backup_result {
    enum error error;
    char text[BACKUP_TEXT_MAX]; // with an error: one line about it
    uint64_t bytes, segments;
};

// How far the connections have been gone through.
struct roll_place {
    unsigned loop;
    int64_t before; // begins with INT64_MAX
};

struct rpc {
    struct hub *hub;
    const char *version;
    const char *durability;        // "memory", "always", "interval"
    uint64_t max_body;             // bytes of JSON text
    uint64_t max_request;          // bytes of a line without its line feed
    _Atomic uint64_t output_limit; // while this much of a connection's output is not sent, it is not heard
    atomic_uint max_waits;         // of a connection; the engine has it too
    atomic_uint max_subscriptions; // as well

    // Who may do what; NULL: everybody everything. A reload may put another in its place, which each thread
    // takes over between two turns of its loop (dispatch.access); what was there before stays readable.
    const struct access *_Atomic access;
    _Atomic uint64_t *auth_failures; // counts tokens that were nobody's; NULL: nobody counts. Any thread.

    // Counts those who have not said who they are; NULL: nobody does.
    struct strangers *strangers;

    // Appends the array of the pool's handlers; NULL: there is no pool. Any thread.
    void (*pool_report)(void *context, struct buffer *out);
    // Sets how many workers (1 to POOL_RESIZE_MAX) a handler has, in slices; *done is false: call again. An
    // error comes with one line about it. NULL: there is no pool. Any thread.
    enum error (*pool_resize)(void *context, struct slice handler, unsigned workers, bool *done,
                              char text[POOL_TEXT_MAX]);
    void *pool_context;

    struct metrics *metrics; // NULL: there are none
    struct history *history; // NULL: there is none

    // How many connections there are; NULL: nobody knows. Any thread.
    uint64_t (*connection_count)(void *context);
    // Appends at most `most` of them as objects, from *place on; *count: how many. True: they were the last.
    // NULL: nobody knows. Any thread.
    bool (*roll_call)(void *context, struct roll_place *place, unsigned most, unsigned *count,
                      struct buffer *out);
    void *connection_context;

    // Appends an object of the store's figures; NULL: jobs are kept in memory only. Any thread.
    void (*store_report)(void *context, struct buffer *out);
    void *store_context;

    // Appends an object about TLS; NULL: there is none. Any thread.
    void (*tls_report)(void *context, struct buffer *out);
    void *tls_context;

    // Begins to copy the store into a folder and wakes the mailbox at the end; NULL: jobs are kept in memory
    // only. It gives NULL and *why where it could not begin. Then backup_ended says whether it has ended and
    // how, until backup_leave, which may come before the end. Any thread.
    struct backup *(*backup_begin)(void *context, struct slice folder, struct mailbox *mailbox,
                                   enum error *why);
    bool (*backup_ended)(struct backup *backup, struct backup_result *out);
    void (*backup_leave)(struct backup *backup);
    void *backup_context;
};

#endif
