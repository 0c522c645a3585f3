#include "server/rpc/reply.h"

#include "common/json_writer.h"
#include "server/engine/blob.h"

#include <stdint.h>
#include <string.h>

#define LITERAL(b, text) buffer_append((b), text, sizeof(text) - 1)

static void write_head(struct buffer *b, struct slice id)
{
    LITERAL(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (id.len > 0)
        json_write_slice(b, id);
    else
        LITERAL(b, "null");
}

void reply_begin(struct buffer *b, struct slice id)
{
    write_head(b, id);
    LITERAL(b, ",\"result\":");
}

void reply_end(struct buffer *b)
{
    buffer_append_byte(b, '}');
}

// Up to and with the error's name; the other members of `data` follow, then error_end().
static void error_begin(struct buffer *b, struct slice id, enum error error, const char *text)
{
    write_head(b, id);
    LITERAL(b, ",\"error\":{\"code\":");
    json_write_int(b, error_code(error));
    LITERAL(b, ",\"message\":");
    json_write_bytes(b, slice_of(text ? text : error_text(error)));
    LITERAL(b, ",\"data\":{\"name\":\"");
    json_write_raw(b, error_name(error));
    LITERAL(b, "\"");
}

static void error_end(struct buffer *b)
{
    LITERAL(b, "}}}");
}

void reply_error(struct buffer *b, struct slice id, const struct reply_error *e)
{
    error_begin(b, id, e->error, e->text);
    if (e->param.len > 0) {
        LITERAL(b, ",\"param\":\"");
        json_write_slice(b, e->param);
        LITERAL(b, "\"");
    }
    if (e->offset != SIZE_MAX) {
        LITERAL(b, ",\"at\":");
        json_write_uint(b, e->offset);
    }
    if (e->job) {
        LITERAL(b, ",\"id\":");
        json_write_uint(b, e->job);
    }
    error_end(b);
}

void reply_plain_error(struct buffer *b, struct slice id, enum error error)
{
    error_begin(b, id, error, NULL);
    error_end(b);
}

static void write_blob(struct buffer *b, const struct blob *blob)
{
    if (blob)
        json_write_slice(b, blob_slice(blob));
    else
        LITERAL(b, "null");
}

// The members of an outcome's object.
static void write_outcome(struct buffer *b, uint64_t job, const struct outcome *outcome)
{
    LITERAL(b, "\"id\":");
    json_write_uint(b, job);
    LITERAL(b, ",\"state\":\"");
    json_write_raw(b, job_state_name(outcome->state));
    LITERAL(b, "\"");
    if (outcome->state == JOB_DONE) {
        LITERAL(b, ",\"result\":");
        write_blob(b, outcome->result);
    } else if (outcome->state == JOB_DEAD) {
        LITERAL(b, ",\"reason\":\"");
        json_write_raw(b, dead_reason_name(outcome->reason));
        LITERAL(b, "\",\"attempts\":");
        json_write_uint(b, outcome->attempts);
        LITERAL(b, ",\"error\":");
        write_blob(b, outcome->error);
    }
}

void reply_outcome(struct buffer *b, struct slice id, uint64_t job, const struct outcome *outcome)
{
    if (outcome->state == JOB_DONE) {
        reply_begin(b, id);
        LITERAL(b, "{");
        write_outcome(b, job, outcome);
        LITERAL(b, "}");
        reply_end(b);
        return;
    }
    error_begin(b, id, outcome->state == JOB_DEAD ? ERROR_FAILED : ERROR_CANCELLED, NULL);
    LITERAL(b, ",");
    write_outcome(b, job, outcome);
    error_end(b);
}

void write_finished(struct buffer *b, uint64_t job, enum error error, const struct outcome *outcome)
{
    LITERAL(b, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{");
    if (is_outcome(error)) {
        write_outcome(b, job, outcome);
    } else {
        LITERAL(b, "\"id\":");
        json_write_uint(b, job);
        LITERAL(b, ",\"state\":\"deleted\"");
    }
    LITERAL(b, "}}\n");
}

void write_progress(struct buffer *b, uint64_t job, struct slice members)
{
    LITERAL(b, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":");
    json_write_uint(b, job);
    LITERAL(b, ",");
    json_write_slice(b, members);
    LITERAL(b, "}}\n");
}

static void event_begin(struct buffer *b, struct slice request)
{
    LITERAL(b, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"request\":");
    json_write_slice(b, request);
}

void write_event(struct buffer *b, struct slice request, const struct job_event *event)
{
    event_begin(b, request);
    LITERAL(b, ",\"id\":");
    json_write_uint(b, event->id);
    LITERAL(b, ",\"queue\":");
    json_write_string(b, event->queue);
    LITERAL(b, ",\"state\":\"");
    json_write_raw(b, event_state_name(event->state));
    if (event->from < JOB_STATE_COUNT) {
        LITERAL(b, "\",\"from\":\"");
        json_write_raw(b, event_state_name(event->from));
    }
    LITERAL(b, "\",\"at\":");
    json_write_seconds(b, event->at);
    LITERAL(b, ",\"attempts\":");
    json_write_uint(b, event->attempts);
    if (event->cause) {
        LITERAL(b, ",\"cause\":\"");
        json_write_raw(b, event_cause_name(event->cause));
        LITERAL(b, "\"");
    }
    if (event->state == JOB_DEAD) {
        LITERAL(b, ",\"reason\":\"");
        json_write_raw(b, dead_reason_name(event->reason));
        LITERAL(b, "\"");
    }
    if (event->moved)
        LITERAL(b, ",\"moved\":true");
    LITERAL(b, "}}\n");
}

void write_missed(struct buffer *b, struct slice request, uint64_t count)
{
    event_begin(b, request);
    LITERAL(b, ",\"missed\":");
    json_write_uint(b, count);
    LITERAL(b, "}}\n");
}

void write_taken(struct buffer *b, struct slice queue, const struct taken *job)
{
    LITERAL(b, "{\"id\":");
    json_write_uint(b, job->id);
    LITERAL(b, ",\"queue\":");
    json_write_string(b, queue);
    LITERAL(b, ",\"priority\":");
    json_write_double(b, job->priority);
    LITERAL(b, ",\"delivery\":");
    json_write_uint(b, job->delivery);
    LITERAL(b, ",\"attempt\":");
    json_write_uint(b, job->attempt);
    LITERAL(b, ",\"body\":");
    json_write_slice(b, job->body);
    LITERAL(b, "}");
}

void write_put(struct buffer *b, uint64_t id, bool existing)
{
    LITERAL(b, "{\"id\":");
    json_write_uint(b, id);
    if (existing)
        LITERAL(b, ",\"existing\":true");
    LITERAL(b, "}");
}

// ---- settings: the rows of backoff_… are one object on the outside

static void write_ORDER(struct buffer *b, bool lifo)
{
    json_write_raw(b, lifo ? "\"lifo\"" : "\"fifo\"");
}

static void write_NAME(struct buffer *b, const char *name)
{
    if (name[0])
        json_write_string(b, slice_of(name));
    else
        LITERAL(b, "null");
}

#define write_COUNT   json_write_uint
#define write_BYTES   json_write_uint
#define write_SECONDS json_write_seconds
#define write_SHARE   json_write_double
#define write_FLAG    json_write_bool

void write_queue_settings(struct buffer *b, const struct queue_settings *s)
{
    static const char inner[] = "backoff_";
    bool inside = false;
#define X(field, type, low, high, value, text)                                                               \
    {                                                                                                        \
        bool in = strncmp(#field, inner, sizeof inner - 1) == 0;                                             \
        if (inside && !in)                                                                                   \
            LITERAL(b, "}");                                                                                 \
        if (in && !inside) {                                                                                 \
            json_write_key(b, "backoff");                                                                    \
            LITERAL(b, "{");                                                                                 \
        }                                                                                                    \
        inside = in;                                                                                         \
        json_write_key(b, in ? strchr(#field, '_') + 1 : #field);                                            \
        write_##type(b, s->field);                                                                           \
    }
    QUEUE_SETTINGS(X)
#undef X
    if (inside)
        LITERAL(b, "}");
}
