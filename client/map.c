// taskq_map(): a bounded flight of futures, and their outcomes in the order that is wanted.
#include "client/call.h"
#include "client/future.h"
#include "client/link.h"
#include "client/produce.h"
#include "client/receive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define IN_FLIGHT_DEFAULT 1000
#define IN_FLIGHT_MAX     60000 // below what the daemon tells a connection of
#define KEY_FOR           60.0  // … longer than a daemon that is away is tried for
#define KEY_FOR_EVER      86400.0
#define KEY_NUMBER        24 // room for `:` and a number

struct map {
    struct taskq *q;
    const char *queue;
    struct taskq_map_options options;
    bool (*each)(size_t index, void *tag, const struct taskq_outcome *outcome, void *arg);
    void *arg;
    char *prefix, *key; // the jobs' key, and room for one with its number
    struct future_sink sink;
    struct taskq_future **ring; // ordered: by number, from the first that is not given to `each`
    size_t begun, given;
    size_t done;          // with TASKQ_OK
    bool all_begun;       // `next` has no more
    bool stopped;         // … or is not asked any more
    enum taskq_error why; // TASKQ_OK: `each` wanted it
};

static enum taskq_error set_up(struct map *m, struct taskq *q, const struct taskq_map_options *options)
{
    uint64_t run[2] = {0, 0};
    const char *key = options->put.key;
    m->q = q;
    m->options = *options;
    list_init(&m->sink.ended);
    size_t n = options->in_flight == 0 ? IN_FLIGHT_DEFAULT : options->in_flight;
    m->options.in_flight = n < IN_FLIGHT_MAX ? n : IN_FLIGHT_MAX;
    m->ring = calloc(m->options.in_flight, sizeof(struct taskq_future *));
    m->prefix = key != NULL ? strdup(key) : malloc(64);
    if (m->prefix != NULL && key == NULL) {
        if (getrandom(run, sizeof(run), 0) != sizeof(run))
            return handle_fail(q, TASKQ_SYSTEM, "no random number for a key");
        snprintf(m->prefix, 64, "map-%016llx%016llx", (unsigned long long)run[0], (unsigned long long)run[1]);
        double patience = q->futures.patience;
        if (m->options.put.key_for == 0)
            m->options.put.key_for = patience < 0 ? KEY_FOR_EVER : patience + KEY_FOR;
    }
    m->key = m->prefix != NULL ? malloc(strlen(m->prefix) + KEY_NUMBER) : NULL;
    if (m->ring == NULL || m->key == NULL)
        return handle_fail(q, TASKQ_NO_MEMORY, "%s", taskq_error_text(TASKQ_NO_MEMORY));
    return TASKQ_OK;
}

static size_t in_flight(const struct map *m)
{
    return m->begun - m->given;
}

static void stop(struct map *m, enum taskq_error why)
{
    if (m->stopped)
        return;
    m->stopped = true;
    m->why = why;
}

// Begins one. An argument that cannot be one (its body is not JSON) has an outcome at once.
static enum taskq_error start(struct map *m, const struct taskq_map_item *item)
{
    struct taskq_future *f;
    sprintf(m->key, "%s:%zu", m->prefix, m->begun);
    produce_request(m->q, "submit", m->queue, item->body, item->body_len, &m->options.put,
                    item->key != NULL ? item->key : m->key);
    enum taskq_error e = future_begin(m->q, true, NULL, &m->sink, &f);
    if (e == TASKQ_USAGE) {
        struct taskq_outcome o = {.error = e, .message = taskq_error_message(m->q)};
        e = future_begin_asking(m->q, 0, NULL, &m->sink, &f);
        if (e == TASKQ_OK)
            future_end(f, TASKQ_USAGE, o.message);
    }
    if (e != TASKQ_OK)
        return e;
    f->index = m->begun;
    f->tag = item->tag;
    if (!m->options.unordered)
        m->ring[m->begun % m->options.in_flight] = f;
    m->begun++;
    return futures_send(m->q);
}

static void give(struct map *m, struct taskq_future *f)
{
    const struct taskq_outcome *o = taskq_future_outcome(f);
    m->given++;
    m->done += o->error == TASKQ_OK;
    if (!m->each(f->index, f->tag, o, m->arg))
        stop(m, TASKQ_OK);
    taskq_future_free(f);
}

// Gives what has ended to `each`, as far as the order allows.
static void give_ended(struct map *m)
{
    while (!list_empty(&m->sink.ended)) {
        struct taskq_future *f = list_entry(m->sink.ended.next, struct taskq_future, link);
        list_leave(&f->link);
        if (m->options.unordered)
            give(m, f);
    }
    while (!m->options.unordered && in_flight(m) > 0) {
        struct taskq_future *f = m->ring[m->given % m->options.in_flight];
        if (taskq_future_outcome(f) == NULL)
            return;
        give(m, f);
    }
}

static bool some_have_ended(const void *arg)
{
    const struct map *m = arg;
    return !list_empty(&m->sink.ended);
}

// Begins as many as may be. False: `next` has none for now.
static bool fill(struct map *m, enum taskq_map_step (*next)(struct taskq_map_item *item, void *arg))
{
    while (!m->all_begun && !m->stopped && in_flight(m) < m->options.in_flight) {
        struct taskq_map_item item = {.body_len = TASKQ_NUL};
        enum taskq_map_step step = next(&item, m->arg);
        if (step == TASKQ_MAP_LATER)
            return false;
        m->all_begun = step == TASKQ_MAP_END;
        enum taskq_error e = m->all_begun ? TASKQ_OK : start(m, &item);
        if (e != TASKQ_OK)
            stop(m, e);
    }
    return true;
}

