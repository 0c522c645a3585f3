#include "server/pool/module_task.h"

#include "common/json_reader.h"
#include "common/json_writer.h"
#include "server/pool/answer.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PROGRESS_EVERY_NS 20000000 // what comes sooner than this after the last report is not sent
#define KEEP_MAX          (256 * 1024)

void module_desk_release(struct module_desk *d)
{
    buffer_release(&d->out);
    buffer_release(&d->queue);
    buffer_release(&d->body);
}

void module_desk_shrink(struct module_desk *d)
{
    if (d->out.cap > KEEP_MAX)
        buffer_release(&d->out);
    if (d->body.cap > KEEP_MAX)
        buffer_release(&d->body);
}

// ---- the calls

static struct module_task *inside(struct taskq_task *task)
{
    return (struct module_task *)task;
}

static bool set_text(struct buffer *b, const char *data, size_t len)
{
    buffer_clear(b);
    buffer_append(b, data, len);
    return !b->failed;
}

static int call_result(struct taskq_task *task, const char *json, size_t len)
{
    struct module_task *t = inside(task);
    t->no_memory = !set_text(&t->result, json, len);
    return t->no_memory ? -1 : 0;
}

static int call_error(struct taskq_task *task, const char *json, size_t len)
{
    struct module_task *t = inside(task);
    t->no_memory = !set_text(&t->error, json, len);
    return -1;
}

static int call_error_text(struct taskq_task *task, const char *text)
{
    struct module_task *t = inside(task);
    buffer_clear(&t->error);
    json_write_bytes(&t->error, slice_of(text));
    t->no_memory = t->error.failed;
    return -1;
}

static void call_delay(struct taskq_task *task, double seconds)
{
    inside(task)->delay = seconds >= 0 && seconds <= (double)ANSWER_DELAY_MAX / 1000 ? seconds : -1;
}

static void call_bury(struct taskq_task *task)
{
    inside(task)->buried = true;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; // the daemon does not want to know any more: the end of the stream will be read
        data += n;
        len -= (size_t)n;
    }
}

static struct slice cut_message(const char *message)
{
    struct slice s = {message, strnlen(message, PROGRESS_MESSAGE_MAX + 1)};
    if (s.len > PROGRESS_MESSAGE_MAX)
        for (s.len = PROGRESS_MESSAGE_MAX; s.len > 0 && ((unsigned char)message[s.len] & 0xc0) == 0x80;)
            s.len--;
    return s;
}

static void call_progress(struct taskq_task *task, double done, double total, const char *message)
{
    struct module_task *t = inside(task);
    int64_t now = now_ns();
    bool has_done = isfinite(done) && done >= 0;
    if ((!has_done && !message) || now - t->reported < PROGRESS_EVERY_NS)
        return;
    t->reported = now;
    struct buffer *b = &t->desk->out;
    buffer_clear(b);
    json_write_raw(b, "{");
    json_write_key(b, "id");
    json_write_uint(b, task->id);
    json_write_key(b, "progress");
    json_write_raw(b, "{");
    if (has_done) {
        json_write_key(b, "done");
        json_write_double(b, done);
    }
    if (isfinite(total) && total >= 0) {
        json_write_key(b, "total");
        json_write_double(b, total);
    }
    if (message) {
        json_write_key(b, "message");
        json_write_bytes(b, cut_message(message));
    }
    json_write_raw(b, "}}\n");
    if (!b->failed)
        send_all(t->desk->fd, b->data, b->len);
}

