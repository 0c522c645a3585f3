#include "server/engine/work.h"

#include "server/engine/retry.h"

#include <stddef.h>

void work_begin(struct engine *e, struct queue *q, enum queue_work work)
{
    if (q->work == QUEUE_WORK_NONE) {
        q->work_next = e->work_first;
        e->work_first = q;
    }
    q->work = (uint8_t)work;
}

// Any job that this work is still to touch; NULL: none is left. Reserved jobs of a dropped queue go when they
// come back.
static struct job *next_job(struct queue *q)
{
    struct job *j = queue_head(q);
    if (!j)
        j = job_of_node(tree_first(&q->delayed));
    if (!j && q->work == QUEUE_WORK_DROP)
        j = job_of_node(tree_first(&q->dead));
    if (!j && q->work == QUEUE_WORK_DROP)
        j = job_of_node(tree_first(&q->finished));
    return j;
}

static bool step(struct engine *e, struct queue *q)
{
    struct job *j = next_job(q);
    if (j && q->work == QUEUE_WORK_DROP)
        job_remove(e, j);
    else if (j)
        job_die(e, j, DEAD_SHUT_DOWN, NULL);
    else if (q->work == QUEUE_WORK_DROP && q->keys)
        key_free(e, q->keys);
    else
        return false;
    return true;
}

void work_go_on(struct engine *e, int *budget)
{
    while (e->work_first && *budget > 0) {
        struct queue *q = e->work_first;
        if (step(e, q)) {
            --*budget;
            continue;
        }
        e->work_first = q->work_next;
        q->work = QUEUE_WORK_NONE;
        queue_touch(e, q);
    }
}
