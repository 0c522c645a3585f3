#include "server/admin/post.h"

#include "server/admin/site.h"

#include <string.h>

#define BODIES_MAX ((uint64_t)64 << 20) // of all connections, or four requests if those are larger
#define BODY_TIMES 3  // as long as for a head has a body, and longer where requests may be large
#define BODY_RATE  64 // bytes a ms

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

void post_begin(struct http *h, const struct head *head)
{
    enum error error;
    const char *why;
    struct session *s = &h->connection.session;
    if (!slice_equal(head->method, "POST")) {
        struct response r = {0};
        site_only_allows(true, head, &r, exchange_content(h));
        exchange_respond(h, &r, 0);
        return;
    }
    unsigned status = check_rpc(h, head, &error, &why);
    if (status) {
        exchange_refuse(h, status, error, why);
        return;
    }
    if (!exchange_identify(h, head))
        return;
    if (s->dispatch->access && !s->who) {
        exchange_refuse_unauthorized(h, NULL);
        return;
    }
    h->state = HTTP_BODY;
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

void post_ask(struct http *h)
{
    struct session *s = &h->connection.session;
    if (h->given < h->body.len) {
        size_t taken = dispatch_input(s->dispatch, s, h->body.data + h->given, h->body.len - h->given);
        if (h->state != HTTP_ASKING)
            return;
        h->given += taken;
    }
    if (h->given == h->body.len && !s->broken && !is_owed(s))
        exchange_respond(h, &(struct response){.status = 204, .fields = SITE_NO_STORE}, 0);
}

static bool is_blank(const struct buffer *b)
{
    size_t i = 0;
    while (i < b->len &&
           (b->data[i] == ' ' || b->data[i] == '\t' || b->data[i] == '\r' || b->data[i] == '\n'))
        i++;
    return i == b->len;
}

bool post_take_body(struct http *h, const char *data, size_t len, size_t *used)
{
    struct http_server *server = http_server_of(h);
    uint64_t most = h->connection.session.dispatch->rpc->max_request;
    uint64_t room = 4 * most > BODIES_MAX ? 4 * most : BODIES_MAX;
    size_t taken, before = h->body.cap;
    unsigned status = body_take(&h->coding, data + *used, len - *used, most, &h->body, &taken);
    *used += taken;
    if (h->coding.done && !is_blank(&h->body)) {
        body_to_line(h->body.data, h->body.len);
        buffer_append_byte(&h->body, '\n');
        h->connection.session.begun = true; // whatever the first byte is, it is answered in JSON
        h->state = HTTP_ASKING;
        connection_patience(&h->connection, -1);
    }
    server->bodies += h->body.cap - before;
    if (status)
        exchange_refuse(h, status, status == 413 ? ERROR_TOO_LARGE : ERROR_HTTP,
                        status == 413 ? NULL : "the body is not in chunks as its head says");
    else if (h->body.failed || server->bodies > room)
        exchange_refuse(h, 503, ERROR_OVERLOADED,
                        "too many bytes of requests are under way; try again later");
    else if (h->coding.done && h->state == HTTP_BODY)
        exchange_refuse(h, 400, ERROR_PARSE, "the body is empty");
    return h->state != HTTP_BODY;
}
