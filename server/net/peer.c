#include "server/net/peer.h"

#include "server/access/identity.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GROUPS_USUAL 64

static bool is_unix(int fd)
{
    int domain = 0;
    socklen_t len = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static bool credentials(int fd, struct ucred *out)
{
    socklen_t len = sizeof *out;
    return is_unix(fd) && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out, &len) == 0;
}

void peer_print(int fd, char text[PEER_TEXT_MAX])
{
    struct ucred peer;
    struct address a = {.len = sizeof a.at};
    if (credentials(fd, &peer))
        snprintf(text, PEER_TEXT_MAX, "unix:pid=%d,uid=%u", (int)peer.pid, (unsigned)peer.uid);
    else if (getpeername(fd, &a.at.any, &a.len) == 0)
        address_print(&a, text);
    else
        snprintf(text, PEER_TEXT_MAX, "unknown");
}

#define NETWORK_BYTES 8 // of an address of IPv6

size_t peer_key(int fd, char key[PEER_KEY_MAX])
{
    struct ucred peer;
    struct address a = {.len = sizeof a.at};
    if (credentials(fd, &peer)) {
        memcpy(key, &peer.uid, sizeof peer.uid);
        return sizeof peer.uid;
    }
    if (getpeername(fd, &a.at.any, &a.len) != 0)
        return 0;
    const struct sockaddr_in6 *six = (const void *)&a.at.room;
    const void *four = &((const struct sockaddr_in *)(const void *)&a.at.room)->sin_addr;
    if (a.at.any.sa_family == AF_INET6) {
        if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            memcpy(key, &six->sin6_addr, NETWORK_BYTES);
            return NETWORK_BYTES;
        }
        four = &six->sin6_addr.s6_addr[12]; // by way of a socket for both, which was passed on
    }
    memcpy(key, four, sizeof(struct in_addr));
    key[sizeof(struct in_addr)] = '4'; // and no user's number
    return sizeof(struct in_addr) + 1;
}

_Static_assert(sizeof(gid_t) == sizeof(uint32_t) && sizeof(uid_t) == sizeof(uint32_t),
               "identities have 32 bits");

const struct identity *peer_identity(int fd, const struct access *access)
{
    struct ucred peer;
    uint32_t usual[GROUPS_USUAL], *groups = usual, *many = NULL;
    socklen_t len = sizeof usual;
    if (!credentials(fd, &peer))
        return NULL;
    int got = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
    if (got < 0 && len > sizeof usual && (many = malloc(len))) { // the kernel has said how many there are
        groups = many;
        got = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
    }
    size_t count = got == 0 ? len / sizeof *groups : 0;
    const struct identity *who = access_of_peer(access, peer.uid, groups, count);
    if (!who)
        who = access_of_peer(access, peer.uid, &peer.gid, 1);
    free(many);
    return who;
}
