#include "server/net/connection.h"

#include "common/slab.h"
#include "server/access/strangers.h"
#include "server/hub.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/net/secure.h"
#include "server/net/stream.h"
#include "server/net/welcome.h"
#include "server/rpc/share.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Up to so much of an unfinished line is joined with what comes next in the loop's buffer; a longer one has a
// buffer that grows.
#define JOIN_MAX (LOOP_BUFFER - LOOP_READ)

#define FLUSH_SECONDS   30 // to take its last output has a client that sends no more, some of it one of a wire
#define DISCARD_SECONDS 1
#define DISCARDS_MAX    64

struct leftover {
    size_t len, cap;
    char data[];
};

static struct connection *connection_of(struct session *s)
{
    return (struct connection *)((char *)s - offsetof(struct connection, session));
}

static void make_pending(struct connection *c)
{
    loop_pending(connection_loop(c), c);
}

static void die(struct connection *c)
{
    c->dead = true;
    make_pending(c);
}

void connection_die(struct connection *c)
{
    die(c);
}

size_t connection_unread(const struct connection *c)
{
    return c->in ? c->in->len : 0;
}

static const struct wire *wire_of(const struct connection *c)
{
    return connection_loop(c)->wire;
}

// ---- the read event

static void want_read(struct connection *c, bool want)
{
    if (want == c->reading)
        return;
    c->reading = want;
    if (want ? event_add(&c->read_event, NULL) : event_del(&c->read_event))
        die(c);
}

// ---- output

static void on_writable(evutil_socket_t fd, short what, void *context);

static void stop_writing(struct connection *c)
{
    if (!c->stream || !c->stream->write_event)
        return;
    event_free(c->stream->write_event);
    c->stream->write_event = NULL;
}

