// Submits jobs over one connection and receives the outcome of each, a number of them in flight: what
// tests/bench/pool.py measures a daemon's handlers with.
//
//     bench_pool ADDRESS QUEUE JOBS IN-FLIGHT call|notify
//
// `call`: one request and one answer a job; `notify`: `submit`, whose answer is followed by a notification.
// Prints how many seconds it took. Every outcome must be there just once, and be `done`.
#include "common/buffer.h"
#include "common/clock.h"
#include "common/json_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "bench_pool: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int connect_to(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - address) : 0, address);
    if (!colon || getaddrinfo(host, colon + 1, &hints, &found) != 0)
        fail("no such address");
    int fd = socket(found->ai_family, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(found);
    return fd;
}

struct run {
    int fd;
    const char *queue;
    uint64_t jobs, sent, done;
    bool notify;
    struct buffer out;
    char *in;
    size_t in_len, in_cap;
    uint8_t *seen;      // by request, and with notify by job
    uint64_t first_job; // notify: ids grow, from here on
};

static void add_request(struct run *r)
{
    struct buffer *b = &r->out;
    json_write_raw(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    json_write_uint(b, r->sent);
    json_write_raw(b, r->notify ? ",\"method\":\"submit\",\"params\":{\"notify\":true,\"queue\":\""
                                : ",\"method\":\"call\",\"params\":{\"queue\":\"");
    json_write_raw(b, r->queue);
    json_write_raw(b, "\",\"body\":");
    json_write_uint(b, r->sent++);
    json_write_raw(b, "}}\n");
}

static void send_all(struct run *r)
{
    for (size_t at = 0; at < r->out.len;) {
        ssize_t n = send(r->fd, r->out.data + at, r->out.len - at, MSG_NOSIGNAL);
        if (n < 0)
            fail("send");
        at += (size_t)n;
    }
    buffer_clear(&r->out);
}

static bool number_after(const char *line, size_t len, const char *what, uint64_t *n)
{
    const char *at = memmem(line, len, what, strlen(what));
    if (at)
        *n = strtoull(at + strlen(what), NULL, 10);
    return at;
}

static void take(struct run *r, const char *line, size_t len)
{
    uint64_t number;
    bool outcome = memmem(line, len, "\"state\":\"done\"", 14);
    if (!outcome && r->notify && !memmem(line, len, "\"error\"", 7)) { // the answer to a submit
        if (r->first_job == 0 && !number_after(line, len, "\"result\":{\"id\":", &r->first_job))
            fail("what is this");
        return;
    }
    bool fine = outcome && (r->notify ? number_after(line, len, "\"params\":{\"id\":", &number)
                                      : number_after(line, len, "\"id\":", &number));
    if (fine && r->notify)
        number -= r->first_job;
    if (!fine || number >= r->jobs || r->seen[number]) {
        fprintf(stderr, "bench_pool: %.*s\n", (int)len, line);
        exit(EXIT_FAILURE);
    }
    r->seen[number] = 1;
    r->done++;
}

static void receive(struct run *r)
{
    ssize_t n = recv(r->fd, r->in + r->in_len, r->in_cap - r->in_len, 0);
    if (n <= 0)
        fail("recv");
    r->in_len += (size_t)n;
    char *at = r->in, *end = r->in + r->in_len, *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        take(r, at, (size_t)(newline - at));
        at = newline + 1;
    }
    r->in_len = (size_t)(end - at);
    memmove(r->in, at, r->in_len);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    struct run r = {.fd = connect_to(argv[1]),
                    .queue = argv[2],
                    .jobs = strtoull(argv[3], NULL, 10),
                    .notify = strcmp(argv[5], "notify") == 0,
                    .in_cap = 1 << 20};
    uint64_t in_flight = strtoull(argv[4], NULL, 10);
    r.in = malloc(r.in_cap);
    r.seen = calloc(r.jobs + 1, 1);
    if (!r.in || !r.seen)
        fail("malloc");
    int64_t began = clock_ns();
    while (r.done < r.jobs) {
        while (r.sent < r.jobs && r.sent - r.done < in_flight)
            add_request(&r);
        if (r.out.failed)
            fail("malloc");
        send_all(&r);
        receive(&r);
    }
    printf("%.6f\n", (double)(clock_ns() - began) / 1e9);
    free(r.in);
    free(r.seen);
    buffer_release(&r.out);
    close(r.fd);
    return EXIT_SUCCESS;
}