static void run(struct map *m, enum taskq_map_step (*next)(struct taskq_map_item *item, void *arg))
{
    while (!m->stopped) {
        bool later = !fill(m, next);
        if (m->stopped || (in_flight(m) == 0 && m->all_begun))
            return;
        enum taskq_error e = futures_until(m->q, later ? 0 : -1, some_have_ended, m);
        if (e == TASKQ_OK)
            give_ended(m);
        else if (e != TASKQ_TIMEOUT && e != TASKQ_NOTHING)
            stop(m, e);
    }
}

// ---- the end of a map that was stopped

// A future to cancel, and the request that asks for it.
struct cancellation {
    struct taskq_future *f;
    uint64_t request; // 0: none
};

static size_t gather(struct map *m, struct cancellation *list, struct list *place)
{
    size_t n = 0;
    for (struct list *at = place->next; at != place; at = at->next) {
        struct taskq_future *f = list_entry(at, struct taskq_future, link);
        if (f->sink == &m->sink)
            list[n++].f = f;
    }
    return n;
}

// Asks for all at once, and waits for the answers. A submit that waits for room is taken back.
static void cancel_told(struct map *m, struct cancellation *list, size_t n)
{
    struct taskq *q = m->q;
    const char *value;
    size_t len;
    for (size_t i = 0; i < n; i++) {
        uint64_t id = taskq_future_id(list[i].f);
        list[i].request = 0;
        request_begin(q, "cancel");
        request_uint(q, "id", id);
        if (m->options.cancel_running)
            request_true(q, "running");
        if (id == 0 || q->channel.fd < 0 || call_send(q, 0, false, &list[i].request) != TASKQ_OK)
            list[i].request = 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct taskq_reply reply;
        if (list[i].request == 0 ||
            receive(q, list[i].request, call_deadline(q, 0), false, &reply) != TASKQ_OK ||
            reply.error != TASKQ_OK || list[i].f->state == FUTURE_ENDED)
            continue;
        if (taskq_json_member(reply.result, reply.result_len, "cancelled", &value, &len) && len == 4)
            future_end(list[i].f, TASKQ_CANCELLED, taskq_error_text(TASKQ_CANCELLED));
    }
}

static bool none_submitted(const void *arg)
{
    const struct taskq *q = arg;
    return q->futures.submitting == 0;
}

static void cancel_all(struct map *m)
{
    struct taskq *q = m->q;
    struct future_set *s = &q->futures;
    struct cancellation *list = calloc(in_flight(m), sizeof(*list));
    if (list == NULL)
        return;
    size_t n = gather(m, list, &s->to_submit);
    for (size_t i = 0; i < n; i++)
        if (!list[i].f->maybe_put)
            future_end(list[i].f, TASKQ_CANCELLED, "it was cancelled before it was submitted");
    n = gather(m, list, &s->flying);
    for (size_t i = 0; i < n; i++)
        if (list[i].f->state == FUTURE_SUBMITTED)
            call_cancel(q, list[i].f->request);
    // Then each is put, or was not; but nobody waits for a daemon that went away.
    if (n > 0 && q->channel.fd >= 0)
        (void)futures_until(q, call_deadline(q, 0), none_submitted, q);
    for (size_t i = 0; i < n; i++)
        (void)future_was_taken_back(list[i].f);
    struct list *with_job[] = {&s->told, &s->to_ask, &s->flying};
    for (size_t i = 0; i < sizeof(with_job) / sizeof(with_job[0]); i++)
        cancel_told(m, list, gather(m, list, with_job[i]));
    free(list);
}

// Everything that was begun is given to `each`, in order.
static void wind_up(struct map *m)
{
    struct future_set *s = &m->q->futures;
    struct list *open[] = {&s->to_submit, &s->to_ask, &s->flying, &s->told};
    if (m->stopped && in_flight(m) > 0)
        cancel_all(m);
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        for (struct list *at = open[i]->next, *then; at != open[i]; at = then) {
            struct taskq_future *f = list_entry(at, struct taskq_future, link);
            then = at->next;
            if (f->sink == &m->sink)
                future_end(f, TASKQ_REQUEST_CANCELLED, "it was not waited for");
        }
    give_ended(m);
}

enum taskq_error
taskq_map(struct taskq *q, const char *queue, const struct taskq_map_options *options,
          enum taskq_map_step (*next)(struct taskq_map_item *item, void *arg),
          bool (*each)(size_t index, void *tag, const struct taskq_outcome *outcome, void *arg), void *arg)
{
    static const struct taskq_map_options defaults = TASKQ_MAP_OPTIONS_INIT;
    struct map m = {.queue = queue, .each = each, .arg = arg};
    char *message = NULL;
    enum taskq_error e = link_ensure(q, true);
    if (e == TASKQ_OK)
        e = set_up(&m, q, options != NULL ? options : &defaults);
    if (e == TASKQ_OK) {
        run(&m, next);
        message = m.why != TASKQ_OK ? strdup(taskq_error_message(q)) : NULL;
        wind_up(&m);
        if (m.stopped)
            e = handle_fail(q, m.why == TASKQ_OK ? TASKQ_REQUEST_CANCELLED : m.why, "%s",
                            message != NULL ? message : "the map was ended");
        else if (m.done < m.begun)
            e = handle_fail(q, TASKQ_FAILED, "%zu of %zu failed", m.begun - m.done, m.begun);
    }
    free(message);
    free(m.ring);
    free(m.prefix);
    free(m.key);
    return e;
}
