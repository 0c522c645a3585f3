#include "client/link.h"

#include "client/receive.h"
#include "client/renew.h"
#include "common/clock.h"
#include "common/json_writer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536
#define OUT_SEND  65536   // what gathers before it is sent on the way
#define OUT_WAIT  1048576 // what gathers before the caller waits for the daemon to take it
#define HEAD_ROOM 64      // a request's line up to its id, and what ends it

static void farewell(struct taskq *q, const char *why)
{
    buffer_clear(&q->farewell);
    buffer_append(&q->farewell, why, strlen(why) + 1);
}

void link_lose(struct taskq *q, const char *why)
{
    if (q->farewell.len == 0)
        farewell(q, why);
    pthread_mutex_lock(&q->lock);
    channel_close(&q->channel);
    q->unread = false;
    buffer_clear(&q->out);
    q->out_at = 0;
    renew_connection_lost(q);
    pthread_mutex_unlock(&q->lock);
    q->settled = false;
}

void link_discard(struct taskq *q)
{
    buffer_clear(&q->in);
    q->in_at = q->in_seen = 0;
}

void link_settle(struct taskq *q)
{
    if (q->channel.fd >= 0 || q->settled)
        return;
    flight_doom_all(&q->flight, q->sent);
    link_discard(q);
    q->settled = true;
    futures_lost(q);
}

// Whether the connection, on which nothing is expected, has ended. `*fault`: of what, an errno; 0: it was
// closed.
static bool gone_quietly(struct taskq *q, int *fault)
{
    if (q->flight.live > q->flight.fated || q->in.len > q->in_at)
        return false;
    pthread_mutex_lock(&q->lock);
    bool gone = channel_gone(&q->channel, fault);
    pthread_mutex_unlock(&q->lock);
    return gone;
}

void link_write_auth(const struct taskq *q, struct buffer *b)
{
    if (q->token == NULL)
        return;
    json_write_raw(b, "{\"jsonrpc\":\"2.0\",\"method\":\"auth\",\"params\":{\"token\":");
    json_write_string(b, slice_of(q->token));
    json_write_raw(b, "}}\n");
}

// It asks for no reply, so nothing waits for it: if the daemon knows no such token, it says so to the
// requests that follow.
static void authenticate(struct taskq *q)
{
    struct buffer b = BUFFER_INIT;
    link_write_auth(q, &b);
    if (!b.failed && b.len > 0)
        link_notify(q, (struct slice){b.data, b.len});
    if (b.data != NULL)
        explicit_bzero(b.data, b.len);
    buffer_release(&b);
}

static void greet(struct taskq *q)
{
    if (q->client == NULL)
        return;
    struct buffer b = BUFFER_INIT;
    json_write_raw(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"client\":");
    json_write_bytes(&b, slice_of(q->client));
    json_write_raw(&b, "}}\n");
    if (!b.failed)
        link_notify(q, (struct slice){b.data, b.len});
    buffer_release(&b);
}

