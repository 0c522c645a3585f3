// The futures of a handle: where they are, and what a lost connection does to them.
#include "client/call.h"
#include "client/future_state.h"
#include "client/outcome.h"
#include "client/receive.h"
#include "common/clock.h"

#include <assert.h>
#include <stdlib.h>

#define PAUSE_FIRST 50000000 // ns
#define PAUSE_LAST  2000000000

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

void future_known(struct future_set *s, struct taskq_future *f)
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

struct taskq_future *future_find(struct future_set *s, uint64_t id, struct taskq_future *after)
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

void future_move(struct taskq_future *f, enum future_state state)
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

bool future_wants_progress(const struct taskq_future_options *o)
{
    return o != NULL && (o->progress || o->progressed != NULL);
}

enum taskq_error future_begin(struct taskq *q, bool repeatable, const struct taskq_future_options *options,
                              struct future_sink *sink, struct taskq_future **out)
{
    request_true(q, "notify");
    if (future_wants_progress(options))
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
    future_known(&q->futures, *out);
    return TASKQ_OK;
}

void future_end_with(struct taskq_future *f, const struct taskq_outcome *o, char *memory)
{
    uint64_t id = f->outcome.id; // the table's key until it is out of it
    future_move(f, FUTURE_ENDED);
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
    future_end_with(f, &o, memory);
}

// ---- trouble with the daemon

void futures_trouble(struct taskq *q, enum taskq_error error)
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

void futures_all_is_well(struct future_set *s)
{
    s->trouble_since = s->retry_at = 0;
    s->given_up = TASKQ_OK;
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
        future_move(list_entry(s->told.next, struct taskq_future, link), FUTURE_TO_ASK);
    if (!list_empty(&s->to_submit) || !list_empty(&s->to_ask))
        futures_trouble(q, TASKQ_LOST);
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
