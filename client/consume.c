// The consumers' calls.
#include "client/consume.h"

#include "client/call.h"
#include "client/renew.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

#define RENEWED_LEASE 60.0

static const struct taskq_get_options get_defaults;

// Builds a `get`. Gives how its jobs are renewed: 0: they are not.
static int64_t get_request(struct taskq *q, const char *const *queues, size_t nqueues, size_t max,
                           const struct taskq_get_options *o, double timeout)
{
    bool renewed = o->renew == TASKQ_RENEW_AUTO && !o->auto_ack;
    // What is renewed must be known: the lease is said, since the daemon does not tell a job's own.
    double lease = o->lease == 0 && renewed ? RENEWED_LEASE : o->lease;
    request_begin(q, "get");
    if (nqueues == 1)
        request_text(q, "queue", queues[0]);
    else
        request_texts(q, "queues", queues, nqueues);
    request_timeout(q, timeout);
    if (lease != 0)
        request_number(q, "lease", lease);
    if (o->auto_ack)
        request_true(q, "auto_ack");
    if (max != 0)
        request_uint(q, "max", max);
    if (o->detached)
        request_true(q, "detached");
    return renewed && lease > 0 && lease <= 1e9 ? (int64_t)(lease * 1000) + (lease < 0.001) : 0;
}

// Waits for jobs. `*reply` is the daemon's.
static enum taskq_error get(struct taskq *q, const char *const *queues, size_t nqueues, size_t max,
                            const struct taskq_get_options *o, double timeout, struct taskq_reply *reply)
{
    int64_t lease_ms = get_request(q, queues, nqueues, max, o, timeout);
    struct call c = {
        // A job handed to a connection that is lost comes back by itself, unless it was to stay away.
        .repeatable = !o->auto_ack && !o->detached,
        .waits = true,
        .timeout = timeout,
        .lease_ms = lease_ms,
        .detached = o->detached,
    };
    return call(q, &c, reply);
}

enum taskq_error taskq_reply_jobs(struct taskq *q, const struct taskq_reply *reply, struct taskq_jobs *jobs)
{
    if (reply->error != TASKQ_OK)
        return handle_fail_reply(q, reply);
    enum taskq_error e = jobs_parse((struct slice){reply->result, reply->result_len}, jobs);
    if (e == TASKQ_PROTOCOL)
        return call_bad_result(q);
    // A job that cannot be renewed is still the caller's: better a lease that may run out than a job nobody
    // knows of.
    for (size_t i = 0; e == TASKQ_OK && reply->lease_ms > 0 && i < jobs->count; i++)
        (void)renew_add(q, jobs->jobs[i].id, jobs->jobs[i].delivery, reply->lease_ms, reply->detached);
    return e == TASKQ_OK ? e : handle_fail(q, e, "%s", taskq_error_text(e));
}

enum taskq_error taskq_get(struct taskq *q, const char *queue, const struct taskq_get_options *options,
                           double timeout, struct taskq_job *job)
{
    struct taskq_reply reply;
    struct taskq_jobs jobs;
    enum taskq_error e = get(q, &queue, 1, 0, options == NULL ? &get_defaults : options, timeout, &reply);
    if (e == TASKQ_OK)
        e = taskq_reply_jobs(q, &reply, &jobs);
    if (e != TASKQ_OK)
        return e;
    if (jobs.count != 1) {
        taskq_jobs_release(&jobs);
        return call_bad_result(q);
    }
    *job = jobs.jobs[0];
    job->memory = jobs.memory;
    return TASKQ_OK;
}

enum taskq_error taskq_get_many(struct taskq *q, const char *const *queues, size_t nqueues, size_t max,
                                const struct taskq_get_options *options, double timeout,
                                struct taskq_jobs *jobs)
{
    struct taskq_reply reply;
    if (max == 0)
        return handle_fail(q, TASKQ_USAGE, "max is from 1 to %d", TASKQ_MAX_JOBS);
    enum taskq_error e =
        get(q, queues, nqueues, max, options == NULL ? &get_defaults : options, timeout, &reply);
    return e == TASKQ_OK ? taskq_reply_jobs(q, &reply, jobs) : e;
}

enum taskq_error taskq_get_send(struct taskq *q, const char *const *queues, size_t nqueues, size_t max,
                                const struct taskq_get_options *options, double timeout, uint64_t *request)
{
    const struct taskq_get_options *o = options == NULL ? &get_defaults : options;
    int64_t lease_ms = get_request(q, queues, nqueues, max, o, timeout);
    return call_send(q, lease_ms, o->detached, request);
}

// Begins the request that gives a job back; its lease is not renewed from here on.
static void give_back(struct taskq *q, const char *method, uint64_t id, uint64_t delivery)
{
    renew_remove(q, id);
    request_begin(q, method);
    request_uint(q, "id", id);
    if (delivery != 0)
        request_uint(q, "delivery", delivery);
}

static void ack_request(struct taskq *q, uint64_t id, uint64_t delivery, const char *result,
                        size_t result_len)
{
    give_back(q, "ack", id, delivery);
    if (result != NULL)
        request_json(q, "result", result, result_len);
}

enum taskq_error taskq_ack(struct taskq *q, uint64_t id, uint64_t delivery, const char *result,
                           size_t result_len)
{
    ack_request(q, id, delivery, result, result_len);
    return call_plain(q, false);
}

enum taskq_error taskq_ack_send(struct taskq *q, uint64_t id, uint64_t delivery, const char *result,
                                size_t result_len, uint64_t *request)
{
    ack_request(q, id, delivery, result, result_len);
    return call_send(q, 0, false, request);
}

