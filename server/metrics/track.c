#include "server/metrics/track.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(struct slice a, struct slice b)
{
    int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static struct slice name_of(const struct track *t)
{
    return (struct slice){t->name, t->name_len};
}

static int by_name(const void *a, const void *b)
{
    return compare_names(queue_row_name(a), queue_row_name(b));
}

static void track_free(struct track *t)
{
    free(t->name);
    free(t);
}

void track_set_release(struct track_set *s)
{
    for (unsigned i = 0; i < s->count; i++)
        track_free(s->tracks[i]);
    free(s->tracks);
    *s = (struct track_set){0};
}

static uint64_t failed(const struct queue_row *row)
{
    return row->counters.retried + row->counters.died + row->counters.moved;
}

static uint32_t at_most(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

// What was counted since the last look; a queue that was dropped and made again has counted all of it since.
static uint64_t since(uint64_t *was, uint64_t is)
{
    uint64_t more = is >= *was ? is - *was : is;
    *was = is;
    return more;
}

static void track_add(struct track *t, const struct queue_row *row)
{
    uint64_t put = since(&t->put, row->counters.put), done = since(&t->done, row->counters.done),
             more_failed = since(&t->failed, failed(row));
    for (unsigned i = 0; i < TRACK_RINGS; i++) {
        struct track_sample *sum = &t->rings[i].sum;
        sum->put = at_most(sum->put + put);
        sum->done = at_most(sum->done + done);
        sum->failed = at_most(sum->failed + more_failed);
        sum->unfinished = at_most(queue_row_unfinished(row));
    }
}

// The n-th of `steps` even shares.
static uint32_t share(uint32_t sum, int64_t n, int64_t steps)
{
    return (uint32_t)((sum * (n + 1)) / steps - (sum * n) / steps);
}

// Closes the steps from `from` to `now`. Where all queues were not looked at for more than a step, what was
// counted is spread over them.
static void ring_close(struct track_ring *r, int64_t from, int64_t now)
{
    for (int64_t n = from; n < now; n++) {
#define COUNT(name)         share(r->sum.name, n - from, now - from)
#define LEVEL(name)         r->sum.name
#define X(name, kind, text) .name = kind(name),
        r->samples[n % TRACK_STEPS] = (struct track_sample){HISTORY_QUEUE_SERIES(X)};
#undef X
#undef COUNT
#undef LEVEL
    }
    if (now > from)
        r->sum = (struct track_sample){.unfinished = r->sum.unfinished};
    if (now - r->first > TRACK_STEPS)
        r->first = now - TRACK_STEPS;
}

int64_t track_step(unsigned ring)
{
    return ring == TRACK_SHORT ? HISTORY_STEP : HISTORY_STEP_LONG;
}

static struct track *track_new(struct queue_row *row, int64_t now)
{
    struct track *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->name = (char *)(uintptr_t)row->name; // the row's own
    t->name_len = row->name_len;
    row->name = NULL;
    t->put = row->counters.put;
    t->done = row->counters.done;
    t->failed = failed(row);
    for (unsigned i = 0; i < TRACK_RINGS; i++)
        t->rings[i].first = now / track_step(i);
    return t;
}

// Closes what is over by now of a queue that was tracked before.
static void track_close(const struct track_set *s, struct track *t, int64_t now)
{
    for (unsigned i = 0; i < TRACK_RINGS; i++) {
        int64_t step = now / track_step(i), oldest = step - TRACK_STEPS;
        ring_close(&t->rings[i], s->next[i] < oldest ? oldest : s->next[i], step);
    }
}

void track_set_take(struct track_set *s, struct largest *l, int64_t now)
{
    struct track **tracks = malloc((l->count ? l->count : 1) * sizeof(struct track *));
    unsigned count = 0, old = 0;
    if (!tracks)
        return;
    qsort(l->rows, l->count, sizeof *l->rows, by_name);
    for (unsigned i = 0; i < l->count; i++) {
        struct queue_row *row = &l->rows[i];
        while (old < s->count && compare_names(name_of(s->tracks[old]), queue_row_name(row)) < 0)
            track_free(s->tracks[old++]);
        bool known = old < s->count && slice_same(name_of(s->tracks[old]), queue_row_name(row));
        struct track *t = known ? s->tracks[old++] : track_new(row, now);
        if (!t)
            continue;
        track_add(t, row);
        if (known)
            track_close(s, t, now);
        tracks[count++] = t;
    }
    while (old < s->count)
        track_free(s->tracks[old++]);
    free(s->tracks);
    s->tracks = tracks;
    s->count = count;
    for (unsigned i = 0; i < TRACK_RINGS; i++)
        s->next[i] = now / track_step(i);
}

const struct track *track_set_find(const struct track_set *s, struct slice name)
{
    unsigned low = 0, high = s->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int c = compare_names(name_of(s->tracks[middle]), name);
        if (c == 0)
            return s->tracks[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
