#include "client/receive.h"
#include "client/events.h"

#include "client/link.h"
#include "client/text.h"
#include "common/error.h"
#include "common/json_reader.h"
#include "common/json_writer.h"

#include <stdlib.h>

// A line from the daemon, taken apart.
struct reply_line {
    bool has_id; // false: null or none
    uint64_t id;
    bool notification;
    struct slice method, params;     // a notification's
    struct json_value result, error; // raw.data NULL: not there
};

static void reader(struct json_reader *r, struct slice s)
{
    json_reader_init(r, s.data, s.len);
    r->depth_max = JSON_DEPTH_LIMIT;
}

static bool parse_line(struct slice line, struct reply_line *out)
{
    struct json_reader r;
    struct json_value key, value;
    bool id_seen = false;
    *out = (struct reply_line){0};
    reader(&r, line);
    if (!json_reader_object_begin(&r))
        return false;
    while (json_reader_member(&r, &key, &value)) {
        if (json_string_is(&key, "id")) {
            id_seen = true;
            out->has_id = json_value_uint53(&value, &out->id);
            if (!out->has_id && value.type != JSONR_NULL)
                return false;
        } else if (json_string_is(&key, "result")) {
            out->result = value;
        } else if (json_string_is(&key, "error")) {
            out->error = value;
        } else if (json_string_is(&key, "method")) {
            out->notification = true;
            out->method = json_value_inner(&value);
        } else if (json_string_is(&key, "params")) {
            out->params = value.raw;
        }
    }
    if (!json_reader_end(&r))
        return false;
    out->notification = out->notification && !id_seen;
    return out->notification || (id_seen && (out->result.raw.data != NULL) != (out->error.raw.data != NULL));
}

// Takes the error object apart. False: it is none.
static bool parse_error(struct taskq *q, struct slice error, struct taskq_reply *reply)
{
    struct json_reader r;
    struct json_value key, value;
    int64_t code = 0;
    struct slice message = {NULL, 0};
    reader(&r, error);
    if (!json_reader_object_begin(&r))
        return false;
    buffer_clear(&q->message);
    while (json_reader_member(&r, &key, &value)) {
        if (json_string_is(&key, "code")) {
            if (!json_value_int64(&value, &code) || code < INT32_MIN || code > INT32_MAX)
                return false;
        } else if (json_string_is(&key, "message")) {
            if (!buffer_reserve(&q->message, value.raw.len + 1) ||
                !json_value_string(&value, q->message.data, value.raw.len, &message, NULL))
                message = (struct slice){NULL, 0};
        } else if (json_string_is(&key, "data")) {
            reply->data = value.raw.data;
            reply->data_len = value.raw.len;
        }
    }
    enum error known = error_of_code((int)code);
    reply->code = (int)code;
    reply->error = known == ERROR_NONE ? TASKQ_UNKNOWN : (enum taskq_error)code;
    if (message.data == NULL || !buffer_reserve(&q->message, message.len + 1)) {
        reply->message = taskq_error_text(reply->error);
    } else {
        // An unescaped message stands in the line itself; one with escapes is in the buffer already.
        memmove(q->message.data, message.data, message.len);
        q->message.data[message.len] = '\0';
        reply->message = q->message.data;
    }
    return code != 0;
}

static void broken(struct taskq *q, const char *why)
{
    link_lose(q, why);
    link_discard(q);
}

// An error that names no request: a line that was too long is the longest one under way; anything else is
// about the connection, and what the daemon says when it closes it. If it is the first that it says at all,
// it has turned the connection away and did nothing of what was asked.
static void take_nameless(struct taskq *q, struct reply_line *line)
{
    struct taskq_reply reply = {0};
    if (line->error.raw.data == NULL || !parse_error(q, line->error.raw, &reply)) {
        broken(q, "what answered is not a taskqd");
        return;
    }
    struct flight_entry *e = reply.error == TASKQ_TOO_LARGE ? flight_largest(&q->flight) : NULL;
    if (e != NULL) {
        flight_doom(&q->flight, e, TASKQ_TOO_LARGE);
        return;
    }
    buffer_clear(&q->farewell);
    buffer_append(&q->farewell, reply.message, strlen(reply.message) + 1);
    if (!q->heard && (reply.error == TASKQ_OVERLOADED || reply.error == TASKQ_DRAINING))
        while ((e = flight_largest(&q->flight)) != NULL)
            flight_doom(&q->flight, e, reply.error);
    broken(q, reply.message);
}

static void fill(struct taskq *q, const struct flight_entry *entry, const struct reply_line *line,
                 struct taskq_reply *reply)
{
    *reply = (struct taskq_reply){.request = entry->request,
                                  .lease_ms = entry->lease_ms,
                                  .detached = entry->detached};
    if (line->result.raw.data != NULL) {
        reply->result = line->result.raw.data;
        reply->result_len = line->result.raw.len;
    } else if (!parse_error(q, line->error.raw, reply)) {
        reply->error = TASKQ_PROTOCOL;
        reply->message = "the daemon's error is not one";
    }
}

static void hand_to_future(struct taskq *q, struct flight_entry *e, const struct reply_line *line)
{
    struct taskq_reply reply;
    fill(q, e, line, &reply);
    futures_answered(q, e, &reply);
}

