#include "client/call.h"

#include "client/link.h"
#include "client/receive.h"
#include "client/text.h"
#include "common/clock.h"

#include <stdio.h>

int64_t call_deadline(const struct taskq *q, double timeout)
{
    if (timeout < 0 || q->reply_ns < 0)
        return -1;
    return clock_ns() + (int64_t)(timeout > 1e9 ? 1e18 : timeout * 1e9) + q->reply_ns;
}

void call_cancel(struct taskq *q, uint64_t request)
{
    char line[96];
    int len = snprintf(line, sizeof(line),
                       "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":%llu}}\n",
                       (unsigned long long)request);
    link_notify(q, (struct slice){line, (size_t)len});
}

// Waits for a request's reply, and takes it back when the caller is interrupted.
static enum taskq_error await(struct taskq *q, const struct call *c, uint64_t request,
                              struct taskq_reply *reply)
{
    int64_t deadline = call_deadline(q, c->timeout);
    bool interruptible = c->waits;
    for (;;) {
        enum taskq_error e = receive(q, request, deadline, interruptible, reply);
        if (e == TASKQ_TIMEOUT) {
            link_lose(q, "no reply came in time");
            deadline = -1;
        } else if (e == TASKQ_REQUEST_CANCELLED) {
            call_cancel(q, request);
            interruptible = false;
            deadline = call_deadline(q, 0);
        } else {
            return e;
        }
    }
}

enum taskq_error call(struct taskq *q, const struct call *c, struct taskq_reply *reply)
{
    enum taskq_error e = request_end(q);
    enum taskq_error before = TASKQ_OK; // why it is the second time
    if (e != TASKQ_OK)
        return e;
    for (;;) {
        uint64_t request;
        e = link_ensure(q, c->waits);
        if (e != TASKQ_OK && before == TASKQ_LOST)
            return handle_fail(q, TASKQ_LOST, "%s (%s)", taskq_error_text(TASKQ_LOST),
                               taskq_error_message(q));
        if (e == TASKQ_OK)
            e = link_queue(q, c->lease_ms, c->detached, &request);
        if (e != TASKQ_OK)
            return e;
        e = await(q, c, request, reply);
        if (e != TASKQ_OK)
            return handle_fail(q, e, "%s", taskq_error_text(e));
        bool again = reply->error == TASKQ_UNSENT || (reply->error == TASKQ_LOST && c->repeatable);
        if (!again || before != TASKQ_OK)
            return handle_fail_reply(q, reply);
        before = reply->error;
    }
}

enum taskq_error call_plain(struct taskq *q, bool repeatable)
{
    struct taskq_reply reply;
    return call(q, &(struct call){.repeatable = repeatable}, &reply);
}

static enum taskq_error copy_result(struct taskq *q, const struct taskq_reply *reply, struct taskq_text *out)
{
    if (out == NULL)
        return TASKQ_OK;
    enum taskq_error e = text_copy(out, (struct slice){reply->result, reply->result_len});
    return e == TASKQ_OK ? e : handle_fail(q, e, "%s", taskq_error_text(e));
}

enum taskq_error call_text(struct taskq *q, bool repeatable, struct taskq_text *out)
{
    struct taskq_reply reply;
    enum taskq_error e = call(q, &(struct call){.repeatable = repeatable}, &reply);
    return e == TASKQ_OK ? copy_result(q, &reply, out) : e;
}

enum taskq_error call_bad_result(struct taskq *q)
{
    return handle_fail(q, TASKQ_PROTOCOL, "the daemon's result is not what this method gives");
}

enum taskq_error call_count(struct taskq *q, bool repeatable, uint64_t *count)
{
    struct taskq_reply reply;
    const char *value;
    size_t len;
    uint64_t n;
    enum taskq_error e = call(q, &(struct call){.repeatable = repeatable}, &reply);
    if (e != TASKQ_OK)
        return e;
    if (!taskq_json_member(reply.result, reply.result_len, "count", &value, &len) ||
        !taskq_json_uint(value, len, &n))
        return call_bad_result(q);
    if (count != NULL)
        *count = n;
    return TASKQ_OK;
}

enum taskq_error call_send(struct taskq *q, int64_t lease_ms, bool detached, uint64_t *request)
{
    uint64_t id;
    receive_forget(q);
    enum taskq_error e = request_end(q);
    if (e == TASKQ_OK)
        e = link_ensure(q, false);
    if (e == TASKQ_OK)
        e = link_queue(q, lease_ms, detached, &id);
    if (e == TASKQ_OK && request != NULL)
        *request = id;
    return e;
}

enum taskq_error call_raw(struct taskq *q, struct taskq_text *out)
{
    struct taskq_reply reply;
    enum taskq_error e = call(q, &(struct call){.waits = true, .timeout = TASKQ_FOREVER}, &reply);
    return e == TASKQ_OK ? copy_result(q, &reply, out) : e;
}
