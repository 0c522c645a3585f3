// client_run: every slot of every connection goes through the workload's steps, over and over, until the
// jobs are done. What one read brings is answered with one write, as a good client does it.
#include "common/clock.h"
#include "tests/bench/client.h"
#include "tests/bench/secure.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS      256
#define QUEUE_ASIDE 999999999

static struct request request_of(const struct client *c, const struct connection *conn,
                                 const struct slot *slot)
{
    return (struct request){
        .step = c->workload->steps[slot->step],
        .tag = (uint32_t)(slot - conn->slots),
        .queue = slot->queue,
        .count = slot->count,
        .body = c->body,
    };
}

static bool slot_ask(struct client *c, struct connection *conn, struct slot *slot, int64_t now)
{
    struct request r = request_of(c, conn, slot);
    if (r.step == STEP_PUT)
        for (uint32_t i = 0; i < slot->count; i++)
            slot->jobs[i].number = client_number(c);
    c->protocol->ask(&conn->out, &conn->session, &r, slot->jobs);
    slot->sent = now;
    conn->in_flight[(conn->head + conn->flying++) % c->depth] = (uint32_t)(slot - conn->slots);
    return !conn->out.failed || client_fail(c, "no memory");
}

// Connections share the queues evenly and each stays with its own; where there are more queues than
// connections, they take turns, job by job.
static uint32_t queue_of(const struct client *c, const struct connection *conn, uint64_t turn)
{
    if (c->aside)
        return QUEUE_ASIDE;
    return c->queues > c->connected ? (uint32_t)(turn % c->queues) : conn->index % c->queues;
}

// The slot's next jobs, if any are left to start.
static bool slot_start(struct client *c, struct connection *conn, struct slot *slot, int64_t now)
{
    if (c->to_start == 0)
        return true;
    slot->count = c->to_start < c->workload->count ? (uint32_t)c->to_start : c->workload->count;
    slot->queue = queue_of(c, conn, c->to_start / slot->count);
    slot->step = 0;
    if (c->given)
        memcpy(slot->jobs, c->given + (c->jobs - c->to_start), slot->count * sizeof *slot->jobs);
    c->to_start -= slot->count;
    return slot_ask(c, conn, slot, now);
}

// Its request was answered: the next step, or the next job.
static bool slot_answered(struct client *c, struct connection *conn, struct slot *slot, enum answer answer,
                          int64_t now)
{
    if (answer == ANSWER_EMPTY)
        return client_fail(c, "a queue was empty that must have had a job");
    if (c->latency)
        histogram_add(c->latency, now - slot->sent);
    if (c->workload->steps[slot->step] == STEP_GET)
        for (uint32_t i = 0; i < slot->count; i++)
            if (!client_got(c, slot->jobs[i].number))
                return false;
    if (++slot->step < c->workload->step_count)
        return slot_ask(c, conn, slot, now);
    if (c->keep) {
        memcpy(c->keep + c->keep_at, slot->jobs, slot->count * sizeof *slot->jobs);
        c->keep_at += slot->count;
    }
    c->done += slot->count;
    return slot_start(c, conn, slot, now);
}

static bool answers(struct client *c, struct connection *conn, struct slice in)
{
    int64_t now = clock_ns();
    while (in.len > 0) {
        if (conn->flying == 0)
            return client_fail(c, "an answer came that nothing had asked for");
        struct slot *slot = &conn->slots[conn->in_flight[conn->head]];
        struct request r = request_of(c, conn, slot);
        size_t used = 0;
        uint32_t count = slot->count;
        enum answer a = c->protocol->read(in, &r, slot->jobs, &count, &used);
        if (a == ANSWER_PARTIAL)
            break;
        if (a == ANSWER_WRONG)
            return client_wrong(c, in);
        conn->head = (conn->head + 1) % c->depth;
        conn->flying--;
        slot->count = count;
        if (!slot_answered(c, conn, slot, a, now))
            return false;
        in.data += used;
        in.len -= used;
    }
    buffer_clear(&conn->in);
    buffer_append(&conn->in, in.data, in.len);
    return !conn->in.failed || client_fail(c, "no memory");
}

static bool flush(struct client *c, struct connection *conn)
{
    while (conn->sent < conn->out.len) {
        ssize_t n = secure_send(conn, conn->out.data + conn->sent, conn->out.len - conn->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return client_fail(c, strerror(errno));
        if (n < 0)
            break;
        conn->sent += (size_t)n;
    }
    bool left = conn->sent < conn->out.len;
    if (!left) {
        buffer_clear(&conn->out);
        conn->sent = 0;
    }
    if (left != conn->waits_to_write) {
        struct epoll_event ev = {.events = EPOLLIN | (left ? EPOLLOUT : 0u), .data.ptr = conn};
        conn->waits_to_write = left;
        if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, conn->fd, &ev))
            return client_fail(c, strerror(errno));
    }
    return true;
}

static bool readable(struct client *c, struct connection *conn)
{
    size_t old = conn->in.len;
    if (old > CLIENT_SCRATCH / 2)
        return client_fail(c, "an answer is too long");
    if (old > 0)
        memcpy(c->scratch, conn->in.data, old);
    ssize_t n = secure_recv(conn, c->scratch + old, CLIENT_SCRATCH - old);
    if (n == 0)
        return client_fail(c, "the server closed the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR || client_fail(c, strerror(errno));
    return answers(c, conn, (struct slice){c->scratch, old + (size_t)n});
}

static bool turn(struct client *c)
{
    struct epoll_event events[EVENTS];
    int64_t left = c->deadline - clock_ns();
    int n = left > 0 ? epoll_wait(c->epoll, events, EVENTS, (int)(left / 1000000) + 1) : 0;
    if (n < 0 && errno != EINTR)
        return client_fail(c, strerror(errno));
    if (n == 0)
        return client_fail(c, "not done in time");
    for (int i = 0; i < n; i++) {
        struct connection *conn = events[i].data.ptr;
        if ((events[i].events & ~(unsigned)EPOLLOUT) && !readable(c, conn))
            return false;
        if (!flush(c, conn))
            return false;
    }
    return true;
}

bool client_run(struct client *c, const struct workload *w, uint64_t jobs, uint32_t first, uint32_t n)
{
    c->workload = w;
    c->jobs = c->to_start = jobs;
    c->done = 0;
    for (uint32_t k = first; k < first + n; k++) {
        struct connection *conn = &c->connections[k];
        for (uint32_t i = 0; i < c->depth; i++)
            if (!slot_start(c, conn, &conn->slots[i], clock_ns()))
                return false;
        if (!flush(c, conn))
            return false;
    }
    while (c->done < jobs)
        if (!turn(c))
            return false;
    return true;
}
