#include "server/metrics/history.h"

#include "common/json_writer.h"
#include "server/hub.h"
#include "server/metrics/largest.h"
#include "server/metrics/metrics.h"
#include "server/metrics/process.h"
#include "server/metrics/track.h"

#include <pthread.h>
#include <stdlib.h>

#define SHORT_STEPS (HISTORY_HOUR / HISTORY_STEP)
#define LONG_STEPS  (HISTORY_DAY / HISTORY_STEP_LONG)

// Between two slices of queues: a slice takes about a millisecond of the lock, so a walk takes two or three
// per cent of it, however many there are.
#define SLICE_PAUSE 40

// Up to so many slices all queues are looked at in each step; more only every so often.
#define SLICES_EACH_STEP 4
#define WALK_PAUSE       (6 * HISTORY_STEP)

struct sample {
#define X(name, kind, text) uint64_t name;
    HISTORY_SERIES(X)
#undef X
};

// Steps are numbered from when the clock began; a step's place is its number by the ring's length.
struct ring {
    struct sample *samples;
    int64_t step; // ms
    int64_t length;
    int64_t first, next; // the numbers of those that are there: first … next - 1
    struct sample sum;   // of the present step, so far
};

struct history {
    struct metrics *metrics;
    pthread_mutex_t lock; // around the rings and the tracks
    struct ring near, far;
    struct track_set tracks;
    struct moment now;    // of the last call, to tell the time of a step
    struct sample totals; // the counters as they were
    int64_t next_step;    // ms, when the next sample is due
    struct walk *walk;    // NULL: not under way
    struct largest largest;
    unsigned slices; // of this walk so far
    unsigned walked; // slices of the last one
    int64_t oldest;  // that the last walk found
    int64_t walk_due;
};

// ---- rings

static bool ring_init(struct ring *r, int64_t step, int64_t length, int64_t now)
{
    *r = (struct ring){.samples = calloc((size_t)length, sizeof *r->samples), .step = step, .length = length};
    r->first = r->next = now / step;
    return r->samples;
}

// Where a step is missing (the process or the machine slept) nothing was counted and all was as it was.
static void ring_close(struct ring *r, struct sample last)
{
    r->samples[r->next % r->length] = last;
    r->next++;
    if (r->next - r->first > r->length)
        r->first = r->next - r->length;
}

static void add_counts(struct sample *to, const struct sample *from)
{
#define COUNT(name)         to->name += from->name
#define LEVEL(name)         to->name = from->name
#define X(name, kind, text) kind(name);
    HISTORY_SERIES(X)
#undef X
#undef COUNT
#undef LEVEL
}

static void clear_counts(struct sample *s)
{
#define COUNT(name)         s->name = 0
#define LEVEL(name)         (void)0
#define X(name, kind, text) kind(name);
    HISTORY_SERIES(X)
#undef X
#undef COUNT
#undef LEVEL
}

// What was found at `now` belongs to the step that ends then; earlier ones that were not closed are, too.
static void ring_add(struct ring *r, const struct sample *found, int64_t now)
{
    int64_t current = now / r->step;
    if (current - r->next > r->length) // after a long sleep
        r->first = r->next = current - r->length;
    add_counts(&r->sum, found);
    while (r->next < current) {
        ring_close(r, r->sum);
        clear_counts(&r->sum);
    }
}

// ---- filling

// Counters as they are now.
static void read_counters(const struct engine_info *e, struct sample *s)
{
    s->put = e->counters.put;
    s->taken = e->counters.taken;
    s->done = e->counters.done;
    s->failed = e->counters.retried + e->counters.died + e->counters.moved;
}

static struct sample measure(struct history *h)
{
    struct engine_info e;
    struct metrics_outside outside;
    struct hub *hub = metrics_hub(h->metrics);
    hub_lock(hub);
    engine_info(hub_engine(hub), &e);
    hub_unlock(hub);
    metrics_look(h->metrics, &outside);
    struct sample now = {0}, found;
    read_counters(&e, &now);
    found = now;
#define COUNT(name)         found.name = now.name - h->totals.name
#define LEVEL(name)         (void)0
#define X(name, kind, text) kind(name);
    HISTORY_SERIES(X)
#undef X
#undef COUNT
#undef LEVEL
    h->totals = now;
    found.ready = e.gauges.ready;
    found.delayed = e.gauges.delayed;
    found.reserved = e.gauges.reserved;
    found.dead = e.gauges.dead;
    found.oldest = h->oldest > 0 && e.gauges.ready > 0 ? (uint64_t)h->oldest / 1000 : 0;
    found.connections = outside.connections;
    found.memory = e.bytes;
    found.resident = process_resident();
    found.store = outside.disk_bytes;
    return found;
}

static void take_sample(struct history *h, int64_t now)
{
    struct sample found = measure(h);
    pthread_mutex_lock(&h->lock);
    ring_add(&h->near, &found, now);
    ring_add(&h->far, &found, now);
    pthread_mutex_unlock(&h->lock);
}

static void begin_walk(struct history *h, int64_t now)
{
    bool small = h->walked <= SLICES_EACH_STEP;
    h->walk_due = now - now % HISTORY_STEP + (small ? HISTORY_STEP : WALK_PAUSE);
    h->walk = walk_new(metrics_hub(h->metrics));
    h->slices = 0;
    if (h->walk && !largest_init(&h->largest, metrics_queues(h->metrics))) {
        walk_free(h->walk);
        h->walk = NULL; // the next step tries again
    }
}

