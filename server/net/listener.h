// Sockets that listen. The main thread accepts, and deals the connections out to the loops.
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "server/net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event_base;
struct handshakes;
struct loop;
struct listeners;

struct listener_config {
    struct loop *loops; // running, and longer than the listeners
    unsigned loop_count;
    struct handshakes *handshakes; // for TLS, and longer than the listeners; NULL: there is no TLS
    unsigned max_connections;      // of all loops together; one more is told `overloaded` and closed
    const char *purpose;           // for the log, as " for HTTP"; NULL: the usual
    bool insecure;                 // whether addresses that others can reach are allowed
    bool known;                    // clients say who they are: with TLS such addresses are allowed then
    mode_t unix_mode;              // of Unix sockets
};

// Whether what `text` stands for may be listened on as far as others can reach it: insecure and known of the
// config say so. False: `why`, as listeners_add says it. Opens nothing; any thread.
bool listeners_check(const struct listener_config *config, const char *text, char *why, size_t why_size);

// NULL: no memory. All calls are the thread's that runs `base`.
struct listeners *listeners_new(struct event_base *base, const struct listener_config *config);

// Listens on all that `text` stands for, an address or with TLS `tls:` and an address, and logs it. False:
// `why` says in a sentence what is wrong.
bool listeners_add(struct listeners *l, const char *text, char *why, size_t why_size);

// Takes over a socket that somebody else listens on, with TLS on it or without: a Unix socket's file stays
// its maker's. False as above, and the descriptor is still the caller's.
bool listeners_adopt(struct listeners *l, int fd, bool tls, char *why, size_t why_size);

// Starts to accept.
bool listeners_start(struct listeners *l);

// Changes max_connections. Those that are there stay.
void listeners_limit(struct listeners *l, unsigned max_connections);

// Stops listening, removes Unix sockets' files, frees. NULL is fine.
void listeners_free(struct listeners *l);

#endif
