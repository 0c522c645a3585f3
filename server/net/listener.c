#include "server/net/listener.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/net/connection.h"
#include "server/net/handshakes.h"
#include "server/net/loop.h"
#include "server/rpc/reply.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG        4096
#define ACCEPT_AT_ONCE 64    // connections taken in one turn
#define PAUSE_MS       100   // while there is no descriptor
#define SAY_MS         10000 // between two lines about the same trouble

struct listener {
    struct listeners *all;
    struct listener *next;
    struct address address;
    struct event *event;
    int fd;
    bool tls, adopted;
};

struct listeners {
    struct event_base *base;
    struct listener_config config;
    struct listener *first;
    struct event *pause;           // accepting goes on when it fires
    int64_t said_pause, said_full; // when there was last a line about it, 0: never
};

struct listeners *listeners_new(struct event_base *base, const struct listener_config *config)
{
    struct listeners *l = calloc(1, sizeof *l);
    if (l) {
        l->base = base;
        l->config = *config;
    }
    return l;
}

// ---- accepting

static bool set_accepting(struct listeners *l, bool on)
{
    bool fine = true;
    for (struct listener *i = l->first; i; i = i->next)
        fine = (on ? event_add(i->event, NULL) : event_del(i->event)) == 0 && fine;
    return fine;
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    set_accepting(context, true);
}

// Whether it is time for a line about some trouble again: clients that come back at once must not fill the
// log.
static bool time_to_say(int64_t *said)
{
    int64_t now = clock_ns() / 1000000;
    if (*said && now - *said < SAY_MS)
        return false;
    *said = now;
    return true;
}

// Without a descriptor accept fails and the socket stays readable: looking away for a moment is all there is.
static void pause_accepting(struct listeners *l, int error)
{
    struct timeval time = {.tv_usec = PAUSE_MS * 1000};
    if (time_to_say(&l->said_pause))
        log_event(LOG_ACCEPT_FAILED, KV("error", strerror(error)));
    set_accepting(l, false);
    if (event_add(l->pause, &time))
        set_accepting(l, true);
}

