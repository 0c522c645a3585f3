#include "server/dump.h"

#include "common/json_reader.h"
#include "common/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000

// ---- writing

struct writer {
    FILE *out;
    struct buffer line;
    struct moment now;
    struct dump_counts *counts;
    bool failed;
};

static void end_line(struct writer *w)
{
    json_write_raw(&w->line, "}}\n");
    if (w->line.failed || fwrite(w->line.data, 1, w->line.len, w->out) != w->line.len)
        w->failed = true;
    buffer_clear(&w->line);
}

static void write_seconds(struct buffer *b, const char *key, int64_t ms)
{
    json_write_key(b, key);
    json_write_seconds(b, ms);
}

static void write_settings(struct buffer *b, const struct queue_settings *s)
{
#define WRITE_ORDER(field)   json_write_raw(b, s->field ? "\"lifo\"" : "\"fifo\"");
#define WRITE_COUNT(field)   json_write_uint(b, s->field);
#define WRITE_BYTES(field)   json_write_uint(b, s->field);
#define WRITE_SECONDS(field) json_write_seconds(b, s->field);
#define WRITE_SHARE(field)   json_write_double(b, s->field);
#define WRITE_NAME(field)    json_write_string(b, slice_of(s->field));
#define WRITE_FLAG(field)    json_write_bool(b, s->field);
#define X(field, type, low, high, value, text)                                                               \
    json_write_key(b, #field);                                                                               \
    WRITE_##type(field)
    QUEUE_SETTINGS(X)
#undef X
}

static void write_flag(struct buffer *b, const char *key, bool value)
{
    if (!value)
        return;
    json_write_key(b, key);
    json_write_bool(b, true);
}

static void write_queue(void *arg, const struct queue_info *i)
{
    struct writer *w = arg;
    struct buffer *b = &w->line;
    json_write_raw(b, "{\"queue\":{");
    json_write_key(b, "name");
    json_write_string(b, i->name);
    write_flag(b, "declared", i->declared);
    write_flag(b, "paused", i->paused);
    write_flag(b, "shut_down", i->shut_down);
    write_flag(b, "shut_down_hard", i->shut_down_hard);
    if (i->declared)
        write_settings(b, &i->settings);
    end_line(w);
    w->counts->queues++;
}

static void write_text(struct buffer *b, const char *key, struct slice text)
{
    if (!text.len)
        return;
    json_write_key(b, key);
    json_write_slice(b, text);
}

static void write_name(struct buffer *b, const char *key, struct slice name)
{
    if (!name.len)
        return;
    json_write_key(b, key);
    json_write_string(b, name);
}

static void write_count(struct buffer *b, const char *key, uint64_t n)
{
    if (!n)
        return;
    json_write_key(b, key);
    json_write_uint(b, n);
}

static void write_job(void *arg, const struct job_info *i)
{
    struct writer *w = arg;
    struct buffer *b = &w->line;
    json_write_raw(b, "{\"job\":{");
    write_count(b, "id", i->id);
    write_name(b, "queue", i->queue);
    write_name(b, "state", slice_of(job_state_name(i->state)));
    json_write_key(b, "priority");
    json_write_double(b, i->priority);
    write_seconds(b, "created", i->created);
    write_count(b, "attempts", i->attempts);
    write_count(b, "lost", i->lost);
    write_count(b, "deliveries", i->deliveries);
    if (i->at)
        write_seconds(b, "at", i->at);
    else if (i->left && i->state != JOB_RESERVED)
        write_seconds(b, i->state == JOB_DELAYED ? "due" : "until", w->now.wall + i->left);
    if (i->expires >= 0)
        write_seconds(b, "expires", w->now.wall + i->expires);
    if (i->own_lease)
        write_seconds(b, "lease", i->own_lease);
    write_count(b, "max_attempts", i->own_max_attempts);
    write_flag(b, "submit", i->submit);
    if (i->keep_result >= 0)
        write_seconds(b, "keep_result", i->keep_result);
    write_name(b, "key", i->key);
    if (i->key_for)
        write_seconds(b, "key_for", i->key_for);
    if (i->state == JOB_DEAD || i->failed)
        write_name(b, "reason", slice_of(dead_reason_name(i->reason)));
    write_flag(b, "cancelling", i->cancelling);
    write_flag(b, "failed", i->failed);
    write_count(b, "failed_attempts", i->failed_attempts);
    write_name(b, "origin", i->origin);
    write_text(b, "error", i->error);
    write_text(b, "result", i->result);
    write_text(b, "body", i->body);
    end_line(w);
    w->counts->jobs++;
}

static void note_name(void *arg, const struct queue_info *i)
{
    struct buffer *names = arg;
    uint8_t len = (uint8_t)i->name.len;
    buffer_append(names, &len, 1);
    buffer_append(names, i->name.data, i->name.len);
}

static void write_jobs(struct engine *e, struct writer *w, struct slice queue)
{
    for (int state = 0; state < JOB_STATE_COUNT && !w->failed; state++) {
        struct job_cursor cursor = {0};
        // Done and cancelled jobs share a set of the engine; it shows each by its state.
        for (bool more = true; more && !w->failed;) {
            unsigned visited;
            if (engine_list_jobs(e, w->now, queue, (enum job_state)state, &cursor, PAGE, write_job, w,
                                 &visited, &more) != ERROR_NONE)
                break;
        }
    }
}

bool dump_write(struct engine *e, FILE *out, struct dump_counts *counts)
{
    struct buffer names = {0};
    struct writer w = {.out = out, .now = clock_now(), .counts = counts};
    *counts = (struct dump_counts){0};
    engine_list_queues(e, w.now, (struct slice){NULL, 0}, UINT32_MAX, write_queue, &w);
    engine_list_queues(e, w.now, (struct slice){NULL, 0}, UINT32_MAX, note_name, &names);
    for (size_t at = 0; !names.failed && at < names.len && !w.failed; at += 1 + (uint8_t)names.data[at])
        write_jobs(e, &w, (struct slice){names.data + at + 1, (uint8_t)names.data[at]});
    bool ok = !w.failed && !names.failed && fflush(out) == 0;
    buffer_release(&names);
    buffer_release(&w.line);
    return ok;
}

// ---- reading

struct reading {
    struct engine *e;
    struct moment now;
    char *message;
    uint64_t line, max_body;
    struct buffer hard;               // names of queues that were shut down at once, each after its length
    char text[6][QUEUE_NAME_MAX + 1]; // names, unescaped
    unsigned texts;
};

static bool bad(struct reading *r, const char *what, const char *why)
{
    snprintf(r->message, DUMP_MESSAGE_MAX, "line %" PRIu64 ": %s: %s", r->line, what, why);
    return false;
}

static bool read_ms(const struct json_value *v, int64_t *ms)
{
    double seconds;
    if (!json_value_double(v, &seconds) || seconds < 0 || seconds > 1e12)
        return false;
    *ms = (int64_t)llround(seconds * 1000);
    return true;
}

static bool read_count(const struct json_value *v, uint32_t most, uint32_t *out)
{
    uint64_t n;
    if (!json_value_uint53(v, &n) || n > most)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool read_name(struct reading *r, const struct json_value *v, struct slice *out)
{
    const char *why;
    if (r->texts == sizeof r->text / sizeof *r->text)
        return false;
    if (!json_value_string(v, r->text[r->texts++], QUEUE_NAME_MAX, out, &why))
        return false;
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
            return false;
    return out->len > 0 && out->len <= QUEUE_NAME_MAX;
}

static bool read_state(const struct json_value *v, enum job_state *state)
{
    return v->type == JSONR_STRING && job_state_of_name(json_value_inner(v), state);
}

static bool read_reason(const struct json_value *v, enum dead_reason *reason)
{
    for (int i = 0; i < DEAD_REASON_COUNT; i++)
        if (json_string_is(v, dead_reason_name((enum dead_reason)i))) {
            *reason = (enum dead_reason)i;
            return true;
        }
    return false;
}

static bool read_left(const struct reading *r, const struct json_value *v, int64_t *left)
{
    int64_t when;
    if (!read_ms(v, &when))
        return false;
    *left = when > r->now.wall ? when - r->now.wall : 0;
    return true;
}

// One member of a job's line.
static bool read_job_member(struct reading *r, const struct json_value *key, const struct json_value *v,
                            struct job_info *i)
{
    if (json_string_is(key, "id"))
        return json_value_uint53(v, &i->id) && i->id > 0;
    if (json_string_is(key, "queue"))
        return read_name(r, v, &i->queue);
    if (json_string_is(key, "state"))
        return read_state(v, &i->state);
    if (json_string_is(key, "priority"))
        return json_value_double(v, &i->priority);
    if (json_string_is(key, "created"))
        return read_ms(v, &i->created);
    if (json_string_is(key, "attempts"))
        return read_count(v, 65535, &i->attempts);
    if (json_string_is(key, "lost"))
        return read_count(v, 255, &i->lost);
    if (json_string_is(key, "deliveries"))
        return read_count(v, UINT32_MAX, &i->deliveries);
    if (json_string_is(key, "at"))
        return read_ms(v, &i->at);
    if (json_string_is(key, "due") || json_string_is(key, "until"))
        return read_left(r, v, &i->left);
    if (json_string_is(key, "expires"))
        return read_left(r, v, &i->expires);
    if (json_string_is(key, "lease"))
        return read_ms(v, &i->own_lease);
    if (json_string_is(key, "max_attempts"))
        return read_count(v, 65535, &i->own_max_attempts);
    if (json_string_is(key, "submit"))
        return json_value_bool(v, &i->submit);
    if (json_string_is(key, "keep_result"))
        return read_ms(v, &i->keep_result);
    if (json_string_is(key, "key"))
        return read_name(r, v, &i->key);
    if (json_string_is(key, "key_for"))
        return read_ms(v, &i->key_for);
    if (json_string_is(key, "reason"))
        return read_reason(v, &i->reason);
    if (json_string_is(key, "cancelling"))
        return json_value_bool(v, &i->cancelling);
    if (json_string_is(key, "failed"))
        return json_value_bool(v, &i->failed);
    if (json_string_is(key, "failed_attempts"))
        return read_count(v, UINT32_MAX, &i->failed_attempts);
    if (json_string_is(key, "origin"))
        return read_name(r, v, &i->origin);
    struct slice *text = json_string_is(key, "error")    ? &i->error
                         : json_string_is(key, "result") ? &i->result
                         : json_string_is(key, "body")   ? &i->body
                                                         : NULL;
    if (text)
        *text = v->raw;
    return text && text->len <= r->max_body;
}

static bool read_job(struct reading *r, struct slice text)
{
    struct json_reader in;
    struct json_value key, value;
    struct job_info i = {.expires = -1, .keep_result = -1, .state = JOB_STATE_COUNT};
    json_reader_init(&in, text.data, text.len);
    in.depth_max = 2 * JSON_DEPTH_MAX;
    if (!json_reader_object_begin(&in))
        return bad(r, "job", "not an object");
    while (json_reader_member(&in, &key, &value))
        if (!read_job_member(r, &key, &value, &i))
            return bad(r, "job", "a member that is unknown, not of its kind or too large");
    if (!i.id || !i.queue.len || i.state == JOB_STATE_COUNT || !i.body.len)
        return bad(r, "job", "id, queue, state and body are needed");
    enum error error = engine_import(r->e, r->now, &i);
    if (error == ERROR_INVALID_PARAMS)
        return bad(r, "job", "its id is there already");
    return error == ERROR_NONE || bad(r, "job", error_text(error));
}

static bool read_setting(struct reading *r, const struct json_value *key, const struct json_value *v,
                         struct queue_settings *s)
{
    struct slice name;
#define READ_ORDER(field, low, high)                                                                         \
    return (s->field = json_string_is(v, "lifo")) || json_string_is(v, "fifo");
#define READ_COUNT(field, low, high)                                                                         \
    return json_value_uint53(v, &s->field) && (int64_t)s->field >= (int64_t)(low) &&                         \
           (int64_t)s->field <= (int64_t)(high);
#define READ_BYTES(field, low, high) READ_COUNT(field, low, high)
#define READ_SECONDS(field, low, high)                                                                       \
    return read_ms(v, &s->field) && (int64_t)s->field >= (int64_t)(low) &&                                   \
           (int64_t)s->field <= (int64_t)(high);
#define READ_SHARE(field, low, high)                                                                         \
    return json_value_double(v, &s->field) && s->field >= (low) && s->field <= (high);
#define READ_NAME(field, low, high)                                                                          \
    if (v->raw.len == 2)                                                                                     \
        return true;                                                                                         \
    if (!read_name(r, v, &name))                                                                             \
        return false;                                                                                        \
    memcpy(s->field, name.data, name.len);                                                                   \
    return true;
#define READ_FLAG(field, low, high) return json_value_bool(v, &s->field);
#define X(field, type, low, high, value, text)                                                               \
    if (json_string_is(key, #field)) {                                                                       \
        READ_##type(field, low, high)                                                                        \
    }
    QUEUE_SETTINGS(X)
#undef X
    return false;
}

static bool read_queue(struct reading *r, struct slice text)
{
    struct json_reader in;
    struct json_value key, value;
    struct queue_info i = {.settings = queue_settings_default};
    json_reader_init(&in, text.data, text.len);
    in.depth_max = 2 * JSON_DEPTH_MAX; // as the line was checked, so that it is read to its end
    if (!json_reader_object_begin(&in))
        return bad(r, "queue", "not an object");
    while (json_reader_member(&in, &key, &value)) {
        bool *flag = json_string_is(&key, "declared")         ? &i.declared
                     : json_string_is(&key, "paused")         ? &i.paused
                     : json_string_is(&key, "shut_down")      ? &i.shut_down
                     : json_string_is(&key, "shut_down_hard") ? &i.shut_down_hard
                                                              : NULL;
        bool ok = flag                           ? json_value_bool(&value, flag)
                  : json_string_is(&key, "name") ? read_name(r, &value, &i.name)
                                                 : read_setting(r, &key, &value, &i.settings);
        if (!ok)
            return bad(r, "queue", "a member that is unknown, or not of its kind");
    }
    if (!i.name.len)
        return bad(r, "queue", "a name is needed");
    if (i.shut_down_hard) {
        // Its jobs come after it, and have to be there when it is shut down at once.
        uint8_t len = (uint8_t)i.name.len;
        i.shut_down_hard = i.shut_down = false;
        buffer_append(&r->hard, &len, 1);
        buffer_append(&r->hard, i.name.data, i.name.len);
        if (r->hard.failed)
            return bad(r, "queue", "out of memory");
    }
    enum error error = engine_import_queue(r->e, r->now, &i);
    return error == ERROR_NONE || bad(r, "queue", error_text(error));
}

static bool read_line(struct reading *r, struct slice line, struct dump_counts *counts)
{
    struct json_reader in;
    struct json_value key, value, other_key, other;
    json_reader_init(&in, line.data, line.len);
    in.depth_max = 2 * JSON_DEPTH_MAX;
    r->texts = 0;
    bool one = json_reader_object_begin(&in) && json_reader_member(&in, &key, &value);
    if (!one || json_reader_member(&in, &other_key, &other) || !json_reader_end(&in))
        return bad(r, "not a dump's line",
                   in.error ? in.error : "{\"queue\":{…}} or {\"job\":{…}} is expected");
    if (json_string_is(&key, "job")) {
        counts->jobs++;
        return read_job(r, value.raw);
    }
    if (json_string_is(&key, "queue")) {
        counts->queues++;
        return read_queue(r, value.raw);
    }
    return bad(r, "not a dump's line", "{\"queue\":{…}} or {\"job\":{…}} is expected");
}

static bool shut_down_hard(struct reading *r)
{
    const char *at = r->hard.data, *end = at + r->hard.len;
    for (; at < end; at += 1 + (uint8_t)*at) {
        enum error error = engine_shutdown(r->e, r->now, (struct slice){at + 1, (uint8_t)*at}, true);
        if (error != ERROR_NONE)
            return bad(r, "queue", error_text(error));
    }
    return true;
}

bool dump_read(struct engine *e, FILE *in, uint64_t max_body, struct dump_counts *counts,
               char message[DUMP_MESSAGE_MAX])
{
    struct reading r = {.e = e, .now = clock_now(), .message = message, .max_body = max_body};
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    *counts = (struct dump_counts){0};
    for (ssize_t len; ok && (len = getline(&line, &room, in)) >= 0;) {
        r.line++;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        if (len > 0)
            ok = read_line(&r, (struct slice){line, (size_t)len}, counts);
    }
    if (ok && ferror(in))
        ok = bad(&r, "reading", "the file cannot be read");
    ok = ok && shut_down_hard(&r);
    buffer_release(&r.hard);
    free(line);
    return ok;
}
