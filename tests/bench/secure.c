#include "tests/bench/secure.h"

#include "common/clock.h"
#include "tests/bench/client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

static SSL *new_connection(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL; // which holds the context
    SSL_CTX_free(context);
    if (ssl)
        SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ssl;
}

const char *secure_open(struct connection *conn, int64_t deadline)
{
    conn->ssl = new_connection();
    if (!conn->ssl || SSL_set_fd(conn->ssl, conn->fd) != 1)
        return "no memory";
    for (int result; (result = SSL_connect(conn->ssl)) != 1;) {
        int error = SSL_get_error(conn->ssl, result);
        int64_t left = (deadline - clock_ns()) / 1000000;
        struct pollfd p = {.fd = conn->fd, .events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return "the TLS handshake failed";
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return "the TLS handshake was not done in time";
    }
    return NULL;
}

void secure_close(struct connection *conn)
{
    SSL_free(conn->ssl);
}

static ssize_t failed(struct connection *conn, int result)
{
    int error = SSL_get_error(conn->ssl, result);
    ERR_clear_error();
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t secure_send(struct connection *conn, const char *data, size_t len)
{
    size_t n;
    if (!conn->ssl)
        return send(conn->fd, data, len, MSG_NOSIGNAL);
    return SSL_write_ex(conn->ssl, data, len, &n) == 1 ? (ssize_t)n : failed(conn, 0);
}

ssize_t secure_recv(struct connection *conn, char *into, size_t room)
{
    size_t n;
    if (!conn->ssl)
        return recv(conn->fd, into, room, 0);
    return SSL_read_ex(conn->ssl, into, room, &n) == 1 ? (ssize_t)n : failed(conn, 0);
}
