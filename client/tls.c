#include "client/tls.h"

#include "client/tls_fault.h"
#include "common/clock.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls {
    SSL *ssl;
    const struct tls_context *context;
    BIO_METHOD *method;
    int fd;
    bool eof;      // the other side has closed
    int system;    // the socket's last error, 0: none
    bool broken;   // nothing more can be said or heard
    bool read_out; // reading waits until something can be sent
    bool write_in; // sending waits until something can be read
    bool refused;
    char fault[TLS_WHY];
};

// ---- the socket below. OpenSSL's own would send without MSG_NOSIGNAL, and a library raises no SIGPIPE.

static int socket_result(BIO *b, ssize_t n, int retry)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    t->system = n < 0 ? errno : 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_flags(b, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int socket_write(BIO *b, const char *data, int len)
{
    struct tls *t = BIO_get_data(b);
    return socket_result(b, send(t->fd, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT), BIO_FLAGS_WRITE);
}

static int socket_read(BIO *b, char *data, int len)
{
    struct tls *t = BIO_get_data(b);
    ssize_t n = recv(t->fd, data, (size_t)len, MSG_DONTWAIT);
    t->eof = t->eof || n == 0;
    return socket_result(b, n, BIO_FLAGS_READ);
}

static long socket_control(BIO *b, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF)
        return ((struct tls *)BIO_get_data(b))->eof;
    return command == BIO_CTRL_FLUSH;
}

static bool attach_socket(struct tls *t)
{
    t->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (t->method == NULL || BIO_meth_set_write(t->method, socket_write) != 1 ||
        BIO_meth_set_read(t->method, socket_read) != 1 || BIO_meth_set_ctrl(t->method, socket_control) != 1)
        return false;
    BIO *b = BIO_new(t->method);
    if (b == NULL)
        return false;
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    return true;
}

// ---- the handshake

// Told of every certificate of the chain, it changes nothing: it keeps what is wrong with the first bad one.
static int on_certificate(int fine, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    if (!fine && t->fault[0] == '\0')
        tls_fault_certificate(store, t->context, t->fault);
    return fine;
}

static struct tls *begin(struct tls_context *c, int fd)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->fd = fd;
    t->context = c;
    t->ssl = tls_context_ssl(c);
    if (t->ssl == NULL || !attach_socket(t)) {
        t->broken = true;
        tls_close(t);
        return NULL;
    }
    SSL_set_app_data(t->ssl, t);
    SSL_set_verify(t->ssl, SSL_VERIFY_PEER, on_certificate);
    SSL_set_connect_state(t->ssl);
    return t;
}

static enum taskq_error handshake_failed(struct tls *t, int how, char why[TLS_WHY])
{
    t->broken = true;
    if (how == SSL_ERROR_SYSCALL || how == SSL_ERROR_ZERO_RETURN || t->eof) {
        snprintf(why, TLS_WHY, "the connection was taken, but then ended in the TLS handshake: %s",
                 t->system != 0 ? strerror(t->system) : "is it TLS that is spoken there?");
        return TASKQ_NO_DAEMON;
    }
    if (t->fault[0] == '\0')
        t->refused = tls_fault_reason(ERR_peek_error(), t->fault);
    snprintf(why, TLS_WHY, "%s", t->fault);
    return TASKQ_TLS;
}

// Waits until the handshake can go on.
static enum taskq_error await(const struct tls *t, short events, int64_t deadline, int wake,
                              char why[TLS_WHY])
{
    int64_t left = deadline < 0 ? -1 : deadline - clock_ns();
    struct pollfd p[2] = {{.fd = t->fd, .events = events}, {.fd = wake, .events = POLLIN}};
    if (deadline >= 0 && left <= 0) {
        snprintf(why, TLS_WHY,
                 "the connection was taken, but not greeted in time: is it TLS that is spoken there?");
        return TASKQ_NO_DAEMON;
    }
    int64_t ms = left < 0 ? -1 : (left + 999999) / 1000000;
    if (poll(p, 2, ms > 86400000 ? 86400000 : (int)ms) > 0 && p[1].revents != 0) {
        snprintf(why, TLS_WHY, "interrupted");
        return TASKQ_REQUEST_CANCELLED;
    }
    return TASKQ_OK;
}

enum taskq_error tls_connect(struct tls **out, struct tls_context *c, int fd, int64_t deadline, int wake,
                             char why[TLS_WHY])
{
    enum taskq_error e = TASKQ_OK;
    struct tls *t = begin(c, fd);
    if (t == NULL) {
        ERR_clear_error();
        snprintf(why, TLS_WHY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
        return TASKQ_NO_MEMORY;
    }
    while (e == TASKQ_OK) {
        ERR_clear_error();
        int done = SSL_do_handshake(t->ssl);
        int how = done == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, done);
        if (done == 1)
            break;
        if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE)
            e = await(t, how == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, wake, why);
        else
            e = handshake_failed(t, how, why);
    }
    ERR_clear_error();
    if (e != TASKQ_OK) {
        t->broken = true;
        tls_close(t);
    } else {
        *out = t;
    }
    return e;
}

void tls_close(struct tls *t)
{
    if (!t->broken) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
    SSL_free(t->ssl);
    BIO_meth_free(t->method);
    free(t);
}

// ---- bytes

// What a read or a write that did nothing is as one of the system's.
static ssize_t failed(struct tls *t, bool *waits_for_other, int other)
{
    int how = SSL_get_error(t->ssl, 0);
    *waits_for_other = how == other;
    if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (how == SSL_ERROR_ZERO_RETURN)
        return 0;
    t->broken = true;
    if (how == SSL_ERROR_SYSCALL) {
        errno = t->system;
        return t->system != 0 ? -1 : 0;
    }
    t->fault[0] = '\0';
    t->refused = tls_fault_reason(ERR_peek_error(), t->fault);
    ERR_clear_error();
    errno = EPROTO;
    return -1;
}

ssize_t tls_send(struct tls *t, const void *data, size_t len)
{
    size_t n;
    ERR_clear_error();
    t->write_in = false;
    if (SSL_write_ex(t->ssl, data, len, &n) == 1)
        return (ssize_t)n;
    ssize_t result = failed(t, &t->write_in, SSL_ERROR_WANT_READ);
    if (result == 0) { // nothing can be sent to who has closed
        errno = EPIPE;
        result = -1;
    }
    return result;
}

ssize_t tls_recv(struct tls *t, void *data, size_t len)
{
    size_t n;
    ERR_clear_error();
    t->read_out = false;
    if (SSL_read_ex(t->ssl, data, len, &n) == 1)
        return (ssize_t)n;
    return failed(t, &t->read_out, SSL_ERROR_WANT_WRITE);
}

ssize_t tls_peek(struct tls *t)
{
    char byte;
    size_t n;
    ERR_clear_error();
    t->read_out = false;
    if (SSL_peek_ex(t->ssl, &byte, 1, &n) == 1)
        return 1;
    return failed(t, &t->read_out, SSL_ERROR_WANT_WRITE);
}

short tls_events(const struct tls *t, bool more)
{
    return (short)(POLLIN | ((more && !t->write_in) || t->read_out ? POLLOUT : 0));
}

const char *tls_fault(const struct tls *t, bool *refused)
{
    *refused = t->refused;
    return t->fault;
}
