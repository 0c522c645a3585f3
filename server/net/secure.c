#include "server/net/secure.h"

#include "server/tls/certificate.h"
#include "server/tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// OpenSSL reads into a buffer for one record at a time, 16 KiB and some; so often it is filled in one call.
// What comes out of so many is always less than SECURE_READ.
#define FILLS 3

#define TLS_HANDSHAKE 0x16 // what every connection begins with

struct secure {
    struct tls *tls;
    SSL *ssl;
    char *name;
    const char *trouble; // constant text
    int fd;
    unsigned char fills; // that are left in this call
    bool begun;          // the first byte was seen
    bool plain;          // and was none of TLS
    bool eof;            // the socket's
    bool ended;          // in whatever way
    bool failed;         // nothing may be said any more
};

// ---- the socket, as OpenSSL sees it

static int socket_read(BIO *b, char *into, int room)
{
    struct secure *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (s->fills == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    ssize_t n;
    do
        n = recv(s->fd, into, (size_t)room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(b);
    if (n == 0)
        s->eof = true;
    s->fills = n < room ? 0 : (unsigned char)(s->fills - 1); // a short read found all that there is
    if (n > 0 && !s->begun) {
        s->begun = true;
        s->plain = into[0] != TLS_HANDSHAKE;
    }
    return s->plain ? -1 : (int)n; // to what is no TLS nothing is answered
}

static int socket_write(BIO *b, const char *data, int len)
{
    struct secure *s = BIO_get_data(b);
    ssize_t n;
    BIO_clear_retry_flags(b);
    do
        n = send(s->fd, data, (size_t)len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(b);
    return (int)n;
}

static long socket_control(BIO *b, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct secure *s = BIO_get_data(b);
    return command == BIO_CTRL_FLUSH ? 1 : command == BIO_CTRL_EOF ? s->eof : 0;
}

// Constant once it is made; connections of all threads use it until the process ends.
static BIO_METHOD *socket_method;

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "taskq socket");
    if (m && BIO_meth_set_read(m, socket_read) && BIO_meth_set_write(m, socket_write) &&
        BIO_meth_set_ctrl(m, socket_control))
        socket_method = m;
    else
        BIO_meth_free(m);
}

// ---- beginning and end

static bool attach(struct secure *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *b = socket_method ? BIO_new(socket_method) : NULL;
    if (!b)
        return false;
    BIO_set_data(b, s);
    BIO_set_init(b, 1);
    SSL_set_bio(s->ssl, b, b);
    SSL_set_read_ahead(s->ssl, 1);
    return true;
}

struct secure *secure_new(struct tls *tls, int fd_take)
{
    struct secure *s = calloc(1, sizeof *s);
    if (s) {
        s->tls = tls;
        s->fd = fd_take;
        s->ssl = tls_accepting(tls);
    }
    if (s && s->ssl && attach(s))
        return s;
    ERR_clear_error();
    if (s)
        SSL_free(s->ssl);
    free(s);
    close(fd_take);
    return NULL;
}

void secure_end(struct secure *s)
{
    if (!s->failed && SSL_is_init_finished(s->ssl) && !(SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN))
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void secure_close(struct secure *s)
{
    secure_end(s);
    SSL_free(s->ssl);
    close(s->fd);
    free(s->name);
    free(s);
}

int secure_fd(const struct secure *s)
{
    return s->fd;
}

// ---- the handshake

static const char *trouble_of(const struct secure *s, int error)
{
    unsigned long code = ERR_peek_last_error();
    if (s->plain)
        return "it does not speak TLS";
    if (error == SSL_ERROR_ZERO_RETURN || s->eof)
        return "it hung up";
    if (error == SSL_ERROR_SYSCALL)
        return "the connection broke";
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return X509_verify_cert_error_string(SSL_get_verify_result(s->ssl));
    const char *reason = ERR_reason_error_string(code);
    return reason ? reason : "of an error of the library";
}

enum secure_state secure_handshake(struct secure *s)
{
    s->fills = FILLS;
    int result = SSL_do_handshake(s->ssl);
    if (result == 1) {
        s->name = certificate_peer_name(s->ssl);
        ERR_clear_error();
        return SECURE_DONE;
    }
    int error = SSL_get_error(s->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return error == SSL_ERROR_WANT_READ ? SECURE_WANTS_READ : SECURE_WANTS_WRITE;
    s->failed = true;
    s->trouble = trouble_of(s, error);
    ERR_clear_error();
    return SECURE_FAILED;
}

const char *secure_trouble(const struct secure *s)
{
    return s->trouble;
}

bool secure_is_plain(const struct secure *s)
{
    return s->plain;
}

const char *secure_name(const struct secure *s)
{
    return s->name;
}

// ---- after it

// What a call that gave nothing came to, as errno has it.
static int error_of(struct secure *s)
{
    int error = SSL_get_error(s->ssl, -1);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return EAGAIN;
    if (error == SSL_ERROR_ZERO_RETURN) {
        s->ended = true;
        return 0;
    }
    s->failed = true;
    ERR_clear_error();
    return EPROTO;
}

ssize_t secure_recv(struct secure *s, char *into, size_t room)
{
    size_t got = 0, n;
    int error = EAGAIN;
    s->fills = FILLS;
    while (got < room && (got == 0 || s->fills > 0 || SSL_has_pending(s->ssl))) {
        if (SSL_read_ex(s->ssl, into + got, room - got, &n) != 1) {
            error = error_of(s);
            break;
        }
        got += n;
    }
    if (got > 0 || error == 0)
        return (ssize_t)got;
    errno = error;
    return -1;
}

ssize_t secure_send(struct secure *s, const char *data, size_t len)
{
    size_t sent = 0, n;
    while (sent < len) {
        if (SSL_write_ex(s->ssl, data + sent, len - sent, &n) != 1) {
            int error = error_of(s);
            if (sent > 0 && error == EAGAIN)
                break;
            errno = error ? error : EPIPE;
            return -1;
        }
        sent += n;
    }
    return (ssize_t)sent;
}

bool secure_ended(const struct secure *s)
{
    return s->ended;
}

bool secure_is_current(const struct secure *s)
{
    return tls_is_current(s->tls, s->ssl);
}

bool secure_still_trusted(struct secure *s)
{
    return tls_still_trusted(s->tls, s->ssl);
}
