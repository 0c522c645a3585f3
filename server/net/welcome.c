#include "server/net/welcome.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/access/identity.h"
#include "server/access/strangers.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/net/secure.h"
#include "server/rpc/permit.h"
#include "server/rpc/reply.h"
#include "server/rpc/throttle.h"

#include <event2/event.h>

#define CROWD_HURRY 5 // so many times less time has a stranger among many

// Somebody who has not said who it is has had the time to do so.
static void on_patience(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct connection *c = context;
    char peer[PEER_TEXT_MAX];
    if (c->dead)
        return;
    if (connection_loop(c)->wire) {
        connection_loop(c)->wire->expired(c);
        return;
    }
    event_free(c->patience);
    c->patience = NULL;
    if (c->session.who)
        return;
    struct strangers *all = loop_strangers(connection_loop(c));
    if (all)
        atomic_fetch_add_explicit(&all->expired, 1, memory_order_relaxed);
    if (strangers_may_log(all, clock_ns())) {
        peer_print(c->fd, peer);
        log_event(LOG_CLIENT_MUTE, KV("peer", peer));
    }
    connection_die(c);
}

// False: no memory.
static bool be_patient(struct connection *c, int64_t ms)
{
    struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (!c->patience)
        c->patience = event_new(connection_loop(c)->base, -1, 0, on_patience, c);
    return c->patience && event_add(c->patience, &patience) == 0;
}

void connection_patience(struct connection *c, int64_t ms)
{
    if (ms < 0 && c->patience)
        event_del(c->patience);
    if (ms >= 0 && !be_patient(c, ms))
        connection_die(c);
}

// It is told why, and closed at the end of the turn.
static void turn_away(struct connection *c, const char *text)
{
    struct buffer b = BUFFER_INIT;
    reply_error(&b, (struct slice){0},
                &(struct reply_error){.error = ERROR_OVERLOADED, .text = text, .offset = REQUEST_NO_OFFSET});
    buffer_append_byte(&b, '\n');
    if (!b.failed)
        c->session.dispatch->ops->send(&c->session, b.data, b.len, NULL, 0);
    buffer_release(&b);
    c->session.refused = true;
    loop_pending(connection_loop(c), c);
}

const struct identity *connection_peer(const struct connection *c, const struct access *access)
{
    if (!c->secure)
        return peer_identity(c->fd, access);
    return secure_name(c->secure) ? access_of_certificate(access, secure_name(c->secure)) : NULL;
}

bool connection_be_stranger(struct connection *c)
{
    struct strangers *all = loop_strangers(connection_loop(c));
    char key[PEER_KEY_MAX], peer[PEER_TEXT_MAX];
    int place = all ? strangers_enter(all, key, peer_key(c->fd, key)) : -1;
    if (place < 0 && all && strangers_may_log(all, clock_ns())) {
        peer_print(c->fd, peer);
        log_event(LOG_STRANGER_TURNED_AWAY, KV("peer", peer));
    }
    c->stranger = (uint16_t)(place + 1);
    return place >= 0 || !all;
}

// False: no memory.
static bool receive_stranger(struct connection *c)
{
    struct strangers *all = loop_strangers(connection_loop(c));
    int64_t ms = connection_loop(c)->patience_ms;
    if (connection_be_stranger(c))
        return be_patient(c, all && strangers_crowd(all) ? ms / CROWD_HURRY : ms);
    turn_away(c, "too many connections have not said who they are: try again in a while");
    return true;
}

void welcome_leave(struct connection *c)
{
    if (c->stranger)
        strangers_leave(loop_strangers(connection_loop(c)), c->stranger - 1);
    c->stranger = 0;
}

void welcome_end(struct connection *c)
{
    if (c->patience)
        event_free(c->patience);
    c->patience = NULL;
    welcome_leave(c);
}

bool welcome_begin(struct connection *c, const struct access *access)
{
    const struct identity *who = access ? connection_peer(c, access) : NULL;
    if (who && !session_identify(&c->session, who, false))
        turn_away(c, THROTTLE_CONNECTIONS);
    return who || !access || receive_stranger(c);
}

void connection_access(struct connection *c)
{
    const struct access *access = c->session.dispatch->access;
    const struct identity *was = c->session.who;
    char peer[PEER_TEXT_MAX];
    if (connection_loop(c)->wire) {
        if (!c->dead)
            connection_loop(c)->wire->access(c);
        return;
    }
    if (c->dead || !access)
        return;
    const struct identity *now = was ? access_same(access, was) : NULL;
    if (!now && (!was || was->kind != IDENTITY_TOKEN))
        now = connection_peer(c, access);
    session_identify(&c->session, now, true);
    if (now) {
        permit_waits(&c->session);
        welcome_end(c);
        return;
    }
    if (was) {
        peer_print(c->fd, peer);
        log_event(LOG_CLIENT_NOBODY, KV("kind", identity_kind_name(was->kind)), KV("who", was->name),
                  KV("peer", peer));
        connection_die(c);
    } else if (!c->patience && !be_patient(c, connection_loop(c)->patience_ms)) {
        connection_die(c);
    }
}

bool connection_recheck(struct connection *c)
{
    char peer[PEER_TEXT_MAX];
    if (!c->secure || c->dead || secure_is_current(c->secure))
        return false;
    if (secure_still_trusted(c->secure))
        return true;
    peer_print(c->fd, peer);
    log_event(LOG_CLIENT_UNTRUSTED, KV("who", secure_name(c->secure)), KV("peer", peer));
    connection_die(c);
    return true;
}
