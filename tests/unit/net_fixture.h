// A running loop and the client's ends of its connections, which are socket pairs. Reads wait as long as they
// must, within reason.
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include "server/hub.h"
#include "server/net/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct net_world {
    struct hub *hub;
    struct rpc rpc;
    struct loop loops[2];
    unsigned loop_count;
};

// Loops that are not started yet: net_world.rpc may still be changed.
void net_world_init(struct net_world *w, unsigned loops);
void net_world_init_with(struct net_world *w, unsigned loops, const struct wire *wire);
void net_world_start(struct net_world *w);
void net_world_stop(struct net_world *w);    // the loops, and waits for them
void net_world_release(struct net_world *w); // stops them if need be

// A connection to the loop with this index; the descriptor is the client's blocking end.
int net_connect(struct net_world *w, unsigned loop);

// A socket that the test made itself: before it is used below.
void net_adopt(int fd);

void net_send(int fd, const char *text);
void net_send_bytes(int fd, const char *data, size_t len);

// The next line without its line feed and without an error's message; NULL: the connection has ended. Valid
// until the next call.
const char *net_line(int fd);
const char *net_ask(int fd, const char *line);

// Whether the other side has closed, which is waited for; what comes before that is dropped.
bool net_closed(int fd);

// Waits until the loops have so many connections in all.
void net_wait_connections(struct net_world *w, unsigned count);

#endif
