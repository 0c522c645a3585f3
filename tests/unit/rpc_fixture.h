// A daemon without sockets for the tests of server/rpc: an engine, a dispatcher and peers that say lines and
// hear replies. Everything happens on the calling thread, and nothing is left to be done when a function
// returns. Whoever has no Check (the fuzz target) may use it too: what cannot be is an assert.
#ifndef TESTS_UNIT_RPC_FIXTURE_H
#define TESTS_UNIT_RPC_FIXTURE_H

#include "common/buffer.h"
#include "server/hub.h"
#include "server/mailbox.h"
#include "server/rpc/dispatch.h"

#include <stdbool.h>
#include <stddef.h>

struct access;

struct world {
    struct hub *hub;
    struct mailbox mailbox;
    struct rpc rpc; // may be changed before the first peer
    struct dispatch dispatch;
    struct peer *peers;
};

// The other end of a session. What is sent to it is read at once, unless it is `deaf`.
struct peer {
    struct session session;
    struct world *world;
    struct peer *next;
    struct buffer unread; // input that was not consumed
    struct buffer out;    // what it has been sent and not yet heard
    struct buffer stuck;  // what it would be sent if it were not deaf
    struct mark marks[8]; // the last that came with output, counted from the beginning of `out`
    unsigned mark_count;
    bool deaf, pending;
};

void world_init(struct world *w);
void world_release(struct world *w); // closes what peers are left

// Peers are told apart, and their work is done in shares (server/rpc/share.h). Before the first peer.
void world_shares(struct world *w, const struct access *access);

void peer_open(struct world *w, struct peer *p);
void peer_close(struct peer *p);

// Gives input, whole lines or not, and does all that follows from it.
void peer_say_bytes(struct peer *p, const char *data, size_t len);
void peer_say(struct peer *p, const char *text);

// One step of it: input alone, without the turn's end. world_turn() ends the turn; false: nothing was left to
// do.
void peer_give(struct peer *p, const char *data, size_t len);
bool world_turn(struct world *w);
void world_settle(struct world *w);

// A deaf peer hears again.
void peer_listen(struct peer *p);

// What it was sent since the last call, NUL-terminated, without the texts of errors. Valid until the next
// call.
const char *peer_hear(struct peer *p);

// Says a line and returns what comes back.
const char *peer_ask(struct peer *p, const char *line);

#endif
