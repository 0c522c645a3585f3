#include "tests/model/promises.h"

#include <string.h>

void promises_init(struct promises *p)
{
    p->told_count = p->open_count = 0;
    for (int q = 0; q < QUEUES; q++)
        p->open_queues[q] = NOBODY;
}

void promises_begin(struct promises *p, const struct model *m)
{
    memcpy(p->jobs, m->jobs, m->job_count * sizeof *m->jobs);
    p->job_count = m->job_count;
    memcpy(p->queues, m->queues, sizeof p->queues);
    p->told_count = 0;
}

void promises_tell(struct promises *p, uint64_t id, uint64_t marks)
{
    if (p->told_count < MODEL_JOBS)
        p->told[p->told_count++] = (struct promise){id, marks};
}

// A later promise about a job covers the earlier; where nobody is told of what happened, nothing is certain.
static void promise(struct promises *p, uint64_t id, uint64_t marks)
{
    unsigned i = 0;
    while (i < p->open_count && p->open[i].id != id)
        i++;
    if (i == p->open_count) {
        REQUIRE(p->open_count < MODEL_JOBS, "the model is full of promises");
        p->open_count++;
    }
    p->open[i] = (struct promise){id, marks};
}

static const struct mjob *before(const struct promises *p, uint64_t id)
{
    for (unsigned i = 0; i < p->job_count; i++)
        if (p->jobs[i].id == id)
            return &p->jobs[i];
    return NULL;
}

// Whether something changed that is kept. Being handed out is not, nor is becoming due.
static bool differ(const struct mjob *a, const struct mjob *b)
{
    enum job_state x = a->state == JOB_RESERVED ? JOB_READY : a->state;
    enum job_state y = b->state == JOB_RESERVED ? JOB_READY : b->state;
    return x != y || (x != JOB_READY && a->until != b->until) || a->queue != b->queue ||
           a->priority != b->priority || a->attempts != b->attempts || a->lost != b->lost ||
           a->error != b->error || a->result != b->result || a->failed != b->failed || a->key != b->key ||
           a->origin != b->origin || (x == JOB_DEAD && a->reason != b->reason);
}

static bool queues_differ(const struct mqueue *a, const struct mqueue *b)
{
    return a->declared != b->declared || a->paused != b->paused || a->shut_down != b->shut_down ||
           a->hard != b->hard || settings_differ(&a->settings, &b->settings);
}

void promises_end(struct promises *p, struct model *m, uint64_t marks)
{
    for (unsigned i = 0; i < m->job_count; i++) {
        const struct mjob *was = before(p, m->jobs[i].id);
        if (!was || differ(was, &m->jobs[i]))
            promise(p, m->jobs[i].id, marks);
    }
    for (unsigned i = 0; i < p->job_count; i++)
        if (!model_job(m, p->jobs[i].id))
            promise(p, p->jobs[i].id, marks);
    for (int q = 0; q < QUEUES; q++)
        if (queues_differ(&p->queues[q], &m->queues[q]) &&
            !m->queues[q].owner) // of such a one nothing is kept
            p->open_queues[q] = marks;
    for (unsigned i = 0; i < p->told_count; i++) {
        // How a job ends that is not kept is nothing to rely on, though it may move to a queue that is.
        const struct mjob *was = before(p, p->told[i].id);
        if (!was || was->stored)
            promise(p, p->told[i].id, p->told[i].marks);
    }
}

void promises_check(struct promises *p, struct kept *k, struct model *m, uint64_t marks)
{
    for (unsigned i = 0; i < p->open_count;) {
        if (p->open[i].marks > marks) {
            i++;
            continue;
        }
        kept_shows(k, m, p->open[i].id);
        p->open[i] = p->open[--p->open_count];
    }
    for (int q = 0; q < QUEUES; q++)
        if (p->open_queues[q] <= marks) {
            kept_shows_queue(k, m, q);
            p->open_queues[q] = NOBODY;
        }
}
