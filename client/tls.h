// TLS on a client's connection: the handshake, and bytes both ways. A connection is used by one thread at a
// time; nothing here waits but tls_connect().
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

#include "client/tls_context.h"

#include <stdint.h>
#include <sys/types.h>

struct tls;

// Greets what is connected through `fd`, and verifies who it is, before `deadline` (clock_ns(), negative:
// none); `wake`, if it is not -1, ends it when it is readable. Errors, with a sentence in `why`:
// TASKQ_REQUEST_CANCELLED; TASKQ_NO_DAEMON where the next try may do; TASKQ_TLS where it would not;
// TASKQ_NO_MEMORY.
enum taskq_error tls_connect(struct tls **out, struct tls_context *c, int fd, int64_t deadline, int wake,
                             char why[TLS_WHY]);

// Says goodbye, if that is possible without waiting, and frees. The descriptor is the caller's to close.
void tls_close(struct tls *t);

// As send() and recv() that do not wait; EPROTO: tls_fault() has a sentence. Bytes that tls_send() did not
// take come first when it is called again.
ssize_t tls_send(struct tls *t, const void *data, size_t len);
ssize_t tls_recv(struct tls *t, void *data, size_t len);

// As tls_recv() of one byte, which is still to be received then.
ssize_t tls_peek(struct tls *t);

// What to poll() for; `more`: there is more to send. All that came is to be read before: what is in here
// already, poll() does not see.
short tls_events(const struct tls *t, bool more);

// After EPROTO. `*refused`: the other side did not accept who this is, so nothing of what was sent was done.
const char *tls_fault(const struct tls *t, bool *refused);

#endif