enum taskq_error taskq_nack(struct taskq *q, uint64_t id, uint64_t delivery, const char *error,
                            size_t error_len, double delay, const char **state, double *delay_out)
{
    static const char *const states[] = {"delayed", "ready", "dead"};
    struct taskq_reply reply;
    const char *value;
    size_t len;
    double seconds;
    give_back(q, "nack", id, delivery);
    if (error != NULL)
        request_json(q, "error", error, error_len);
    if (!(delay < 0))
        request_number(q, "delay", delay);
    enum taskq_error e = call(q, &(struct call){0}, &reply);
    if (e != TASKQ_OK)
        return e;
    if (!taskq_json_member(reply.result, reply.result_len, "delay", &value, &len) ||
        !taskq_json_double(value, len, &seconds) ||
        !taskq_json_member(reply.result, reply.result_len, "state", &value, &len))
        return call_bad_result(q);
    const char *known = NULL;
    for (size_t i = 0; i < 3; i++)
        if (len == strlen(states[i]) + 2 && memcmp(value + 1, states[i], len - 2) == 0)
            known = states[i];
    if (known == NULL)
        return call_bad_result(q);
    if (state != NULL)
        *state = known;
    if (delay_out != NULL)
        *delay_out = seconds;
    return TASKQ_OK;
}

enum taskq_error taskq_release(struct taskq *q, uint64_t id, uint64_t delivery, double delay,
                               const double *priority)
{
    give_back(q, "release", id, delivery);
    if (delay != 0)
        request_number(q, "delay", delay);
    if (priority != NULL)
        request_number(q, "priority", *priority);
    return call_plain(q, false);
}

enum taskq_error taskq_bury(struct taskq *q, uint64_t id, uint64_t delivery, const char *error,
                            size_t error_len)
{
    give_back(q, "bury", id, delivery);
    if (error != NULL)
        request_json(q, "error", error, error_len);
    return call_plain(q, false);
}

enum taskq_error taskq_touch(struct taskq *q, uint64_t id, uint64_t delivery, double lease, double *left)
{
    struct taskq_reply reply;
    const char *value;
    size_t len;
    double seconds;
    request_begin(q, "touch");
    request_uint(q, "id", id);
    if (delivery != 0)
        request_uint(q, "delivery", delivery);
    if (lease != 0)
        request_number(q, "lease", lease);
    enum taskq_error e = call(q, &(struct call){.repeatable = true}, &reply);
    if (e != TASKQ_OK)
        return e;
    if (!taskq_json_member(reply.result, reply.result_len, "lease", &value, &len) ||
        !taskq_json_double(value, len, &seconds))
        return call_bad_result(q);
    if (left != NULL)
        *left = seconds;
    return TASKQ_OK;
}

enum taskq_error taskq_progress(struct taskq *q, uint64_t id, uint64_t delivery,
                                const struct taskq_report *report)
{
    request_begin(q, "progress");
    request_uint(q, "id", id);
    if (delivery != 0)
        request_uint(q, "delivery", delivery);
    if (!(report->done < 0))
        request_number(q, "done", report->done);
    if (!(report->total < 0))
        request_number(q, "total", report->total);
    if (report->message != NULL)
        request_text(q, "message", report->message);
    return call_plain(q, true);
}

void taskq_renew_stop(struct taskq *q, uint64_t id)
{
    renew_remove(q, id);
}

// Which of `ids` a reply's `failed` names. They come in the order of the request.
static bool read_failed(const struct taskq_reply *reply, const uint64_t *ids, size_t count,
                        enum taskq_error *errors, enum taskq_error *first)
{
    const char *failed, *item, *value;
    size_t failed_len, item_len, len, at = 0, i = 0;
    if (!taskq_json_member(reply->result, reply->result_len, "failed", &failed, &failed_len))
        return true;
    while (taskq_json_element(failed, failed_len, &at, &item, &item_len)) {
        uint64_t id;
        struct taskq_text name = {NULL, 0};
        if (!taskq_json_member(item, item_len, "id", &value, &len) || !taskq_json_uint(value, len, &id) ||
            !taskq_json_member(item, item_len, "name", &value, &len) ||
            taskq_json_unstring(value, len, &name) != TASKQ_OK)
            return false;
        while (i < count && ids[i] != id)
            i++;
        if (i < count) {
            enum error known = error_of_name(name.data);
            enum taskq_error e = known == ERROR_NONE ? TASKQ_UNKNOWN : (enum taskq_error)error_code(known);
            if (errors != NULL)
                errors[i] = e;
            if (*first == TASKQ_OK)
                *first = e;
            i++;
        }
        taskq_text_release(&name);
    }
    return true;
}

enum taskq_error taskq_ack_many(struct taskq *q, const uint64_t *ids, size_t count, enum taskq_error *errors)
{
    enum taskq_error first = TASKQ_OK;
    for (size_t i = 0; errors != NULL && i < count; i++)
        errors[i] = TASKQ_UNSENT;
    for (size_t done = 0; done < count;) {
        size_t n = count - done > TASKQ_MAX_JOBS ? TASKQ_MAX_JOBS : count - done;
        struct taskq_reply reply;
        for (size_t i = 0; i < n; i++)
            renew_remove(q, ids[done + i]);
        request_begin(q, "ack");
        request_uints(q, "ids", ids + done, n);
        enum taskq_error e = call(q, &(struct call){0}, &reply);
        for (size_t i = 0; errors != NULL && i < n && e != TASKQ_UNSENT && e != TASKQ_NO_DAEMON; i++)
            errors[done + i] = e;
        if (e != TASKQ_OK)
            return e;
        if (!read_failed(&reply, ids + done, n, errors != NULL ? errors + done : NULL, &first))
            return call_bad_result(q);
        done += n;
    }
    return first == TASKQ_OK ? first : handle_fail(q, first, "%s", taskq_error_text(first));
}
