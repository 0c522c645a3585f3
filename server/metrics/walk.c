#include "server/metrics/walk.h"

#include "server/hub.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_MAX 1000   // of a slice, as the engine has it
#define YIELD_NS 200000 // who waits for the lock takes less to wake

struct walk {
    struct hub *hub;
    unsigned count;
    size_t names_len;
    size_t after_len;
    char after[QUEUE_NAME_MAX]; // the last name that was seen
    struct queue_row rows[ROWS_MAX];
    char names[ROWS_MAX * QUEUE_NAME_MAX];
};

struct walk *walk_new(struct hub *hub)
{
    struct walk *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    w->hub = hub;
    w->after_len = 0;
    return w;
}

void walk_free(struct walk *w)
{
    free(w);
}

static void visit(void *context, const struct queue_measure *m)
{
    struct walk *w = context;
    char *name = w->names + w->names_len;
    memcpy(name, m->name.data, m->name.len);
    w->names_len += m->name.len;
    w->rows[w->count++] = (struct queue_row){
        .name = name,
        .name_len = m->name.len,
        .gauges = *m->gauges,
        .counters = *m->counters,
        .oldest = m->oldest,
        .paused = m->paused,
    };
}

unsigned walk_next(struct walk *w, const struct queue_row **rows)
{
    w->count = 0;
    w->names_len = 0;
    *rows = w->rows;
    struct moment now = hub_lock(w->hub);
    engine_measure_queues(hub_engine(w->hub), now, (struct slice){w->after, w->after_len}, visit, w);
    hub_unlock(w->hub);
    const struct queue_row *last = w->count ? &w->rows[w->count - 1] : NULL;
    w->after_len = last ? last->name_len : 0;
    if (last)
        memcpy(w->after, last->name, last->name_len);
    return w->count;
}

void walk_yield(struct walk *w)
{
    if (hub_wanted(w->hub))
        nanosleep(&(struct timespec){.tv_nsec = YIELD_NS}, NULL);
}
