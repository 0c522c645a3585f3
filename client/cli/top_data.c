#include "client/cli/top.h"

#include "client/cli/human.h"
#include "common/clock.h"
#include "common/json_writer.h"

#include <stdlib.h>
#include <string.h>

#define QUEUES_LOCAL 1000 // so many are fetched where they are sorted here: as many as the daemon gives

const struct top_sort_row top_sorts[TOP_SORT_COUNT] = {
#define X(constant, key, name, title) {key, name, title},
    TOP_SORTS(X)
#undef X
};

static bool is_local(enum top_sort sort)
{
    return sort != TOP_SORT_BACKLOG && strcmp(top_sorts[sort].name, top_sorts[TOP_SORT_BACKLOG].name) == 0;
}

// ---- what the daemon says

static double number_in(const char *json, size_t len, const char *object, const char *name)
{
    const char *inner;
    size_t inner_len;
    return taskq_json_member(json, len, object, &inner, &inner_len) ? human_number(inner, inner_len, name)
                                                                    : 0;
}

static void take_counts(const char *json, size_t len, double counts[TOP_RATES])
{
    counts[TOP_PUT] = number_in(json, len, "counters", "put");
    counts[TOP_TAKEN] = number_in(json, len, "counters", "taken");
    counts[TOP_DONE] = number_in(json, len, "counters", "done");
    counts[TOP_FAILED] =
        number_in(json, len, "counters", "retried") + number_in(json, len, "counters", "died");
}

static bool take_queue(struct top_queue *out, const char *json, size_t len)
{
    const char *name, *oldest;
    size_t name_len, oldest_len;
    struct taskq_text text;
    *out = (struct top_queue){.oldest = -1};
    if (!taskq_json_member(json, len, "queue", &name, &name_len) ||
        taskq_json_unstring(name, name_len, &text) != TASKQ_OK)
        return false;
    out->name = text.data;
    out->ready = human_number(json, len, "ready");
    out->delayed = human_number(json, len, "delayed");
    out->reserved = human_number(json, len, "reserved");
    out->dead = human_number(json, len, "dead");
    out->waiting = human_number(json, len, "waiters");
    out->paused = human_true(json, len, "paused");
    out->shut_down = human_true(json, len, "shut_down");
    if (taskq_json_member(json, len, "oldest", &oldest, &oldest_len) &&
        !taskq_json_double(oldest, oldest_len, &out->oldest))
        out->oldest = -1;
    take_counts(json, len, out->counts);
    for (int i = 0; i < TOP_RATES; i++)
        out->rates[i] = -1;
    return true;
}

static void free_queues(struct top_queue *queues, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(queues[i].name);
    free(queues);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct top_queue *)a)->name, ((const struct top_queue *)b)->name);
}

// A second; negative where it is not known.
static double rate(double now, double before, int64_t ns)
{
    return ns > 0 && now >= before ? (now - before) / ((double)ns / 1e9) : -1;
}

static void find_rates(struct top_data *d)
{
    for (size_t i = 0; i < d->count && d->before_count > 0; i++) {
        struct top_queue *q = &d->queues[i];
        const struct top_queue *was = bsearch(q, d->before, d->before_count, sizeof(*q), by_name);
        for (int r = 0; r < TOP_RATES && was != NULL; r++)
            q->rates[r] = rate(q->counts[r], was->counts[r], d->at - d->before_at);
    }
}

static double local_value(const struct top_queue *q, enum top_sort sort)
{
    return q->rates[sort - TOP_SORT_PUT]; // in the order of enum top_rate
}

static enum top_sort local_sort; // qsort() has no context; one thread

static int by_value(const void *a, const void *b)
{
    double x = local_value(a, local_sort), y = local_value(b, local_sort);
    return x > y ? -1 : x < y;
}

// ---- asking

