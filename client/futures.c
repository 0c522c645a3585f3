// The futures of a handle: what is sent for them, what comes, and what a lost connection does.
#include "client/call.h"
#include "client/future.h"
#include "client/link.h"
#include "client/outcome.h"
#include "client/receive.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/json_reader.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A connection may have 1024 requests that wait (a submit waits while its queue is full); some are the
// caller's.
#define SUBMITTING_MAX 400
#define ASKING_MAX     400
#define ASK_TIMEOUT    10.0 // of a `result` while there is one for each that is asked for
#define ASK_ROUND      2.0  // in which each has its turn where there are more
#define PAUSE_FIRST    50000000
#define PAUSE_LAST     2000000000

void futures_init(struct future_set *s)
{
    list_init(&s->to_submit);
    list_init(&s->to_ask);
    list_init(&s->flying);
    list_init(&s->told);
    list_init(&s->news);
    list_init(&s->next.ended);
    list_init(&s->calls.ended);
}

// ---- the table of those whose job is known

static struct taskq_future **bucket(struct future_set *s, uint64_t id)
{
    return &s->table[id & (s->buckets - 1)]; // ids follow each other
}

static bool table_reserve(struct future_set *s)
{
    if (s->count < s->buckets)
        return true;
    size_t before = s->buckets, after = before == 0 ? 64 : before * 2;
    struct taskq_future **table = calloc(after, sizeof(*table)), **old = s->table;
    if (table == NULL)
        return false;
    s->table = table;
    s->buckets = after;
    for (size_t i = 0; i < before; i++)
        for (struct taskq_future *f = old[i], *then; f != NULL; f = then) {
            struct taskq_future **b = bucket(s, f->outcome.id);
            then = f->beside;
            f->beside = *b;
            *b = f;
        }
    free(old);
    return true;
}

static void table_add(struct future_set *s, struct taskq_future *f)
{
    struct taskq_future **b = bucket(s, f->outcome.id);
    f->beside = *b;
    *b = f;
    f->in_table = true;
}

static void table_remove(struct future_set *s, struct taskq_future *f)
{
    if (!f->in_table)
        return;
    struct taskq_future **at = bucket(s, f->outcome.id);
    while (*at != f)
        at = &(*at)->beside;
    *at = f->beside;
    f->in_table = false;
}

// The first of a job's futures behind `after` (NULL: of all).
static struct taskq_future *find(struct future_set *s, uint64_t id, struct taskq_future *after)
{
    struct taskq_future *f = after != NULL ? after->beside : s->buckets > 0 ? *bucket(s, id) : NULL;
    while (f != NULL && f->outcome.id != id)
        f = f->beside;
    return f;
}

// ---- states

static struct list *place_of(struct future_set *s, struct taskq_future *f, enum future_state state)
{
    switch (state) {
    case FUTURE_TO_SUBMIT:
        return &s->to_submit;
    case FUTURE_TO_ASK:
        return &s->to_ask;
    case FUTURE_TOLD:
        return &s->told;
    case FUTURE_SUBMITTED:
    case FUTURE_ASKED:
        return &s->flying;
    case FUTURE_ENDED:
        break;
    }
    return &f->sink->ended;
}

static void count(struct future_set *s, enum future_state state, size_t n)
{
    s->submitting += state == FUTURE_SUBMITTED ? n : 0;
    s->asking += state == FUTURE_ASKED ? n : 0;
    s->unfinished += state == FUTURE_ASKED || state == FUTURE_TO_ASK ? n : 0;
}

// Whatever is still in flight for it, nobody wants the reply.
static void abandon_request(struct taskq_future *f)
{
    struct taskq *q = f->q;
    bool in_flight = f->state == FUTURE_SUBMITTED || f->state == FUTURE_ASKED;
    struct flight_entry *e = in_flight ? flight_find(&q->flight, f->request) : NULL;
    if (e == NULL) // it is this very reply that it ends of
        return;
    e->future = NULL;
    if (f->state == FUTURE_ASKED && e->fate == TASKQ_OK)
        call_cancel(q, f->request); // a submit is left: its job goes on
}

// It ends, or is freed while it is open: it leaves every place that it has.
static void forget(struct taskq_future *f)
{
    struct future_set *s = &f->q->futures;
    abandon_request(f);
    count(s, f->state, (size_t)-1);
    table_remove(s, f);
    list_leave(&f->news);
    list_leave(&f->link);
    buffer_release(&f->submit);
    s->count--;
    f->sink->open--;
    s->watched -= f->options.ended != NULL || f->options.progressed != NULL;
}

