#include "client/renew.h"

#include "client/link.h"
#include "common/clock.h"
#include "common/json_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS    500000000 // until the next try where one was not possible
#define BACKLOG_MAX 1048576   // unsent bytes
#define SHORT_NS    20000000  // until what the socket did not take is offered again

static void write_touch(struct buffer *b, const struct lease *l)
{
    json_write_raw(b, "{\"jsonrpc\":\"2.0\",\"method\":\"touch\",\"params\":{");
    json_write_key(b, "id");
    json_write_uint(b, l->id);
    json_write_key(b, "delivery");
    json_write_uint(b, l->delivery);
    json_write_key(b, "lease");
    json_write_seconds(b, l->lease_ms);
    json_write_raw(b, "}}\n");
}

static int64_t third(const struct lease *l)
{
    return l->lease_ms * 1000000 / 3;
}

// Over the handle's own connection. Returns when to look again.
static int64_t renew_here(struct taskq *q, int64_t now)
{
    int64_t next = INT64_MAX;
    if (q->out.len - q->out_at > BACKLOG_MAX && link_send_locked(q) && q->out.len - q->out_at > BACKLOG_MAX)
        return now + SHORT_NS; // the daemon does not read: more lines would not help
    for (size_t i = 0; i < q->leases.cap; i++) {
        struct lease *l = &q->leases.slots[i];
        if (l->id == 0)
            continue;
        if (l->due <= now) {
            size_t before = q->out.len;
            write_touch(&q->out, l);
            if (q->out.failed) {
                q->out.failed = false;
                q->out.len = before;
                return now + RETRY_NS;
            }
            q->queued += q->out.len - before;
            l->due = now + third(l);
        }
        if (l->due < next)
            next = l->due;
    }
    if (!link_send_locked(q))
        return now + RETRY_NS; // broken: the next look finds it hung up
    return q->out_at < q->out.len && now + SHORT_NS < next ? now + SHORT_NS : next;
}

// The detached leases that are due, as lines. `*next`: when the next is.
static void write_detached(struct taskq *q, int64_t now, struct buffer *b, int64_t *next)
{
    *next = INT64_MAX;
    for (size_t i = 0; i < q->leases.cap; i++) {
        struct lease *l = &q->leases.slots[i];
        if (l->id == 0 || !l->detached)
            continue;
        if (l->due <= now)
            write_touch(b, l);
        else if (l->due < *next)
            *next = l->due;
    }
}

static void advance_detached(struct taskq *q, int64_t now)
{
    for (size_t i = 0; i < q->leases.cap; i++)
        if (q->leases.slots[i].id != 0 && q->leases.slots[i].detached && q->leases.slots[i].due <= now)
            q->leases.slots[i].due = now + third(&q->leases.slots[i]);
}

// Sends all of it, within a second; the other side never has much to read from us.
static bool send_all(struct channel *c, const char *data, size_t len)
{
    int64_t deadline = clock_ns() + 1000000000;
    while (len > 0) {
        ssize_t n = channel_send(c, data, len);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};
        if ((errno != EAGAIN && errno != EINTR) || clock_ns() >= deadline || poll(&p, 1, 100) < 0)
            return false;
    }
    return true;
}

// A connection of this thread's own, on which it has said who it is.
static bool open_spare(struct taskq *q, struct channel *spare)
{
    char why[TLS_WHY];
    struct buffer b = BUFFER_INIT;
    if (link_dial(q, spare, q->connect_ns < 0 ? -1 : clock_ns() + q->connect_ns, q->renew_wake, why) !=
        TASKQ_OK)
        return false;
    link_write_auth(q, &b);
    bool sent = !b.failed && send_all(spare, b.data, b.len);
    if (b.data != NULL)
        explicit_bzero(b.data, b.len);
    buffer_release(&b);
    if (!sent)
        channel_close(spare);
    return sent;
}

