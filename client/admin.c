// The calls about queues, jobs and the daemon.
#include "client/call.h"

#include <string.h>

static enum taskq_error queue_call(struct taskq *q, const char *method, const char *queue)
{
    request_begin(q, method);
    request_text(q, "queue", queue);
    return call_plain(q, true);
}

static enum taskq_error text_call(struct taskq *q, const char *method, struct taskq_text *out)
{
    request_begin(q, method);
    return call_text(q, true, out);
}

enum taskq_error taskq_job_info(struct taskq *q, uint64_t id, struct taskq_text *info)
{
    request_begin(q, "job");
    request_uint(q, "id", id);
    return call_text(q, true, info);
}

enum taskq_error taskq_jobs_page(struct taskq *q, const char *queue, const char *state, const char *after,
                                 unsigned limit, bool bodies, struct taskq_text *page)
{
    request_begin(q, "jobs");
    request_text(q, "queue", queue);
    if (state != NULL)
        request_text(q, "state", state);
    if (after != NULL)
        request_text(q, "after", after);
    if (limit != 0)
        request_uint(q, "limit", limit);
    if (bodies)
        request_true(q, "bodies");
    return call_text(q, true, page);
}

enum taskq_error taskq_queues_page(struct taskq *q, const char *after, unsigned limit,
                                   struct taskq_text *page)
{
    request_begin(q, "queues");
    if (after != NULL)
        request_text(q, "after", after);
    if (limit != 0)
        request_uint(q, "limit", limit);
    return call_text(q, true, page);
}

enum taskq_error taskq_stats(struct taskq *q, const char *queue, struct taskq_text *stats)
{
    request_begin(q, "stats");
    if (queue != NULL)
        request_text(q, "queue", queue);
    return call_text(q, true, stats);
}

enum taskq_error taskq_declare(struct taskq *q, const char *queue, const char *settings, size_t settings_len,
                               struct taskq_text *now)
{
    request_begin(q, "declare");
    request_text(q, "queue", queue);
    request_members(q, settings, settings_len);
    return call_text(q, true, now);
}

enum taskq_error taskq_delete(struct taskq *q, uint64_t id)
{
    request_begin(q, "delete");
    request_uint(q, "id", id);
    return call_plain(q, false);
}

static void bulk_request(struct taskq *q, const char *method, const char *queue, const char *state,
                         uint64_t limit)
{
    request_begin(q, method);
    request_text(q, "queue", queue);
    if (state != NULL)
        request_text(q, "state", state);
    if (limit != 0)
        request_uint(q, "limit", limit);
}

enum taskq_error taskq_delete_many(struct taskq *q, const char *queue, const char *state, uint64_t limit,
                                   uint64_t *count)
{
    bulk_request(q, "delete", queue, state, limit);
    return call_count(q, false, count);
}

enum taskq_error taskq_kick(struct taskq *q, uint64_t id, uint64_t *count)
{
    request_begin(q, "kick");
    request_uint(q, "id", id);
    return call_count(q, false, count);
}

enum taskq_error taskq_kick_many(struct taskq *q, const char *queue, const char *state, uint64_t limit,
                                 uint64_t *count)
{
    bulk_request(q, "kick", queue, state, limit);
    return call_count(q, false, count);
}

enum taskq_error taskq_pause(struct taskq *q, const char *queue)
{
    return queue_call(q, "pause", queue);
}

enum taskq_error taskq_resume(struct taskq *q, const char *queue)
{
    return queue_call(q, "resume", queue);
}

enum taskq_error taskq_join(struct taskq *q, const char *queue, double timeout)
{
    struct taskq_reply reply;
    request_begin(q, "join");
    request_text(q, "queue", queue);
    request_timeout(q, timeout);
    return call(q, &(struct call){.repeatable = true, .waits = true, .timeout = timeout}, &reply);
}

enum taskq_error taskq_shutdown(struct taskq *q, const char *queue, bool immediate)
{
    request_begin(q, "shutdown");
    request_text(q, "queue", queue);
    if (immediate)
        request_true(q, "immediate");
    return call_plain(q, true);
}

enum taskq_error taskq_drop(struct taskq *q, const char *queue, uint64_t *count)
{
    request_begin(q, "drop");
    request_text(q, "queue", queue);
    return call_count(q, false, count);
}

enum taskq_error taskq_pool(struct taskq *q, struct taskq_text *pool)
{
    return text_call(q, "pool", pool);
}

enum taskq_error taskq_pool_resize(struct taskq *q, const char *handler, unsigned workers,
                                   struct taskq_text *pool)
{
    request_begin(q, "pool");
    request_text(q, "handler", handler);
    request_uint(q, "workers", workers);
    return call_text(q, true, pool);
}

enum taskq_error taskq_hello(struct taskq *q, struct taskq_text *hello)
{
    return text_call(q, "hello", hello);
}

enum taskq_error taskq_ping(struct taskq *q)
{
    request_begin(q, "ping");
    return call_plain(q, true);
}

enum taskq_error taskq_call_raw(struct taskq *q, const char *method, const char *params,
                                struct taskq_text *result)
{
    request_begin(q, method);
    request_params(q, params, TASKQ_NUL);
    return call_raw(q, result);
}
