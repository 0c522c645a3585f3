// Where the daemon is, and how to get there.
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
    bool local;     // a Unix socket: `host` is its path
    bool tls;       // what is said goes through TLS
    char host[256]; // without brackets
    char port[6];
};

// Reads "host:port", "host", "[IPv6]:port" or "[IPv6]", behind "taskqs://" or the daemon's "tls:host:port"
// (TLS), "taskq://" (the same as nothing), or "unix:PATH". False: `why` is a sentence's end.
bool address_parse(struct address *a, const char *text, const char **why);

// Connects, to the first of the name's addresses that answers before `deadline` (clock_ns(); negative: none).
// `wake`, if it is not -1, ends it when it is readable. A non-blocking, close-on-exec descriptor comes back,
// or -1: errno is ETIMEDOUT, ECANCELED for `wake`, or what the system said; where the name could not be
// looked up `*why` is set, otherwise NULL.
int address_connect(const struct address *a, int64_t deadline, int wake, const char **why);

#endif
