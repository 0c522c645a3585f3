// A network thread: an event base, a mailbox, a dispatcher and the connections that it was given.
//
// Fields are the thread's own but for what is said to be anybody's.
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "server/mailbox.h"
#include "server/rpc/dispatch.h"

#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;
struct secure;
struct strangers;
struct wire;

#define LOOP_READ   ((size_t)64 * 1024)  // what one turn of a connection reads at most
#define LOOP_BUFFER ((size_t)128 * 1024) // and an unfinished line before it

#define LOOP_PATIENCE 10000 // ms: so long has a client to say who it is, where that matters

// A new connection: its socket, plain or with TLS on it.
struct loop_given {
    int fd;
    struct secure *secure; // has the socket; NULL: plain
};

struct loop {
    struct event_base *base;
    struct dispatch dispatch;
    const struct wire *wire; // NULL: its connections speak the protocol's lines
    struct mailbox mailbox;
    struct event mailbox_event;
    struct event stop_event;        // the time to finish is up
    struct event rest_event;        // the first of the tasks that rest goes on
    char *buffer;                   // LOOP_BUFFER
    struct connection *connections; // the newest first; changes under the lock
    struct connection *pending, *pending_last;
    struct connection *recheck; // from here on it is to be looked whether they are still trusted
    struct connection *held;
    pthread_t thread;
    bool running; // the thread was started and not joined
    bool stopping, finishing, over;
    bool more_given;     // than were taken in this turn
    int64_t patience_ms; // LOOP_PATIENCE; a test may change it before the start
    uint64_t durable;    // up to here promises are known to be kept

    atomic_uint connection_count; // anybody's: those given included
    atomic_uint coming;           // anybody's; of the first of some loops: handshakes for all of them
    atomic_bool distrust;         // all connections are to be looked at again
    atomic_bool stop;
    int64_t stop_ms; // set before `stop`
    pthread_mutex_t lock;
    struct loop_given *given; // new connections, under the lock
    unsigned given_count, given_taken, given_cap;
};

// Any thread; the loop is not started by it. False: no memory or no descriptor.
bool loop_init(struct loop *l, const struct rpc *rpc, const struct wire *wire)
    __attribute__((warn_unused_result));

// Starts the thread, with all signals blocked. False: it could not be.
bool loop_start(struct loop *l) __attribute__((warn_unused_result));

// Gives it a connection. Any thread. False: no memory, and it is closed.
bool loop_give(struct loop *l, int fd_take);
bool loop_give_secure(struct loop *l, struct secure *take);

// Where those are counted of its connections that have not said who they are; NULL: nobody does. Any thread.
struct strangers *loop_strangers(const struct loop *l);

// The one with the fewest connections; *total, unless it is NULL: those of all, and those that come. Any
// thread.
struct loop *loop_least_loaded(struct loop *loops, unsigned count, unsigned *total);

// Promises may have been kept: it looks after output that it holds. Any thread.
void loop_durable(struct loop *l);

// rpc.access is another: it takes that over. Any thread.
void loop_access(struct loop *l);

// Whom TLS trusts is read again: who would not be let in any more is cut off, some at a time. Any thread.
void loop_recheck(struct loop *l);

// Closes its connections as soon as their output is sent, all that are left after `ms`, and ends. Any thread,
// once.
void loop_stop(struct loop *l, int64_t ms);

// Waits for its end.
void loop_join(struct loop *l);

// When all threads that use the hub have ended: completions that came late are seen to.
void loop_release(struct loop *l);

// For connections.
void loop_link(struct loop *l, struct connection *c);
void loop_unlink(struct loop *l, struct connection *c);
void loop_pending(struct loop *l, struct connection *c); // connection_continue() at the end of the turn
void loop_held(struct loop *l, struct connection *c);    // connection_durable() when promises are kept
void loop_unhold(struct connection *c);

#endif