// The params of `queues`. A filter without `*` may stand anywhere in a name.
static void write_params(struct buffer *b, enum top_sort sort, const char *filter, size_t limit)
{
    json_write_raw(b, "{");
    json_write_key(b, "sort");
    json_write_string(b, slice_of(top_sorts[sort].name));
    json_write_key(b, "limit");
    json_write_uint(b, limit > QUEUES_LOCAL || is_local(sort) ? QUEUES_LOCAL : limit);
    json_write_raw(b, ",\"counters\":true");
    if (filter[0] != '\0') {
        struct buffer pattern = BUFFER_INIT;
        const char *around = strchr(filter, '*') != NULL ? "" : "*";
        json_write_raw(&pattern, around);
        json_write_raw(&pattern, filter);
        json_write_raw(&pattern, around);
        json_write_key(b, "match");
        json_write_bytes(b, (struct slice){pattern.data, pattern.len});
        b->failed = b->failed || pattern.failed;
        buffer_release(&pattern);
    }
    json_write_raw(b, "}");
    buffer_append_byte(b, '\0');
}

static size_t count_elements(const char *list, size_t len)
{
    const char *value;
    size_t value_len, at = 0, n = 0;
    while (taskq_json_element(list, len, &at, &value, &value_len))
        n++;
    return n;
}

// False: no memory.
static bool take_queues(struct top_data *d, const struct taskq_text *answer, enum top_sort sort)
{
    const char *list, *value;
    size_t len, value_len, at = 0, count = 0;
    if (!taskq_json_member(answer->data, answer->len, "queues", &list, &len))
        return true;
    size_t room = count_elements(list, len);
    struct top_queue *fresh = calloc(room + 1, sizeof(*fresh));
    if (fresh == NULL)
        return false;
    while (count < room && taskq_json_element(list, len, &at, &value, &value_len))
        count += take_queue(&fresh[count], value, value_len);
    free_queues(d->before, d->before_count);
    d->before = d->queues;
    d->before_count = d->count;
    d->before_at = d->at;
    if (d->before_count > 0)
        qsort(d->before, d->before_count, sizeof(*d->before), by_name);
    d->queues = fresh;
    d->count = count;
    d->at = clock_ns();
    double total = human_number(answer->data, answer->len, "total");
    d->total = total > 0 ? total : (double)count;
    find_rates(d);
    local_sort = sort;
    if (is_local(sort) && count > 0)
        qsort(d->queues, count, sizeof(*d->queues), by_value);
    return true;
}

static void take_stats(struct top_data *d, const struct taskq_text *s)
{
    double before[TOP_RATES];
    memcpy(before, d->counts, sizeof(before));
    bool known = d->daemon_queues >= 0 && d->before_at > 0;
    d->daemon_queues = human_number(s->data, s->len, "queues");
    d->connections = human_number(s->data, s->len, "clients");
    d->bytes = human_number(s->data, s->len, "bytes");
    d->max_bytes = human_number(s->data, s->len, "max_bytes");
    d->store_bytes = taskq_json_member(s->data, s->len, "store", NULL, NULL)
                         ? number_in(s->data, s->len, "store", "log_bytes")
                         : -1;
    d->ready = number_in(s->data, s->len, "gauges", "ready");
    d->delayed = number_in(s->data, s->len, "gauges", "delayed");
    d->reserved = number_in(s->data, s->len, "gauges", "reserved");
    d->dead = number_in(s->data, s->len, "gauges", "dead");
    take_counts(s->data, s->len, d->counts);
    for (int r = 0; r < TOP_RATES; r++)
        d->rates[r] = known ? rate(d->counts[r], before[r], d->at - d->before_at) : -1;
}

static void take_pool(struct top_data *d, const struct taskq_text *pool)
{
    const char *list, *handler;
    size_t len, handler_len, at = 0;
    d->workers = d->busy = 0;
    if (!taskq_json_member(pool->data, pool->len, "handlers", &list, &len))
        return;
    while (taskq_json_element(list, len, &at, &handler, &handler_len)) {
        d->workers += human_number(handler, handler_len, "workers");
        d->busy += human_number(handler, handler_len, "running");
    }
}

// What needs a role on all queues, which one may lack.
static enum taskq_error ask_daemon(struct taskq *q, const char *method, struct taskq_text *out, bool *there)
{
    enum taskq_error e = taskq_call_raw(q, method, NULL, out);
    *there = e == TASKQ_OK;
    return e == TASKQ_FORBIDDEN ? TASKQ_OK : e;
}

