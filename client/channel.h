// A connection's bytes, plain or through TLS. Nothing here waits. Through TLS, sending and receiving must not
// happen at the same time.
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include "client/tls.h"

struct channel {
    int fd;          // -1: there is none
    struct tls *tls; // NULL: plain
};
#define CHANNEL_NONE                                                                                         \
    {                                                                                                        \
        -1, NULL                                                                                             \
    }

// As send() and recv(), without SIGPIPE.
ssize_t channel_send(struct channel *c, const void *data, size_t len);
ssize_t channel_recv(struct channel *c, void *data, size_t len);

// Whether the other side has closed, or the connection is broken: by what stands behind all that came, which
// is not lost by this. `*fault`: its errno; 0: it was closed.
bool channel_gone(struct channel *c, int *fault);

// Whether the other side has closed, also if what came before was not received yet. At any time.
bool channel_hung_up(const struct channel *c);

// What to poll() for, when all that came was received; `more`: there is more to send.
short channel_events(const struct channel *c, bool more);

// The sentence for an errno of channel_send() or channel_recv(); `*refused` as in tls_fault().
const char *channel_fault(const struct channel *c, int error, bool *refused);

// Leaves CHANNEL_NONE, which is fine, too.
void channel_close(struct channel *c);

#endif
