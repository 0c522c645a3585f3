#include "client/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t channel_send(struct channel *c, const void *data, size_t len)
{
    return c->tls == NULL ? send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) : tls_send(c->tls, data, len);
}

ssize_t channel_recv(struct channel *c, void *data, size_t len)
{
    return c->tls == NULL ? recv(c->fd, data, len, MSG_DONTWAIT) : tls_recv(c->tls, data, len);
}

bool channel_gone(struct channel *c, int *fault)
{
    char byte;
    ssize_t n = c->tls != NULL ? tls_peek(c->tls) : recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    *fault = n < 0 ? errno : 0;
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool channel_hung_up(const struct channel *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

short channel_events(const struct channel *c, bool more)
{
    return c->tls == NULL ? (short)(POLLIN | (more ? POLLOUT : 0)) : tls_events(c->tls, more);
}

const char *channel_fault(const struct channel *c, int error, bool *refused)
{
    *refused = false;
    return c->tls != NULL && error == EPROTO ? tls_fault(c->tls, refused) : strerror(error);
}

void channel_close(struct channel *c)
{
    if (c->tls != NULL)
        tls_close(c->tls);
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct channel)CHANNEL_NONE;
}
