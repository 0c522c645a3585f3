#include "server/admin/site.h"

#include "server/access/identity.h"
#include "server/admin/web.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

bool site_is_open(struct slice path)
{
    return slice_equal(path, "/healthz") || slice_equal(path, "/readyz");
}

static void refuse(unsigned status, enum error error, const char *text, struct response *out,
                   struct buffer *content)
{
    response_error(content, error, text);
    out->status = status;
    out->type = RESPONSE_JSON;
    out->fields = SITE_NO_STORE;
    out->content = (struct slice){content->data, content->len};
}

void site_only_allows(bool post, const struct head *head, struct response *out, struct buffer *content)
{
    if (slice_equal(head->method, "OPTIONS"))
        *out = (struct response){.status = 204};
    else
        refuse(405, ERROR_HTTP, "this method is not allowed here; the field Allow says which are", out,
               content);
    out->fields =
        post ? "Allow: POST, OPTIONS\r\n" SITE_NO_STORE : "Allow: GET, HEAD, OPTIONS\r\n" SITE_NO_STORE;
}

void site_unauthorized(const char *text, struct response *out, struct buffer *content)
{
    refuse(401, ERROR_UNAUTHORIZED, text, out, content);
    out->fields = "WWW-Authenticate: Bearer realm=\"taskq\"\r\n" SITE_NO_STORE;
}

static void say(unsigned status, const char *text, struct response *out, struct buffer *content)
{
    buffer_append(content, text, strlen(text));
    buffer_append_byte(content, '\n');
    *out = (struct response){.status = status,
                             .type = RESPONSE_TEXT,
                             .fields = SITE_NO_STORE,
                             .content = {content->data, content->len}};
}

static void answer_ready(const struct site *site, struct response *out, struct buffer *content)
{
    const char *why = site->why_not_ready(site->context);
    say(why ? 503 : 200, why ? why : "ready", out, content);
}

static void answer_metrics(const struct site *site, const struct site_client *client, struct response *out,
                           struct buffer *content)
{
    if (client->access && !site->metrics_open && !client->who) {
        site_unauthorized(NULL, out, content);
        return;
    }
    if (client->access && !site->metrics_open && !(identity_roles_everywhere(client->who) & ROLE_READ)) {
        refuse(403, ERROR_FORBIDDEN, "the metrics take the role read on all queues (a grant for \"*\")", out,
               content);
        return;
    }
    site->metrics(site->context, content);
    *out = (struct response){.status = 200,
                             .type = METRICS_TYPE,
                             .fields = SITE_NO_STORE,
                             .content = {content->data, content->len}};
}

static void answer_file(const struct web_file *f, const struct head *head, struct response *out,
                        struct buffer *content)
{
    buffer_append(content, "Cache-Control: no-cache\r\nETag: ", 31);
    buffer_append(content, f->tag, strlen(f->tag));
    buffer_append(content, "\r\n", 3); // with its NUL
    bool known = head->known.len > 0 && (slice_equal(head->known, "*") ||
                                         memmem(head->known.data, head->known.len, f->tag, strlen(f->tag)));
    *out = (struct response){.status = known ? 304 : 200,
                             .type = f->type,
                             .fields = content->data,
                             .content = {(const char *)f->data, f->len}};
}

void site_answer(const struct site *site, const struct head *head, const struct site_client *client,
                 struct response *out, struct buffer *content)
{
    const struct web_file *file = web_find(head->path);
    bool ready = slice_equal(head->path, "/readyz"), health = slice_equal(head->path, "/healthz"),
         metrics = slice_equal(head->path, "/metrics") && site->metrics,
         star = slice_equal(head->path, "*") && slice_equal(head->method, "OPTIONS");
    *out = (struct response){0};
    if (!file && !ready && !health && !metrics && !star)
        refuse(404, ERROR_HTTP, "there is nothing under this path", out, content);
    else if (!slice_equal(head->method, "GET") && !slice_equal(head->method, "HEAD"))
        site_only_allows(false, head, out, content);
    else if (health)
        say(200, "ok", out, content);
    else if (ready)
        answer_ready(site, out, content);
    else if (metrics)
        answer_metrics(site, client, out, content);
    else
        answer_file(file, head, out, content);
}
