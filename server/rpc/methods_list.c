// queues: page by page by their names, or the largest of all.
#include "server/access/identity.h"
#include "server/access/pattern.h"
#include "server/hub.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/members.h"
#include "server/rpc/method.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"

#include <assert.h>
#include <stdlib.h>

// A slice looks at so many rows: of those that are shown, and of those that are only compared.
#define SLICE_ROWS    100
#define SLICE_LARGEST 500
#define PAGE_ROWS     100 // unless `limit` says otherwise

// What queues can be sorted by, as a number.
#define SORTS(X)                                                                                             \
    X(unfinished, (double)(q->gauges.ready + q->gauges.delayed + q->gauges.reserved))                        \
    X(ready, (double)q->gauges.ready)                                                                        \
    X(delayed, (double)q->gauges.delayed)                                                                    \
    X(reserved, (double)q->gauges.reserved)                                                                  \
    X(dead, (double)q->gauges.dead)                                                                          \
    X(done, (double)q->gauges.finished)                                                                      \
    X(waiters, (double)q->gauges.waiting_gets)                                                               \
    X(oldest, (double)q->oldest)                                                                             \
    X(bytes, (double)q->gauges.bytes)

enum sort {
    SORT_NAME,
#define X(name, value) SORT_##name,
    SORTS(X)
#undef X
};

static double sort_value(const struct queue_info *q, enum sort sort)
{
    switch (sort) {
#define X(name, value)                                                                                       \
    case SORT_##name:                                                                                        \
        return value;
        SORTS(X)
#undef X
    default:
        return 0;
    }
}

enum { QUEUES_AFTER, QUEUES_LIMIT, QUEUES_MATCH, QUEUES_SORT, QUEUES_COUNTERS };

static const struct param queues_rows[] = {
    {PARAM_NAME("after"), .type = PARAM_QUEUE, .bit = QUEUES_AFTER, PARAM_FIELD(queue.after)},
    {PARAM_NAME("limit"), .type = PARAM_WHOLE, .bit = QUEUES_LIMIT, .low = 1, .high = 1000,
     PARAM_FIELD(queue.limit)},
    {PARAM_NAME("match"), .type = PARAM_TEXT, .bit = QUEUES_MATCH, .low = 1, .high = QUEUE_NAME_MAX,
     PARAM_FIELD(queue.match)},
    {PARAM_NAME("sort"), .type = PARAM_TEXT, .bit = QUEUES_SORT, .low = 1, .high = 16,
     PARAM_FIELD(queue.client)},
    {PARAM_NAME("counters"), .type = PARAM_FLAG, .bit = QUEUES_COUNTERS, PARAM_FIELD(queue.bodies)},
};

static bool find_sort(struct slice name, unsigned *sort)
{
    static const char *const names[] = {"name",
#define X(name, value) #name,
                                        SORTS(X)
#undef X
    };
    for (*sort = 0; *sort < sizeof names / sizeof *names; ++*sort)
        if (slice_equal(name, names[*sort]))
            return true;
    return false;
}

static void queues_check(struct call *call, struct request *r)
{
    struct queue_params *in = &r->in.queue;
    (void)call;
#define X(name, value) ", " #name
    if ((r->seen & PARAM_BIT(QUEUES_SORT)) && !find_sort(in->client, &in->states))
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("sort"), "sort must be one of name" SORTS(X));
#undef X
    else if (in->states != SORT_NAME && (r->seen & PARAM_BIT(QUEUES_AFTER)))
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("after"), "after goes with the order by names alone");
}

static void write_queue(struct buffer *b, const struct queue_info *q, bool counters)
{
    json_write_comma(b);
    json_write_raw(b, "{");
    write_text(b, "queue", q->name);
    write_count(b, "ready", q->gauges.ready);
    write_count(b, "delayed", q->gauges.delayed);
    write_count(b, "reserved", q->gauges.reserved);
    write_count(b, "dead", q->gauges.dead);
    write_count(b, "done", q->gauges.finished);
    write_count(b, "waiters", q->gauges.waiting_gets);
    write_flags(b, q);
    if (counters)
        write_counters(b, &q->counters);
    json_write_raw(b, "}");
}

// The rows of one slice, and one more that is only looked at: it tells whether there is a next.
struct queue_page {
    const struct queue_params *in;
    const struct identity *reader; // NULL: all are shown
    unsigned wanted, shown;
    unsigned rows, seen; // that the slice looks at
    bool more;
    char *last; // QUEUE_NAME_MAX bytes
    size_t last_len;
    struct buffer *out;
    struct ranking *largest;
};

// Whether the queue belongs to this slice, and may be shown.
static bool visit(struct queue_page *page, const struct queue_info *q)
{
    page->more = page->more || (!page->largest && page->shown == page->wanted) || page->seen == page->rows;
    if (page->more)
        return false;
    page->seen++;
    memcpy(page->last, q->name.data, q->name.len);
    page->last_len = q->name.len;
    return (!page->reader || (identity_roles(page->reader, q->name) & ROLE_READ)) &&
           (!page->in->match.len || pattern_matches(page->in->match, q->name));
}

static void show_queue(void *context, const struct queue_info *q)
{
    struct queue_page *page = context;
    if (!visit(page, q))
        return;
    page->shown++;
    write_queue(page->out, q, page->in->bodies);
}

// ---- the largest: a heap with the smallest of them on top, to be put out by whatever is larger

struct ranked {
    double value;
    struct queue_info info;
    char name[QUEUE_NAME_MAX];
};

struct ranking {
    enum sort sort;
    unsigned count, limit;
    uint64_t total;
    struct ranked **heap, *rows;
};

