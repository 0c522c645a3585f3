#include "tests/unit/net_fixture.h"

#include "tests/unit/hub_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_SECONDS 30

void net_world_init(struct net_world *w, unsigned loops)
{
    net_world_init_with(w, loops, NULL);
}

void net_world_init_with(struct net_world *w, unsigned loops, const struct wire *wire)
{
    *w = (struct net_world){.hub = hub_made((struct engine_config){.max_bytes = 1 << 28,
                                                                   .max_queues = 1000,
                                                                   .max_waits = 100,
                                                                   .max_subscriptions = 1000}),
                            .loop_count = loops};
    w->rpc = (struct rpc){.hub = w->hub,
                          .version = "test",
                          .durability = "memory",
                          .max_body = 1 << 20,
                          .max_request = (1 << 20) + 65536,
                          .output_limit = 1 << 20,
                          .max_waits = 100,
                          .max_subscriptions = 1000};
    for (unsigned i = 0; i < loops; i++)
        ck_assert(loop_init(&w->loops[i], &w->rpc, wire));
}

void net_world_start(struct net_world *w)
{
    for (unsigned i = 0; i < w->loop_count; i++)
        ck_assert(loop_start(&w->loops[i]));
}

void net_world_stop(struct net_world *w)
{
    for (unsigned i = 0; i < w->loop_count; i++)
        if (w->loops[i].running && !atomic_load(&w->loops[i].stop))
            loop_stop(&w->loops[i], 100);
    for (unsigned i = 0; i < w->loop_count; i++)
        loop_join(&w->loops[i]);
}

void net_world_release(struct net_world *w)
{
    net_world_stop(w);
    for (unsigned i = 0; i < w->loop_count; i++)
        loop_release(&w->loops[i]);
    hub_free(w->hub);
}

int net_connect(struct net_world *w, unsigned loop)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    net_adopt(ends[0]);
    ck_assert(loop_give(&w->loops[loop], ends[1]));
    return ends[0];
}

void net_send_bytes(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        data += n;
        len -= (size_t)n;
    }
}

void net_send(int fd, const char *text)
{
    net_send_bytes(fd, text, strlen(text));
}

static void drop_message(char *text)
{
    static const char begin[] = "\"message\":\"";
    char *at = strstr(text, begin);
    if (!at)
        return;
    char *end = at + sizeof begin - 1;
    while (*end != '"')
        end += *end == '\\' ? 2 : 1;
    memmove(at, end + 2, strlen(end + 2) + 1);
}

// What was read from a descriptor behind the last line.
static struct {
    size_t from, to;
    char bytes[16384];
} ahead[256];

void net_adopt(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    ck_assert_int_lt(fd, (int)(sizeof ahead / sizeof *ahead));
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    ahead[fd].from = ahead[fd].to = 0;
}

const char *net_line(int fd)
{
    static char line[1 << 21];
    for (size_t len = 0;;) {
        if (ahead[fd].from == ahead[fd].to) {
            ssize_t n = recv(fd, ahead[fd].bytes, sizeof ahead[fd].bytes, 0);
            if (n == 0 || (n < 0 && errno == ECONNRESET)) {
                ck_assert_uint_eq(len, 0);
                return NULL;
            }
            ck_assert_msg(n > 0, "recv: %s", strerror(errno));
            ahead[fd].from = 0;
            ahead[fd].to = (size_t)n;
        }
        const char *start = ahead[fd].bytes + ahead[fd].from;
        size_t there = ahead[fd].to - ahead[fd].from;
        const char *newline = memchr(start, '\n', there);
        size_t take = newline ? (size_t)(newline - start) : there;
        ck_assert_uint_lt(len + take, sizeof line);
        memcpy(line + len, start, take);
        len += take;
        ahead[fd].from += take + (newline != NULL);
        if (!newline)
            continue;
        line[len] = '\0';
        drop_message(line);
        return line;
    }
}

const char *net_ask(int fd, const char *line)
{
    net_send(fd, line);
    net_send(fd, "\n");
    return net_line(fd);
}

bool net_closed(int fd)
{
    char room[4096];
    ssize_t n;
    do
        n = recv(fd, room, sizeof room, 0);
    while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

void net_wait_connections(struct net_world *w, unsigned count)
{
    for (;;) {
        unsigned there = 0;
        for (unsigned i = 0; i < w->loop_count; i++)
            there += atomic_load(&w->loops[i].connection_count);
        if (there == count)
            return;
        sched_yield();
    }
}
