#include "server/admin/http.h"

#include "server/access/identity.h"
#include "server/admin/exchange.h"
#include "server/admin/guard.h"
#include "server/admin/post.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/rpc/permit.h"
#include "server/rpc/throttle.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX   ((size_t)32 * 1024)
#define UNREAD_MAX ((size_t)64 * 1024) // behind a request that is under way
#define HEADS_MAX  16                  // that a connection may have in one turn
#define AGENT_MAX  100                 // bytes of what a client calls itself

static struct http *http_of(struct connection *c)
{
    return (struct http *)c;
}

static struct http *http_of_session(struct session *s)
{
    return (struct http *)((char *)s - offsetof(struct http, connection.session));
}

// ---- heads

// What the client calls itself, for `who`: as hello's, the first holds.
static void take_name(struct http *h, struct slice agent)
{
    struct session *s = &h->connection.session;
    size_t len = 0;
    while (len < agent.len && len < AGENT_MAX && agent.data[len] >= ' ' && agent.data[len] <= '~')
        len++;
    if (len > 0 && !s->client_name)
        s->client_name = strndup(agent.data, len);
}

static void begin(struct http *h, const struct head *head)
{
    const struct http_config *config = &http_server_of(h)->config;
    h->old = head->old;
    h->close = head->close;
    h->bare = slice_equal(head->method, "HEAD");
    take_name(h, head->agent);
    bool rpc = slice_equal(head->path, "/rpc"), open = site_is_open(head->path);
    if (!open && !(head->old && head->host.len == 0) &&
        !guard_host(head->host, config->hosts, config->host_count)) {
        exchange_refuse(h, 421, ERROR_HTTP,
                        "the daemon does not go by this name; the setting http_hosts may say so");
        return;
    }
    if (rpc && !guard_origin(head->origin, head->site, head->host)) {
        exchange_refuse(h, 403, ERROR_FORBIDDEN, "a page of another host may not do this");
        return;
    }
    if (rpc) {
        post_begin(h, head);
        return;
    }
    if (!open && !exchange_identify(h, head))
        return;
    if (head->length > 0 || head->chunked)
        h->close = true; // what comes now is nothing that anybody wants
    struct session *s = &h->connection.session;
    struct site_client client = {s->dispatch->access, s->who};
    struct response r;
    site_answer(&config->site, head, &client, &r, exchange_content(h));
    exchange_respond(h, &r, 0);
}

// False: more has to come, or the response to the request before is to leave first.
static bool take_head(struct http *h, const char *data, size_t len, size_t *used)
{
    struct head head;
    const char *why = "a line does not end in CR LF";
    if (h->connection.session.unsent > 0)
        return false;
    while (!h->scanned && *used < len && (data[*used] == '\r' || data[*used] == '\n'))
        ++*used;
    if (*used == len)
        return false;
    if (!h->begun)
        connection_patience(&h->connection, connection_loop(&h->connection)->patience_ms);
    h->begun = true;
    h->close = h->bare = false;
    unsigned status = 400;
    enum head_found found = head_find(data + *used, len - *used, &h->scanned);
    if (found == HEAD_PARTIAL && h->scanned <= HEAD_MAX)
        return false;
    if (found == HEAD_PARTIAL || h->scanned > HEAD_MAX) {
        status = 431;
        why = "the head is too long";
    } else if (found == HEAD_WHOLE) {
        status = head_parse(data + *used, h->scanned, &head, &why);
        *used += h->scanned;
    }
    h->scanned = 0;
    if (status)
        exchange_refuse(h, status, ERROR_HTTP, why);
    else
        begin(h, &head);
    return true;
}

// ---- as the connection calls it

static void on_open(struct connection *c)
{
    const struct access *access = c->session.dispatch->access;
    c->session.alone = true;
    struct http *h = http_of(c);
    connection_patience(c, connection_loop(c)->patience_ms);
    if (access)
        h->peer = connection_peer(c, access);
    if (access && !h->peer && !connection_be_stranger(c))
        exchange_refuse(h, 503, ERROR_OVERLOADED,
                        "too many connections have not said who they are; try again later");
}

