#include "server/metrics/metrics.h"

#include "server/metrics/collect.h"
#include "server/metrics/text.h"

#include <stdatomic.h>
#include <stdlib.h>

struct metrics {
    struct metrics_options options;
    atomic_uint queues;
    atomic_int_least64_t oldest; // as the last look at all queues found it
};

struct metrics *metrics_new(const struct metrics_options *options)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->options = *options;
    m->oldest = -1;
    metrics_set_queues(m, options->queues);
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

void metrics_set_queues(struct metrics *m, uint64_t most)
{
    m->queues = most < METRICS_QUEUES_MAX ? (unsigned)most : METRICS_QUEUES_MAX;
}

unsigned metrics_queues(const struct metrics *m)
{
    return m->queues;
}

void metrics_note_oldest(struct metrics *m, int64_t oldest)
{
    m->oldest = oldest;
}

void metrics_look(const struct metrics *m, struct metrics_outside *out)
{
    *out = (struct metrics_outside){0};
    if (m->options.look)
        m->options.look(m->options.context, out);
}

struct hub *metrics_hub(const struct metrics *m)
{
    return m->options.hub;
}

// All but the queues.
static void gather(struct metrics *m, struct figures *f, bool thorough)
{
    struct hub *hub = m->options.hub;
    *f = (struct figures){.options = &m->options, .queues.oldest = -1};
    hub_lock(hub);
    engine_info(hub_engine(hub), &f->engine);
    engine_times(hub_engine(hub), &f->times);
    hub_load(hub, &f->load);
    hub_unlock(hub);
    if (f->engine.gauges.ready > 0) // since the last look at all of them they may have been taken
        f->queues.oldest = m->oldest;
    metrics_look(m, &f->outside);
    f->process_known = process_look(&f->process, thorough);
}

static bool gather_queues(struct metrics *m, struct largest *l)
{
    struct walk *w = walk_new(m->options.hub);
    const struct queue_row *rows;
    if (!w || !largest_init(l, m->queues)) {
        walk_free(w);
        return false;
    }
    for (unsigned n; (n = walk_next(w, &rows)) > 0; walk_yield(w))
        for (unsigned i = 0; i < n; i++)
            largest_offer(l, &rows[i]);
    walk_free(w);
    largest_sort(l);
    return !l->failed;
}

bool metrics_text(struct metrics *m, struct buffer *out)
{
    struct figures f;
    gather(m, &f, true);
    f.by_queue = gather_queues(m, &f.queues);
    if (f.by_queue)
        text_write(&f, out);
    bool ok = f.by_queue && !out->failed;
    largest_release(&f.queues);
    return ok;
}

void metrics_report(struct metrics *m, struct buffer *out)
{
    struct figures f;
    gather(m, &f, false);
    report_write(&f, out);
}
