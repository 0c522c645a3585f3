// What a service manager and the daemon tell each other: how it goes (the protocol of sd_notify(3): one
// datagram to the socket that NOTIFY_SOCKET names) and sockets that are listened on already (the protocol of
// sd_listen_fds(3)). Both are stable, and so little that no library is needed for them. Without a service
// manager nothing is said and there are no sockets.
//
// Main thread.
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SERVICE_SOCKETS_FIRST 3 // the first descriptor that is passed on

struct service {
    int fd; // -1: nobody listens
    struct sockaddr_un address;
    socklen_t address_len;
    unsigned sockets; // passed on: descriptors SERVICE_SOCKETS_FIRST and up; they close on exec
    uint64_t tls;     // the bits of those that are named `tls`, the first is 1
};

// Takes what the environment says, and takes it out of there: it is meant for this process and not for its
// children. Before any other thread or process is made.
void service_open(struct service *s);
void service_close(struct service *s);

// Lines of NAME=VALUE, as "READY=1\nSTATUS=…". That it arrives is not looked at.
void service_say(const struct service *s, const char *state);

#endif
