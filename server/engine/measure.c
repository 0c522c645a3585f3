#include "server/engine/measure.h"

#include <stdlib.h>
#include <string.h>

// How many levels are looked at for the oldest job.
#define OLDEST_LEVELS 100

int64_t queue_oldest(const struct engine *e, const struct queue *q, int *looked)
{
    // The ready job with the lowest id. It is the one that starves, so the most urgent level alone will not
    // do.
    const struct job *oldest = NULL;
    struct tree_node *n = tree_first(&q->ready_levels);
    for (int i = 0; n && i < OLDEST_LEVELS; i++, n = tree_after(&q->ready_levels, n, level_ready_compare)) {
        const struct level *l = level_of_ready(n);
        const struct job *fresh = l->first, *back = job_of_node(tree_first(&l->back));
        if (fresh && (!oldest || fresh->id < oldest->id))
            oldest = fresh;
        if (back && (!oldest || back->id < oldest->id))
            oldest = back;
        *looked += i > 0;
    }
    if (!oldest)
        return -1;
    return e->wall > (int64_t)oldest->created ? e->wall - (int64_t)oldest->created : 0;
}

struct queue *queue_after(const struct engine *e, struct slice name)
{
    // A probe that can be compared: a queue is as large as its name.
    struct queue *probe = calloc(1, sizeof *probe + QUEUE_NAME_MAX);
    if (!probe)
        return NULL;
    probe->name_len = (uint8_t)name.len;
    memcpy(probe->name, name.data, name.len);
    struct tree_node *n = tree_after(&e->ordered, &probe->ordered, queue_compare);
    free(probe);
    return queue_of_node(n);
}

static void show(const struct queue *q, int64_t oldest, measure_visitor *visit, void *context)
{
    const struct queue_measure measure = {
        .name = queue_name(q),
        .oldest = oldest,
        .paused = q->paused,
        .gauges = &q->gauges,
        .counters = &q->counters,
    };
    visit(context, &measure);
}

unsigned engine_measure_queues(struct engine *e, struct moment now, struct slice after,
                               measure_visitor *visit, void *context)
{
    engine_begin(e, now);
    struct queue *q = after.len ? queue_after(e, after) : queue_of_node(tree_first(&e->ordered));
    unsigned visited = 0;
    for (int work = 0; q && work < SLICE_OF_WORK; work++, visited++) {
        show(q, queue_oldest(e, q, &work), visit, context);
        q = queue_of_node(tree_after(&e->ordered, &q->ordered, queue_compare));
    }
    return visited;
}
