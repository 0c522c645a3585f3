// Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH.
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_TEXT_MAX 160
#define ADDRESSES_MAX    16 // that one name may stand for

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un unix_path;
        struct sockaddr_storage room;
    } at;
    socklen_t len;
};

// All addresses that `text` stands for. False: `why` says what is wrong in a sentence. May ask the resolver,
// so it may take long; any thread.
bool address_parse(const char *text, struct address *out, unsigned *count, char *why, size_t why_size);

// Whether only this machine can reach it.
bool address_is_local(const struct address *a);

// As it is written in a configuration, with its port.
void address_print(const struct address *a, char text[ADDRESS_TEXT_MAX]);

#endif
