// The helpers for JSON text. They stand on common's reader, so they agree with the daemon on what JSON is.
#include "client/text.h"
#include "common/json_reader.h"
#include "common/json_writer.h"

#include <stdlib.h>

bool taskq_json_valid(const char *json, size_t len)
{
    struct slice s = text_slice(json, len);
    return s.data != NULL && json_text_valid(s.data, s.len);
}

enum taskq_error taskq_json_string(const char *bytes, size_t len, struct taskq_text *json)
{
    struct buffer b = BUFFER_INIT;
    json_write_bytes(&b, text_slice(bytes, len));
    return text_take(json, &b);
}

static bool read_value(const char *json, size_t len, struct json_value *v)
{
    struct slice s = text_slice(json, len);
    struct json_reader r;
    json_reader_init(&r, s.data, s.len);
    r.depth_max = JSON_DEPTH_LIMIT;
    return s.data != NULL && json_reader_value(&r, v) && json_reader_end(&r);
}

enum taskq_error taskq_json_unstring(const char *json, size_t len, struct taskq_text *bytes)
{
    struct json_value v;
    if (!read_value(json, len, &v) || v.type != JSONR_STRING)
        return TASKQ_USAGE;
    char *data = malloc(v.raw.len); // with its quotes, so there is room for the NUL
    if (data == NULL)
        return TASKQ_NO_MEMORY;
    struct slice s;
    if (!json_value_string(&v, data, v.raw.len - 1, &s, NULL)) {
        free(data);
        return TASKQ_USAGE;
    }
    if (s.len > 0)
        memmove(data, s.data, s.len);
    data[s.len] = '\0';
    *bytes = (struct taskq_text){.data = data, .len = s.len};
    return TASKQ_OK;
}

bool taskq_json_member(const char *json, size_t len, const char *name, const char **value, size_t *value_len)
{
    struct slice s = text_slice(json, len);
    struct json_reader r;
    struct json_value key, v, found = {.raw = {NULL, 0}};
    json_reader_init(&r, s.data, s.len);
    r.depth_max = JSON_DEPTH_LIMIT;
    if (s.data == NULL || !json_reader_object_begin(&r))
        return false;
    while (json_reader_member(&r, &key, &v))
        if (found.raw.data == NULL && json_string_is(&key, name))
            found = v;
    if (!json_reader_end(&r) || found.raw.data == NULL)
        return false;
    if (value != NULL)
        *value = found.raw.data;
    if (value_len != NULL)
        *value_len = found.raw.len;
    return true;
}

// Elements are found by their place in the text, so that a walk is one pass: `*at` is the offset behind the
// last.
bool taskq_json_element(const char *json, size_t len, size_t *at, const char **value, size_t *value_len)
{
    struct slice s = text_slice(json, len);
    struct json_reader r;
    struct json_value v;
    if (s.data == NULL || *at > s.len)
        return false;
    json_reader_init(&r, s.data + *at, s.len - *at);
    r.depth_max = JSON_DEPTH_LIMIT;
    if (*at == 0) {
        if (!json_reader_array_begin(&r) || !json_reader_element(&r, &v))
            return false;
    } else {
        if (json_reader_peek(&r) != ',')
            return false;
        size_t skip = *at + json_reader_offset(&r) + 1;
        json_reader_init(&r, s.data + skip, s.len - skip);
        r.depth_max = JSON_DEPTH_LIMIT;
        if (!json_reader_value(&r, &v))
            return false;
    }
    *at = (size_t)(v.raw.data + v.raw.len - s.data);
    *value = v.raw.data;
    *value_len = v.raw.len;
    return true;
}

bool taskq_json_double(const char *json, size_t len, double *value)
{
    struct json_value v;
    return read_value(json, len, &v) && json_value_double(&v, value);
}

bool taskq_json_uint(const char *json, size_t len, uint64_t *value)
{
    struct json_value v;
    return read_value(json, len, &v) && json_value_uint53(&v, value);
}