enum taskq_error top_fetch(struct taskq *q, struct top_data *d, enum top_sort sort, const char *filter,
                           size_t limit)
{
    struct buffer params = BUFFER_INIT;
    struct taskq_text answer;
    bool there;
    write_params(&params, sort, filter, limit);
    enum taskq_error e = params.failed ? TASKQ_NO_MEMORY : taskq_call_raw(q, "queues", params.data, &answer);
    buffer_release(&params);
    if (e != TASKQ_OK)
        return e;
    bool fine = take_queues(d, &answer, sort);
    taskq_text_release(&answer);
    if (!fine)
        return TASKQ_NO_MEMORY;
    if ((e = ask_daemon(q, "stats", &answer, &there)) != TASKQ_OK)
        return e;
    if (there)
        take_stats(d, &answer);
    else
        d->daemon_queues = -1;
    taskq_text_release(there ? &answer : NULL);
    if (!there || (e = ask_daemon(q, "pool", &answer, &there)) != TASKQ_OK)
        return e;
    if (there)
        take_pool(d, &answer);
    taskq_text_release(there ? &answer : NULL);
    return TASKQ_OK;
}

void top_release(struct top_data *d)
{
    free_queues(d->queues, d->count);
    free_queues(d->before, d->before_count);
    *d = (struct top_data){0};
}

// ---- for programs

static const char *const rate_names[TOP_RATES] = {"put_per_second", "taken_per_second", "done_per_second",
                                                  "failed_per_second"};

static void write_number(struct buffer *b, const char *name, double n)
{
    json_write_key(b, name);
    json_write_double(b, n);
}

static void write_rates(struct buffer *b, const double rates[TOP_RATES])
{
    for (int r = 0; r < TOP_RATES; r++) {
        json_write_key(b, rate_names[r]);
        if (rates[r] < 0)
            json_write_raw(b, "null");
        else
            json_write_double(b, (double)(int64_t)(rates[r] * 1000 + 0.5) / 1000);
    }
}

static void write_queue(struct buffer *b, const struct top_queue *q)
{
    json_write_comma(b);
    json_write_raw(b, "{");
    json_write_key(b, "queue");
    json_write_bytes(b, slice_of(q->name));
    write_number(b, "ready", q->ready);
    write_number(b, "delayed", q->delayed);
    write_number(b, "reserved", q->reserved);
    write_number(b, "dead", q->dead);
    write_number(b, "waiters", q->waiting);
    json_write_key(b, "oldest");
    if (q->oldest < 0)
        json_write_raw(b, "null");
    else
        json_write_double(b, q->oldest);
    json_write_key(b, "paused");
    json_write_bool(b, q->paused);
    json_write_key(b, "shut_down");
    json_write_bool(b, q->shut_down);
    write_rates(b, q->rates);
    json_write_raw(b, "}");
}

void top_write_json(struct buffer *out, const struct top_data *d, size_t most)
{
    json_write_raw(out, "{\"daemon\":");
    if (d->daemon_queues < 0) {
        json_write_raw(out, "null");
    } else {
        json_write_raw(out, "{");
        write_number(out, "queues", d->daemon_queues);
        write_number(out, "connections", d->connections);
        write_number(out, "bytes", d->bytes);
        write_number(out, "max_bytes", d->max_bytes);
        if (d->store_bytes >= 0)
            write_number(out, "store_bytes", d->store_bytes);
        write_number(out, "ready", d->ready);
        write_number(out, "delayed", d->delayed);
        write_number(out, "reserved", d->reserved);
        write_number(out, "dead", d->dead);
        write_number(out, "workers", d->workers);
        write_number(out, "busy", d->busy);
        write_rates(out, d->rates);
        json_write_raw(out, "}");
    }
    json_write_raw(out, ",\"queues\":[");
    for (size_t i = 0; i < d->count && i < most; i++)
        write_queue(out, &d->queues[i]);
    json_write_raw(out, "]");
    write_number(out, "total", d->total);
    json_write_raw(out, "}\n");
}
