#include "server/admin/http.h"

#include "server/access/identity.h"
#include "server/admin/body.h"
#include "server/admin/guard.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/rpc/throttle.h"
#include "server/rpc/trail.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX   ((size_t)32 * 1024)
#define UNREAD_MAX ((size_t)64 * 1024) // behind a request that is under way
#define HEADS_MAX  16                  // that a connection may have in one turn
#define OUT_KEEP   ((size_t)256 * 1024)
#define BODIES_MAX ((uint64_t)64 << 20) // of all connections, or four requests if those are larger
#define IDLE_MS    60000                // between two requests of who is known, or need not be
#define BODY_TIMES 3   // as long as for a head has a body, and longer where requests may be large
#define BODY_RATE  64  // bytes a ms
#define AGENT_MAX  100 // bytes of what a client calls itself

enum state {
    HEAD, // of the next request, or between two
    BODY,
    ASKING,  // the dispatcher has the request
    RESTING, // its token is nobody's
};

struct http {
    struct connection connection;
    const struct identity *peer; // who the other end is without a token
    enum state state;
    bool begun; // something of the request has come
    bool close; // after this request
    bool old;   // HTTP/1.0
    bool bare;  // the response is to have no content: HEAD
    size_t scanned;
    struct body coding;
    struct buffer body;
    size_t given; // to the dispatcher
};

static struct http *http_of(struct connection *c)
{
    return (struct http *)c;
}

static struct http *http_of_session(struct session *s)
{
    return (struct http *)((char *)s - offsetof(struct http, connection.session));
}

static struct http_server *server_of(const struct http *h)
{
    return (struct http_server *)(uintptr_t)connection_loop(&h->connection)->wire; // its first member
}

// ---- the end of a request

static void forget_body(struct http *h)
{
    server_of(h)->bodies -= h->body.cap;
    buffer_release(&h->body);
    h->given = 0;
}

// Between two requests.
static int64_t idle_ms(const struct http *h)
{
    return h->connection.stranger ? connection_loop(&h->connection)->patience_ms : IDLE_MS;
}

static void end_request(struct http *h)
{
    forget_body(h);
    h->state = HEAD;
    h->begun = false;
    h->scanned = 0;
    if (h->close)
        h->connection.session.refused = true;
    connection_patience(&h->connection, h->close ? -1 : idle_ms(h));
    loop_pending(connection_loop(&h->connection), &h->connection);
}

// `promise`: it leaves only once that is kept; 0: at once.
static void respond(struct http *h, const struct response *r, uint64_t promise)
{
    struct buffer *out = &server_of(h)->out;
    struct response whole = *r;
    struct mark mark = {.promise = promise};
    whole.close = h->close;
    whole.old = h->old;
    whole.head = h->bare;
    buffer_clear(out);
    response_write(out, &whole);
    if (out->failed || server_of(h)->content.failed)
        connection_die(&h->connection);
    else
        connection_send(&h->connection, out->data, out->len, &mark, promise > 0);
    if (out->cap > OUT_KEEP)
        buffer_release(out);
    buffer_clear(&server_of(h)->content);
    end_request(h);
}

// What is written into for the next response.
static struct buffer *content_of(struct http *h)
{
    struct buffer *content = &server_of(h)->content;
    if (content->cap > OUT_KEEP)
        buffer_release(content);
    buffer_clear(content);
    return content;
}

// Refuses a request that is not read to its end: nothing behind it could be understood.
static void refuse(struct http *h, unsigned status, enum error error, const char *text)
{
    struct buffer *content = content_of(h);
    response_error(content, error, text);
    h->close = true;
    respond(h,
            &(struct response){.status = status,
                               .type = RESPONSE_JSON,
                               .fields = SITE_NO_STORE,
                               .content = {content->data, content->len}},
            0);
}

static void refuse_unauthorized(struct http *h, const char *text)
{
    struct response r = {0};
    site_unauthorized(text, &r, content_of(h));
    h->close = true;
    respond(h, &r, 0);
}

// ---- who asks

// Guessing costs so long a try; the answer comes in on_expired().
static void rest(struct http *h)
{
    trail_wrong_token(&h->connection.session);
    h->state = RESTING;
    connection_patience(&h->connection, TOKEN_WRONG_MS);
}

