// A connection's socket with TLS or without: recv and send as they are without it. Whom it talks to is not
// looked at: the benchmark has started it itself.
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct connection;

#define SECURE_PREFIX "tls:" // of an address

// Makes the handshake on the connected, non-blocking socket. NULL: it is done; else why it cannot be.
const char *secure_open(struct connection *conn, int64_t deadline);
void secure_close(struct connection *conn); // also where there is no TLS

ssize_t secure_send(struct connection *conn, const char *data, size_t len);
ssize_t secure_recv(struct connection *conn, char *into, size_t room);

#endif
