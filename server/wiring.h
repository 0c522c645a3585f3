// The network threads, and what requests on them can ask of the daemon's parts: struct rpc is filled in here.
//
// For those that join the parts. Main thread; what it gives to struct rpc is called by any of the network
// threads.
#ifndef SERVER_WIRING_H
#define SERVER_WIRING_H

#include <stdbool.h>

struct access;
struct daemon;

// Starts the network threads, the last is HTTP's, and before them the committer's, which tells them what is
// on disk. False: logged; stop.h stops those that run. After the state (state.h), before the pool and the
// ports.
bool wiring_start(struct daemon *d) __attribute__((warn_unused_result));

// Takes over who may do what, which is empty then; the network threads follow between two turns. False: no
// memory, and all stays as it was.
bool wiring_take_access(struct daemon *d, struct access *take) __attribute__((warn_unused_result));

#endif
