#include "server/report.h"

#include "common/json_writer.h"
#include "server/committer.h"
#include "server/pool/pool.h"

static void visit_handler(void *context, const struct pool_handler_info *info)
{
    struct buffer *b = context;
    json_write_comma(b);
    json_write_raw(b, "{");
    json_write_key(b, "handler");
    json_write_bytes(b, slice_of(info->name));
    json_write_key(b, "queues");
    json_write_raw(b, "[");
    for (size_t i = 0; i < info->queues->count; i++) {
        json_write_comma(b);
        json_write_bytes(b, slice_of(info->queues->items[i]));
    }
    json_write_raw(b, "]");
    json_write_key(b, "kind");
    json_write_string(b, slice_of(info->kind));
    json_write_key(b, "state");
    json_write_string(b, slice_of(info->state));
    json_write_key(b, "workers");
    json_write_uint(b, info->workers);
    json_write_key(b, "running");
    json_write_uint(b, info->running);
    json_write_key(b, "done");
    json_write_uint(b, info->done);
    json_write_key(b, "failed");
    json_write_uint(b, info->failed);
    json_write_key(b, "jobs");
    json_write_raw(b, "[");
    for (unsigned i = 0; i < info->running; i++) {
        json_write_comma(b);
        json_write_raw(b, "{");
        json_write_key(b, "id");
        json_write_uint(b, info->jobs[i].id);
        json_write_key(b, "worker");
        json_write_uint(b, info->jobs[i].worker);
        json_write_key(b, "seconds");
        json_write_seconds(b, info->jobs[i].running_ms);
        json_write_raw(b, "}");
    }
    json_write_raw(b, "]}");
}

void report_pool(struct pool *pool, struct buffer *out)
{
    json_write_raw(out, "[");
    if (pool)
        if (!pool_info(pool, visit_handler, out))
            out->failed = true;
    json_write_raw(out, "]");
}

void report_store(struct committer *committer, struct buffer *out)
{
    struct store_stats s = committer_stats(committer);
    json_write_raw(out, "{");
#define X(member, counter, text)                                                                             \
    json_write_key(out, #member);                                                                            \
    json_write_uint(out, s.member);
    STORE_STATS(X)
#undef X
    json_write_raw(out, "}");
}
