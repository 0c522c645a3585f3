// taskq: JSON-RPC 2.0, one message a line (common/protocol.md).
#include "common/json_reader.h"
#include "tests/bench/protocol.h"

#include <stdio.h>

static void text(struct buffer *out, const char *s)
{
    buffer_append(out, s, strlen(s));
}

// Everything up to the first member of params.
static void begin(struct buffer *out, uint32_t tag, const char *method)
{
    text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    number_write(out, tag);
    text(out, ",\"method\":\"");
    text(out, method);
    text(out, "\",\"params\":{");
}

static void seconds(struct buffer *out, const char *name, double value)
{
    char s[64];
    snprintf(s, sizeof s, ",\"%s\":%.3f", name, value);
    text(out, s);
}

static void put(struct buffer *out, const struct request *r, uint64_t number)
{
    begin(out, r->tag, "put");
    text(out, "\"queue\":\"");
    queue_write(out, r->queue);
    text(out, "\",\"body\":");
    body_write(out, r->body, number);
    if (r->at > 0)
        seconds(out, "at", r->at);
    text(out, "}}");
}

static void put_batch(struct buffer *out, const struct request *r, const struct held *jobs)
{
    for (uint32_t i = 0; i < r->count; i++) {
        buffer_append_byte(out, i ? ',' : '[');
        put(out, r, jobs[i].number);
    }
    buffer_append_byte(out, ']');
}

static void get(struct buffer *out, const struct request *r)
{
    begin(out, r->tag, "get");
    text(out, "\"queue\":\"");
    queue_write(out, r->queue);
    buffer_append_byte(out, '"');
    if (r->count > 1) {
        text(out, ",\"max\":");
        number_write(out, r->count);
    }
    if (!r->wait)
        text(out, ",\"timeout\":0");
    if (r->lease > 0)
        seconds(out, "lease", r->lease);
    text(out, "}}");
}

static void ack(struct buffer *out, const struct request *r, const struct held *jobs)
{
    begin(out, r->tag, "ack");
    if (r->count == 1) {
        text(out, "\"id\":");
        number_write(out, jobs[0].id);
        text(out, ",\"delivery\":");
        number_write(out, jobs[0].delivery);
    } else {
        for (uint32_t i = 0; i < r->count; i++) {
            text(out, i ? "," : "\"ids\":[");
            number_write(out, jobs[i].id);
        }
        buffer_append_byte(out, ']');
    }
    text(out, "}}");
}

static void delete (struct buffer *out, const struct request *r, uint64_t id)
{
    begin(out, r->tag, "delete");
    text(out, "\"id\":");
    number_write(out, id);
    text(out, "}}");
}

static void ask(struct buffer *out, struct session *session, const struct request *r, const struct held *jobs)
{
    (void)session;
    switch (r->step) {
    case STEP_PUT:
        if (r->count == 1)
            put(out, r, jobs[0].number);
        else
            put_batch(out, r, jobs);
        break;
    case STEP_GET:
        get(out, r);
        break;
    case STEP_ACK:
        ack(out, r, jobs);
        break;
    case STEP_DELETE:
        delete (out, r, jobs[0].id);
        break;
    case STEP_PING:
        begin(out, r->tag, "ping");
        text(out, "}}");
    }
    buffer_append_byte(out, '\n');
}

static bool read_job(struct slice in, size_t body_len, struct held *job)
{
    struct json_reader reader;
    struct json_value key, value;
    bool has_id = false, has_delivery = false, has_body = false;
    json_reader_init(&reader, in.data, in.len);
    if (json_reader_object_begin(&reader))
        while (json_reader_member(&reader, &key, &value)) {
            if (json_string_is(&key, "id"))
                has_id = json_value_uint53(&value, &job->id);
            else if (json_string_is(&key, "delivery"))
                has_delivery = json_value_uint53(&value, &job->delivery);
            else if (json_string_is(&key, "body"))
                has_body = body_read(value.raw, body_len, &job->number);
        }
    return json_reader_end(&reader) && has_id && has_delivery && has_body;
}

