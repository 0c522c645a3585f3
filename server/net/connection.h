// A connection: a socket, its protocol session, and what could not be read or sent whole.
//
// It belongs to one loop and is used by that loop's thread alone. While idle it holds no buffer.
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "server/net/loop.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/session.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

struct access;
struct connection;
struct identity;
struct secure;
struct strangers;
struct stream;
struct leftover;

// What a loop's connections speak where it is not the protocol's own lines. All in the loop's thread.
struct wire {
    size_t size; // of its connections, which begin with a struct connection; all of it begins as zeros
    const struct dispatch_ops *ops;
    const char *crowded;         // what one too many is told before it is closed
    struct strangers *strangers; // its own; NULL: those of struct rpc
    void (*open)(struct connection *c);
    // Deals with the beginning of its input, of which there may be none, and says how much that was. Called
    // when more has come, and by connection_continue().
    size_t (*input)(struct connection *c, const char *data, size_t len);
    bool (*blocked)(const struct connection *c); // no more is to be read for now
    void (*expired)(struct connection *c);       // the time of connection_patience() is up
    void (*access)(struct connection *c);        // the dispatcher has another access
    void (*finish)(struct connection *c);        // before it is not heard any more
    void (*close)(struct connection *c);
};

struct connection {
    struct session session;
    struct connection *prev, *next;  // of all of the loop's
    struct connection *next_pending; // of those that have something to do at the end of the turn
    struct stream *stream;           // NULL: all is sent
    struct secure *secure;           // TLS, which has the socket; NULL: there is none
    struct leftover *in;             // input that could not be dealt with; NULL: none
    int64_t since;                   // clock_ns(); each of a loop's has another
    struct event *patience;          // until a client has to have done something; NULL: it need not, or did
    int fd;
    uint16_t stranger; // its place among them + 1; 0: it is none
    unsigned char discards;
    bool pending : 1;
    bool reading : 1;    // the read event is added
    bool ended : 1;      // the client sends no more, or is not to be heard any more
    bool dead : 1;       // to be closed at the end of the turn
    bool discarding : 1; // all is said: what comes is thrown away until the client has closed
    struct event read_event;
};

extern const struct dispatch_ops connection_ops;

static inline struct loop *connection_loop(const struct connection *c)
{
    return (struct loop *)((char *)c->session.dispatch - offsetof(struct loop, dispatch));
}

// Takes the descriptor: non-blocking, close-on-exec; or what has it, after its handshake. False: no memory,
// and it is closed.
bool connection_open(struct loop *l, int fd_take, struct secure *take);

// What is pending for it; it may be freed by this.
void connection_continue(struct connection *c);

// Some promises have been kept: sends what was held for them.
void connection_durable(struct connection *c);

// The loop's dispatcher has another access: who it is, is looked up again. It dies if it is nobody any more.
void connection_access(struct connection *c);

// Dies if its client would not be let in any more. True: that took some time to find out.
bool connection_recheck(struct connection *c);

// Hears no more of it, and closes it when its output is sent.
void connection_finish(struct connection *c);

// Closes at once and frees.
void connection_close(struct connection *c);

// ---- for a wire

struct mark;

// Who it is without a word: by its certificate, or by what the kernel says of a Unix socket's peer. NULL:
// nobody's identity.
const struct identity *connection_peer(const struct connection *c, const struct access *access);

// Counts it among those that have not said who they are, until its session has an identity. False: they are
// too many, which is logged.
bool connection_be_stranger(struct connection *c) __attribute__((warn_unused_result));

// Sends, or keeps until it can be sent; ops.send is made of it.
void connection_send(struct connection *c, const char *data, size_t len, const struct mark *marks,
                     unsigned mark_count);

// It is closed at the end of the turn, whatever is not sent.
void connection_die(struct connection *c);

// Bytes of its input that were not dealt with.
size_t connection_unread(const struct connection *c);

// In so many ms wire.expired is called, once, instead of when it was to be before; -1: it is not.
void connection_patience(struct connection *c, int64_t ms);

#endif
