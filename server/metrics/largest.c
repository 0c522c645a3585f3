#include "server/metrics/largest.h"

#include <stdlib.h>
#include <string.h>

bool largest_init(struct largest *l, unsigned most)
{
    *l = (struct largest){.most = most, .oldest = -1, .rest.oldest = -1};
    l->rows = malloc((most ? most : 1) * sizeof *l->rows);
    return l->rows;
}

void largest_release(struct largest *l)
{
    for (unsigned i = 0; i < l->count; i++)
        free((char *)(uintptr_t)l->rows[i].name);
    free(l->rows);
    *l = (struct largest){0};
}

static bool smaller(const struct queue_row *a, const struct queue_row *b)
{
    uint64_t x = queue_row_unfinished(a), y = queue_row_unfinished(b);
    return x != y ? x < y : a->counters.put < b->counters.put;
}

static void leave_out(struct largest *l, const struct queue_row *row)
{
    l->left_out++;
#define X(name, metric, label, text) l->rest.gauges.name += row->gauges.name;
    QUEUE_GAUGES(X)
#undef X
    if (row->oldest > l->rest.oldest)
        l->rest.oldest = row->oldest;
}

static void swap(struct queue_row *a, struct queue_row *b)
{
    struct queue_row c = *a;
    *a = *b;
    *b = c;
}

static void sink(struct largest *l, unsigned at)
{
    for (;;) {
        unsigned child = 2 * at + 1;
        if (child >= l->count)
            return;
        if (child + 1 < l->count && smaller(&l->rows[child + 1], &l->rows[child]))
            child++;
        if (!smaller(&l->rows[child], &l->rows[at]))
            return;
        swap(&l->rows[child], &l->rows[at]);
        at = child;
    }
}

static void rise(struct largest *l, unsigned at)
{
    for (unsigned parent; at > 0 && smaller(&l->rows[at], &l->rows[parent = (at - 1) / 2]); at = parent)
        swap(&l->rows[at], &l->rows[parent]);
}

void largest_offer(struct largest *l, const struct queue_row *row)
{
    if (row->oldest > l->oldest)
        l->oldest = row->oldest;
    bool full = l->count == l->most;
    if (full && (l->most == 0 || !smaller(&l->rows[0], row))) {
        leave_out(l, row);
        return;
    }
    char *name = malloc(row->name_len ? row->name_len : 1);
    if (!name) {
        l->failed = true;
        leave_out(l, row);
        return;
    }
    memcpy(name, row->name, row->name_len);
    unsigned at = full ? 0 : l->count++;
    if (full) {
        leave_out(l, &l->rows[0]);
        free((char *)(uintptr_t)l->rows[0].name);
    }
    l->rows[at] = *row;
    l->rows[at].name = name;
    if (full)
        sink(l, 0);
    else
        rise(l, at);
}

static int larger_first(const void *a, const void *b)
{
    return smaller(a, b) ? 1 : smaller(b, a) ? -1 : 0;
}

void largest_sort(struct largest *l)
{
    qsort(l->rows, l->count, sizeof *l->rows, larger_first);
}
