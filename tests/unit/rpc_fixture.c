#include "tests/unit/rpc_fixture.h"

#include "common/clock.h"
#include "server/rpc/share.h"
#include "server/rpc/throttle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct peer *peer_of(struct session *s)
{
    return (struct peer *)((char *)s - offsetof(struct peer, session));
}

static void append(struct buffer *b, const char *data, size_t len)
{
    buffer_append(b, data, len);
    assert(!b->failed);
}

static void op_send(struct session *s, const char *data, size_t len, const struct mark *marks,
                    unsigned mark_count)
{
    struct peer *p = peer_of(s);
    assert(len > 0 && !s->broken);
    for (unsigned i = 0; i < mark_count; i++) {
        assert(marks[i].at < len && (i == 0 || marks[i].promise > marks[i - 1].promise));
        if (p->mark_count < sizeof p->marks / sizeof *p->marks)
            p->marks[p->mark_count++] = (struct mark){p->out.len + marks[i].at, marks[i].promise};
    }
    append(p->deaf ? &p->stuck : &p->out, data, len);
    s->unsent = p->stuck.len;
}

static void op_unblocked(struct session *s)
{
    peer_of(s)->pending = true;
}

static void consume(struct peer *p);

static void op_turn(struct session *s)
{
    consume(peer_of(s));
}

static const struct dispatch_ops ops = {.send = op_send, .unblocked = op_unblocked, .turn = op_turn};

void world_init(struct world *w)
{
    *w = (struct world){.rpc = {.version = "test",
                                .durability = "memory",
                                .max_body = 4096,
                                .max_request = 8192,
                                .output_limit = 65536,
                                .max_waits = 16,
                                .max_subscriptions = 1000}};
    struct engine_config config = {.max_bytes = 1 << 28,
                                   .max_queues = 1000,
                                   .max_waits = w->rpc.max_waits,
                                   .max_subscriptions = w->rpc.max_subscriptions,
                                   .start_number = 1,
                                   .first_id = 1,
                                   .seed = 1};
    struct engine *e = engine_new(&config);
    assert(e);
    w->hub = hub_new(e);
    bool made = w->hub && mailbox_init(&w->mailbox);
    w->rpc.hub = w->hub;
    made = made && dispatch_init(&w->dispatch, &w->rpc, &ops, &w->mailbox);
    assert(made);
    (void)made;
}

void world_release(struct world *w)
{
    while (w->peers)
        peer_close(w->peers);
    world_settle(w);
    dispatch_release(&w->dispatch);
    dispatch_completions(&w->dispatch);
    mailbox_release(&w->mailbox);
    hub_free(w->hub);
}

void peer_open(struct world *w, struct peer *p)
{
    *p = (struct peer){.world = w, .next = w->peers};
    p->session.dispatch = &w->dispatch;
    w->peers = p;
}

void peer_close(struct peer *p)
{
    struct peer **at = &p->world->peers;
    dispatch_flush(&p->world->dispatch);
    while (p->session.queued) // it is closed when it is its turn
        shares_turn(&p->world->dispatch);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    dispatch_close(&p->world->dispatch, &p->session);
    buffer_release(&p->unread);
    buffer_release(&p->out);
    buffer_release(&p->stuck);
}

static void consume(struct peer *p)
{
    // A copy of exactly the size, so that a sanitizer sees what reads behind it.
    size_t had = p->unread.len;
    char *exact = calloc(1, had ? had : 1);
    assert(exact);
    memcpy(exact, p->unread.len ? p->unread.data : "", had);
    size_t used = dispatch_input(&p->world->dispatch, &p->session, exact, had);
    free(exact);
    assert(used <= had);
    if (used < had)
        memmove(p->unread.data, p->unread.data + used, had - used);
    p->unread.len = had - used;
    if (p->session.yielded)
        share_queue(&p->world->dispatch, &p->session);
    else if (p->session.held_up)
        p->pending = true;
}

// As a connection does it.
void peer_give(struct peer *p, const char *data, size_t len)
{
    struct dispatch *d = &p->world->dispatch;
    append(&p->unread, data, len);
    if (p->session.queued) {
        return;
    } else if (!share_contended(d, &p->session)) {
        consume(p);
    } else if (share_begin(d, &p->session)) {
        consume(p);
        share_end(d, &p->session);
    }
}

void world_shares(struct world *w, const struct access *access)
{
    w->dispatch.access = access;
    shares_set(&w->dispatch, access);
}

bool world_turn(struct world *w)
{
    bool busy = mailbox_has(&w->mailbox) || dispatch_has_work(&w->dispatch) || w->dispatch.listed;
    dispatch_completions(&w->dispatch);
    busy = dispatch_rests_until(&w->dispatch) >= 0 || busy;
    dispatch_rested(&w->dispatch, INT64_MAX); // time flies
    throttle_resume(&w->dispatch, throttle_next(&w->dispatch));
    dispatch_work(&w->dispatch);
    dispatch_flush(&w->dispatch);
    for (struct peer *p = w->peers; p; p = p->next) {
        if (!p->pending || dispatch_blocked(&w->dispatch, &p->session))
            continue;
        p->pending = false;
        busy = true;
        if (p->session.kept)
            dispatch_drained(&w->dispatch, &p->session);
        peer_give(p, "", 0);
    }
    dispatch_flush(&w->dispatch);
    shares_turn(&w->dispatch);
    return busy;
}

void world_settle(struct world *w)
{
    while (world_turn(w))
        ;
}

void peer_say_bytes(struct peer *p, const char *data, size_t len)
{
    peer_give(p, data, len);
    world_settle(p->world);
}

void peer_say(struct peer *p, const char *text)
{
    peer_say_bytes(p, text, strlen(text));
}

void peer_listen(struct peer *p)
{
    append(&p->out, p->stuck.data ? p->stuck.data : "", p->stuck.len);
    buffer_clear(&p->stuck);
    p->session.unsent = 0;
    p->deaf = false;
    p->pending = true;
    world_settle(p->world);
}

// `"message":"…",` says it to people only.
static void drop_messages(char *text)
{
    static const char begin[] = "\"message\":\"";
    for (char *at = text; (at = strstr(at, begin));) {
        char *end = at + sizeof begin - 1;
        while (*end != '"')
            end += *end == '\\' ? 2 : 1;
        assert(end[1] == ',');
        memmove(at, end + 2, strlen(end + 2) + 1);
    }
}

const char *peer_hear(struct peer *p)
{
    append(&p->out, "", 1);
    drop_messages(p->out.data);
    buffer_clear(&p->out);
    p->mark_count = 0;
    return p->out.data;
}

const char *peer_ask(struct peer *p, const char *line)
{
    peer_say(p, line);
    peer_say(p, "\n");
    return peer_hear(p);
}