// False: it may not go on, and is told so: what it gave is nobody's token, or its identity has all the
// connections that it may have.
static bool identify(struct http *h, const struct head *head)
{
    struct session *s = &h->connection.session;
    const struct access *access = s->dispatch->access;
    const struct identity *who = h->peer;
    if (access && head->authorization.len > 0 && !(who = access_of_token(access, head_token(head)))) {
        rest(h);
        return false;
    }
    if (!session_identify(s, who, false)) {
        refuse(h, 429, ERROR_OVERLOADED, THROTTLE_CONNECTIONS);
        return false;
    }
    return true;
}

// ---- POST /rpc

static bool is_json(struct slice type)
{
    const char *end = type.len > 0 ? memchr(type.data, ';', type.len) : NULL;
    if (end)
        type.len = (size_t)(end - type.data);
    while (type.len > 0 && (type.data[type.len - 1] == ' ' || type.data[type.len - 1] == '\t'))
        type.len--;
    return head_word(type, RESPONSE_JSON);
}

// 0, or the status to refuse it with.
static unsigned check_rpc(struct http *h, const struct head *head, enum error *error, const char **why)
{
    *error = ERROR_HTTP;
    *why = "a request comes with Content-Type: application/json";
    if (!is_json(head->type))
        return 415;
    *why = "the field Expect asks for something unknown";
    if (head->expect.len > 0 && !head_word(head->expect, "100-continue"))
        return 417;
    *why = "a request has a body: Content-Length is missing";
    if (!head->has_length && !head->chunked)
        return 411;
    *error = ERROR_TOO_LARGE;
    *why = NULL;
    return head->length > h->connection.session.dispatch->rpc->max_request ? 413 : 0;
}

static void begin_rpc(struct http *h, const struct head *head)
{
    enum error error;
    const char *why;
    struct session *s = &h->connection.session;
    if (!slice_equal(head->method, "POST")) {
        struct response r = {0};
        site_only_allows("POST, OPTIONS", head, &r, content_of(h));
        respond(h, &r, 0);
        return;
    }
    unsigned status = check_rpc(h, head, &error, &why);
    if (status) {
        refuse(h, status, error, why);
        return;
    }
    if (!identify(h, head))
        return;
    if (s->dispatch->access && !s->who) {
        refuse_unauthorized(h, NULL);
        return;
    }
    h->state = BODY;
    body_begin(&h->coding, head->chunked, head->length);
    connection_patience(&h->connection, BODY_TIMES * connection_loop(&h->connection)->patience_ms +
                                            (int64_t)(s->dispatch->rpc->max_request / BODY_RATE));
    if (head->expect.len > 0 && !head->old)
        connection_send(&h->connection, "HTTP/1.1 100 Continue\r\n\r\n", 25, NULL, 0);
}

// Whether a request of this exchange is still to be answered by ops.send. What has no id gets no answer, and
// may go on waiting when the exchange is over.
static bool is_owed(const struct session *s)
{
    if (s->task || s->batch || s->pieces > 0)
        return true;
    for (const struct wait *w = s->waits; w; w = w->next)
        if (w->id_len > 0 || (w->batch && w->batch->out.len > 0))
            return true;
    return false;
}

// Gives the dispatcher what it can take, which may answer at once.
static void ask(struct http *h)
{
    struct session *s = &h->connection.session;
    if (h->given < h->body.len) {
        size_t taken = dispatch_input(s->dispatch, s, h->body.data + h->given, h->body.len - h->given);
        if (h->state != ASKING)
            return;
        h->given += taken;
    }
    if (h->given == h->body.len && !s->broken && !is_owed(s))
        respond(h, &(struct response){.status = 204, .fields = SITE_NO_STORE}, 0);
}

static bool is_blank(const struct buffer *b)
{
    size_t i = 0;
    while (i < b->len &&
           (b->data[i] == ' ' || b->data[i] == '\t' || b->data[i] == '\r' || b->data[i] == '\n'))
        i++;
    return i == b->len;
}

