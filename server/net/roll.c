#include "server/net/roll.h"

#include "common/clock.h"
#include "common/json_writer.h"
#include "server/access/identity.h"
#include "server/net/connection.h"
#include "server/net/loop.h"
#include "server/net/peer.h"

static void write_connection(struct buffer *b, struct connection *c, int64_t now)
{
    char peer[PEER_TEXT_MAX];
    struct session *s = &c->session;
    const char *client = atomic_load(&s->client_name);
    peer_print(c->fd, peer);
    json_write_comma(b);
    json_write_raw(b, "{");
    json_write_key(b, "identity");
    identity_write(b, s->who);
    json_write_key(b, "peer");
    json_write_bytes(b, slice_of(peer));
    json_write_key(b, "client");
    if (client)
        json_write_string(b, slice_of(client));
    else
        json_write_raw(b, "null");
    json_write_key(b, "age");
    json_write_seconds(b, now > c->since ? (now - c->since) / 1000000 : 0);
    json_write_key(b, "requests");
    json_write_uint(b, atomic_load_explicit(&s->requests, memory_order_relaxed));
    json_write_key(b, "waits");
    json_write_uint(b, atomic_load_explicit(&s->waiting, memory_order_relaxed));
    json_write_raw(b, "}");
}

// Under its lock no connection comes or goes.
static bool call_one(struct loop *l, struct roll_place *place, unsigned most, unsigned *count,
                     struct buffer *out)
{
    int64_t now = clock_ns();
    pthread_mutex_lock(&l->lock);
    struct connection *c = l->connections;
    while (c && c->since >= place->before)
        c = c->next;
    for (; c && *count < most; c = c->next, ++*count) {
        write_connection(out, c, now);
        place->before = c->since;
    }
    pthread_mutex_unlock(&l->lock);
    return !c;
}

bool roll_call(struct loop *loops, unsigned loop_count, struct roll_place *place, unsigned most,
               unsigned *count, struct buffer *out)
{
    *count = 0;
    for (; place->loop < loop_count; place->loop++, place->before = INT64_MAX)
        if (!call_one(&loops[place->loop], place, most, count, out))
            return false;
    return true;
}
