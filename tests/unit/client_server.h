// A daemon played by the test: a thread that listens on loopback and follows a script, so that replies can
// be slow, wrong, or not come at all. An assertion that fails in the script fails the test.
#ifndef TESTS_UNIT_CLIENT_SERVER_H
#define TESTS_UNIT_CLIENT_SERVER_H

#include "client/taskq.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int listener;
    int fd;             // the connection that was accepted last
    char address[32];   // for taskq_open()
    char line[1 << 18]; // the line that was read last, without its end
    char in[1 << 18];
    size_t in_len;
    pthread_t thread;
    void (*script)(struct server *s);
    void *arg; // the test's
};

static inline void server_accept(struct server *s)
{
    s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(s->fd, 0);
    // So that what was said is said before a hang-up.
    int on = 1;
    ck_assert_int_eq(setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    s->in_len = 0;
}

// Reads a line. False: the client closed.
static inline bool server_read(struct server *s)
{
    for (;;) {
        char *end = memchr(s->in, '\n', s->in_len);
        if (end != NULL) {
            size_t len = (size_t)(end - s->in);
            memcpy(s->line, s->in, len);
            s->line[len] = '\0';
            s->in_len -= len + 1;
            memmove(s->in, end + 1, s->in_len);
            return true;
        }
        ck_assert_uint_lt(s->in_len, sizeof(s->in));
        ssize_t n = recv(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len, 0);
        if (n <= 0)
            return false;
        s->in_len += (size_t)n;
    }
}

// Reads a line that is this.
static inline void server_expect(struct server *s, const char *line)
{
    ck_assert_msg(server_read(s), "the client closed, where it should have said %s", line);
    ck_assert_str_eq(s->line, line);
}

// Reads a request for this method and gives its id.
static inline unsigned long server_expect_method(struct server *s, const char *method)
{
    char start[128];
    unsigned long id = 0;
    ck_assert_msg(server_read(s), "the client closed, where it should have asked for %s", method);
    ck_assert_int_eq(sscanf(s->line, "{\"jsonrpc\":\"2.0\",\"id\":%lu", &id), 1);
    snprintf(start, sizeof(start), "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"method\":\"%s\",", id, method);
    ck_assert_msg(strncmp(s->line, start, strlen(start)) == 0, "%s is no %s", s->line, method);
    return id;
}

static inline void server_send(struct server *s, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        data += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 3))) static inline void server_say(struct server *s, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    ck_assert_int_ge(len, 0);
    server_send(s, text, (size_t)len);
    free(text);
}

#define server_result(s, id, result)                                                                         \
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":%s}\n", id, result)
#define server_error(s, id, code, message)                                                                   \
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":%d,\"message\":\"%s\"}}\n", id, code, \
               message)

static inline void server_hang_up(struct server *s)
{
    close(s->fd);
    s->fd = -1;
}

static inline void *server_main(void *arg)
{
    struct server *s = arg;
    s->script(s);
    if (s->fd >= 0)
        close(s->fd);
    return NULL;
}

static inline struct server *server_start(void (*script)(struct server *s), void *arg)
{
    struct server *s = calloc(1, sizeof(*s));
    ck_assert_ptr_nonnull(s);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);
    s->fd = -1;
    s->script = script;
    s->arg = arg;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(s->listener, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&here, sizeof(here)), 0);
    ck_assert_int_eq(listen(s->listener, 16), 0);
    ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&here, &len), 0);
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", ntohs(here.sin_port));
    ck_assert_int_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
    return s;
}

// Waits for the script's end.
static inline void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    free(s);
}

// A script and a handle that is connected to it.
static inline struct taskq *server_client(struct server *s, const struct taskq_options *options)
{
    struct taskq *q;
    ck_assert_int_eq(taskq_open(&q, s->address, options), TASKQ_OK);
    return q;
}

#endif
