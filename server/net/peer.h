// Who is at the other end of a socket.
#ifndef NET_PEER_H
#define NET_PEER_H

#include "server/net/address.h"

struct access;
struct identity;

#define PEER_TEXT_MAX ADDRESS_TEXT_MAX
#define PEER_KEY_MAX  16

// Its address, or for a Unix socket its process and user. Any thread.
void peer_print(int fd, char text[PEER_TEXT_MAX]);

// What tells it from others who may be counted apart: its address (of IPv6 the network, since whoever has one
// has all of it), or for a Unix socket its user. Returns how long it is. Any thread.
size_t peer_key(int fd, char key[PEER_KEY_MAX]);

// Whom the kernel says that a Unix socket's peer was when it connected. NULL: nobody's identity, or another
// kind of socket. Any thread.
const struct identity *peer_identity(int fd, const struct access *access);

#endif
