#include "client/request.h"

#include "client/text.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "common/utf8.h"

#include <math.h>

// A value stands two levels deep in its request, and the daemon takes JSON_DEPTH_MAX in all.
#define VALUE_DEPTH (JSON_DEPTH_MAX - 2)

void request_begin(struct taskq *q, const char *method)
{
    buffer_clear(&q->request);
    q->request_fault = NULL;
    json_write_raw(&q->request, ",\"method\":");
    json_write_string(&q->request, slice_of(method));
    json_write_raw(&q->request, ",\"params\":{");
}

static void fault(struct taskq *q, const char *why)
{
    if (q->request_fault == NULL)
        q->request_fault = why;
}

static bool is_utf8(const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        size_t n = utf8_length(text, end);
        if (n == 0)
            return false;
        text += n;
    }
    return true;
}

static void write_text(struct taskq *q, const char *text)
{
    if (text == NULL)
        fault(q, "a name is missing");
    else if (!is_utf8(text))
        fault(q, "a name is not UTF-8");
    else
        json_write_string(&q->request, slice_of(text));
}

void request_text(struct taskq *q, const char *name, const char *text)
{
    json_write_key(&q->request, name);
    write_text(q, text);
}

void request_texts(struct taskq *q, const char *name, const char *const *texts, size_t count)
{
    json_write_key(&q->request, name);
    json_write_raw(&q->request, "[");
    for (size_t i = 0; i < count; i++) {
        json_write_comma(&q->request);
        write_text(q, texts[i]);
    }
    json_write_raw(&q->request, "]");
}

// A request is a line: a line feed in JSON stands between tokens only, where a space is as good.
static void write_json(struct taskq *q, struct slice json)
{
    size_t from = q->request.len;
    json_write_slice(&q->request, json);
    if (q->request.failed)
        return;
    char *at = q->request.data + from, *end = q->request.data + q->request.len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL)
        *at++ = ' ';
}

static bool is_value(struct slice s, unsigned depth, enum jsonr_type *type)
{
    struct json_reader r;
    struct json_value v;
    json_reader_init(&r, s.data, s.len);
    r.depth_max = depth;
    if (s.data == NULL || !json_reader_value(&r, &v) || !json_reader_end(&r))
        return false;
    *type = v.type;
    return true;
}

void request_json(struct taskq *q, const char *name, const char *json, size_t len)
{
    struct slice s = text_slice(json, len);
    enum jsonr_type type;
    if (!is_value(s, VALUE_DEPTH, &type)) {
        fault(q, json_text_valid(s.data != NULL ? s.data : "", s.len) ? "the JSON is nested deeper than 126"
                                                                      : "this is not one JSON value");
        return;
    }
    json_write_key(&q->request, name);
    write_json(q, s);
}

void request_uint(struct taskq *q, const char *name, uint64_t n)
{
    json_write_key(&q->request, name);
    json_write_uint(&q->request, n);
}

void request_uints(struct taskq *q, const char *name, const uint64_t *n, size_t count)
{
    json_write_key(&q->request, name);
    json_write_raw(&q->request, "[");
    for (size_t i = 0; i < count; i++) {
        json_write_comma(&q->request);
        json_write_uint(&q->request, n[i]);
    }
    json_write_raw(&q->request, "]");
}

void request_number(struct taskq *q, const char *name, double n)
{
    if (!isfinite(n))
        fault(q, "a number is not finite");
    json_write_key(&q->request, name);
    json_write_double(&q->request, n);
}

void request_true(struct taskq *q, const char *name)
{
    json_write_key(&q->request, name);
    json_write_bool(&q->request, true);
}

void request_timeout(struct taskq *q, double timeout)
{
    if (!(timeout < 0))
        request_number(q, "timeout", timeout);
}

void request_members(struct taskq *q, const char *object, size_t len)
{
    struct slice s = text_slice(object, len);
    enum jsonr_type type;
    if (object == NULL)
        return;
    if (!is_value(s, JSON_DEPTH_MAX - 1, &type) || type != JSONR_OBJECT) {
        fault(q, "the settings are not one JSON object");
        return;
    }
    const char *open = memchr(s.data, '{', s.len);
    size_t left = s.len - (size_t)(open + 1 - s.data);
    while (s.data[s.len - 1] != '}') // white space behind it
        s.len--, left--;
    struct slice inner = {.data = open + 1, .len = left - 1};
    bool empty = true;
    for (size_t i = 0; i < inner.len && empty; i++)
        empty = strchr(" \t\r\n", inner.data[i]) != NULL;
    if (empty)
        return;
    json_write_comma(&q->request);
    write_json(q, inner);
}

void request_params(struct taskq *q, const char *object, size_t len)
{
    struct slice s = text_slice(object, len);
    enum jsonr_type type;
    if (object == NULL)
        return;
    if (!is_value(s, JSON_DEPTH_MAX - 1, &type) || type != JSONR_OBJECT) {
        fault(q, "the params are not one JSON object");
        return;
    }
    q->request.len--; // the `{` of request_begin()
    write_json(q, s);
    while (!q->request.failed && q->request.data[q->request.len - 1] != '}')
        q->request.len--;
    if (!q->request.failed)
        q->request.len--; // request_end() closes it
}

enum taskq_error request_end(struct taskq *q)
{
    json_write_raw(&q->request, "}}\n");
    if (q->request_fault != NULL)
        return handle_fail(q, TASKQ_USAGE, "%s", q->request_fault);
    if (q->request.failed)
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    return TASKQ_OK;
}