void taskq_future_free(struct taskq_future *f)
{
    if (f == NULL)
        return;
    if (f->state != FUTURE_ENDED)
        forget(f);
    list_leave(&f->link);
    free(f->report_message);
    free(f->memory);
    free(f);
}

static void move(struct taskq_future *f, enum future_state state)
{
    struct future_set *s = &f->q->futures;
    assert(f->state != FUTURE_ENDED);
    if (state == FUTURE_ENDED)
        forget(f);
    else
        count(s, f->state, (size_t)-1);
    f->state = state;
    count(s, state, 1);
    list_append(place_of(s, f, state), &f->link);
}

static enum taskq_error begin(struct taskq *q, enum future_state state,
                              const struct taskq_future_options *options, struct future_sink *sink,
                              struct taskq_future **out)
{
    struct future_set *s = &q->futures;
    struct taskq_future *f = calloc(1, sizeof(*f));
    if (f == NULL || !table_reserve(s)) {
        free(f);
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    }
    f->q = q;
    f->state = state;
    if (options != NULL)
        f->options = *options;
    list_init(&f->link);
    list_init(&f->news);
    f->sink = sink != NULL ? sink : f->options.ended != NULL ? &s->calls : &s->next;
    f->sink->open++;
    s->watched += f->options.ended != NULL || f->options.progressed != NULL;
    s->count++;
    count(s, state, 1);
    list_append(place_of(s, f, state), &f->link);
    *out = f;
    return TASKQ_OK;
}

static bool wants_progress(const struct taskq_future_options *o)
{
    return o != NULL && (o->progress || o->progressed != NULL);
}

enum taskq_error future_begin(struct taskq *q, bool repeatable, const struct taskq_future_options *options,
                              struct future_sink *sink, struct taskq_future **out)
{
    request_true(q, "notify");
    if (wants_progress(options))
        request_true(q, "progress");
    enum taskq_error e = request_end(q);
    struct buffer submit = BUFFER_INIT;
    if (e != TASKQ_OK)
        return e;
    buffer_append(&submit, q->request.data, q->request.len);
    if (submit.failed)
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    e = begin(q, FUTURE_TO_SUBMIT, options, sink, out);
    if (e != TASKQ_OK) {
        buffer_release(&submit);
        return e;
    }
    (*out)->submit = submit;
    (*out)->repeatable = repeatable;
    return TASKQ_OK;
}

enum taskq_error future_begin_asking(struct taskq *q, uint64_t id, const struct taskq_future_options *options,
                                     struct future_sink *sink, struct taskq_future **out)
{
    enum taskq_error e = begin(q, FUTURE_TO_ASK, options, sink, out);
    if (e != TASKQ_OK)
        return e;
    (*out)->outcome.id = id;
    table_add(&q->futures, *out);
    return TASKQ_OK;
}

static void end_with(struct taskq_future *f, const struct taskq_outcome *o, char *memory)
{
    uint64_t id = f->outcome.id; // the table's key until it is out of it
    move(f, FUTURE_ENDED);
    f->outcome = *o;
    f->memory = memory;
    if (f->outcome.id == 0)
        f->outcome.id = id;
}

void future_end(struct taskq_future *f, enum taskq_error error, const char *message)
{
    struct taskq_outcome o;
    char *memory;
    (void)outcome_of_error(f->outcome.id, error, message, &o, &memory); // without memory: the error's text
    end_with(f, &o, memory);
}

// ---- trouble with the daemon

static void trouble(struct taskq *q, enum taskq_error error)
{
    struct future_set *s = &q->futures;
    int64_t now = clock_ns();
    if (s->trouble_since == 0) {
        s->trouble_since = now;
        s->pause = PAUSE_FIRST;
    } else if (now >= s->retry_at) { // not each of many that are refused at once
        s->pause = s->pause * 2 < PAUSE_LAST ? s->pause * 2 : PAUSE_LAST;
    }
    if (now >= s->retry_at)
        s->retry_at = now + s->pause;
    if (s->patience >= 0 && (double)(now - s->trouble_since) / 1e9 > s->patience) {
        s->given_up = error;
        s->trouble_since = s->retry_at = 0;
    }
}