// {"jobs":[…]}
static bool read_jobs(struct slice in, const struct request *r, struct held *jobs, uint32_t *count)
{
    struct json_reader outer, inner;
    struct json_value key, list, value;
    json_reader_init(&outer, in.data, in.len);
    if (!json_reader_object_begin(&outer) || !json_reader_member(&outer, &key, &list) ||
        !json_string_is(&key, "jobs"))
        return false;
    *count = 0;
    json_reader_init(&inner, list.raw.data, list.raw.len);
    if (json_reader_array_begin(&inner))
        while (json_reader_element(&inner, &value))
            if (*count == r->count || !read_job(value.raw, r->body, &jobs[(*count)++]))
                return false;
    return json_reader_end(&inner);
}

// The one member of a result, a number: {"id":7}, {"acked":7}.
static bool read_member(struct slice in, const char *name, uint64_t *number)
{
    struct json_reader reader;
    struct json_value key, value;
    json_reader_init(&reader, in.data, in.len);
    return json_reader_object_begin(&reader) && json_reader_member(&reader, &key, &value) &&
           json_string_is(&key, name) && json_value_uint53(&value, number);
}

static enum answer read_result(struct slice result, const struct request *r, struct held *jobs,
                               uint32_t *count)
{
    uint64_t number;
    switch (r->step) {
    case STEP_PUT:
        return read_member(result, "id", &jobs->id) ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_GET:
        *count = 1;
        if (r->count > 1 ? read_jobs(result, r, jobs, count) : read_job(result, r->body, jobs))
            return ANSWER_DONE;
        return ANSWER_WRONG;
    case STEP_ACK:
        if (r->count > 1)
            return read_member(result, "acked", &number) && number == r->count ? ANSWER_DONE : ANSWER_WRONG;
        return ANSWER_DONE;
    case STEP_DELETE:
        return read_member(result, "count", &number) && number == 1 ? ANSWER_DONE : ANSWER_WRONG;
    case STEP_PING:
        return ANSWER_DONE;
    }
    return ANSWER_WRONG;
}

static bool is_empty(struct slice error)
{
    struct json_reader reader;
    struct json_value key, value;
    json_reader_init(&reader, error.data, error.len);
    if (json_reader_object_begin(&reader))
        while (json_reader_member(&reader, &key, &value))
            if (json_string_is(&key, "code"))
                return slice_equal(value.raw, "-32001");
    return false;
}

static enum answer read_reply(struct slice reply, const struct request *r, struct held *jobs, uint32_t *count)
{
    struct json_reader reader;
    struct json_value key, value;
    struct slice result = {0}, error = {0};
    uint64_t tag = UINT64_MAX;
    json_reader_init(&reader, reply.data, reply.len);
    if (json_reader_object_begin(&reader))
        while (json_reader_member(&reader, &key, &value)) {
            if (json_string_is(&key, "id"))
                (void)json_value_uint53(&value, &tag);
            else if (json_string_is(&key, "result"))
                result = value.raw;
            else if (json_string_is(&key, "error"))
                error = value.raw;
        }
    if (!json_reader_end(&reader) || tag != r->tag)
        return ANSWER_WRONG;
    if (error.len)
        return r->step == STEP_GET && is_empty(error) ? ANSWER_EMPTY : ANSWER_WRONG;
    return result.len ? read_result(result, r, jobs, count) : ANSWER_WRONG;
}

static enum answer read_batch(struct slice reply, const struct request *r, struct held *jobs, uint32_t *count)
{
    struct json_reader reader;
    struct json_value value;
    uint32_t n = 0;
    json_reader_init(&reader, reply.data, reply.len);
    if (json_reader_array_begin(&reader))
        for (; json_reader_element(&reader, &value); n++)
            if (n == r->count || read_reply(value.raw, r, &jobs[n], count) != ANSWER_DONE)
                return ANSWER_WRONG;
    return json_reader_end(&reader) && n == r->count ? ANSWER_DONE : ANSWER_WRONG;
}

static enum answer read_answer(struct slice in, const struct request *r, struct held *jobs, uint32_t *count,
                               size_t *used)
{
    struct slice line;
    if (!line_read(in, 1, &line, used))
        return ANSWER_PARTIAL;
    if (r->step == STEP_PUT && r->count > 1)
        return read_batch(line, r, jobs, count);
    return read_reply(line, r, jobs, count);
}

const struct protocol protocol_taskq = {
    .name = "taskq", .bulk = true, .timers = true, .ids = true, .ask = ask, .read = read_answer};
