#include "server/rpc/input.h"

#include "common/json_reader.h"
#include "server/access/strangers.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/method.h"
#include "server/rpc/parse.h"

#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

static void add_error(struct dispatch *d, const char *start, enum error error, const char *text)
{
    request_make_error(&d->requests[d->count++], start, error, text);
}

// Parses one request, the whole of a line or the first value of what an open batch goes on with, whose length
// then comes back, and adds it to the round. False: the round must end before it, in->slow tells why.
static bool add_request(struct dispatch *d, struct session *s, struct input *in, const char *text,
                        size_t *len)
{
    struct request *r = &d->requests[d->count];
    struct call call = {
        .rpc = d->rpc, .arena = &d->arena, .session = s, .batch = s->batch, .access = d->access};
    if (s->batch)
        *len = request_parse_element(&call, text, *len, r);
    else
        request_parse(&call, text, *len, r);
    if (r->method && r->method->step && !r->quick && !r->error) {
        in->slow = (struct slice){text, *len};
        return false;
    }
    d->count++;
    return true;
}

// A line that is an array. The whole of it is read first: if it is broken, nothing of it is carried out.
static void open_batch(struct dispatch *d, struct session *s, struct input *in, const char *line,
                       const char *end)
{
    struct json_reader r;
    struct json_value element;
    size_t count = 0;
    in->at = end;
    json_reader_init(&r, line, (size_t)(end - line));
    if (json_reader_array_begin(&r))
        while (json_reader_element(&r, &element))
            count++;
    if (!json_reader_end(&r)) {
        add_error(d, line, ERROR_PARSE, r.error);
        d->requests[d->count - 1].offset = json_reader_offset(&r);
    } else if (count == 0) {
        add_error(d, line, ERROR_INVALID_REQUEST, "a batch has at least one request");
    } else if (count > BATCH_MAX) {
        add_error(d, line, ERROR_TOO_LARGE, "a batch has at most 10000 requests");
    } else if ((s->batch = batch_new(s))) {
        in->at = skip_space(line, end) + 1;
    } else {
        add_error(d, line, ERROR_OVERLOADED, NULL);
    }
}

// The next element of the open batch, whose text is known to be well-formed. False: the round ends.
static bool gather_element(struct dispatch *d, struct session *s, struct input *in)
{
    const char *p = skip_space(in->at, in->end);
    if (p < in->end && *p == ',')
        p = skip_space(p + 1, in->end);
    if (p == in->end || *p == ']') {
        in->at = p < in->end ? p + 1 : p;
        in->batch_ends = true;
        return false;
    }
    size_t len = (size_t)(in->end - p);
    bool added = add_request(d, s, in, p, &len);
    in->at = p + len;
    return added;
}

static bool skip_line(struct session *s, struct input *in, const char *newline)
{
    s->scanned = 0;
    in->at = newline ? newline + 1 : in->end;
    s->skipping = !newline;
    return newline;
}

static uint64_t longest_line(const struct dispatch *d, const struct session *s)
{
    bool stranger = d->access && !s->who;
    return stranger && STRANGER_LINE < d->rpc->max_request ? STRANGER_LINE : d->rpc->max_request;
}

static bool gather_line(struct dispatch *d, struct session *s, struct input *in)
{
    const char *start = in->at;
    size_t len = (size_t)(in->end - start);
    const char *newline = len > s->scanned ? memchr(start + s->scanned, '\n', len - s->scanned) : NULL;
    if (s->skipping)
        return skip_line(s, in, newline);
    if (newline)
        len = (size_t)(newline - start);
    if (len > longest_line(d, s)) {
        add_error(d, start, ERROR_TOO_LARGE, "this line is longer than the daemon takes");
        return skip_line(s, in, newline);
    }
    s->scanned = newline ? 0 : (uint32_t)len;
    if (!newline)
        return false;

    const char *first = skip_space(start, newline);
    if (first == newline) {
        in->at = newline + 1;
        return true;
    }
    if (*first == '[') {
        if (d->count > 0)
            return false;
        open_batch(d, s, in, start, newline);
        return false;
    }
    bool added = add_request(d, s, in, start, &len);
    in->at = newline + 1;
    return added;
}

// The first byte tells whether this speaks JSON at all. False: it does not.
static bool sniff(struct dispatch *d, struct session *s, struct input *in)
{
    const char *first = skip_space(in->at, in->end);
    if (first == in->end)
        return true;
    s->begun = true;
    if (*first == '{' || *first == '[')
        return true;
    s->refused = true;
    in->at = in->end;
    add_error(d, first, ERROR_HTTP, NULL);
    return false;
}

void input_gather(struct dispatch *d, struct session *s, struct input *in)
{
    d->count = 0;
    in->slow = (struct slice){0};
    in->batch_ends = false;
    if (!s->begun && !sniff(d, s, in))
        return;
    while (d->count < d->most)
        if (!(s->batch ? gather_element(d, s, in) : gather_line(d, s, in)))
            return;
}

void input_rewind(struct session *s, struct input *in, const struct request *r)
{
    in->at = r->start;
    s->skipping = false;
    s->scanned = 0;
}