static void all_is_well(struct future_set *s)
{
    s->trouble_since = s->retry_at = 0;
    s->given_up = TASKQ_OK;
}

// Patience is counted while somebody waits: what was long before is forgotten.
static void begin_waiting(struct future_set *s)
{
    if (s->trouble_since == 0 || clock_ns() < s->retry_at + PAUSE_LAST)
        return;
    all_is_well(s);
}

void futures_lost(struct taskq *q)
{
    struct future_set *s = &q->futures;
    struct list later; // what was not sent yet stays behind what is to be sent again
    list_init(&later);
    list_splice(&later, &s->to_submit);
    receive_fated(q);
    list_splice(&s->to_submit, &later);
    while (!list_empty(&s->told))
        move(list_entry(s->told.next, struct taskq_future, link), FUTURE_TO_ASK);
    if (!list_empty(&s->to_submit) || !list_empty(&s->to_ask))
        trouble(q, TASKQ_LOST);
}

void futures_close(struct taskq *q)
{
    struct future_set *s = &q->futures;
    struct list *open[] = {&s->to_submit, &s->to_ask, &s->flying, &s->told};
    struct list *ended[] = {&s->next.ended, &s->calls.ended};
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        while (!list_empty(open[i]))
            future_end(list_entry(open[i]->next, struct taskq_future, link), TASKQ_LOST,
                       "the handle was closed before the outcome came");
    for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
        while (!list_empty(ended[i])) {
            struct taskq_future *f = list_entry(ended[i]->next, struct taskq_future, link);
            list_leave(&f->link);
            f->q = NULL;
        }
    free(s->table);
}

// ---- what comes

static void submit_answered(struct taskq_future *f, const struct taskq_reply *reply)
{
    struct taskq *q = f->q;
    const char *value;
    size_t len;
    uint64_t id;
    switch (reply->error) {
    case TASKQ_OK:
        all_is_well(&q->futures);
        if (!taskq_json_member(reply->result, reply->result_len, "id", &value, &len) ||
            !taskq_json_uint(value, len, &id) || id == 0) {
            future_end(f, TASKQ_PROTOCOL, "the daemon's result is not what this method gives");
            return;
        }
        buffer_release(&f->submit);
        f->outcome.id = id;
        table_add(&q->futures, f);
        move(f, FUTURE_TOLD);
        return;
    case TASKQ_LOST:
        if (!f->repeatable)
            break;
        f->maybe_put = true;
        move(f, FUTURE_TO_SUBMIT);
        return;
    case TASKQ_UNSENT:
        move(f, FUTURE_TO_SUBMIT);
        return;
    case TASKQ_OVERLOADED:
    case TASKQ_DRAINING:
        move(f, FUTURE_TO_SUBMIT);
        trouble(q, reply->error);
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
        all_is_well(&f->q->futures);
        if (text.data != NULL && outcome_parse(text, &o, &memory) == TASKQ_OK)
            end_with(f, &o, memory);
        else
            future_end(f, reply->error == TASKQ_OK ? TASKQ_PROTOCOL : reply->error,
                       reply->error == TASKQ_OK ? "the daemon's outcome is not one" : reply->message);
        return;
    case TASKQ_TIMEOUT:
        all_is_well(&f->q->futures);
        move(f, FUTURE_TO_ASK);
        return;
    case TASKQ_LOST:
    case TASKQ_UNSENT:
        move(f, FUTURE_TO_ASK);
        return;
    case TASKQ_OVERLOADED:
    case TASKQ_DRAINING:
        move(f, FUTURE_TO_ASK);
        trouble(f->q, reply->error);
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
        all_is_well(&q->futures);
        f = find(&q->futures, o.id, NULL);
        if (f != NULL)
            end_with(f, &o, memory);
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
    for (struct taskq_future *f = find(&q->futures, id, NULL); f != NULL; f = find(&q->futures, id, f))
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

// ---- what is sent

static bool may_send(const struct taskq *q)
{
    const struct future_set *s = &q->futures;
    return ((!list_empty(&s->to_submit) && s->submitting < SUBMITTING_MAX) ||
            (!list_empty(&s->to_ask) && s->asking < ASKING_MAX)) &&
           (s->retry_at == 0 || clock_ns() >= s->retry_at);
}

static enum taskq_error send_one(struct taskq *q, struct taskq_future *f, enum future_state then)
{
    enum taskq_error e = link_queue(q, 0, false, &f->request);
    if (e != TASKQ_OK)
        return e;
    flight_own(&q->flight, flight_find(&q->flight, f->request), f);
    move(f, then);
    return TASKQ_OK;
}

static enum taskq_error ask(struct taskq *q, struct taskq_future *f)
{
    size_t n = q->futures.unfinished;
    request_begin(q, "result");
    request_uint(q, "id", f->outcome.id);
    request_timeout(q, n <= ASKING_MAX ? ASK_TIMEOUT : ASK_ROUND * ASKING_MAX / (double)n);
    if (wants_progress(&f->options))
        request_true(q, "progress");
    enum taskq_error e = request_end(q);
    return e == TASKQ_OK ? send_one(q, f, FUTURE_ASKED) : e;
}

enum taskq_error futures_send(struct taskq *q)
{
    struct future_set *s = &q->futures;
    enum taskq_error e = TASKQ_OK;
    if (!may_send(q))
        return TASKQ_OK;
    while (e == TASKQ_OK && q->fd >= 0 && !list_empty(&s->to_submit) && s->submitting < SUBMITTING_MAX) {
        struct taskq_future *f = list_entry(s->to_submit.next, struct taskq_future, link);
        buffer_clear(&q->request);
        buffer_append(&q->request, f->submit.data, f->submit.len);
        e = q->request.failed ? handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY))
                              : send_one(q, f, FUTURE_SUBMITTED);
    }
    while (e == TASKQ_OK && q->fd >= 0 && !list_empty(&s->to_ask) && s->asking < ASKING_MAX)
        e = ask(q, list_entry(s->to_ask.next, struct taskq_future, link));
    return e;
}

