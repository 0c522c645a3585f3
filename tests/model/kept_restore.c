// What a start makes of the disk.
#include "tests/model/kept.h"

#include <inttypes.h>
#include <string.h>

// From now on in `mono` as it runs now: the wall clock's times stay what they are.
static void rebase(struct kept *k, struct moment now)
{
    int64_t shift = now.wall - now.mono;
    for (unsigned i = 0; i < k->count; i++) {
        struct kept_record *r = &k->records[i];
        int64_t later = r->shift - shift;
        if (!r->job.wall)
            r->job.until += later;
        if (r->job.expires)
            r->job.expires += later;
        r->key.until += later;
        r->shift = shift;
    }
    k->started = now.mono;
}

static int64_t not_before(int64_t time, int64_t now)
{
    return time > now ? time : now;
}

static void restore_queues(struct kept *k, struct model *m)
{
    memset(&m->counters, 0, sizeof m->counters);
    memset(&m->more, 0, sizeof m->more);
    m->runs = 0;
    memset(m->queues, 0, sizeof m->queues);
    for (int q = 0; q < QUEUES; q++)
        m->queues[q].settings = queue_settings_default;
    for (unsigned i = 0; i < k->count; i++)
        if (k->records[i].kind == RECORD_QUEUE && kept_queue(k, k->records[i].id))
            m->queues[k->records[i].queue] = k->records[i].settings;
    for (int q = 0; q < QUEUES; q++)
        memset(&m->queues[q].counters, 0, sizeof m->queues[q].counters);
}

// What was in somebody's hands is ready again, unless a clean stop saved a lease that still runs; and so is
// what became due meanwhile.
static void restore_job(struct model *m, struct mjob *j)
{
    bool over = j->until <= (j->wall ? m->now.wall : m->now.mono);
    if ((j->state == JOB_RESERVED || j->state == JOB_DELAYED) && over)
        j->state = JOB_READY;
    if (j->state != JOB_DELAYED)
        j->wall = false;
    if (j->state != JOB_RESERVED) {
        j->expired = false;
        j->lease_start = 0;
        j->held = 0;
    }
    if (!j->wall)
        j->until = not_before(j->until, m->now.mono);
    if (j->expired)
        j->expires = 0;
    else if (j->expires)
        j->expires = not_before(j->expires, m->now.mono);
    j->holder = NONE;
    j->progress = 0;
    j->doomed = m->queues[j->queue].hard && (j->state == JOB_READY || j->state == JOB_DELAYED);
    j->stored = true;
}

static void add_key(struct model *m, const struct mkey *key)
{
    REQUIRE(!model_key(m, key->queue, key->key), "two jobs bear one key on disk");
    m->keys[m->key_count++] = *key;
}

// In the order of their ids.
static void restore_jobs(struct kept *k, struct model *m)
{
    m->job_count = 0;
    for (unsigned i = 0; i < k->count; i++) {
        struct mjob j;
        if (k->records[i].kind != RECORD_BODY || !kept_job(k, k->records[i].id, &j))
            continue;
        restore_job(m, &j);
        unsigned at = m->job_count++;
        for (; at && m->jobs[at - 1].id > j.id; at--)
            m->jobs[at] = m->jobs[at - 1];
        m->jobs[at] = j;
    }
}

static void restore_keys(struct kept *k, struct model *m)
{
    m->key_count = 0;
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].key != NONE)
            add_key(m, &(struct mkey){m->jobs[i].queue, m->jobs[i].key, m->jobs[i].id, 0, false});
    for (unsigned i = 0; i < k->count; i++) {
        const struct kept_record *r = &k->records[i];
        const struct kept_record *queue = r->kind == RECORD_KEY ? kept_queue(k, r->number) : NULL;
        if (queue)
            add_key(m, &(struct mkey){queue->queue, r->key.key, r->id, not_before(r->key.until, m->now.mono),
                                      true});
    }
}

// Ids that were given out and not kept are no more, and those may be again whose removal was not.
static void restore_gone(struct model *m, const uint64_t *before, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!model_job(m, before[i]))
            m->gone[m->gone_count++ % 16] = before[i];
    for (unsigned i = 0; i < m->gone_count && i < 16;)
        if (model_job(m, m->gone[i])) {
            unsigned last = (m->gone_count < 16 ? m->gone_count : 16) - 1;
            m->gone[i] = m->gone[last];
            m->gone_count = last;
        } else {
            i++;
        }
}

// What was cancelled in somebody's hands does not come back.
static void restore_cancelled(struct model *m)
{
    for (unsigned i = 0; i < m->job_count;) {
        uint64_t id = m->jobs[i].id;
        if (m->jobs[i].cancelling && m->jobs[i].state != JOB_RESERVED)
            model_finish(m, &m->jobs[i], JOB_CANCELLED, 0);
        i += i < m->job_count && m->jobs[i].id == id;
    }
}

void kept_restore(struct kept *k, struct model *m, struct moment now)
{
    uint64_t before[MODEL_JOBS];
    unsigned count = m->job_count;
    for (unsigned i = 0; i < count; i++)
        before[i] = m->jobs[i].id;
    m->now = now;
    m->draining = false;
    m->start_number = k->start_number + 1;
    m->wait_count = 0;
    memset(m->subscriptions, 0, sizeof m->subscriptions);
    m->dropped_job_count = m->dropped_key_count = 0;
    k->saving = false;
    rebase(k, now);
    restore_queues(k, m);
    restore_jobs(k, m);
    restore_keys(k, m);
    restore_cancelled(m);
    restore_gone(m, before, count);
}