// False: more has to come.
static bool take_body(struct http *h, const char *data, size_t len, size_t *used)
{
    struct http_server *server = server_of(h);
    uint64_t most = h->connection.session.dispatch->rpc->max_request;
    uint64_t room = 4 * most > BODIES_MAX ? 4 * most : BODIES_MAX;
    size_t taken, before = h->body.cap;
    unsigned status = body_take(&h->coding, data + *used, len - *used, most, &h->body, &taken);
    *used += taken;
    if (h->coding.done && !is_blank(&h->body)) {
        body_to_line(h->body.data, h->body.len);
        buffer_append_byte(&h->body, '\n');
        h->connection.session.begun = true; // whatever the first byte is, it is answered in JSON
        h->state = ASKING;
        connection_patience(&h->connection, -1);
    }
    server->bodies += h->body.cap - before;
    if (status)
        refuse(h, status, status == 413 ? ERROR_TOO_LARGE : ERROR_HTTP,
               status == 413 ? NULL : "the body is not in chunks as its head says");
    else if (h->body.failed || server->bodies > room)
        refuse(h, 503, ERROR_OVERLOADED, "too many bytes of requests are under way; try again later");
    else if (h->coding.done && h->state == BODY)
        refuse(h, 400, ERROR_PARSE, "the body is empty");
    return h->state != BODY;
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
    const struct http_config *config = &server_of(h)->config;
    h->old = head->old;
    h->close = head->close;
    h->bare = slice_equal(head->method, "HEAD");
    take_name(h, head->agent);
    bool rpc = slice_equal(head->path, "/rpc"), open = site_is_open(head->path);
    if (!open && !(head->old && head->host.len == 0) &&
        !guard_host(head->host, config->hosts, config->host_count)) {
        refuse(h, 421, ERROR_HTTP, "the daemon does not go by this name; the setting http_hosts may say so");
        return;
    }
    if (rpc && !guard_origin(head->origin, head->site, head->host)) {
        refuse(h, 403, ERROR_FORBIDDEN, "a page of another host may not do this");
        return;
    }
    if (rpc) {
        begin_rpc(h, head);
        return;
    }
    if (!open && !identify(h, head))
        return;
    if (head->length > 0 || head->chunked)
        h->close = true; // what comes now is nothing that anybody wants
    struct session *s = &h->connection.session;
    struct site_client client = {s->dispatch->access, s->who};
    struct response r;
    site_answer(&config->site, head, &client, &r, content_of(h));
    respond(h, &r, 0);
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
        refuse(h, status, ERROR_HTTP, why);
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
        refuse(h, 503, ERROR_OVERLOADED, "too many connections have not said who they are; try again later");
}

static size_t on_input(struct connection *c, const char *data, size_t len)
{
    struct http *h = http_of(c);
    size_t used = 0;
    bool more = !connection_loop(c)->finishing;
    unsigned heads = 0;
    while (more && !c->dead && !c->session.refused && !c->session.broken) {
        switch (h->state) {
        case HEAD: // what is answered makes the connection pending: others have their turn before the rest
            more = heads++ < HEADS_MAX && take_head(h, data, len, &used);
            break;
        case BODY:
            more = take_body(h, data, len, &used);
            break;
        case ASKING:
            ask(h);
            more = h->state != ASKING;
            break;
        case RESTING:
            more = false;
            break;
        }
    }
    return connection_loop(c)->finishing || c->session.refused ? len : used;
}

static bool on_blocked(const struct connection *c)
{
    const struct http *h = (const struct http *)c;
    bool busy = h->state == ASKING || h->state == RESTING || c->session.unsent > 0;
    return busy && connection_unread(c) >= UNREAD_MAX;
}

static void on_expired(struct connection *c)
{
    struct http *h = http_of(c);
    if (h->state == RESTING)
        refuse_unauthorized(h, "this token is nobody's");
    else if (h->state == BODY || h->begun)
        refuse(h, 408, ERROR_HTTP, "the request took too long to come");
    else if (c->session.unsent > 0)
        connection_patience(c, idle_ms(h));
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
    if (access && !c->session.who && h->state == ASKING)
        connection_die(c);
}

static void on_finish(struct connection *c)
{
    struct http *h = http_of(c);
    if (h->state != HEAD)
        refuse(h, 503, ERROR_DRAINING, NULL);
}

static void on_close(struct connection *c)
{
    forget_body(http_of(c));
}

// ---- as the dispatcher calls it

// The reply to what was asked: one line, all of which stands for one promise.
static void op_send(struct session *s, const char *data, size_t len, const struct mark *marks,
                    unsigned mark_count)
{
    struct http *h = http_of_session(s);
    uint64_t promise = 0;
    if (h->state != ASKING)
        return;
    for (unsigned i = 0; i < mark_count; i++)
        if (marks[i].promise > promise)
            promise = marks[i].promise;
    respond(h,
            &(struct response){
                .status = 200, .type = RESPONSE_JSON, .fields = SITE_NO_STORE, .content = {data, len}},
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
