#include "client/cli/outcome.h"

#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "common/clock.h"
#include "common/json_writer.h"
#include "common/plural.h"

#include <stdio.h>

#define REDRAW 0.2 // s

static const char *state_of(enum taskq_error error)
{
    switch (error) {
    case TASKQ_OK:
        return "done";
    case TASKQ_FAILED:
        return "dead";
    case TASKQ_CANCELLED:
        return "cancelled";
    default:
        return NULL;
    }
}

static void write_error(struct buffer *b, const struct taskq_outcome *o)
{
    json_write_key(b, "error");
    json_write_raw(b, "{");
    json_write_key(b, "name");
    json_write_string(b, slice_of(taskq_error_name(o->error)));
    json_write_key(b, "message");
    json_write_bytes(b, slice_of(o->message));
    json_write_raw(b, "}");
}

static void write_outcome(struct buffer *b, const struct taskq_outcome *o)
{
    const char *state = state_of(o->error);
    if (o->id != 0) {
        json_write_key(b, "id");
        json_write_uint(b, o->id);
    }
    if (state == NULL) {
        write_error(b, o);
        return;
    }
    json_write_key(b, "state");
    json_write_string(b, slice_of(state));
    if (o->error == TASKQ_OK) {
        json_write_key(b, "result");
        json_write_slice(b, (struct slice){o->result, o->result_len});
    } else if (o->error == TASKQ_FAILED) {
        json_write_key(b, "reason");
        json_write_string(b, slice_of(o->reason));
        json_write_key(b, "attempts");
        json_write_uint(b, o->attempts);
        json_write_key(b, "error");
        json_write_slice(b, o->job_error != NULL ? (struct slice){o->job_error, o->job_error_len}
                                                 : SLICE("null"));
    }
}

bool outcome_print_json(const struct taskq_outcome *o, uint64_t line)
{
    struct buffer b = BUFFER_INIT;
    json_write_raw(&b, "{");
    if (line != 0) {
        json_write_key(&b, "line");
        json_write_uint(&b, line);
    }
    write_outcome(&b, o);
    json_write_raw(&b, "}");
    return output_json_take(&b);
}

void outcome_say_error(const char *what, const struct taskq_outcome *o)
{
    fprintf(stderr, "%s%s", what, o->message);
    if (o->job_error != NULL) {
        fputs(": ", stderr);
        output_json_to(stderr, (struct slice){o->job_error, o->job_error_len});
    }
}

// The exit code.
static int show(const struct cli *c, const struct taskq_outcome *o)
{
    bool ok = true;
    if (state_of(o->error) == NULL)
        return cli_say_error(c, o->error, o->message);
    if (c->json) {
        ok = outcome_print_json(o, 0);
    } else if (o->error == TASKQ_OK) {
        ok = output_value(o->result, o->result_len, option_given(&c->args, "raw"));
    } else {
        outcome_say_error("taskq: ", o);
        fputc('\n', stderr);
    }
    return ok ? cli_exit_code(o->error) : EXIT_BROKEN;
}

// What the call's error says of the job. False: it is not about its outcome.
static bool outcome_of_call(const struct cli *c, uint64_t id, enum taskq_error e, struct taskq_outcome *o,
                            char *reason, size_t cap)
{
    size_t len = 0, value_len;
    const char *data = taskq_error_data(c->q, &len), *value;
    if (data == NULL || (e != TASKQ_FAILED && e != TASKQ_CANCELLED))
        return false;
    if (taskq_json_member(data, len, "id", &value, &value_len))
        (void)taskq_json_uint(value, value_len, &id);
    *o = (struct taskq_outcome){.id = id, .error = e, .message = taskq_error_message(c->q), .reason = ""};
    if (human_member(data, len, "reason", reason, cap))
        o->reason = reason;
    o->attempts = (unsigned)human_number(data, len, "attempts");
    if (taskq_json_member(data, len, "error", &o->job_error, &o->job_error_len) && o->job_error[0] == 'n')
        o->job_error = NULL; // null
    return true;
}

int outcome_show_result(const struct cli *c, uint64_t id, enum taskq_error e, struct taskq_text *result)
{
    char reason[64], message[256];
    struct taskq_outcome o = {.id = id};
    if (e == TASKQ_OK) {
        o.result = result->data;
        o.result_len = result->len;
        o.message = "";
    } else if (!outcome_of_call(c, id, e, &o, reason, sizeof(reason))) {
        return cli_fail(c, e);
    } else {
        if (e == TASKQ_FAILED)
            snprintf(message, sizeof(message), "job %llu is dead (%s) after %u %s", (unsigned long long)o.id,
                     o.reason, o.attempts, plural(o.attempts, "attempt", "attempts"));
        else
            snprintf(message, sizeof(message), "job %llu was cancelled", (unsigned long long)o.id);
        o.message = message;
    }
    int code = show(c, &o);
    if (e == TASKQ_OK)
        taskq_text_release(result);
    return code;
}

// Waits, and draws a bar if there is somebody to see it.
static enum taskq_error await(struct taskq_future *f, double timeout)
{
    struct taskq_report report;
    struct progress bar;
    enum taskq_error e;
    progress_start(&bar, 0);
    for (;;) {
        double passed = (double)(clock_ns() - bar.started) / 1e9;
        double left = timeout < 0 ? TASKQ_FOREVER : timeout > passed ? timeout - passed : 0;
        e = taskq_future_wait(f, bar.shown && (left < 0 || left > REDRAW) ? REDRAW : left);
        if (e != TASKQ_TIMEOUT || left == 0)
            break;
        progress_draw_report(&bar, taskq_future_id(f), taskq_future_report(f, &report) ? &report : NULL);
    }
    progress_end(&bar);
    return e;
}

int outcome_print(struct cli *c, uint64_t id, double timeout, bool forget)
{
    struct taskq_future *f;
    struct taskq_text result;
    cli_interruptible(c);
    if (timeout == 0 || forget) { // one question, one answer
        enum taskq_error e = taskq_result(c->q, id, timeout, forget, &result);
        return outcome_show_result(c, id, e, &result);
    }
    enum taskq_error e = taskq_future_of(c->q, id, &(struct taskq_future_options){.progress = true}, &f);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    e = await(f, timeout);
    int code = e == TASKQ_OK ? show(c, taskq_future_outcome(f)) : cli_fail(c, e);
    taskq_future_free(f);
    return code;
}
