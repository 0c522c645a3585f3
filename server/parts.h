// What the daemon is made of. For those that join the parts only:
//
//     daemon.c     the order in which they start
//     state.c      engine, store and queues
//     wiring.c     network threads and what they can ask of the parts
//     ports.c      addresses
//     main_loop.c  what the main thread waits for
//     reload.c     changes while they run
//     stop.c       the order in which they are taken apart
//     daemon_tls.c, figures.c
//
// Main thread, but for what is atomic or says otherwise. What the network threads read of it (wiring.c,
// figures.c) stays as it is while they run.
#ifndef SERVER_PARTS_H
#define SERVER_PARTS_H

#include "server/access/strangers.h"
#include "server/admin/http.h"
#include "server/daemon.h"
#include "server/mailbox.h"
#include "server/rpc/rpc.h"
#include "server/service.h"

#include <stdbool.h>
#include <stdint.h>

// At the end the log gets this long to be written.
#define LOG_FLUSH_MS 2000

// Who may do what, as it was read once.
struct access_set {
    struct access_set *before;
    struct access access;
};

struct daemon {
    struct settings *settings; // what runs now
    const struct daemon_source *source;
    struct service service;
    struct spawner *spawner;
    struct hub *hub;
    struct store *store;
    struct committer *committer;
    struct backups *backups;
    struct pool *pool;
    struct metrics *metrics;
    struct history *history;
    struct rpc rpc;
    struct access_set
        *access; // what holds now, before it what held before: connections may still point there
    struct quota_slot *quotas;
    struct strangers strangers;
    _Atomic uint64_t auth_failures;
    struct loop *loops;  // the last is that of HTTP, if there is any
    unsigned loop_count; // initialised
    struct http_server http;
    struct listeners *http_listeners;
    struct event_base *base;
    struct mailbox mailbox; // of the ticker, which is the main thread
    struct event *timer, *mail, *look, *record;
    struct event *signals;
    int signal_fd; // 0: none
    struct event *spawner_gone;
    struct listeners *listeners;
    struct tls *tls;               // NULL: there is none
    struct handshakes *handshakes; // with it
    struct event *tls_look;        // whether its certificate ends soon
    uint64_t descriptors;          // that this process may have
    bool mailbox_made, committing, handshaking, stopping, failed;
    int64_t stop_by; // clock_ns
};

#endif