static int call_cancelled(struct taskq_task *task)
{
    char byte;
    ssize_t n = recv(inside(task)->desk->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static const struct taskq_task_calls calls = {
    .size = sizeof calls,
    .result = call_result,
    .error = call_error,
    .error_text = call_error_text,
    .delay = call_delay,
    .bury = call_bury,
    .progress = call_progress,
    .cancelled = call_cancelled,
};

// ---- a job

static bool set_string(struct buffer *b, const struct json_value *v)
{
    struct slice text;
    buffer_clear(b);
    if (!buffer_reserve(b, v->raw.len + 1) || !json_value_string(v, b->data, b->cap - 1, &text, NULL))
        return false;
    if (text.data != b->data)
        memcpy(b->data, text.data, text.len);
    b->len = text.len;
    buffer_append_byte(b, '\0');
    return true;
}

static bool read_job(struct module_desk *s, struct slice line, struct taskq_task *task)
{
    struct json_reader r;
    struct json_value key, value;
    uint64_t attempt = 0;
    bool fine = true;
    json_reader_init(&r, line.data, line.len);
    r.depth_max = JSON_DEPTH_LIMIT; // a body may be as deep as the daemon allows, within this line's object
    if (json_reader_object_begin(&r))
        while (json_reader_member(&r, &key, &value)) {
            if (json_string_is(&key, "id"))
                fine = json_value_uint53(&value, &task->id) && fine;
            else if (json_string_is(&key, "delivery"))
                fine = json_value_uint53(&value, &task->delivery) && fine;
            else if (json_string_is(&key, "attempt"))
                fine = json_value_uint53(&value, &attempt) && fine;
            else if (json_string_is(&key, "queue"))
                fine = set_string(&s->queue, &value) && fine;
            else if (json_string_is(&key, "body"))
                fine = set_text(&s->body, value.raw.data, value.raw.len) && fine;
        }
    buffer_append_byte(&s->body, '\0');
    if (!json_reader_end(&r) || !fine || s->body.failed || s->queue.len == 0 || s->body.len == 0)
        return false;
    task->calls = &calls;
    task->attempt = (unsigned)attempt;
    task->queue = s->queue.data;
    task->body = s->body.data;
    task->body_len = s->body.len - 1;
    return true;
}

// JSON text in one line, or none at all.
static bool one_line(struct buffer *b)
{
    if (!json_text_valid(b->data, b->len))
        return false;
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\n')
            b->data[i] = ' '; // between tokens: within a string it cannot stand
    return true;
}

static void write_error(struct buffer *b, struct module_task *t, int status)
{
    json_write_key(b, "error");
    if (t->error.len > 0 && one_line(&t->error)) {
        json_write_slice(b, (struct slice){t->error.data, t->error.len});
    } else if (t->error.len > 0) {
        json_write_bytes(b, (struct slice){t->error.data, t->error.len});
    } else {
        json_write_raw(b, "{");
        json_write_key(b, "status");
        json_write_int(b, status);
        json_write_raw(b, "}");
    }
    if (t->delay >= 0) {
        json_write_key(b, "delay");
        json_write_double(b, t->delay);
    }
    if (t->buried) {
        json_write_key(b, "bury");
        json_write_bool(b, true);
    }
}

static void write_answer(struct module_desk *s, struct module_task *t, int status)
{
    struct buffer *b = &s->out;
    buffer_clear(b);
    json_write_raw(b, "{");
    json_write_key(b, "id");
    json_write_uint(b, t->task.id);
    if (status != 0) {
        write_error(b, t, status);
    } else if (t->result.len == 0) {
        json_write_key(b, "result");
        json_write_raw(b, "null");
    } else if (one_line(&t->result)) {
        json_write_key(b, "result");
        json_write_slice(b, (struct slice){t->result.data, t->result.len});
    } else {
        json_write_key(b, "error");
        json_write_raw(b, "{\"module\":\"the result is not JSON\"}");
    }
    json_write_raw(b, "}\n");
}

bool module_task_init(struct module_task *t, struct module_desk *d, struct slice line)
{
    *t = (struct module_task){.desk = d, .delay = -1, .reported = now_ns() - PROGRESS_EVERY_NS};
    return read_job(d, line, &t->task);
}

void module_task_release(struct module_task *t)
{
    buffer_release(&t->result);
    buffer_release(&t->error);
}

bool module_task_answer(struct module_task *t, int status)
{
    struct module_desk *d = t->desk;
    write_answer(d, t, status);
    if (t->no_memory || d->out.failed)
        return false;
    send_all(d->fd, d->out.data, d->out.len);
    return true;
}