static void turn_away(struct listeners *l, int fd, bool tls)
{
    if (time_to_say(&l->said_full))
        log_event(LOG_TURNED_AWAY, KV("max_connections", l->config.max_connections));
    if (tls) { // to be told so would take a handshake
        close(fd);
        return;
    }
    struct buffer b = BUFFER_INIT;
    const struct wire *wire = l->config.loops[0].wire;
    if (wire)
        buffer_append(&b, wire->crowded, strlen(wire->crowded));
    else
        reply_plain_error(&b, (struct slice){0}, ERROR_OVERLOADED);
    if (!wire)
        buffer_append_byte(&b, '\n');
    if (!b.failed && send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_event(LOG_TURNED_AWAY_DEAF, KV("error", strerror(errno)));
    buffer_release(&b);
    close(fd);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct listener *i = context;
    for (int n = 0; n < ACCEPT_AT_ONCE; n++) {
        int taken = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (taken < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(i->all, errno);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        const struct listener_config *config = &i->all->config;
        unsigned total;
        struct loop *loop = loop_least_loaded(config->loops, config->loop_count, &total);
        if (total >= config->max_connections)
            turn_away(i->all, taken, i->tls);
        else if (i->tls)
            (void)handshakes_give(config->handshakes, taken, config->loops, config->loop_count);
        else
            (void)loop_give(loop, taken);
    }
}

bool listeners_start(struct listeners *l)
{
    l->pause = event_new(l->base, -1, 0, on_pause_over, l);
    if (!l->pause)
        return false;
    for (struct listener *i = l->first; i; i = i->next)
        if (!(i->event = event_new(l->base, i->fd, EV_READ | EV_PERSIST, on_acceptable, i)))
            return false;
    return set_accepting(l, true);
}

// ---- listening

// Removes what a daemon that did not stop in order left behind. False: somebody listens there, or it is no
// socket.
static bool remove_stale(const struct address *a)
{
    const char *path = a->at.unix_path.sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int error = connect(fd, &a->at.any, a->len) < 0 ? errno : EADDRINUSE;
    close(fd);
    if (error != ECONNREFUSED) {
        errno = error == EAGAIN ? EADDRINUSE : error;
        return false;
    }
    return unlink(path) == 0 || errno == ENOENT;
}

// What is set on the socket that listens holds for those that it accepts.
static void set_tcp_options(int fd)
{
    int on = 1, idle = 60, interval = 15, count = 4;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A host that vanished without a word must not hold its jobs for ever.
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static int open_socket(const struct listeners *l, const struct address *a)
{
    int family = a->at.any.sa_family, on = 1;
    if (family == AF_UNIX && !remove_stale(a))
        return -1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family != AF_UNIX)
        set_tcp_options(fd);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // Nobody may connect before the mode is right.
    mode_t mask = umask(0777 & ~l->config.unix_mode);
    int bound = bind(fd, &a->at.any, a->len);
    umask(mask);
    if (bound == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

// Why an address that others can reach is not listened on.
static const char *danger(const struct listener_config *c, bool tls)
{
    if (tls)
        return "nobody has to say who he is there, and everybody could do everything: configure tokens or "
               "certificates (taskqd --new-token NAME)";
    if (c->known)
        return "jobs and tokens would travel in clear text: listen with TLS (tls:HOST:PORT)";
    return "jobs would travel in clear text, and everybody could do everything: listen with TLS "
           "(tls:HOST:PORT) "
           "and configure tokens or certificates (taskqd --new-token NAME)";
}

static bool may_be_reached(const struct listener_config *c, const struct address *a, bool tls, char *why,
                           size_t why_size)
{
    char text[ADDRESS_TEXT_MAX];
    if (address_is_local(a) || c->insecure || (tls && c->known))
        return true;
    address_print(a, text);
    snprintf(why, why_size, "others can reach %s, and %s; or listen on 127.0.0.1, or set insecure = true",
             text, danger(c, tls));
    return false;
}

static bool may_listen(const struct listeners *l, const struct address *a, bool tls, char *why,
                       size_t why_size)
{
    errno = EACCES;
    if (tls && !l->config.handshakes) {
        snprintf(
            why, why_size,
            "an address with TLS takes a certificate: set tls_certificate and tls_key, or leave out tls:");
        return false;
    }
    if (tls && a->at.any.sa_family == AF_UNIX) {
        snprintf(why, why_size, "a Unix socket takes no TLS: nothing leaves the machine; leave out tls:");
        return false;
    }
    return may_be_reached(&l->config, a, tls, why, why_size);
}

// False: no memory.
static bool keep(struct listeners *l, int fd, const struct address *a, bool tls, bool adopted)
{
    char text[ADDRESS_TEXT_MAX];
    struct listener *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return false;
    *fresh = (struct listener){
        .all = l, .next = l->first, .address = *a, .fd = fd, .tls = tls, .adopted = adopted};
    l->first = fresh;
    address_print(a, text);
    char address[sizeof ADDRESS_TLS_PREFIX + ADDRESS_TEXT_MAX];
    snprintf(address, sizeof address, "%s%s", tls ? ADDRESS_TLS_PREFIX : "", text);
    log_event(LOG_LISTENING, KV("address", address), KV("for", l->config.purpose));
    return true;
}

// The address that the socket really has: port 0 has become another. False: errno.
static bool address_of(int fd, struct address *a)
{
    a->len = sizeof a->at;
    return getsockname(fd, &a->at.any, &a->len) == 0;
}

static bool add_one(struct listeners *l, const struct address *a, bool tls, char *why, size_t why_size)
{
    char text[ADDRESS_TEXT_MAX];
    struct address real = *a;
    if (!may_listen(l, a, tls, why, why_size))
        return false;
    int fd = open_socket(l, a);
    if (fd >= 0 && address_of(fd, &real) && keep(l, fd, &real, tls, false))
        return true;
    int error = errno;
    address_print(a, text);
    snprintf(why, why_size, "cannot listen on %s: %s", text, strerror(error));
    if (fd >= 0)
        close(fd);
    errno = error;
    return false;
}

bool listeners_adopt(struct listeners *l, int fd, bool tls, char *why, size_t why_size)
{
    struct address a;
    int listens = 0;
    socklen_t len = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens) {
        snprintf(why, why_size, "descriptor %d, which was passed on, is no socket that listens", fd);
        return false;
    }
    if (!address_of(fd, &a) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        snprintf(why, why_size, "descriptor %d, which was passed on, cannot be used: %s", fd,
                 strerror(errno));
        return false;
    }
    if (!may_listen(l, &a, tls, why, why_size))
        return false;
    if (a.at.any.sa_family != AF_UNIX)
        set_tcp_options(fd);
    if (keep(l, fd, &a, tls, true))
        return true;
    snprintf(why, why_size, "out of memory");
    return false;
}

bool listeners_check(const struct listener_config *c, const char *text, char *why, size_t why_size)
{
    struct address found[ADDRESSES_MAX];
    unsigned count;
    bool tls;
    if (!address_parse(address_without_tls(text, &tls), found, &count, why, why_size))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!may_be_reached(c, &found[i], tls, why, why_size))
            return false;
    return true;
}

bool listeners_add(struct listeners *l, const char *text, char *why, size_t why_size)
{
    struct address found[ADDRESSES_MAX];
    unsigned count;
    bool tls;
    if (!address_parse(address_without_tls(text, &tls), found, &count, why, why_size))
        return false;
    bool some = false;
    for (unsigned i = 0; i < count; i++) {
        // A name may have an address of a family that this machine does not have.
        if (add_one(l, &found[i], tls, why, why_size))
            some = true;
        else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
            return false;
    }
    return some;
}

void listeners_limit(struct listeners *l, unsigned max_connections)
{
    l->config.max_connections = max_connections;
}

void listeners_free(struct listeners *l)
{
    if (!l)
        return;
    for (struct listener *i = l->first, *next; i; i = next) {
        next = i->next;
        if (i->event)
            event_free(i->event);
        if (i->address.at.any.sa_family == AF_UNIX && !i->adopted)
            unlink(i->address.at.unix_path.sun_path);
        close(i->fd);
        free(i);
    }
    if (l->pause)
        event_free(l->pause);
    free(l);
}
