#include "server/admin/exchange.h"

#include "server/access/identity.h"
#include "server/admin/site.h"
#include "server/rpc/throttle.h"
#include "server/rpc/trail.h"

#define OUT_KEEP ((size_t)256 * 1024)
#define IDLE_MS  60000 // between two requests of who is known, or need not be

// ---- the end of a request

void exchange_forget_body(struct http *h)
{
    http_server_of(h)->bodies -= h->body.cap;
    buffer_release(&h->body);
    h->given = 0;
}

// Between two requests.
int64_t exchange_idle_ms(const struct http *h)
{
    return h->connection.stranger ? connection_loop(&h->connection)->patience_ms : IDLE_MS;
}

static void end_request(struct http *h)
{
    exchange_forget_body(h);
    h->state = HTTP_HEAD;
    h->begun = false;
    h->scanned = 0;
    if (h->close)
        h->connection.session.refused = true;
    connection_patience(&h->connection, h->close ? -1 : exchange_idle_ms(h));
    loop_pending(connection_loop(&h->connection), &h->connection);
}

void exchange_respond(struct http *h, const struct response *r, uint64_t promise)
{
    struct buffer *out = &http_server_of(h)->out;
    struct response whole = *r;
    struct mark mark = {.promise = promise};
    whole.close = h->close;
    whole.old = h->old;
    whole.head = h->bare;
    buffer_clear(out);
    response_write(out, &whole);
    if (out->failed || http_server_of(h)->content.failed)
        connection_die(&h->connection);
    else
        connection_send(&h->connection, out->data, out->len, &mark, promise > 0);
    if (out->cap > OUT_KEEP)
        buffer_release(out);
    buffer_clear(&http_server_of(h)->content);
    end_request(h);
}

struct buffer *exchange_content(struct http *h)
{
    struct buffer *content = &http_server_of(h)->content;
    if (content->cap > OUT_KEEP)
        buffer_release(content);
    buffer_clear(content);
    return content;
}

void exchange_refuse(struct http *h, unsigned status, enum error error, const char *text)
{
    struct buffer *content = exchange_content(h);
    response_error(content, error, text);
    h->close = true;
    exchange_respond(h,
                     &(struct response){.status = status,
                                        .type = RESPONSE_JSON,
                                        .fields = SITE_NO_STORE,
                                        .content = {content->data, content->len}},
                     0);
}

void exchange_refuse_unauthorized(struct http *h, const char *text)
{
    struct response r = {0};
    site_unauthorized(text, &r, exchange_content(h));
    h->close = true;
    exchange_respond(h, &r, 0);
}

// ---- who asks

// Guessing costs so long a try; the answer comes in on_expired().
static void rest(struct http *h)
{
    trail_wrong_token(&h->connection.session);
    h->state = HTTP_RESTING;
    connection_patience(&h->connection, TOKEN_WRONG_MS);
}

bool exchange_identify(struct http *h, const struct head *head)
{
    struct session *s = &h->connection.session;
    const struct access *access = s->dispatch->access;
    const struct identity *who = h->peer;
    if (access && head->authorization.len > 0 && !(who = access_of_token(access, head_token(head)))) {
        rest(h);
        return false;
    }
    if (!session_identify(s, who, false)) {
        exchange_refuse(h, 429, ERROR_OVERLOADED, THROTTLE_CONNECTIONS);
        return false;
    }
    return true;
}
