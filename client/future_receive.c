// What the daemon says about futures: replies to their requests, and notifications.
#include "client/future_state.h"
#include "client/link.h"
#include "client/outcome.h"
#include "common/json_reader.h"

#include <stdlib.h>
#include <string.h>

static void submit_answered(struct taskq_future *f, const struct taskq_reply *reply)
{
    struct taskq *q = f->q;
    const char *value;
    size_t len;
    uint64_t id;
    switch (reply->error) {
    case TASKQ_OK:
        futures_all_is_well(&q->futures);
        if (!taskq_json_member(reply->result, reply->result_len, "id", &value, &len) ||
            !taskq_json_uint(value, len, &id) || id == 0) {
            future_end(f, TASKQ_PROTOCOL, "the daemon's result is not what this method gives");
            return;
        }
        buffer_release(&f->submit);
        f->outcome.id = id;
        future_known(&q->futures, f);
        future_move(f, FUTURE_TOLD);
        return;
    case TASKQ_LOST:
        if (!f->repeatable)
            break;
        f->maybe_put = true;
        future_move(f, FUTURE_TO_SUBMIT);
        return;
    case TASKQ_UNSENT:
        future_move(f, FUTURE_TO_SUBMIT);
        return;
    case TASKQ_OVERLOADED:
    case TASKQ_DRAINING:
        future_move(f, FUTURE_TO_SUBMIT);
        futures_trouble(q, reply->error);
        return;
    default:
        break;
    }
    future_end(f, reply->error, reply->message);
}

static void ask_answered(struct taskq_future *f, const struct taskq_reply *reply)
{
    struct slice text = reply->error == TASKQ_OK ? (struct slice){reply->result, reply->result_len}
                                                 : (struct slice){reply->data, reply->data_len};
    struct taskq_outcome o;
    char *memory;
    switch (reply->error) {
    case TASKQ_OK:
    case TASKQ_FAILED:
    case TASKQ_CANCELLED:
        futures_all_is_well(&f->q->futures);
        if (text.data != NULL && outcome_parse(text, &o, &memory) == TASKQ_OK)
            future_end_with(f, &o, memory);
        else
            future_end(f, reply->error == TASKQ_OK ? TASKQ_PROTOCOL : reply->error,
                       reply->error == TASKQ_OK ? "the daemon's outcome is not one" : reply->message);
        return;
    case TASKQ_TIMEOUT:
        futures_all_is_well(&f->q->futures);
        future_move(f, FUTURE_TO_ASK);
        return;
    case TASKQ_LOST:
    case TASKQ_UNSENT:
        future_move(f, FUTURE_TO_ASK);
        return;
    case TASKQ_OVERLOADED:
    case TASKQ_DRAINING:
        future_move(f, FUTURE_TO_ASK);
        futures_trouble(f->q, reply->error);
        return;
    default:
        future_end(f, reply->error, reply->message);
    }
}

void futures_answered(struct taskq *q, struct flight_entry *e, const struct taskq_reply *reply)
{
    struct taskq_future *f = e->future;
    flight_remove(&q->flight, e);
    if (f == NULL)
        return;
    if (f->state == FUTURE_SUBMITTED)
        submit_answered(f, reply);
    else
        ask_answered(f, reply);
}

static void finished(struct taskq *q, struct slice params)
{
    struct taskq_outcome o;
    struct taskq_future *f = NULL;
    do {
        char *memory = NULL;
        enum taskq_error e = outcome_parse(params, &o, &memory);
        if (e == TASKQ_NO_MEMORY) // it is asked for again
            link_lose(q, "there is no memory for an outcome");
        if (e != TASKQ_OK)
            return;
        futures_all_is_well(&q->futures);
        f = future_find(&q->futures, o.id, NULL);
        if (f != NULL)
            future_end_with(f, &o, memory);
        else
            free(memory);
    } while (f != NULL);
}

static void keep_report(struct taskq_future *f, const struct taskq_report *report, const char *message)
{
    char *copy = message != NULL ? strdup(message) : NULL;
    free(f->report_message);
    f->report_message = copy; // without memory: no message
    f->report = *report;
    f->report.message = copy;
    f->reported = true;
    if (f->options.progressed != NULL && list_empty(&f->news))
        list_append(&f->q->futures.news, &f->news);
}

static void progress(struct taskq *q, struct slice params)
{
    struct json_reader r;
    struct json_value key, value;
    struct taskq_report report = {.done = -1, .total = -1};
    struct taskq_text message = {NULL, 0};
    uint64_t id = 0;
    json_reader_init(&r, params.data, params.len);
    if (!json_reader_object_begin(&r))
        return;
    while (json_reader_member(&r, &key, &value)) {
        if (json_string_is(&key, "id"))
            (void)json_value_uint53(&value, &id);
        else if (json_string_is(&key, "done"))
            (void)json_value_double(&value, &report.done);
        else if (json_string_is(&key, "total"))
            (void)json_value_double(&value, &report.total);
        else if (json_string_is(&key, "message") && message.data == NULL)
            (void)taskq_json_unstring(value.raw.data, value.raw.len, &message);
    }
    for (struct taskq_future *f = future_find(&q->futures, id, NULL); f != NULL;
         f = future_find(&q->futures, id, f))
        keep_report(f, &report, message.data);
    taskq_text_release(&message);
}

void futures_notified(struct taskq *q, struct slice method, struct slice params)
{
    if (q->futures.count == 0)
        return;
    if (slice_equal(method, "finished"))
        finished(q, params);
    else if (slice_equal(method, "progress"))
        progress(q, params);
}
