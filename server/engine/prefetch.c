#include "server/engine/prefetch.h"

#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/journal.h"
#include "server/engine/queue.h"

#define FEW_QUEUES      4096 // are near enough anyway, and a name would be hashed twice for nothing
#define QUEUES_TOGETHER 64   // as many as surely fit into what is near the processor

void prefetch_job(const struct job *j)
{
    prefetch(j);
    prefetch((const char *)j + CACHE_LINE);
    prefetch(j->data - 1);
}

// What it stands between in its list or tree, and in the wheel.
static void prefetch_neighbours(const struct job *j)
{
    if (j->extra)
        prefetch(j->extra);
    if (j->prev)
        prefetch(j->prev);
    if (j->next)
        prefetch(j->next);
    if (!wheel_waiting(&j->timer))
        return;
    prefetch(j->timer.back);
    if (j->timer.next)
        prefetch(j->timer.next);
}

static void prefetch_ids(const struct engine *e, const uint64_t *ids, unsigned count, bool neighbours)
{
    struct job *jobs[ID_MAP_TOGETHER];
    for (unsigned some; count > 0; ids += some, count -= some) {
        some = count < ID_MAP_TOGETHER ? count : ID_MAP_TOGETHER;
        id_map_find_together(&e->jobs, ids, some, jobs);
        for (unsigned i = 0; i < some; i++)
            if (jobs[i])
                prefetch_job(jobs[i]);
        for (unsigned i = 0; neighbours && i < some; i++)
            if (jobs[i])
                prefetch_neighbours(jobs[i]);
    }
}

void engine_prefetch(const struct engine *e, const uint64_t *ids, unsigned count)
{
    prefetch_ids(e, ids, count, true);
}

void journal_prefetch(const struct engine *e, const uint64_t *ids, unsigned count)
{
    prefetch_ids(e, ids, count, false);
}

// The lines of a queue that a put and a get look at.
static void prefetch_queue(const struct queue *q)
{
    const char *end = (const char *)&q->counters;
    for (const char *line = (const char *)q; line < end; line += CACHE_LINE)
        prefetch(line);
    prefetch(q->name);
}

void engine_prefetch_queues(const struct engine *e, const struct slice *names, unsigned count)
{
    struct table_node *const *buckets[QUEUES_TOGETHER];
    if (e->names.count < FEW_QUEUES)
        return;
    for (unsigned some; count > 0; names += some, count -= some) {
        some = count < QUEUES_TOGETHER ? count : QUEUES_TOGETHER;
        for (unsigned i = 0; i < some; i++) {
            buckets[i] = table_bucket(&e->names, queue_hash(e, names[i]));
            prefetch(buckets[i]);
        }
        for (unsigned i = 0; i < some; i++)
            if (*buckets[i]) // most likely the queue itself
                prefetch_queue(OWNER_OF(const struct queue, by_name, *buckets[i]));
    }
}
