// Output of a connection that could not be sent yet, because the socket did not take it or because it
// promises what is not on disk yet. It is one stream: what is behind held bytes waits with them. One thread.
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "common/buffer.h"
#include "server/rpc/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct event;

struct stream {
    struct buffer bytes;
    size_t sent;        // so many at the beginning are gone
    struct mark *marks; // ascending; `at` counts from the beginning of `bytes`
    unsigned mark_count, mark_cap;
    // The connection's own; they stand here since an idle one has no stream.
    struct event *write_event;    // while the socket takes no more; else NULL
    struct connection *next_held; // of those with output that is not durable yet
    struct connection **held;     // what points to it there; NULL: it is not among them
};

struct stream *stream_new(void); // NULL: no memory
void stream_free(struct stream *s);

// The marks count from the beginning of `data`. False: no memory; the stream is not to be used any more.
bool stream_append(struct stream *s, const char *data, size_t len, const struct mark *marks,
                   unsigned mark_count) __attribute__((warn_unused_result));

// What is left to be sent, and how much of it from stream_head() on may be, where promises up to `durable`
// are kept.
size_t stream_len(const struct stream *s);
size_t stream_ready(const struct stream *s, uint64_t durable);
const char *stream_head(const struct stream *s);
void stream_advance(struct stream *s, size_t sent);

#endif
