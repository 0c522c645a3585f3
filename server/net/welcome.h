// Who a connection is, and how long it may take to say so: at its beginning, after a reload, and while it is
// a stranger. What all of net may use of it is in connection.h: connection_access() and its neighbours.
//
// Used by the thread of the connection's loop.
#ifndef NET_WELCOME_H
#define NET_WELCOME_H

#include "server/net/connection.h"

#include <stdbool.h>

// It is known by its certificate or by its peer, or a stranger with a time to say who it is. False: no
// memory.
bool welcome_begin(struct connection *c, const struct access *access) __attribute__((warn_unused_result));

// It is no stranger any more; the time it has goes on.
void welcome_leave(struct connection *c);

// It is known, or gone: nobody waits for it to say who it is.
void welcome_end(struct connection *c);

#endif