// Among equals: who was put to more, and then by name.
static int compare(const struct queue_info *a, double x, const struct queue_info *b, double y)
{
    if (x != y)
        return x > y ? -1 : 1;
    if (a->counters.put != b->counters.put)
        return a->counters.put > b->counters.put ? -1 : 1;
    size_t n = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.data, b->name.data, n);
    return order ? order : a->name.len < b->name.len ? -1 : a->name.len > b->name.len;
}

static int compare_ranked(const struct ranked *a, const struct ranked *b)
{
    return compare(&a->info, a->value, &b->info, b->value);
}

static int compare_slots(const void *a, const void *b)
{
    return compare_ranked(*(struct ranked *const *)a, *(struct ranked *const *)b);
}

static void sift_down(struct ranking *l)
{
    struct ranked *r = l->heap[0];
    unsigned at = 0, child;
    while ((child = 2 * at + 1) < l->count) {
        if (child + 1 < l->count && compare_ranked(l->heap[child], l->heap[child + 1]) < 0)
            child++;
        if (compare_ranked(r, l->heap[child]) >= 0)
            break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = r;
}

static void sift_up(struct ranking *l)
{
    unsigned at = l->count - 1;
    struct ranked *r = l->heap[at];
    for (; at > 0 && compare_ranked(r, l->heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = r;
}

static void rank_queue(void *context, const struct queue_info *q)
{
    struct queue_page *page = context;
    struct ranking *l = page->largest;
    if (!visit(page, q))
        return;
    l->total++;
    double value = sort_value(q, l->sort);
    bool full = l->count == l->limit;
    if (full && compare(q, value, &l->heap[0]->info, l->heap[0]->value) >= 0)
        return;
    struct ranked *r = full ? l->heap[0] : &l->rows[l->count];
    r->value = value;
    r->info = *q;
    r->info.name.data = memcpy(r->name, q->name.data, q->name.len);
    if (full) {
        sift_down(l);
    } else {
        l->heap[l->count++] = r;
        sift_up(l);
    }
}

static struct ranking *ranking_new(struct task *t, unsigned limit)
{
    struct ranking *l = arena_alloc(&t->arena, sizeof *l);
    if (!l)
        return NULL;
    *l = (struct ranking){.sort = (enum sort)t->request.in.queue.states, .limit = limit};
    l->rows = arena_alloc(&t->arena, limit * sizeof *l->rows);
    l->heap = arena_alloc(&t->arena, limit * sizeof *l->heap);
    return l->rows && l->heap ? l : NULL;
}

static void write_largest(struct buffer *b, struct ranking *l, bool counters)
{
    qsort(l->heap, l->count, sizeof *l->heap, compare_slots);
    for (unsigned i = 0; i < l->count; i++)
        write_queue(b, &l->heap[i]->info, counters);
    json_write_raw(b, "],\"next\":null");
    write_count(b, "total", l->total);
    json_write_raw(b, "}");
}

// ---- both

static unsigned limit_of(const struct task *t)
{
    return t->request.in.queue.limit ? (unsigned)t->request.in.queue.limit : PAGE_ROWS;
}

// False: no memory.
static bool begin(struct task *t)
{
    const struct queue_params *in = &t->request.in.queue;
    t->at.queues.after = in->after;
    t->at.queues.last = arena_alloc(&t->arena, QUEUE_NAME_MAX);
    t->at.queues.largest = in->states != SORT_NAME ? ranking_new(t, limit_of(t)) : NULL;
    json_write_raw(&t->out, "{\"queues\":[");
    return t->at.queues.last && (in->states == SORT_NAME || t->at.queues.largest);
}

// One slice of the queues. True: there are more.
static bool look(struct task *t, struct queue_page *page)
{
    struct moment now = hub_lock(t->rpc->hub);
    engine_list_queues(hub_engine(t->rpc->hub), now, t->at.queues.after, page->rows + 1,
                       page->largest ? rank_queue : show_queue, page);
    hub_unlock(t->rpc->hub);
    t->at.queues.count += page->shown;
    if (page->seen > 0)
        t->at.queues.after = (struct slice){page->last, page->last_len};
    return page->more;
}

static bool queues_step(struct task *t)
{
    const struct queue_params *in = &t->request.in.queue;
    unsigned limit = limit_of(t);
    if (!t->session) // closed
        return true;
    if (!t->begun && !begin(t)) {
        request_refuse(&t->request, ERROR_OVERLOADED, (struct slice){0}, "the daemon has no memory left");
        return true;
    }
    struct queue_page page = {.in = in,
                              .out = &t->out,
                              .wanted = limit - t->at.queues.count,
                              .largest = t->at.queues.largest,
                              .last = t->at.queues.last};
    page.reader = t->session->dispatch->access ? t->session->who : NULL;
    if (t->session->dispatch->access && !page.reader) { // not any more
        request_refuse(&t->request, ERROR_UNAUTHORIZED, (struct slice){0}, NULL);
        return true;
    }
    bool some = page.reader || in->match.len > 0; // not every row that is looked at is shown
    page.rows = page.largest ? SLICE_LARGEST : some || page.wanted > SLICE_ROWS ? SLICE_ROWS : page.wanted;
    if (look(t, &page) && (page.largest || t->at.queues.count < limit))
        return false;
    if (page.largest) {
        write_largest(&t->out, page.largest, in->bodies);
        return true;
    }
    json_write_raw(&t->out, "],\"next\":");
    if (page.more)
        json_write_string(&t->out, t->at.queues.after);
    else
        json_write_raw(&t->out, "null");
    json_write_raw(&t->out, "}");
    return true;
}

const struct method methods_list[] = {
    {METHOD("queues", LIST, ROLE_READ), METHOD_PARAMS(queues_rows, queue),
     .flags = METHOD_LOOKS | METHOD_SILENT, .check = queues_check, .step = queues_step},
    {0},
};