// Over a connection of this thread's own, `*spare`, made when it is needed. Unlocks while it does.
static int64_t renew_elsewhere(struct taskq *q, int64_t now, struct channel *spare)
{
    struct buffer b = BUFFER_INIT;
    int64_t next;
    write_detached(q, now, &b, &next);
    if (b.len == 0 && !b.failed)
        return next;
    pthread_mutex_unlock(&q->lock);

    if (spare->fd >= 0 && channel_hung_up(spare))
        channel_close(spare);
    bool sent = !b.failed && (spare->fd >= 0 || open_spare(q, spare)) && send_all(spare, b.data, b.len);
    if (!sent)
        channel_close(spare);
    buffer_release(&b);

    pthread_mutex_lock(&q->lock);
    if (!sent)
        return clock_ns() + RETRY_NS;
    advance_detached(q, now);
    return clock_ns(); // look again: what is due next may be near
}

static void wait_until(struct taskq *q, int64_t at)
{
    q->renew_at = at;
    if (at == INT64_MAX) {
        pthread_cond_wait(&q->renew_cond, &q->lock);
        return;
    }
    struct timespec ts = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};
    pthread_cond_timedwait(&q->renew_cond, &q->lock, &ts);
}

static void *renew_main(void *arg)
{
    struct taskq *q = arg;
    struct channel spare = CHANNEL_NONE;
    pthread_mutex_lock(&q->lock);
    while (!q->renewer_stop) {
        int64_t now = clock_ns();
        int64_t next = INT64_MAX;
        if (q->leases.count > 0 && q->channel.fd >= 0 && !channel_hung_up(&q->channel)) {
            channel_close(&spare);
            next = renew_here(q, now);
        } else if (q->leases.count > 0) {
            next = renew_elsewhere(q, now, &spare);
        }
        if (!q->renewer_stop && next > clock_ns())
            wait_until(q, next);
    }
    pthread_mutex_unlock(&q->lock);
    channel_close(&spare);
    return NULL;
}

// The caller's signals are not this thread's.
static int start(struct taskq *q)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&q->renewer, NULL, renew_main, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

enum taskq_error renew_add(struct taskq *q, uint64_t id, uint64_t delivery, int64_t lease_ms, bool detached)
{
    struct lease l = {.id = id, .delivery = delivery, .lease_ms = lease_ms, .detached = detached};
    l.due = clock_ns() + third(&l);
    pthread_mutex_lock(&q->lock);
    enum taskq_error e = lease_table_put(&q->leases, l);
    if (e == TASKQ_OK && q->renewer_runs && l.due < q->renew_at)
        pthread_cond_signal(&q->renew_cond);
    pthread_mutex_unlock(&q->lock);
    if (e != TASKQ_OK)
        return e;
    if (!q->renewer_runs) {
        if (start(q) != 0) {
            renew_remove(q, id);
            return TASKQ_SYSTEM;
        }
        pthread_mutex_lock(&q->lock);
        q->renewer_runs = true;
        pthread_mutex_unlock(&q->lock);
    }
    return TASKQ_OK;
}

void renew_connection_lost(struct taskq *q)
{
    lease_table_remove_bound(&q->leases);
    if (q->renewer_runs && q->leases.count > 0)
        pthread_cond_signal(&q->renew_cond);
}

void renew_remove(struct taskq *q, uint64_t id)
{
    pthread_mutex_lock(&q->lock);
    lease_table_remove(&q->leases, id);
    pthread_mutex_unlock(&q->lock);
}

void renew_stop(struct taskq *q)
{
    if (!q->renewer_runs)
        return;
    pthread_mutex_lock(&q->lock);
    q->renewer_stop = true;
    pthread_cond_signal(&q->renew_cond);
    pthread_mutex_unlock(&q->lock);
    uint64_t one = 1;
    (void)!write(q->renew_wake, &one, sizeof(one)); // ends a connect under way
    pthread_join(q->renewer, NULL);
    q->renewer_runs = false;
}