// The next line that is a reply to something in flight, and what that is; what is for futures is given to
// them. NULL: there is none.
static struct flight_entry *next_reply(struct taskq *q, struct slice *raw, struct reply_line *line)
{
    while (link_line(q, raw)) {
        if (!parse_line(*raw, line)) {
            broken(q, "what answered is not a taskqd");
            continue;
        }
        if (line->notification) {
            if (slice_equal(line->method, "event"))
                events_notified(q, line->params);
            else
                futures_notified(q, line->method, line->params);
            continue;
        }
        if (!line->has_id) {
            take_nameless(q, line);
            continue;
        }
        struct flight_entry *e = flight_find(&q->flight, line->id);
        if (e == NULL || e->fate != TASKQ_OK) {
            broken(q, "the daemon answered what was not asked");
            continue;
        }
        q->heard = true;
        if (!e->owned)
            return e;
        hand_to_future(q, e, line);
    }
    return NULL;
}

static bool keep(struct taskq *q, struct slice raw, const struct flight_entry *entry)
{
    struct arrival *a = malloc(sizeof(*a) + raw.len);
    if (a == NULL)
        return false;
    a->next = NULL;
    a->entry = *entry;
    a->len = raw.len;
    memcpy(a->line, raw.data, raw.len);
    *q->arrivals_end = a;
    q->arrivals_end = &a->next;
    return true;
}

// No memory to keep a reply: its request's outcome is unknown to the caller, as after a loss.
static void keep_or_doom(struct taskq *q, struct slice raw, struct flight_entry *entry)
{
    if (keep(q, raw, entry)) {
        flight_remove(&q->flight, entry);
        return;
    }
    flight_doom(&q->flight, entry, TASKQ_LOST);
    broken(q, "there is no memory for a reply");
}

void receive_absorb(struct taskq *q)
{
    struct slice raw;
    struct reply_line line;
    struct flight_entry *entry;
    while ((entry = next_reply(q, &raw, &line)) != NULL)
        keep_or_doom(q, raw, entry);
}

void receive_forget(struct taskq *q)
{
    free(q->current);
    q->current = NULL;
}

void receive_release(struct taskq *q)
{
    receive_forget(q);
    while (q->arrivals != NULL) {
        struct arrival *a = q->arrivals;
        q->arrivals = a->next;
        free(a);
    }
    q->arrivals_end = &q->arrivals;
}

static bool take_arrival(struct taskq *q, uint64_t request, struct taskq_reply *reply)
{
    struct arrival **at = &q->arrivals;
    while (*at != NULL && request != 0 && (*at)->entry.request != request)
        at = &(*at)->next;
    struct arrival *a = *at;
    if (a == NULL)
        return false;
    *at = a->next;
    if (a->next == NULL)
        q->arrivals_end = at;
    q->current = a;
    struct reply_line line;
    if (parse_line((struct slice){a->line, a->len}, &line))
        fill(q, &a->entry, &line, reply);
    return true;
}

// What a request whose reply will not come is answered with.
static void fill_fated(struct taskq *q, const struct flight_entry *e, struct taskq_reply *reply)
{
    *reply = (struct taskq_reply){.request = e->request, .error = e->fate, .code = (int)e->fate};
    buffer_clear(&q->message);
    json_write_raw(&q->message, taskq_error_text(e->fate));
    if (e->fate != TASKQ_TOO_LARGE && q->farewell.len > 1) {
        json_write_raw(&q->message, " (");
        buffer_append(&q->message, q->farewell.data, q->farewell.len - 1);
        json_write_raw(&q->message, ")");
    }
    buffer_append_byte(&q->message, '\0');
    reply->message = q->message.failed ? taskq_error_text(e->fate) : q->message.data;
}

void receive_fated(struct taskq *q)
{
    struct flight_entry *e;
    struct taskq_reply reply;
    while ((e = flight_first_fated(&q->flight, true)) != NULL) {
        fill_fated(q, e, &reply);
        futures_answered(q, e, &reply);
    }
}

static bool take_fated(struct taskq *q, uint64_t request, struct taskq_reply *reply)
{
    struct flight_entry *e =
        request == 0 ? flight_first_fated(&q->flight, false) : flight_find(&q->flight, request);
    if (e == NULL || e->fate == TASKQ_OK)
        return false;
    fill_fated(q, e, reply);
    flight_remove(&q->flight, e);
    return true;
}

enum taskq_error receive(struct taskq *q, uint64_t request, int64_t deadline, bool interruptible,
                         struct taskq_reply *reply)
{
    struct slice raw;
    struct reply_line line;
    struct flight_entry *entry;
    receive_forget(q);
    for (;;) {
        if (take_arrival(q, request, reply))
            return TASKQ_OK;
        while ((entry = next_reply(q, &raw, &line)) != NULL) {
            if (request == 0 || entry->request == request) {
                fill(q, entry, &line, reply);
                flight_remove(&q->flight, entry);
                return TASKQ_OK;
            }
            keep_or_doom(q, raw, entry);
        }
        link_settle(q);
        if (take_fated(q, request, reply))
            return TASKQ_OK;
        if (request == 0 ? q->flight.live == q->flight.owned : flight_find(&q->flight, request) == NULL)
            return TASKQ_NOTHING;
        switch (link_step(q, deadline, interruptible)) {
        case LINK_PROGRESS:
        case LINK_LOST:
            break;
        case LINK_TIMEOUT:
            return TASKQ_TIMEOUT;
        case LINK_WOKEN:
            return TASKQ_REQUEST_CANCELLED;
        }
    }
}
