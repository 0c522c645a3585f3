// The floor: what a request costs when next to nothing is done for it. It reads what there is, finds the
// lines, and answers each as taskqd would, in one write; one thread, epoll, no checks, no queues: a
// connection gets back the numbers that it put. For measuring only: it believes whatever it reads, which must
// be the load generator's taskq requests with bodies of 100 bytes, put and got on one connection.
//
//     floor             prints "listening on 127.0.0.1:PORT" to stderr, and runs until it is stopped
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM    (1 << 20)
#define EVENTS  256
#define BODY    100
#define DIGITS  12
#define RING    1024 // jobs a connection may have; older ones are forgotten
#define LONGEST 512  // one reply
#define PREFIX  "{\"jsonrpc\":\"2.0\",\"id\":"
#define METHOD  ",\"method\":\""

struct peer {
    int fd;
    unsigned first, next;
    size_t len;       // of a line that is not all there yet
    char rest[65536]; // touched as far as it is used
    char ring[RING][DIGITS];
};

static char *append(char *at, const char *text, size_t len)
{
    return mempcpy(at, text, len);
}

// The first letters tell the methods apart: put, get, anything else.
static char *answer(char *at, struct peer *p, const char *line, size_t len)
{
    static const char filling[BODY] =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static const char job[] =
        ",\"result\":{\"id\":1234567,\"queue\":\"queue-1\",\"priority\":0,\"delivery\":4294967297,"
        "\"attempt\":1,\"body\":\"";
    const char *id = line + strlen(PREFIX);
    const char *comma = len > strlen(PREFIX) ? memchr(id, ',', len - strlen(PREFIX)) : NULL;
    if (!comma || len < strlen(PREFIX) + strlen(METHOD) + 8)
        abort();
    const char *method = comma + strlen(METHOD);
    at = append(at, PREFIX, strlen(PREFIX));
    at = append(at, id, (size_t)(comma - id));
    if (method[0] == 'g') {
        at = append(at, job, sizeof job - 1);
        at = append(at, p->ring[p->first++ % RING], DIGITS);
        at = append(at, filling, BODY - DIGITS - 2);
        return append(at, "\"}}\n", 4);
    }
    if (method[0] == 'p' && method[1] == 'u') {
        memcpy(p->ring[p->next++ % RING], line + len - 2 - BODY + 1, DIGITS);
        return append(at, ",\"result\":{\"id\":1234567}}\n", 26);
    }
    return append(at, ",\"result\":{}}\n", 14);
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL); // blocking: the generator always reads
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

// False: it is gone.
static bool serve(struct peer *p, char *in, char *out)
{
    memcpy(in, p->rest, p->len);
    ssize_t n = recv(p->fd, in + p->len, ROOM - p->len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    char *line = in, *end = in + p->len + n, *at = out;
    for (char *lf; (lf = memchr(line, '\n', (size_t)(end - line))); line = lf + 1)
        at = answer(at, p, line, (size_t)(lf - line));
    p->len = (size_t)(end - line);
    if (p->len > sizeof p->rest)
        return false;
    memcpy(p->rest, line, p->len);
    write_all(p->fd, out, (size_t)(at - out));
    return true;
}

static void accept_one(int listener, int epoll)
{
    int on = 1;
    struct peer *p = calloc(1, sizeof *p);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
    if (!p || (p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0 ||
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &ev)) {
        perror("floor");
        exit(1);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        perror("floor");
        exit(1);
    }
    fprintf(stderr, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

int main(void)
{
    int listener = listen_on_loopback(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN}, events[EVENTS]; // no peer: the listener
    char *in = malloc(ROOM), *out = malloc(ROOM / 32 * (size_t)LONGEST);
    if (epoll < 0 || !in || !out || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev)) {
        perror("floor");
        return 1;
    }
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (!p) {
                accept_one(listener, epoll);
            } else if (!serve(p, in, out)) {
                close(p->fd);
                free(p);
            }
        }
    }
}