static void end_walk(struct history *h, int64_t now)
{
    walk_free(h->walk);
    h->walk = NULL;
    h->walked = h->slices;
    h->oldest = h->largest.oldest;
    metrics_note_oldest(h->metrics, h->oldest);
    pthread_mutex_lock(&h->lock);
    track_set_take(&h->tracks, &h->largest, now);
    pthread_mutex_unlock(&h->lock);
    largest_release(&h->largest);
}

static void walk_on(struct history *h, int64_t now)
{
    const struct queue_row *rows;
    unsigned n = walk_next(h->walk, &rows);
    for (unsigned i = 0; i < n; i++)
        largest_offer(&h->largest, &rows[i]);
    if (n > 0)
        h->slices++;
    else
        end_walk(h, now);
}

int64_t history_go_on(struct history *h, struct moment now)
{
    pthread_mutex_lock(&h->lock);
    h->now = now;
    pthread_mutex_unlock(&h->lock);
    if (!h->walk && now.mono >= h->walk_due)
        begin_walk(h, now.mono);
    if (h->walk)
        walk_on(h, now.mono);
    // A sample comes after the walk of its step, if that is a short one: what is seen then is of that time.
    bool waits = h->walk && h->walked <= SLICES_EACH_STEP && now.mono < h->next_step + HISTORY_STEP / 2;
    if (now.mono >= h->next_step && !waits) {
        take_sample(h, now.mono);
        h->next_step = now.mono - now.mono % HISTORY_STEP + HISTORY_STEP;
    }
    if (h->walk)
        return SLICE_PAUSE;
    int64_t due = h->walk_due < h->next_step ? h->walk_due : h->next_step;
    return due > now.mono ? due - now.mono : 0;
}

// ---- the whole

struct history *history_new(struct metrics *m, struct moment now)
{
    struct history *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    pthread_mutex_init(&h->lock, NULL);
    h->metrics = m;
    h->now = now;
    h->oldest = -1;
    if (!ring_init(&h->near, HISTORY_STEP, SHORT_STEPS, now.mono) ||
        !ring_init(&h->far, HISTORY_STEP_LONG, LONG_STEPS, now.mono)) {
        history_free(h);
        return NULL;
    }
    h->next_step = now.mono - now.mono % HISTORY_STEP + HISTORY_STEP;
    (void)measure(h); // what a store brought with it was not counted in a step
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    if (h->walk)
        largest_release(&h->largest);
    walk_free(h->walk);
    track_set_release(&h->tracks);
    free(h->near.samples);
    free(h->far.samples);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

// ---- reading

// The first of the steps to show.
static int64_t first_of(int64_t span, int64_t step, int64_t first, int64_t next)
{
    int64_t wanted = next - (span + step - 1) / step;
    return wanted > first ? wanted : first;
}

static void write_head(struct history *h, int64_t step, int64_t next, struct buffer *out)
{
    json_write_raw(out, "{");
    json_write_key(out, "step");
    json_write_seconds(out, step);
    json_write_key(out, "until");
    json_write_seconds(out, h->now.wall + (next * step - h->now.mono));
}

void history_write(struct history *h, int64_t span, struct buffer *out)
{
    pthread_mutex_lock(&h->lock);
    const struct ring *r = span <= HISTORY_HOUR ? &h->near : &h->far;
    int64_t first = first_of(span, r->step, r->first, r->next);
    write_head(h, r->step, r->next, out);
    json_write_key(out, "series");
    json_write_raw(out, "{");
#define X(name, kind, text)                                                                                  \
    json_write_key(out, #name);                                                                              \
    json_write_raw(out, "[");                                                                                \
    for (int64_t n = first; n < r->next; n++) {                                                              \
        json_write_comma(out);                                                                               \
        json_write_uint(out, r->samples[n % r->length].name);                                                \
    }                                                                                                        \
    json_write_raw(out, "]");
    HISTORY_SERIES(X)
#undef X
    json_write_raw(out, "}}");
    pthread_mutex_unlock(&h->lock);
}

static void write_track(const struct track_ring *r, int64_t span, int64_t step, int64_t next,
                        struct buffer *out)
{
    int64_t first = first_of(span, step, r->first, next);
    json_write_raw(out, "{");
#define X(name, kind, text)                                                                                  \
    json_write_key(out, #name);                                                                              \
    json_write_raw(out, "[");                                                                                \
    for (int64_t n = first; n < next; n++) {                                                                 \
        json_write_comma(out);                                                                               \
        json_write_uint(out, r->samples[n % TRACK_STEPS].name);                                              \
    }                                                                                                        \
    json_write_raw(out, "]");
    HISTORY_QUEUE_SERIES(X)
#undef X
    json_write_raw(out, "}");
}

void history_write_queues(struct history *h, int64_t span, const struct slice *names, unsigned count,
                          struct buffer *out)
{
    unsigned ring = span <= HISTORY_MINUTES ? TRACK_SHORT : TRACK_LONG;
    int64_t step = track_step(ring);
    pthread_mutex_lock(&h->lock);
    int64_t next = h->tracks.next[ring];
    write_head(h, step, next, out);
    json_write_key(out, "queues");
    json_write_raw(out, "{");
    for (unsigned i = 0; i < count; i++) {
        const struct track *t = track_set_find(&h->tracks, names[i]);
        json_write_comma(out);
        json_write_string(out, names[i]);
        json_write_raw(out, ":");
        if (t)
            write_track(&t->rings[ring], span, step, next, out);
        else
            json_write_raw(out, "null");
    }
    json_write_raw(out, "}}");
    pthread_mutex_unlock(&h->lock);
}
