// Looking: all by scanning from end to end.
#include "tests/model/model.h"

#include <stdio.h>
#include <string.h>

struct slice queue_text(int queue)
{
    static const char *names[QUEUES] = {"a", "b", "bb", "c", "dead letters"};
    return slice_of(names[queue]);
}

struct slice key_text(int key)
{
    static const char *keys[KEYS] = {"k", "key", "a rather longer key, as of an order"};
    return key == NONE ? (struct slice){NULL, 0} : slice_of(keys[key]);
}

// Most are short; some are longer than what a job holds itself.
struct slice body_text(unsigned n)
{
    static char text[6000];
    size_t len = (size_t)snprintf(text, sizeof text, "%u", n);
    if (n % 6 == 0) {
        memset(text + len, 'a' + (int)(n % 26), sizeof text - len);
        len = 4090 + n % 12;
    }
    return (struct slice){text, len};
}

struct slice note_text(char kind, unsigned n)
{
    static char text[32];
    if (n == 0)
        return (struct slice){NULL, 0};
    return (struct slice){text, (size_t)snprintf(text, sizeof text, "\"%c%u\"", kind, n)};
}

void model_init(struct model *m, const struct engine_config *config)
{
    memset(m, 0, sizeof *m);
    m->max_waits = config->max_waits;
    m->max_subscriptions = config->max_subscriptions;
    m->start_number = config->start_number;
    m->last_id = config->first_id - 1;
    for (int q = 0; q < QUEUES; q++)
        m->queues[q].settings = queue_settings_default;
}

struct mjob *model_job(struct model *m, uint64_t id)
{
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].id == id)
            return &m->jobs[i];
    return NULL;
}

struct mwait *model_wait(struct model *m, const struct waiter *w)
{
    for (unsigned i = 0; i < m->wait_count; i++) {
        struct mwait *wait = &m->waits[i];
        if (w->kind == WAITER_NOTIFY ? wait->kind == WAITER_NOTIFY && wait->tag == w->tag : wait->waiter == w)
            return wait;
    }
    return NULL;
}

struct mwait *model_wait_of(struct model *m, uint64_t order)
{
    for (unsigned i = 0; i < m->wait_count; i++)
        if (m->waits[i].order == order)
            return &m->waits[i];
    return NULL;
}

uint64_t model_count(const struct model *m, int queue, enum job_state state)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < m->job_count; i++)
        n += m->jobs[i].queue == queue && m->jobs[i].state == state;
    return n;
}

uint64_t model_unfinished(const struct model *m, int queue)
{
    return model_count(m, queue, JOB_DELAYED) + model_count(m, queue, JOB_READY) +
           model_count(m, queue, JOB_RESERVED);
}

uint64_t model_waiting(const struct model *m, int queue, enum waiter_kind kind)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < m->wait_count; i++)
        n += m->waits[i].kind == kind && (m->waits[i].queues >> queue & 1);
    return n;
}

unsigned model_client_waits(const struct model *m, int client)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->wait_count; i++)
        n += m->waits[i].client == client && m->waits[i].kind != WAITER_NOTIFY;
    return n;
}

bool model_full(const struct model *m, int queue)
{
    uint64_t max = m->queues[queue].settings.maxsize;
    return max && model_count(m, queue, JOB_DELAYED) + model_count(m, queue, JOB_READY) >= max;
}

bool model_over(const struct model *m, int queue)
{
    const struct mqueue *q = &m->queues[queue];
    return q->shut_down && (q->hard || model_unfinished(m, queue) == 0);
}

bool model_takes(const struct model *m, int queue)
{
    const struct mqueue *q = &m->queues[queue];
    uint64_t most = q->settings.concurrency;
    return !q->paused && !q->hard && (most == 0 || model_count(m, queue, JOB_RESERVED) < most);
}

struct mjob *model_head(struct model *m, int queue)
{
    struct mjob *best = NULL;
    if (!model_takes(m, queue))
        return NULL;
    bool lifo = m->queues[queue].settings.order;
    for (unsigned i = 0; i < m->job_count; i++) {
        struct mjob *j = &m->jobs[i];
        if (j->queue != queue || j->state != JOB_READY)
            continue;
        if (!best || j->priority < best->priority ||
            (j->priority == best->priority && (lifo ? j->id > best->id : j->id < best->id)))
            best = j;
    }
    return best;
}

struct mkey *model_key(struct model *m, int queue, int key)
{
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].queue == queue && m->keys[i].key == key)
            return &m->keys[i];
    return NULL;
}

bool model_used(const struct model *m, int queue)
{
    const struct mqueue *q = &m->queues[queue];
    if (q->declared || q->paused || q->shut_down)
        return true;
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].queue == queue)
            return true;
    for (unsigned i = 0; i < m->wait_count; i++)
        if (m->waits[i].queues >> queue & 1)
            return true;
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].queue == queue)
            return true;
    return false;
}

int64_t model_lease(const struct model *m, const struct mjob *j)
{
    return j->held ? j->held : j->lease ? j->lease : m->queues[j->queue].settings.lease;
}

uint64_t model_token(const struct model *m, const struct mjob *j)
{
    return ((uint64_t)(j->lease_start ? j->lease_start : m->start_number) << 32) + j->deliveries;
}

int64_t model_next_due(const struct model *m)
{
    int64_t next = INT64_MAX;
#define EARLIER(t) next = (t) < next ? (t) : next
    for (unsigned i = 0; i < m->job_count; i++) {
        const struct mjob *j = &m->jobs[i];
        if (j->state != JOB_READY)
            EARLIER(j->wall ? j->until - m->now.wall + m->now.mono : j->until + j->slack);
        if (j->expires)
            EARLIER(j->expires);
        if (j->doomed)
            EARLIER(m->now.mono);
    }
    for (unsigned i = 0; i < m->wait_count; i++)
        if (m->waits[i].until)
            EARLIER(m->waits[i].until);
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].until)
            EARLIER(m->keys[i].until);
#undef EARLIER
    return next < m->now.mono ? m->now.mono : next;
}

enum error model_outcome(const struct mjob *j)
{
    if (j->failed)
        return ERROR_FAILED;
    return j->state == JOB_DONE ? ERROR_NONE : j->state == JOB_CANCELLED ? ERROR_CANCELLED : ERROR_TIMEOUT;
}

// A name counts up to its end.
const char *settings_differ(const struct queue_settings *a, const struct queue_settings *b)
{
#define X(field, type, low, high, value, text)                                                               \
    if (SETTING_##type == SETTING_NAME ? strcmp((const char *)&a->field, (const char *)&b->field) != 0       \
                                       : memcmp(&a->field, &b->field, sizeof a->field) != 0)                 \
        return #field;
    QUEUE_SETTINGS(X)
#undef X
    return NULL;
}
