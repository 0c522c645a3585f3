#include "server/admin/response.h"

#include "server/rpc/reply.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

// No browser is to guess what something is, nor to tell other hosts from where it comes. The page works with
// its own files alone.
#define ALWAYS                                                                                               \
    "X-Content-Type-Options: nosniff\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                                       \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"

// In the form that HTTP has, whatever the locale.
static void write_date(struct buffer *b)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
                      months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm t;
    char text[64];
    if (!gmtime_r(&now, &t))
        return;
    int n = snprintf(text, sizeof text, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[t.tm_wday],
                     t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    buffer_append(b, text, (size_t)n);
}

static void write_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void response_write(struct buffer *b, const struct response *r)
{
    char line[128];
    int n = snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", r->status, reason(r->status));
    buffer_append(b, line, (size_t)n);
    write_date(b);
    if (r->type) {
        write_text(b, "Content-Type: ");
        write_text(b, r->type);
        write_text(b, "\r\n");
    }
    if (r->status != 204 && r->status != 304) {
        n = snprintf(line, sizeof line, "Content-Length: %zu\r\n", r->content.len);
        buffer_append(b, line, (size_t)n);
    }
    if (r->fields)
        write_text(b, r->fields);
    if (r->close)
        write_text(b, "Connection: close\r\n");
    else if (r->old)
        write_text(b, "Connection: keep-alive\r\n");
    write_text(b, ALWAYS "\r\n");
    if (!r->head && r->status != 304)
        buffer_append(b, r->content.data, r->content.len);
}

void response_error(struct buffer *b, enum error error, const char *text)
{
    struct reply_error e = {.error = error, .text = text, .offset = SIZE_MAX};
    reply_error(b, (struct slice){0}, &e);
    buffer_append_byte(b, '\n');
}
