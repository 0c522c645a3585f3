// A daemon played by the test: a thread that listens on loopback and follows a script, so that replies can
// be slow, wrong, or not come at all. An assertion that fails in the script fails the test. With
// TASKQ_TEST_TLS in the environment it speaks TLS, and the client with it: so what holds for plain
// connections is seen to hold for those, too.
#ifndef TESTS_UNIT_CLIENT_SERVER_H
#define TESTS_UNIT_CLIENT_SERVER_H

#include "client/taskq.h"
#include "tests/unit/tls_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int listener;
    int fd;             // the connection that was accepted last
    SSL_CTX *tls;       // NULL: it speaks plainly
    SSL *ssl;           // the connection's
    char address[48];   // for taskq_open()
    char line[1 << 18]; // the line that was read last, without its end
    char in[1 << 18];
    size_t in_len;
    pthread_t thread;
    void (*script)(struct server *s);
    void *arg; // the test's
};

static inline void server_drop(struct server *s)
{
    SSL_free(s->ssl);
    s->ssl = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static inline void server_accept(struct server *s)
{
    SSL_free(s->ssl); // the descriptor may be the script's by now
    s->ssl = NULL;
    s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(s->fd, 0);
    // So that what was said is said before a hang-up.
    int on = 1;
    ck_assert_int_eq(setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    s->in_len = 0;
    if (s->tls == NULL)
        return;
    s->ssl = SSL_new(s->tls);
    ck_assert_int_eq(SSL_set_fd(s->ssl, s->fd), 1);
    (void)SSL_accept(s->ssl); // a client that goes meanwhile is seen by the first read
}

// As send() and recv(); of what waits inside TLS recv() does not know.
static inline ssize_t server_recv(struct server *s, char *to, size_t len)
{
    return s->ssl != NULL ? SSL_read(s->ssl, to, (int)len) : recv(s->fd, to, len, 0);
}

static inline ssize_t server_send_some(struct server *s, const char *data, size_t len)
{
    return s->ssl != NULL ? SSL_write(s->ssl, data, (int)len) : send(s->fd, data, len, MSG_NOSIGNAL);
}

// Ends what it says, and still hears.
static inline void server_end_speech(struct server *s)
{
    if (s->ssl != NULL)
        SSL_shutdown(s->ssl);
    shutdown(s->fd, SHUT_WR);
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
        ssize_t n = server_recv(s, s->in + s->in_len, sizeof(s->in) - s->in_len);
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
        ssize_t n = server_send_some(s, data, len);
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
    server_drop(s);
}

static inline void *server_main(void *arg)
{
    struct server *s = arg;
    sigset_t pipe;
    sigemptyset(&pipe); // OpenSSL's sockets raise it; the client's must not, so it stays as it is there
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    s->script(s);
    server_drop(s);
    return NULL;
}

static inline SSL_CTX *server_context(const struct tls_pair *pair)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    ck_assert_ptr_nonnull(tls);
    ck_assert_int_eq(SSL_CTX_use_certificate(tls, pair->certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, pair->key), 1);
    return tls;
}

// A context whose certificate TASKQ_CA names.
static inline SSL_CTX *server_secured(void)
{
    struct tls_wish wish = {.name = "script", .names = "IP:127.0.0.1", .usage = "serverAuth"};
    struct tls_pair pair = tls_pair_new(&wish, NULL);
    char path[32];
    SSL_CTX *tls = server_context(&pair);
    int ca = memfd_create("ca", MFD_CLOEXEC); // read by its path, until the process ends
    ck_assert_int_ge(ca, 0);
    BIO *b = BIO_new_fd(ca, BIO_NOCLOSE);
    ck_assert_int_eq(PEM_write_bio_X509(b, pair.certificate), 1);
    BIO_free(b);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ca);
    setenv("TASKQ_CA", path, 1);
    tls_pair_free(&pair);
    return tls;
}

// A script that speaks TLS with this context, which it takes; NULL: plainly.
static inline struct server *server_start_as(void (*script)(struct server *s), void *arg, SSL_CTX *tls)
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
    s->tls = tls;
    snprintf(s->address, sizeof(s->address), "%s127.0.0.1:%d", s->tls != NULL ? "taskqs://" : "",
             ntohs(here.sin_port));
    ck_assert_int_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
    return s;
}

static inline struct server *server_start(void (*script)(struct server *s), void *arg)
{
    return server_start_as(script, arg, getenv("TASKQ_TEST_TLS") != NULL ? server_secured() : NULL);
}

// Waits for the script's end.
static inline void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    SSL_CTX_free(s->tls);
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
