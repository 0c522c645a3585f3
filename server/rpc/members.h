// Members of objects in replies, and those of a queue that several methods show.
#ifndef RPC_MEMBERS_H
#define RPC_MEMBERS_H

#include "common/json_writer.h"
#include "server/engine/engine.h"

static inline void write_member(struct buffer *b, const char *name, struct slice json)
{
    json_write_key(b, name);
    json_write_slice(b, json);
}

static inline void write_left(struct buffer *b, const char *name, int64_t ms)
{
    json_write_key(b, name);
    json_write_seconds(b, ms > 0 ? ms : 0);
}

static inline void write_count(struct buffer *b, const char *name, uint64_t n)
{
    json_write_key(b, name);
    json_write_uint(b, n);
}

static inline void write_text(struct buffer *b, const char *name, struct slice text)
{
    json_write_key(b, name);
    json_write_string(b, text);
}

static inline void write_flags(struct buffer *b, const struct queue_info *q)
{
    json_write_key(b, "paused");
    json_write_bool(b, q->paused);
    json_write_key(b, "shut_down");
    json_write_bool(b, q->shut_down);
    json_write_key(b, "declared");
    json_write_bool(b, q->declared);
    json_write_key(b, "oldest");
    if (q->oldest >= 0)
        json_write_seconds(b, q->oldest);
    else
        json_write_raw(b, "null");
}

static inline void write_counters(struct buffer *b, const struct queue_counters *counters)
{
    json_write_key(b, "counters");
    json_write_raw(b, "{");
#define X(name, metric, label, text) write_count(b, #name, counters->name);
    QUEUE_COUNTERS(X)
#undef X
    json_write_raw(b, "}");
}

#endif
