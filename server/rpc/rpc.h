// What all network threads share: the hub and the limits. Constant once the first thread runs.
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct hub;

#define BATCH_MAX 10000 // requests in a batch

struct rpc {
    struct hub *hub;
    const char *version;
    const char *durability; // "memory", "always", "interval"
    uint64_t max_body;      // bytes of JSON text
    uint64_t max_request;   // bytes of a line without its line feed
    uint64_t output_limit;  // while this much of a connection's output is not sent, it is not heard
    unsigned max_waits;     // of a connection; the engine has it too

    // Appends the array of the pool's handlers; NULL: there is no pool. Any thread.
    void (*pool_report)(void *context, struct buffer *out);
    void *pool_context;

    // How many connections there are; NULL: nobody knows. Any thread.
    uint64_t (*connection_count)(void *context);
    void *connection_context;
};

#endif
