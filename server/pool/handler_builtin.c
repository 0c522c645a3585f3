#include "server/pool/handler_builtin.h"

#include "common/clock.h"
#include "common/json_reader.h"
#include "common/json_writer.h"

#include <math.h>

#define SLEEP_SECONDS_MAX 1e9

// A verdict whose text is a copy of `text`. Without memory the job goes back to where it was.
static struct verdict with_text(enum verdict_kind kind, struct slice text)
{
    struct blob *b = blob_new(text);
    if (!b)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    return (struct verdict){.kind = kind, .text = b};
}

static struct verdict run_noop(struct worker *w, const struct task *t)
{
    (void)w;
    (void)t;
    return (struct verdict){.kind = VERDICT_DONE};
}

static struct verdict run_echo(struct worker *w, const struct task *t)
{
    if (w->blob)
        return (struct verdict){.kind = VERDICT_DONE, .text = blob_ref(w->blob)};
    return with_text(VERDICT_DONE, t->body);
}

static struct verdict run_fail(struct worker *w, const struct task *t)
{
    if (w->blob)
        return (struct verdict){.kind = VERDICT_FAILED, .text = blob_ref(w->blob)};
    return with_text(VERDICT_FAILED, t->body);
}

// `seconds` of an object, or the number itself. False: neither.
static bool sleep_seconds(struct slice body, double *seconds)
{
    struct json_reader r;
    struct json_value key, value, found = {.type = JSONR_NULL};
    json_reader_init(&r, body.data, body.len);
    if (json_reader_peek(&r) == '{') {
        bool begun = json_reader_object_begin(&r);
        while (begun && json_reader_member(&r, &key, &value))
            if (json_string_is(&key, "seconds"))
                found = value;
    } else if (!json_reader_value(&r, &found)) {
        return false;
    }
    return json_value_double(&found, seconds) && *seconds >= 0 && *seconds <= SLEEP_SECONDS_MAX;
}

static struct verdict slept_too_long(int64_t timeout)
{
    struct buffer b = BUFFER_INIT;
    json_write_raw(&b, "{");
    json_write_key(&b, "timeout");
    json_write_seconds(&b, timeout);
    json_write_raw(&b, "}");
    struct verdict v = b.failed ? (struct verdict){.kind = VERDICT_BACK, .pause = true}
                                : with_text(VERDICT_FAILED, (struct slice){b.data, b.len});
    buffer_release(&b);
    return v;
}

static struct verdict run_sleep(struct worker *w, const struct task *t)
{
    double seconds;
    if (!sleep_seconds(t->body, &seconds))
        return with_text(VERDICT_FAILED, SLICE("{\"sleep\":\"the body must be seconds, 0 to 1e9: 1.5 or "
                                               "{\\\"seconds\\\":1.5}\"}"));
    int64_t start = clock_now().mono;
    int64_t until = start + (int64_t)ceil(seconds * 1000);
    int64_t timeout = w->handler->settings.timeout;
    bool too_long = timeout > 0 && until > start + timeout;
    if (too_long)
        until = start + timeout;
    while (clock_now().mono < until) {
        struct pollfd fds[1];
        enum interrupt i = worker_wait(w, fds, 1, until);
        if (i != GO_ON)
            return (struct verdict){.kind = i == STOP ? VERDICT_BACK : VERDICT_GONE};
    }
    return too_long ? slept_too_long(timeout) : (struct verdict){.kind = VERDICT_DONE};
}

const struct kind handler_noop = {.instant = true, .run = run_noop};
const struct kind handler_echo = {.instant = true, .run = run_echo};
const struct kind handler_fail = {.instant = true, .run = run_fail};
const struct kind handler_sleep = {.run = run_sleep};
