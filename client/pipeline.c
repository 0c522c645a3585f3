// Requests in flight: what only sends, and what receives.
#include "client/call.h"
#include "client/link.h"
#include "client/receive.h"
#include "common/clock.h"

enum taskq_error taskq_send(struct taskq *q, const char *method, const char *params, size_t params_len,
                            uint64_t *request)
{
    request_begin(q, method);
    request_params(q, params, params_len);
    return call_send(q, 0, false, request);
}

enum taskq_error taskq_send_cancel(struct taskq *q, uint64_t request)
{
    receive_forget(q);
    call_cancel(q, request);
    return TASKQ_OK;
}

enum taskq_error taskq_receive(struct taskq *q, double timeout, struct taskq_reply *reply)
{
    int64_t deadline = timeout < 0 ? -1 : clock_ns() + (int64_t)(timeout > 1e9 ? 1e18 : timeout * 1e9);
    enum taskq_error e = receive(q, 0, deadline, true, reply);
    return e == TASKQ_OK ? e : handle_fail(q, e, "%s", taskq_error_text(e));
}

size_t taskq_in_flight(const struct taskq *q)
{
    size_t n = q->flight.live - q->flight.owned;
    for (const struct arrival *a = q->arrivals; a != NULL; a = a->next)
        n++;
    return n;
}

enum taskq_error taskq_flush(struct taskq *q)
{
    receive_forget(q);
    int64_t deadline = call_deadline(q, 0);
    while (q->channel.fd >= 0) {
        if (!link_flush(q))
            break;
        pthread_mutex_lock(&q->lock);
        bool more = q->out_at < q->out.len;
        pthread_mutex_unlock(&q->lock);
        if (!more)
            return TASKQ_OK;
        if (link_step(q, deadline, false) == LINK_TIMEOUT)
            link_lose(q, "the daemon does not read");
    }
    if (q->flight.live == 0)
        return TASKQ_OK;
    return handle_fail(q, TASKQ_LOST, "%s", taskq_error_text(TASKQ_LOST));
}