static size_t on_input(struct connection *c, const char *data, size_t len)
{
    struct http *h = http_of(c);
    size_t used = 0;
    bool more = !connection_loop(c)->finishing;
    unsigned heads = 0;
    while (more && !c->dead && !c->session.refused && !c->session.broken) {
        switch (h->state) {
        case HTTP_HEAD: // what is answered makes the connection pending: others have their turn before the
                        // rest
            more = heads++ < HEADS_MAX && take_head(h, data, len, &used);
            break;
        case HTTP_BODY:
            more = post_take_body(h, data, len, &used);
            break;
        case HTTP_ASKING:
            post_ask(h);
            more = h->state != HTTP_ASKING;
            break;
        case HTTP_RESTING:
            more = false;
            break;
        }
    }
    return connection_loop(c)->finishing || c->session.refused ? len : used;
}

static bool on_blocked(const struct connection *c)
{
    const struct http *h = (const struct http *)c;
    bool busy = h->state == HTTP_ASKING || h->state == HTTP_RESTING || c->session.unsent > 0;
    return busy && connection_unread(c) >= UNREAD_MAX;
}

static void on_expired(struct connection *c)
{
    struct http *h = http_of(c);
    if (h->state == HTTP_RESTING)
        exchange_refuse_unauthorized(h, "this token is nobody's");
    else if (h->state == HTTP_BODY || h->begun)
        exchange_refuse(h, 408, ERROR_HTTP, "the request took too long to come");
    else if (c->session.unsent > 0)
        connection_patience(c, exchange_idle_ms(h));
    else
        connection_die(c);
}

// Other grants hold at once. A request of somebody who is nobody any more is not answered.
static void on_access(struct connection *c)
{
    struct http *h = http_of(c);
    const struct access *access = c->session.dispatch->access;
    const struct identity *was = c->session.who;
    h->peer = access ? connection_peer(c, access) : NULL;
    session_identify(&c->session, access && was ? access_same(access, was) : NULL, true);
    if (access && c->session.who)
        permit_waits(&c->session);
    else if (access && h->state == HTTP_ASKING)
        connection_die(c);
}

static void on_finish(struct connection *c)
{
    struct http *h = http_of(c);
    if (h->state != HTTP_HEAD)
        exchange_refuse(h, 503, ERROR_DRAINING, NULL);
}

static void on_close(struct connection *c)
{
    exchange_forget_body(http_of(c));
}

// ---- as the dispatcher calls it

// The reply to what was asked: one line, all of which stands for one promise.
static void op_send(struct session *s, const char *data, size_t len, const struct mark *marks,
                    unsigned mark_count)
{
    struct http *h = http_of_session(s);
    uint64_t promise = 0;
    if (h->state != HTTP_ASKING)
        return;
    for (unsigned i = 0; i < mark_count; i++)
        if (marks[i].promise > promise)
            promise = marks[i].promise;
    exchange_respond(h,
                     &(struct response){.status = 200,
                                        .type = RESPONSE_JSON,
                                        .fields = SITE_NO_STORE,
                                        .content = {data, len}},
                     promise);
}

static void op_unblocked(struct session *s)
{
    struct http *h = http_of_session(s);
    loop_pending(connection_loop(&h->connection), &h->connection);
}

static void op_peer(const struct session *s, char text[DISPATCH_PEER_MAX])
{
    peer_print(http_of_session((struct session *)(uintptr_t)s)->connection.fd, text);
}

static const struct dispatch_ops ops = {.send = op_send, .unblocked = op_unblocked, .peer = op_peer};

void http_server_init(struct http_server *s, const struct http_config *config)
{
    struct buffer b = BUFFER_INIT;
    *s = (struct http_server){
        .wire = {.size = sizeof(struct http),
                 .ops = &ops,
                 .open = on_open,
                 .input = on_input,
                 .blocked = on_blocked,
                 .expired = on_expired,
                 .access = on_access,
                 .finish = on_finish,
                 .close = on_close},
        .config = *config,
    };
    strangers_init(&s->strangers, config->connections, config->seed);
    s->wire.strangers = &s->strangers;
    response_error(&b, ERROR_OVERLOADED, "there are too many connections; try again later");
    snprintf(s->crowded, sizeof s->crowded,
             "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " RESPONSE_JSON
             "\r\nContent-Length: %zu\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%.*s",
             b.len, (int)b.len, b.data ? b.data : "");
    s->wire.crowded = s->crowded;
    buffer_release(&b);
}

void http_server_limit(struct http_server *s, unsigned connections)
{
    atomic_store(&s->strangers.most, connections);
}

void http_server_release(struct http_server *s)
{
    buffer_release(&s->out);
    buffer_release(&s->content);
}