static void wait_writable(struct connection *c)
{
    struct stream *s = c->stream;
    if (!s->write_event)
        s->write_event = event_new(connection_loop(c)->base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
    struct timeval patience = {.tv_sec = FLUSH_SECONDS};
    if (!s->write_event || event_add(s->write_event, c->ended || wire_of(c) ? &patience : NULL))
        die(c);
}

// How much the socket took; 0 if it takes no more, and the connection dies if it is broken.
static size_t send_some(struct connection *c, const char *data, size_t len)
{
    ssize_t n;
    do
        n = c->secure ? secure_send(c->secure, data, len) : send(c->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        die(c);
    return 0;
}

static void drop_stream(struct connection *c)
{
    stop_writing(c);
    loop_unhold(c);
    stream_free(c->stream);
    c->stream = NULL;
    c->session.unsent = 0;
}

// Sends what the stream may let go.
static void flush(struct connection *c)
{
    uint64_t limit = c->session.dispatch->rpc->output_limit, before = c->session.unsent;
    size_t ready = stream_ready(c->stream, hub_durable(c->session.dispatch->rpc->hub));
    size_t sent = ready > 0 ? send_some(c, stream_head(c->stream), ready) : 0;
    if (c->dead)
        return;
    stream_advance(c->stream, sent);
    c->session.unsent = stream_len(c->stream);
    if (sent < ready)
        wait_writable(c);
    else
        stop_writing(c);
    if (c->session.unsent == 0)
        drop_stream(c);
    else if (sent == ready)
        loop_held(connection_loop(c), c);
    if (c->session.unsent == 0 || (before > limit / 2 && c->session.unsent <= limit / 2))
        make_pending(c);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct connection *c = context;
    if (what & EV_TIMEOUT)
        die(c);
    else if (c->stream)
        flush(c);
    else
        stop_writing(c);
}

void connection_send(struct connection *c, const char *data, size_t len, const struct mark *marks,
                     unsigned mark_count)
{
    struct session *s = &c->session;
    if (c->dead)
        return;
    bool begin = !c->stream;
    if (begin && mark_count == 0) {
        size_t sent = send_some(c, data, len);
        if (sent == len && (c->ended || s->kept))
            make_pending(c); // all is said, or what was kept back for this may follow
        if (sent == len || c->dead)
            return;
        data += sent;
        len -= sent;
    }
    if (begin)
        c->stream = stream_new();
    if (!c->stream || !stream_append(c->stream, data, len, marks, mark_count)) {
        die(c);
        return;
    }
    s->unsent = stream_len(c->stream);
    if (begin && mark_count == 0)
        wait_writable(c);
    else if (!c->stream->write_event)
        flush(c);
}

static void op_send(struct session *s, const char *data, size_t len, const struct mark *marks,
                    unsigned mark_count)
{
    connection_send(connection_of(s), data, len, marks, mark_count);
}

static void op_unblocked(struct session *s)
{
    make_pending(connection_of(s));
}

static void op_peer(const struct session *s, char text[DISPATCH_PEER_MAX])
{
    peer_print(connection_of((struct session *)(uintptr_t)s)->fd, text);
}

// ---- input

static void keep(struct connection *c, const char *data, size_t len)
{
    if (len == 0) {
        free(c->in);
        c->in = NULL;
        return;
    }
    if (c->in && len <= c->in->cap && len >= c->in->cap / 4) {
        memmove(c->in->data, data, len);
        c->in->len = len;
        return;
    }
    struct leftover *fresh = malloc(sizeof *fresh + len);
    if (!fresh) {
        die(c);
        return;
    }
    fresh->len = fresh->cap = len;
    memcpy(fresh->data, data, len);
    free(c->in);
    c->in = fresh;
}

// What comes next for a connection whose session has just been given input or was unblocked.
static void settle(struct connection *c)
{
    struct session *s = &c->session;
    if (c->dead)
        return;
    if (s->broken) {
        die(c);
        return;
    }
    if (c->stranger && s->who && wire_of(c))
        welcome_leave(c); // its time is for something else
    else if (c->stranger && s->who)
        welcome_end(c);
    if (s->refused)
        c->ended = true;
    if (s->yielded)
        share_queue(s->dispatch, s);
    bool blocked = wire_of(c) ? wire_of(c)->blocked(c) : s->queued || dispatch_blocked(s->dispatch, s);
    if (s->held_up && c->in && !blocked && !wire_of(c)) {
        make_pending(c); // all that stood in the way was sent at once
        return;
    }
    if (c->secure && secure_ended(c->secure) && !(c->in && blocked))
        c->ended = true; // and the socket may never tell
    want_read(c, !c->ended && !blocked);
    if (!c->ended || dispatch_busy(s) || (wire_of(c) && c->pending && c->in))
        return; // a wire takes what is left of the input later in this turn
    if (!s->refused) {
        die(c);
        return;
    }
    // What it sends is of no interest any more, but closing upon unread bytes could take our last words away.
    struct timeval patience = {.tv_sec = DISCARD_SECONDS};
    c->discarding = true;
    if (c->secure)
        secure_end(c->secure);
    shutdown(c->fd, SHUT_WR);
    if (event_add(&c->read_event, &patience))
        die(c);
    c->reading = true;
}

static void feed(struct connection *c, const char *data, size_t len)
{
    size_t used = wire_of(c) ? wire_of(c)->input(c, data, len)
                             : dispatch_input(c->session.dispatch, &c->session, data, len);
    if (used < len || c->in)
        keep(c, data + used, len - used);
    settle(c);
}

// Makes room behind a long leftover. False: no memory.
static bool grow_leftover(struct connection *c)
{
    if (c->in->cap - c->in->len >= LOOP_READ)
        return true;
    size_t cap = c->in->cap + c->in->cap / 2 + LOOP_READ;
    struct leftover *grown = realloc(c->in, sizeof *grown + cap);
    if (!grown)
        return false;
    grown->cap = cap;
    c->in = grown;
    return true;
}

static void discard(struct connection *c)
{
    ssize_t n = recv(c->fd, connection_loop(c)->buffer, LOOP_BUFFER, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || ++c->discards > DISCARDS_MAX)
        die(c);
}

static void read_and_handle(struct connection *c)
{
    size_t had = c->in ? c->in->len : 0;
    char *base = connection_loop(c)->buffer;
    if (had > JOIN_MAX) {
        if (!grow_leftover(c)) {
            die(c);
            return;
        }
        base = c->in->data;
    }
    // What TLS has in hand it does not tell of again, so all of it is taken.
    size_t most = c->secure                         ? LOOP_READ
                  : c->stranger                     ? STRANGER_LINE
                  : c->session.dispatch->slice_ends ? SHARE_READ
                                                    : LOOP_READ;
    ssize_t n = c->secure ? secure_recv(c->secure, base + had, most) : recv(c->fd, base + had, most, 0);
    if (n > 0) {
        if (had > 0 && base == connection_loop(c)->buffer)
            memcpy(base, c->in->data, had);
        feed(c, base, had + (size_t)n);
    } else if (n == 0) {
        c->ended = true;
        settle(c);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        die(c);
    } else {
        want_read(c, true); // with TLS a turn can come before anything has that is whole
    }
}

// Where others are not to be held up.
static void read_in_turn(struct connection *c)
{
    struct dispatch *d = c->session.dispatch;
    if (!share_begin(d, &c->session)) {
        want_read(c, false);
        return;
    }
    read_and_handle(c);
    share_end(d, &c->session);
}

static void op_turn(struct session *s)
{
    struct connection *c = connection_of(s);
    if (c->dead)
        make_pending(c);
    else if (c->in && s->held_up)
        feed(c, c->in->data, c->in->len);
    else if (!c->ended && !c->discarding && !dispatch_blocked(s->dispatch, s))
        read_and_handle(c);
    else
        settle(c);
}

const struct dispatch_ops connection_ops = {.send = op_send,
                                            .unblocked = op_unblocked,
                                            .turn = op_turn,
                                            .peer = op_peer};

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct connection *c = context;
    if (c->dead)
        return;
    if (what & EV_TIMEOUT)
        die(c);
    else if (c->discarding)
        discard(c);
    else if (wire_of(c) || !share_contended(c->session.dispatch, &c->session))
        read_and_handle(c);
    else
        read_in_turn(c);
}

void connection_continue(struct connection *c)
{
    struct session *s = &c->session;
    if (c->dead) {
        if (!s->queued) // else when it is its turn
            connection_close(c);
        return;
    }
    if (c->discarding || s->queued)
        return;
    if (s->kept && !dispatch_blocked(s->dispatch, s))
        dispatch_drained(s->dispatch, s);
    if (c->in && s->held_up && !c->dead && !wire_of(c) && share_contended(s->dispatch, s)) {
        share_queue(s->dispatch, s);
        want_read(c, false);
    } else if ((c->in || wire_of(c)) && !c->dead) {
        feed(c, c->in ? c->in->data : NULL, c->in ? c->in->len : 0);
    } else {
        settle(c);
    }
}

void connection_durable(struct connection *c)
{
    if (!c->dead && c->stream && !c->stream->write_event)
        flush(c);
}

void connection_finish(struct connection *c)
{
    if (wire_of(c) && !c->dead)
        wire_of(c)->finish(c);
    c->ended = true;
    if (c->stream && c->stream->write_event)
        wait_writable(c); // now with a timeout
    make_pending(c);
}

// ---- its beginning and end

// Its socket goes with TLS, where there is that.
static void close_socket(const struct connection *c)
{
    if (c->secure)
        secure_close(c->secure);
    else
        close(c->fd);
}

bool connection_open(struct loop *l, int fd_take, struct secure *take)
{
    size_t size = l->wire ? l->wire->size : sizeof(struct connection);
    struct connection *c = slab_alloc(size);
    if (!c) {
        close_socket(&(struct connection){.fd = fd_take, .secure = take});
        return false;
    }
    memset(c, 0, size);
    c->fd = fd_take;
    c->secure = take;
    c->session.dispatch = &l->dispatch;
    if (event_assign(&c->read_event, l->base, c->fd, EV_READ | EV_PERSIST, on_readable, c) ||
        event_add(&c->read_event, NULL) || (!l->wire && !welcome_begin(c, l->dispatch.access))) {
        welcome_end(c);
        event_del(&c->read_event);
        close_socket(c);
        slab_free(c);
        return false;
    }
    c->reading = true;
    if (l->wire)
        l->wire->open(c);
    loop_link(l, c);
    if (c->secure) {
        connection_recheck(c);                    // the files may have been read again during its handshake
        event_active(&c->read_event, EV_READ, 0); // the first requests may have come with its end
    }
    return true;
}

void connection_close(struct connection *c)
{
    assert(!c->pending);
    if (c->reading)
        event_del(&c->read_event);
    stop_writing(c);
    welcome_end(c);
    if (wire_of(c))
        wire_of(c)->close(c);
    loop_unlink(connection_loop(c), c); // from here on no other thread looks at it
    dispatch_close(c->session.dispatch, &c->session);
    close_socket(c);
    stream_free(c->stream);
    free(c->in);
    slab_free(c);
}
