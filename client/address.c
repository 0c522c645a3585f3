#include "client/address.h"

#include "common/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PORT "7480"

static bool parse_port(struct address *a, const char *text, const char **why)
{
    size_t len = strlen(text);
    *why = "the port is a number from 1 to 65535";
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    long port = strtol(text, NULL, 10);
    if (port < 1 || port > 65535)
        return false;
    snprintf(a->port, sizeof(a->port), "%ld", port);
    return true;
}

static bool parse_host(struct address *a, const char *text, size_t len, const char **why)
{
    if (len == 0 || len >= sizeof(a->host)) {
        *why = len == 0 ? "there is no host in it" : "the host is too long";
        return false;
    }
    memcpy(a->host, text, len);
    a->host[len] = '\0';
    return true;
}

static bool parse_local(struct address *a, const char *path, const char **why)
{
    size_t len = strlen(path);
    a->local = true;
    if (len == 0 || len >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        *why = len == 0 ? "there is no path in it" : "the path is too long for a Unix socket";
        return false;
    }
    memcpy(a->host, path, len + 1);
    return true;
}

static bool parse_network(struct address *a, const char *text, const char **why)
{
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':')) {
            *why = "an IPv6 address stands in brackets, as in [::1]:7480";
            return false;
        }
        return parse_host(a, text + 1, (size_t)(close - text - 1), why) &&
               (close[1] == '\0' || parse_port(a, close + 2, why));
    }
    const char *colon = strchr(text, ':');
    if (colon == NULL)
        return parse_host(a, text, strlen(text), why);
    if (strchr(colon + 1, ':') != NULL) {
        *why = "an IPv6 address stands in brackets, as in [::1]:7480";
        return false;
    }
    return parse_host(a, text, (size_t)(colon - text), why) && parse_port(a, colon + 1, why);
}

// What may stand before a host: a URL's scheme, behind which there is nothing but a host, a port and, at
// most, a slash; or what the daemon's log and configuration call an address with TLS, which always has a
// port: tls:7480 is a host of that name.
static const struct {
    const char *prefix;
    bool tls, with_port;
} schemes[] = {{"taskqs://", true, false}, {"taskq://", false, false}, {"tls:", true, true}};

static bool parse_url(struct address *a, const char *text, const char **why)
{
    char place[sizeof(a->host) + 16]; // with brackets, a port and the slash
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '/')
        len--;
    if (len >= sizeof(place)) {
        *why = "the host is too long";
        return false;
    }
    memcpy(place, text, len);
    place[len] = '\0';
    if (strpbrk(place, "/?#@") != NULL) {
        *why = "behind the slashes there is a host and a port, and nothing else";
        return false;
    }
    return parse_network(a, place, why);
}

bool address_parse(struct address *a, const char *text, const char **why)
{
    *a = (struct address){.port = DEFAULT_PORT};
    if (strncmp(text, "unix:", 5) == 0)
        return parse_local(a, text + 5, why);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i].prefix);
        if (strncmp(text, schemes[i].prefix, len) == 0 &&
            (!schemes[i].with_port || strchr(text + len, ':') != NULL)) {
            a->tls = schemes[i].tls;
            return parse_url(a, text + len, why);
        }
    }
    if (strstr(text, "://") != NULL) {
        *why = "what begins it is taskqs:// (with TLS), taskq://, or nothing";
        return false;
    }
    return parse_network(a, text, why);
}

// Waits for a connection under way. 0, or an errno.
static int await_connect(int fd, int64_t deadline, int wake)
{
    for (;;) {
        int64_t left = deadline < 0 ? -1 : deadline - clock_ns();
        if (deadline >= 0 && left <= 0)
            return ETIMEDOUT;
        struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = wake, .events = POLLIN}};
        int n = poll(p, 2, left < 0 ? -1 : (int)((left + 999999) / 1000000));
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0 && p[1].revents != 0)
            return ECANCELED;
        if (n > 0 && p[0].revents != 0) {
            int e = 0;
            socklen_t len = sizeof(e);
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? errno : e;
        }
    }
}

static int connect_one(int family, const struct sockaddr *to, socklen_t len, int64_t deadline, int wake)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int e = 0;
    if (connect(fd, to, len) < 0)
        e = errno == EINPROGRESS || errno == EINTR ? await_connect(fd, deadline, wake) : errno;
    if (e != 0) {
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

// A machine that vanished is noticed after about half a minute, also while nothing is sent.
static void set_tcp_options(int fd)
{
    int on = 1, idle = 20, interval = 5, count = 3, timeout = 35000;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static int connect_local(const struct address *a, int64_t deadline, int wake)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, a->host, strlen(a->host) + 1);
    return connect_one(AF_UNIX, (struct sockaddr *)&to, sizeof(to), deadline, wake);
}

int address_connect(const struct address *a, int64_t deadline, int wake, const char **why)
{
    *why = NULL;
    if (a->local)
        return connect_local(a, deadline, wake);

    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    int failed = getaddrinfo(a->host, a->port, &hints, &list);
    if (failed != 0) {
        *why = gai_strerror(failed);
        errno = EHOSTUNREACH;
        return -1;
    }
    int fd = -1;
    int e = EHOSTUNREACH;
    for (struct addrinfo *i = list; i != NULL && fd < 0; i = i->ai_next) {
        fd = connect_one(i->ai_family, i->ai_addr, i->ai_addrlen, deadline, wake);
        if (fd < 0) {
            e = errno;
            if (e == ECANCELED)
                break;
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        errno = e;
    else
        set_tcp_options(fd);
    return fd;
}
