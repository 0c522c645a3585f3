#include "tests/bench/client.h"

#include "client/address.h"
#include "common/clock.h"
#include "tests/bench/secure.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTED_EACH 100 // connections made before the server must have taken them: fewer than any backlog

bool client_fail(struct client *c, const char *why)
{
    if (!c->failed)
        c->failed = why;
    return false;
}

bool client_wrong(struct client *c, struct slice in)
{
    fprintf(stderr, "this answer is wrong: %.*s\n", (int)(in.len < 300 ? in.len : 300), in.data);
    return client_fail(c, "an answer is wrong");
}

bool client_init(struct client *c, uint32_t connections, uint64_t numbers)
{
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->capacity = connections;
    c->numbers_max = numbers;
    c->first_number = c->next_number = (uint64_t)clock_ns() % (BODY_NUMBERS - numbers);
    c->connections = calloc(connections ? connections : 1, sizeof *c->connections);
    c->scratch = malloc(CLIENT_SCRATCH);
    c->out_there = calloc(1, numbers / 8 + 1);
    if (c->epoll < 0 || !c->connections || !c->scratch || !c->out_there)
        return client_fail(c, "no memory");
    return true;
}

static void connection_release(struct connection *conn, uint32_t depth)
{
    // Closed with a reset, so that ten thousand ports are not held for a minute.
    struct linger now = {.l_onoff = 1};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    secure_close(conn);
    close(conn->fd);
    buffer_release(&conn->out);
    buffer_release(&conn->in);
    for (uint32_t i = 0; conn->slots && i < depth; i++)
        free(conn->slots[i].jobs);
    free(conn->slots);
    free(conn->in_flight);
}

void client_release(struct client *c)
{
    for (uint32_t i = 0; i < c->connected; i++)
        connection_release(&c->connections[i], c->depth);
    if (c->epoll >= 0)
        close(c->epoll);
    free(c->connections);
    free(c->scratch);
    free(c->out_there);
}

uint64_t client_number(struct client *c)
{
    uint64_t number = c->next_number++;
    client_expect(c, number);
    return number;
}

void client_expect(struct client *c, uint64_t number)
{
    uint64_t n = number - c->first_number;
    if (n < c->numbers_max)
        c->out_there[n / 8] |= (uint8_t)(1u << (n % 8));
}

bool client_got(struct client *c, uint64_t number)
{
    uint64_t n = number - c->first_number;
    if (number < c->first_number || n >= c->numbers_max || !(c->out_there[n / 8] & (1u << (n % 8))))
        return client_fail(c, "a job came that was not put, or came twice");
    c->out_there[n / 8] &= (uint8_t) ~(1u << (n % 8));
    return true;
}

static bool connection_open(struct client *c, const struct address *address, struct connection *conn)
{
    const char *why;
    int on = 1;
    *conn = (struct connection){.index = c->connected, .session = {NOT_A_QUEUE, NOT_A_QUEUE}};
    conn->fd = address_connect(address, c->deadline, -1, &why);
    if (conn->fd < 0)
        return client_fail(c, why ? why : strerror(errno));
    c->connected++;
    if (!address->local && setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        return client_fail(c, strerror(errno));
    if (c->tls && (why = secure_open(conn, c->deadline)))
        return client_fail(c, why);
    conn->slots = calloc(c->depth, sizeof *conn->slots);
    conn->in_flight = calloc(c->depth, sizeof *conn->in_flight);
    if (!conn->slots || !conn->in_flight)
        return client_fail(c, "no memory");
    for (uint32_t i = 0; i < c->depth; i++)
        if (!(conn->slots[i].jobs = calloc(c->count_max, sizeof *conn->slots[i].jobs)))
            return client_fail(c, "no memory");
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = conn};
    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, conn->fd, &ev) == 0 || client_fail(c, strerror(errno));
}

bool client_connect(struct client *c, uint32_t n)
{
    struct address address;
    const char *why;
    c->tls = strncmp(c->address, SECURE_PREFIX, strlen(SECURE_PREFIX)) == 0;
    if (!address_parse(&address, c->address + (c->tls ? strlen(SECURE_PREFIX) : 0), &why))
        return client_fail(c, why);
    if (c->capacity - c->connected < n)
        return client_fail(c, "more connections than were asked for");
    for (uint32_t i = 0; i < n; i++) {
        struct connection *conn = &c->connections[c->connected];
        if (!connection_open(c, &address, conn))
            return false;
        if (i % ACCEPTED_EACH == ACCEPTED_EACH - 1 || i + 1 == n) {
            struct request ping = {.step = STEP_PING, .count = 1};
            if (!client_ask(c, conn, &ping, NULL) || !client_answer(c, conn, &ping, NULL, NULL))
                return false;
        }
    }
    return true;
}

static bool wait_for(struct client *c, struct connection *conn, short events)
{
    struct pollfd p = {.fd = conn->fd, .events = events};
    int64_t left = c->deadline - clock_ns();
    if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) == 0)
        return client_fail(c, "not done in time");
    return true;
}

bool client_ask(struct client *c, struct connection *conn, const struct request *r, const struct held *jobs)
{
    buffer_clear(&conn->out);
    c->protocol->ask(&conn->out, &conn->session, r, jobs);
    if (conn->out.failed)
        return client_fail(c, "no memory");
    for (size_t sent = 0; sent < conn->out.len;) {
        ssize_t n = secure_send(conn, conn->out.data + sent, conn->out.len - sent);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return client_fail(c, strerror(errno));
        else if (!wait_for(c, conn, POLLOUT))
            return false;
    }
    buffer_clear(&conn->out);
    return true;
}

bool client_answer(struct client *c, struct connection *conn, const struct request *r, struct held *jobs,
                   uint32_t *count)
{
    size_t used;
    for (;;) {
        struct slice in = {conn->in.data, conn->in.len};
        enum answer a = in.len ? c->protocol->read(in, r, jobs, count, &used) : ANSWER_PARTIAL;
        if (a == ANSWER_DONE) {
            memmove(conn->in.data, conn->in.data + used, conn->in.len - used);
            conn->in.len -= used;
            return true;
        }
        if (a != ANSWER_PARTIAL)
            return client_wrong(c, in);
        if (!buffer_reserve(&conn->in, 65536))
            return client_fail(c, "no memory");
        ssize_t n = secure_recv(conn, conn->in.data + conn->in.len, conn->in.cap - conn->in.len);
        if (n > 0)
            conn->in.len += (size_t)n;
        else if (n == 0)
            return client_fail(c, "the server closed the connection");
        else if (errno != EAGAIN && errno != EINTR)
            return client_fail(c, strerror(errno));
        else if (!wait_for(c, conn, POLLIN))
            return false;
    }
}

bool client_do(struct client *c, struct connection *conn, const struct request *r, struct held *jobs)
{
    uint32_t count = r->count;
    return client_ask(c, conn, r, jobs) && client_answer(c, conn, r, jobs, &count);
}