static void drain_wake(struct taskq *q)
{
    uint64_t n;
    while (read(q->wake, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}

enum taskq_error link_dial(const struct taskq *q, struct channel *out, int64_t deadline, int wake,
                           char why[TLS_WHY])
{
    const char *lookup;
    struct channel c = {.fd = address_connect(&q->address, deadline, wake, &lookup)};
    enum taskq_error e = TASKQ_OK;
    if (c.fd < 0) {
        bool lacking = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        e = errno == ECANCELED ? TASKQ_REQUEST_CANCELLED : lacking ? TASKQ_SYSTEM : TASKQ_NO_DAEMON;
        snprintf(why, TLS_WHY, "%s", lookup != NULL ? lookup : strerror(errno));
        return e;
    }
    if (q->tls != NULL)
        e = tls_connect(&c.tls, q->tls, c.fd, deadline, wake, why);
    if (e == TASKQ_OK)
        *out = c;
    else
        channel_close(&c);
    return e;
}

static enum taskq_error fail_to_connect(struct taskq *q, enum taskq_error e, const char *why)
{
    switch (e) {
    case TASKQ_REQUEST_CANCELLED:
        drain_wake(q);
        return handle_fail(q, e, "interrupted while connecting to %s", q->address_text);
    case TASKQ_TLS:
        return handle_fail(q, e, "no TLS with %s: %s", q->address_text, why);
    default:
        return handle_fail(q, e, "no daemon at %s (%s)", q->address_text, why);
    }
}

enum taskq_error link_ensure(struct taskq *q, bool interruptible)
{
    if (q->unusable)
        return handle_fail(q, TASKQ_USAGE, "this handle was never open");
    char why[TLS_WHY];
    int fault;
    bool refused = false;
    if (q->channel.fd >= 0 && !gone_quietly(q, &fault))
        return TASKQ_OK;
    if (q->channel.fd >= 0) {
        snprintf(why, sizeof(why), "%s",
                 fault == 0 ? "the daemon closed it" : channel_fault(&q->channel, fault, &refused));
        link_lose(q, why);
    }
    receive_absorb(q);
    link_settle(q);
    if (refused && !q->heard) // the next connection would end so, too
        return fail_to_connect(q, TASKQ_TLS, why);

    struct channel c;
    enum taskq_error e = link_dial(q, &c, q->connect_ns < 0 ? -1 : clock_ns() + q->connect_ns,
                                   interruptible ? q->wake : -1, why);
    if (e != TASKQ_OK)
        return fail_to_connect(q, e, why);
    pthread_mutex_lock(&q->lock);
    q->channel = c;
    q->queued = q->sent = 0;
    pthread_mutex_unlock(&q->lock);
    buffer_clear(&q->farewell);
    q->heard = false;
    authenticate(q);
    greet(q);
    return TASKQ_OK;
}

// What is sent already is cut off when it is the larger part, so that the buffer is bounded by what waits.
static void make_room(struct taskq *q)
{
    if (q->out_at < q->out.len / 2 || q->out_at < OUT_SEND)
        return;
    memmove(q->out.data, q->out.data + q->out_at, q->out.len - q->out_at);
    q->out.len -= q->out_at;
    q->out_at = 0;
}

bool link_send_locked(struct taskq *q)
{
    while (q->out_at < q->out.len) {
        ssize_t n = channel_send(&q->channel, q->out.data + q->out_at, q->out.len - q->out_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (n < 0) {
            make_room(q);
            return true;
        }
        q->out_at += (size_t)n;
        q->sent += (uint64_t)n;
    }
    buffer_clear(&q->out);
    q->out_at = 0;
    return true;
}

// The connection broke with this errno.
static void lose_broken(struct taskq *q, int error)
{
    bool refused;
    struct flight_entry *e;
    const char *why = channel_fault(&q->channel, error, &refused);
    if (refused && !q->heard) // who this is was not accepted, so nothing of what was asked was done
        while ((e = flight_largest(&q->flight)) != NULL)
            flight_doom(&q->flight, e, TASKQ_TLS);
    link_lose(q, why);
}

// What TLS answers a plain line with is an alert, or a record of another kind; no reply begins so.
static bool answered_in_tls(const struct taskq *q)
{
    const unsigned char *in = (const unsigned char *)q->in.data;
    return q->in_at == 0 && q->in.len >= 2 && in[0] >= 0x14 && in[0] <= 0x17 && in[1] == 3;
}

static void lose_at_tls(struct taskq *q)
{
    struct flight_entry *e;
    while ((e = flight_largest(&q->flight)) != NULL)
        flight_doom(&q->flight, e, TASKQ_TLS);
    link_lose(q, "TLS is spoken there: the address begins with taskqs:// then");
    link_discard(q);
}

static void lose_at_end(struct taskq *q)
{
    bool silent = !q->heard && q->in.len == 0 && !q->address.local && q->tls == NULL;
    link_lose(q, silent
                     ? "the daemon closed it before it said anything; if it speaks TLS, the address begins "
                       "with taskqs://"
                     : "the daemon closed it");
}

static ssize_t receive_bytes(struct taskq *q, char *to, size_t len)
{
    if (q->tls == NULL)
        return channel_recv(&q->channel, to, len);
    pthread_mutex_lock(&q->lock);
    ssize_t n = channel_recv(&q->channel, to, len);
    int error = errno;
    pthread_mutex_unlock(&q->lock);
    errno = error;
    return n;
}

// Reads what is there; through TLS all of it, up to a bound. False: the connection was lost.
static bool read_some(struct taskq *q)
{
    if (q->in_at > 0) {
        memmove(q->in.data, q->in.data + q->in_at, q->in.len - q->in_at);
        q->in.len -= q->in_at;
        q->in_seen -= q->in_at;
        q->in_at = 0;
    }
    q->unread = false;
    for (size_t got = 0;;) {
        if (q->in.cap - q->in.len < READ_SIZE / 2 && !buffer_reserve(&q->in, READ_SIZE)) {
            link_lose(q, "there is no memory for the reply");
            return false;
        }
        ssize_t n = receive_bytes(q, q->in.data + q->in.len, q->in.cap - q->in.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n == 0 && got > 0) // first what it said, then that it closed
            return true;
        if (n <= 0) {
            if (n < 0)
                lose_broken(q, errno);
            else
                lose_at_end(q);
            return false;
        }
        q->in.len += (size_t)n;
        got += (size_t)n;
        if (!q->heard && q->tls == NULL && answered_in_tls(q)) {
            lose_at_tls(q);
            return false;
        }
        q->unread = q->tls != NULL;
        if (!q->unread || got >= READ_SIZE)
            return true;
    }
}

// What a broken connection still had to say (an error, then its end) is read before it is given up.
static void lose_after_reading(struct taskq *q, int error)
{
    size_t before;
    do
        before = q->in.len - q->in_at;
    while (read_some(q) && q->in.len - q->in_at > before);
    if (q->channel.fd >= 0)
        lose_broken(q, error);
}

bool link_flush(struct taskq *q)
{
    if (q->channel.fd < 0)
        return false;
    pthread_mutex_lock(&q->lock);
    bool ok = link_send_locked(q);
    int error = errno;
    pthread_mutex_unlock(&q->lock);
    if (!ok)
        lose_after_reading(q, error);
    return ok;
}

enum link_event link_step(struct taskq *q, int64_t deadline, bool interruptible)
{
    if (!link_flush(q))
        return LINK_LOST;
    int64_t left = deadline < 0 ? -1 : deadline - clock_ns();
    if (deadline >= 0 && left < 0)
        left = 0;
    pthread_mutex_lock(&q->lock);
    short events = channel_events(&q->channel, q->out_at < q->out.len);
    pthread_mutex_unlock(&q->lock);
    struct pollfd p[2] = {{.fd = q->channel.fd, .events = events},
                          {.fd = interruptible ? q->wake : -1, .events = POLLIN}};
    // Not longer than a day at once: poll() counts milliseconds in an int.
    int64_t ms = q->unread ? 0 : left < 0 ? -1 : (left + 999999) / 1000000;
    int n = poll(p, 2, ms > 86400000 ? 86400000 : (int)ms);
    if (n < 0 && errno != EINTR) {
        link_lose(q, strerror(errno));
        return LINK_LOST;
    }
    if (n <= 0 && !q->unread)
        return deadline >= 0 && clock_ns() >= deadline ? LINK_TIMEOUT : LINK_PROGRESS;
    // TLS may have to send before it can receive.
    if (p[0].revents & (q->tls == NULL ? ~POLLOUT : ~0) || q->unread)
        return read_some(q) ? LINK_PROGRESS : LINK_LOST;
    if (p[1].revents != 0) {
        drain_wake(q);
        return LINK_WOKEN;
    }
    return LINK_PROGRESS;
}

bool link_line(struct taskq *q, struct slice *line)
{
    while (q->in_at < q->in.len) {
        char *end =
            q->in.len > q->in_seen ? memchr(q->in.data + q->in_seen, '\n', q->in.len - q->in_seen) : NULL;
        if (end == NULL) {
            q->in_seen = q->in.len;
            if (q->in.len - q->in_at > q->max_reply) {
                link_lose(q, "its reply is longer than this handle takes");
                link_discard(q);
            }
            return false;
        }
        *line = (struct slice){q->in.data + q->in_at, (size_t)(end - q->in.data) - q->in_at};
        q->in_at = q->in_seen = (size_t)(end - q->in.data) + 1;
        if (line->len > 0)
            return true;
    }
    return false;
}

void link_notify(struct taskq *q, struct slice line)
{
    pthread_mutex_lock(&q->lock);
    if (q->channel.fd >= 0 && buffer_reserve(&q->out, line.len)) {
        buffer_append(&q->out, line.data, line.len);
        q->queued += line.len;
    }
    q->out.failed = false; // what is dropped here is no loss
    pthread_mutex_unlock(&q->lock);
}

enum taskq_error link_queue(struct taskq *q, int64_t lease_ms, bool detached, uint64_t *request)
{
    size_t need = q->request.len + HEAD_ROOM;
    pthread_mutex_lock(&q->lock);
    if (flight_reserve(&q->flight) != TASKQ_OK || !buffer_reserve(&q->out, need)) {
        q->out.failed = false;
        pthread_mutex_unlock(&q->lock);
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    }
    struct flight_entry *e = flight_add(&q->flight, q->next_request++);
    size_t before = q->out.len;
    json_write_raw(&q->out, "{\"jsonrpc\":\"2.0\",\"id\":");
    json_write_uint(&q->out, e->request);
    buffer_append(&q->out, q->request.data, q->request.len);
    e->line_len = q->out.len - before;
    q->queued += e->line_len;
    e->end = q->queued;
    e->lease_ms = lease_ms;
    e->detached = detached;
    *request = e->request;
    size_t waiting = q->out.len - q->out_at;
    pthread_mutex_unlock(&q->lock);

    if (waiting >= OUT_SEND && link_flush(q)) {
        int64_t deadline = q->reply_ns < 0 ? -1 : clock_ns() + q->reply_ns;
        for (;;) {
            pthread_mutex_lock(&q->lock);
            waiting = q->out.len - q->out_at;
            pthread_mutex_unlock(&q->lock);
            if (waiting < OUT_WAIT)
                break;
            enum link_event event = link_step(q, deadline, false);
            if (event == LINK_TIMEOUT)
                link_lose(q, "the daemon does not read");
            if (event == LINK_TIMEOUT || event == LINK_LOST)
                break;
        }
    }
    return TASKQ_OK;
}
