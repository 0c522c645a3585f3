// Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH.
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_TLS_PREFIX "tls:"
#define ADDRESS_TEXT_MAX   160
#define ADDRESSES_MAX      16 // that one name may stand for

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un unix_path;
        struct sockaddr_storage room;
    } at;
    socklen_t len;
};

// What follows `tls:`, where a text begins with it.
const char *address_without_tls(const char *text, bool *tls);

// Whether a text is written as an address, perhaps with `tls:` before it. False: `why` says what is wrong in
// a sentence. Asks nobody.
bool address_check(const char *text, char *why, size_t why_size);

// All addresses that `text` stands for. False: `why` says what is wrong in a sentence. May ask the resolver,
// so it may take long; any thread.
bool address_parse(const char *text, struct address *out, unsigned *count, char *why, size_t why_size);

// Whether only this machine can reach it.
bool address_is_local(const struct address *a);

// As it is written in a configuration, with its port.
void address_print(const struct address *a, char text[ADDRESS_TEXT_MAX]);

#endif