// Connects if need be, and sends. Fails the call when there is no patience left.
static enum taskq_error pump(struct taskq *q)
{
    struct future_set *s = &q->futures;
    if (q->fd < 0 && may_send(q)) {
        enum taskq_error e = link_ensure(q, true);
        if (e != TASKQ_OK && e != TASKQ_NO_DAEMON && e != TASKQ_SYSTEM)
            return e;
        if (e != TASKQ_OK) {
            trouble(q, e);
            if (s->given_up == TASKQ_OK)
                return TASKQ_OK;
            s->given_up = TASKQ_OK;
            return e;
        }
    }
    if (s->given_up != TASKQ_OK) {
        enum taskq_error e = s->given_up;
        s->given_up = TASKQ_OK;
        return handle_fail(q, e, "%s", taskq_error_text(e));
    }
    return futures_send(q);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

// Waits without a connection.
static enum link_event idle(struct taskq *q, int64_t until)
{
    struct pollfd p = {.fd = q->wake, .events = POLLIN};
    int64_t left = until - clock_ns();
    uint64_t n;
    if (poll(&p, 1, left <= 0 ? 0 : (int)((left + 999999) / 1000000)) <= 0)
        return LINK_TIMEOUT;
    return read(q->wake, &n, sizeof(n)) == sizeof(n) ? LINK_WOKEN : LINK_PROGRESS;
}

enum taskq_error futures_until(struct taskq *q, int64_t deadline, bool (*there)(const void *arg),
                               const void *arg)
{
    struct future_set *s = &q->futures;
    receive_forget(q);
    begin_waiting(s);
    for (bool waited = false;; waited = true) {
        do {
            enum taskq_error e = pump(q);
            if (e != TASKQ_OK)
                return e;
            receive_absorb(q);
            link_settle(q);
            receive_fated(q);
            if (there(arg))
                return TASKQ_OK;
        } while (may_send(q)); // what came made room for more, or the connection was lost
        int64_t now = clock_ns();
        if (waited && deadline >= 0 && now >= deadline)
            return handle_fail(q, TASKQ_TIMEOUT, "%s", taskq_error_text(TASKQ_TIMEOUT));
        int64_t until = earlier(deadline, s->retry_at > 0 ? s->retry_at : -1);
        if (q->fd < 0 && until < 0)
            return handle_fail(q, TASKQ_NOTHING, "%s", taskq_error_text(TASKQ_NOTHING));
        enum link_event event = q->fd < 0 ? idle(q, until) : link_step(q, until, true);
        if (event == LINK_WOKEN)
            return handle_fail(q, TASKQ_REQUEST_CANCELLED, "%s", taskq_error_text(TASKQ_REQUEST_CANCELLED));
    }
}
