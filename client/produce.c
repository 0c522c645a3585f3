// The producers' calls.
#include "client/produce.h"

#include "client/call.h"
#include "client/text.h"

#include <string.h>

static const struct taskq_put_options put_defaults = TASKQ_PUT_OPTIONS_INIT;

const struct taskq_put_options *produce_options(const struct taskq_put_options *o)
{
    return o == NULL ? &put_defaults : o;
}

// A param that 0 leaves out; negative and absurd ones are the daemon's to refuse, with its reason.
static void number_unless_zero(struct taskq *q, const char *name, double n)
{
    if (n != 0)
        request_number(q, name, n);
}

void produce_request(struct taskq *q, const char *method, const char *queue, const char *body,
                     size_t body_len, const struct taskq_put_options *o, const char *key)
{
    request_begin(q, method);
    request_text(q, "queue", queue);
    number_unless_zero(q, "priority", o->priority);
    number_unless_zero(q, "delay", o->delay);
    number_unless_zero(q, "at", o->at);
    number_unless_zero(q, "lease", o->lease);
    if (o->max_attempts != 0)
        request_uint(q, "max_attempts", o->max_attempts);
    number_unless_zero(q, "expires", o->expires);
    if (key != NULL)
        request_text(q, "key", key);
    number_unless_zero(q, "key_for", o->key_for);
    request_timeout(q, o->timeout);
    if (strcmp(method, "put") != 0)
        number_unless_zero(q, "keep_result", o->keep_result);
    request_json(q, "body", body, body_len);
}

enum taskq_error taskq_reply_put(struct taskq *q, const struct taskq_reply *reply,
                                 struct taskq_put_result *result)
{
    const char *value;
    size_t len;
    struct taskq_put_result r = {0};
    if (reply->error != TASKQ_OK)
        return handle_fail_reply(q, reply);
    if (!taskq_json_member(reply->result, reply->result_len, "id", &value, &len) ||
        !taskq_json_uint(value, len, &r.id))
        return call_bad_result(q);
    if (taskq_json_member(reply->result, reply->result_len, "existing", &value, &len))
        r.existing = len == 4; // true
    if (result != NULL)
        *result = r;
    return TASKQ_OK;
}

static enum taskq_error put(struct taskq *q, const char *method, const char *queue, const char *body,
                            size_t body_len, const struct taskq_put_options *options,
                            struct taskq_put_result *result)
{
    const struct taskq_put_options *o = produce_options(options);
    struct taskq_reply reply;
    produce_request(q, method, queue, body, body_len, o, o->key);
    struct call c = {.repeatable = o->key != NULL, .waits = true, .timeout = o->timeout};
    enum taskq_error e = call(q, &c, &reply);
    return e == TASKQ_OK ? taskq_reply_put(q, &reply, result) : e;
}

enum taskq_error taskq_put(struct taskq *q, const char *queue, const char *body, size_t body_len,
                           const struct taskq_put_options *options, struct taskq_put_result *result)
{
    return put(q, "put", queue, body, body_len, options, result);
}

enum taskq_error taskq_submit(struct taskq *q, const char *queue, const char *body, size_t body_len,
                              const struct taskq_put_options *options, struct taskq_put_result *result)
{
    return put(q, "submit", queue, body, body_len, options, result);
}

enum taskq_error taskq_put_send(struct taskq *q, const char *queue, const char *body, size_t body_len,
                                const struct taskq_put_options *options, uint64_t *request)
{
    const struct taskq_put_options *o = produce_options(options);
    produce_request(q, "put", queue, body, body_len, o, o->key);
    return call_send(q, 0, false, request);
}

// Sends the request that is in the handle and takes the outcome that comes.
static enum taskq_error wait_for_result(struct taskq *q, const struct call *c, struct taskq_text *result)
{
    struct taskq_reply reply;
    const char *value;
    size_t len;
    enum taskq_error e = call(q, c, &reply);
    if (e != TASKQ_OK)
        return e;
    if (!taskq_json_member(reply.result, reply.result_len, "result", &value, &len))
        return call_bad_result(q);
    if (result == NULL)
        return TASKQ_OK;
    e = text_copy(result, (struct slice){value, len});
    return e == TASKQ_OK ? e : handle_fail(q, e, "%s", taskq_error_text(e));
}

enum taskq_error taskq_result(struct taskq *q, uint64_t id, double timeout, bool forget,
                              struct taskq_text *result)
{
    request_begin(q, "result");
    request_uint(q, "id", id);
    request_timeout(q, timeout);
    if (forget)
        request_true(q, "forget");
    struct call c = {.repeatable = !forget, .waits = true, .timeout = timeout};
    return wait_for_result(q, &c, result);
}

enum taskq_error taskq_call(struct taskq *q, const char *queue, const char *body, size_t body_len,
                            const struct taskq_put_options *options, struct taskq_text *result)
{
    const struct taskq_put_options *o = produce_options(options);
    produce_request(q, "call", queue, body, body_len, o, o->key);
    struct call c = {.repeatable = o->key != NULL, .waits = true, .timeout = o->timeout};
    return wait_for_result(q, &c, result);
}

static enum taskq_error cancel(struct taskq *q, uint64_t id, bool running, bool *cancelled)
{
    struct taskq_reply reply;
    const char *value;
    size_t len;
    request_begin(q, "cancel");
    request_uint(q, "id", id);
    if (running)
        request_true(q, "running");
    enum taskq_error e = call(q, &(struct call){0}, &reply);
    if (e != TASKQ_OK)
        return e;
    if (!taskq_json_member(reply.result, reply.result_len, "cancelled", &value, &len))
        return call_bad_result(q);
    if (cancelled != NULL)
        *cancelled = len == 4;
    return TASKQ_OK;
}

enum taskq_error taskq_cancel(struct taskq *q, uint64_t id, bool *cancelled)
{
    return cancel(q, id, false, cancelled);
}

enum taskq_error taskq_cancel_running(struct taskq *q, uint64_t id, bool *cancelled)
{
    return cancel(q, id, true, cancelled);
}
