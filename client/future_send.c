// What is sent for futures, and the wait for what comes: the one loop in which connections that were lost are
// made again.
#include "client/call.h"
#include "client/future_state.h"
#include "client/link.h"
#include "client/receive.h"
#include "common/clock.h"

#include <poll.h>
#include <unistd.h>

#define ASK_TIMEOUT 10.0       // of a `result` while there is one for each that is asked for
#define ASK_ROUND   2.0        // in which each has its turn where there are more
#define FORGOTTEN   2000000000 // ns

static bool may_send(const struct taskq *q)
{
    const struct future_set *s = &q->futures;
    return ((!list_empty(&s->to_submit) && s->submitting < SUBMITTING_MAX) ||
            (!list_empty(&s->to_ask) && s->asking < ASKING_MAX)) &&
           (s->retry_at == 0 || clock_ns() >= s->retry_at);
}

static enum taskq_error send_one(struct taskq *q, struct taskq_future *f, enum future_state then)
{
    enum taskq_error e = link_queue(q, 0, false, &f->request);
    if (e != TASKQ_OK)
        return e;
    flight_own(&q->flight, flight_find(&q->flight, f->request), f);
    future_move(f, then);
    return TASKQ_OK;
}

static enum taskq_error ask(struct taskq *q, struct taskq_future *f)
{
    size_t n = q->futures.unfinished;
    request_begin(q, "result");
    request_uint(q, "id", f->outcome.id);
    request_timeout(q, n <= ASKING_MAX ? ASK_TIMEOUT : ASK_ROUND * ASKING_MAX / (double)n);
    if (future_wants_progress(&f->options))
        request_true(q, "progress");
    enum taskq_error e = request_end(q);
    return e == TASKQ_OK ? send_one(q, f, FUTURE_ASKED) : e;
}

enum taskq_error futures_send(struct taskq *q)
{
    struct future_set *s = &q->futures;
    enum taskq_error e = TASKQ_OK;
    if (!may_send(q))
        return TASKQ_OK;
    while (e == TASKQ_OK && q->channel.fd >= 0 && !list_empty(&s->to_submit) &&
           s->submitting < SUBMITTING_MAX) {
        struct taskq_future *f = list_entry(s->to_submit.next, struct taskq_future, link);
        buffer_clear(&q->request);
        buffer_append(&q->request, f->submit.data, f->submit.len);
        e = q->request.failed ? handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY))
                              : send_one(q, f, FUTURE_SUBMITTED);
    }
    while (e == TASKQ_OK && q->channel.fd >= 0 && !list_empty(&s->to_ask) && s->asking < ASKING_MAX)
        e = ask(q, list_entry(s->to_ask.next, struct taskq_future, link));
    return e;
}

// Connects if need be, and sends. Fails the call when there is no patience left.
static enum taskq_error pump(struct taskq *q)
{
    struct future_set *s = &q->futures;
    if (q->channel.fd < 0 && may_send(q)) {
        enum taskq_error e = link_ensure(q, true);
        if (e != TASKQ_OK && e != TASKQ_NO_DAEMON && e != TASKQ_SYSTEM)
            return e;
        if (e != TASKQ_OK) {
            futures_trouble(q, e);
            if (s->given_up == TASKQ_OK)
                return TASKQ_OK;
            s->given_up = TASKQ_OK;
            return e;
        }
    }
    if (s->given_up != TASKQ_OK) {
        enum taskq_error e = s->given_up;
        s->given_up = TASKQ_OK;
        return handle_fail(q, e, "%s", taskq_error_text(e));
    }
    return futures_send(q);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

// Waits without a connection.
static enum link_event idle(struct taskq *q, int64_t until)
{
    struct pollfd p = {.fd = q->wake, .events = POLLIN};
    int64_t left = until - clock_ns();
    uint64_t n;
    if (poll(&p, 1, left <= 0 ? 0 : (int)((left + 999999) / 1000000)) <= 0)
        return LINK_TIMEOUT;
    return read(q->wake, &n, sizeof(n)) == sizeof(n) ? LINK_WOKEN : LINK_PROGRESS;
}

// Patience is counted while somebody waits: what was long before is forgotten.
static void begin_waiting(struct future_set *s)
{
    if (s->trouble_since == 0 || clock_ns() < s->retry_at + FORGOTTEN)
        return;
    futures_all_is_well(s);
}

enum taskq_error futures_until(struct taskq *q, int64_t deadline, bool (*there)(const void *arg),
                               const void *arg)
{
    struct future_set *s = &q->futures;
    receive_forget(q);
    begin_waiting(s);
    for (bool waited = false;; waited = true) {
        do {
            enum taskq_error e = pump(q);
            if (e != TASKQ_OK)
                return e;
            receive_absorb(q);
            link_settle(q);
            receive_fated(q);
            if (there(arg))
                return TASKQ_OK;
        } while (may_send(q)); // what came made room for more, or the connection was lost
        int64_t now = clock_ns();
        if (waited && deadline >= 0 && now >= deadline)
            return handle_fail(q, TASKQ_TIMEOUT, "%s", taskq_error_text(TASKQ_TIMEOUT));
        int64_t until = earlier(deadline, s->retry_at > 0 ? s->retry_at : -1);
        if (q->channel.fd < 0 && until < 0)
            return handle_fail(q, TASKQ_NOTHING, "%s", taskq_error_text(TASKQ_NOTHING));
        enum link_event event = q->channel.fd < 0 ? idle(q, until) : link_step(q, until, true);
        if (event == LINK_WOKEN)
            return handle_fail(q, TASKQ_REQUEST_CANCELLED, "%s", taskq_error_text(TASKQ_REQUEST_CANCELLED));
    }
}
