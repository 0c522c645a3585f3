// What happens to jobs, waits and keys.
#include "tests/model/model.h"

#include <math.h>
#include <string.h>

// All that wait for the outcome of j hear of it.
static void tell(struct model *m, struct mjob *j, enum error error)
{
    for (unsigned i = 0; i < m->wait_count; i++) {
        struct mwait *w = &m->waits[i];
        bool hears = w->kind == WAITER_RESULT || w->kind == WAITER_NOTIFY;
        if (hears && w->id == j->id && !w->over) {
            w->over = true;
            w->error = error;
            w->end = *j;
        }
    }
}

static void key_remove(struct model *m, struct mkey *k)
{
    memmove(k, k + 1, (size_t)(m->keys + m->key_count - (k + 1)) * sizeof *k);
    m->key_count--;
}

// The job is no longer unfinished in its queue: its key stays for key_for if it finished.
static void give_up_key(struct model *m, struct mjob *j, bool finished)
{
    if (j->key == NONE)
        return;
    struct mkey *k = model_key(m, j->queue, j->key);
    j->key = NONE;
    if (finished && j->key_for) {
        k->until = m->now.mono + j->key_for;
        k->stored = m->queues[j->queue].settings.durable;
    } else {
        key_remove(m, k);
    }
}

struct mjob *model_admit(struct model *m, const struct mjob *from, uint64_t id)
{
    REQUIRE(id > m->last_id, "id %llu is not above %llu", (unsigned long long)id,
            (unsigned long long)m->last_id);
    REQUIRE(m->job_count < MODEL_JOBS && m->key_count < MODEL_KEYS, "the model is full");
    m->last_id = id;
    struct mjob *j = &m->jobs[m->job_count++];
    *j = *from;
    j->id = id;
    j->origin = NONE;
    j->created = m->now.wall;
    j->stored = m->queues[j->queue].settings.durable;
    if (j->key != NONE)
        m->keys[m->key_count++] = (struct mkey){.queue = j->queue, .key = j->key, .id = id};
    MODEL_COUNT(m, j->queue, put);
    bool waits = j->wall ? j->until > m->now.wall : j->until > m->now.mono;
    j->state = waits ? JOB_DELAYED : JOB_READY;
    j->wall = j->wall && waits;
    return j;
}

void model_hand_out(struct model *m, struct mjob *j, int client, int64_t lease, bool detached, bool handing)
{
    j->state = JOB_RESERVED;
    j->holder = detached ? NONE : client;
    j->held = lease;
    j->handing = handing;
    j->hander = client;
    j->deliveries++;
    j->lease_start = 0;
    j->until = m->now.mono + model_lease(m, j);
    MODEL_COUNT(m, j->queue, taken);
}

void model_remove(struct model *m, struct mjob *j)
{
    tell(m, j, ERROR_NOT_FOUND);
    give_up_key(m, j, false);
    m->gone[m->gone_count++ % 16] = j->id;
    memmove(j, j + 1, (size_t)(m->jobs + m->job_count - (j + 1)) * sizeof *j);
    m->job_count--;
}

void model_let_go(struct mjob *j)
{
    j->cancelling = false;
    j->progress = 0;
}

void model_finish(struct model *m, struct mjob *j, enum job_state state, unsigned result)
{
    const struct queue_settings *s = &m->queues[j->queue].settings;
    model_let_go(j);
    j->state = state;
    j->result = result;
    j->expires = j->slack = 0;
    j->wall = j->handing = j->doomed = j->expired = false;
    if (state == JOB_DONE)
        MODEL_COUNT(m, j->queue, done);
    else
        MODEL_COUNT(m, j->queue, cancelled);
    tell(m, j, model_outcome(j));
    give_up_key(m, j, true);
    int64_t keep = j->submit ? j->keep_result >= 0 ? j->keep_result : s->keep_result : 0;
    j->until = m->now.mono + keep;
    if (keep == 0) {
        model_remove(m, j);
    } else if (s->keep_result_bytes == 0) {
        MODEL_COUNT(m, j->queue, results_dropped);
        model_remove(m, j);
    }
}

static int dead_letter(const struct model *m, const struct mjob *j)
{
    const char *name = m->queues[j->queue].settings.dead_letter;
    for (int q = 0; q < QUEUES; q++)
        if (*name && slice_equal(queue_text(q), name))
            return j->origin == NONE && !m->queues[q].shut_down ? q : NONE;
    return NONE;
}

static void count_death(struct model *m, enum dead_reason reason)
{
    m->more.dead_attempts += reason == DEAD_ATTEMPTS;
    m->more.dead_lost += reason == DEAD_LOST;
    m->more.dead_buried += reason == DEAD_BURIED;
    m->more.dead_expired += reason == DEAD_EXPIRED;
    m->more.dead_shut_down += reason == DEAD_SHUT_DOWN;
}

void model_die(struct model *m, struct mjob *j, enum dead_reason reason, unsigned error)
{
    model_let_go(j);
    count_death(m, reason);
    if (error)
        j->error = error;
    j->reason = reason;
    if (!j->failed) {
        j->failed = true;
        j->failed_reason = reason;
        j->failed_attempts = j->attempts;
        tell(m, j, ERROR_FAILED);
    }
    j->expires = j->slack = 0;
    j->wall = j->handing = j->doomed = j->expired = false;
    give_up_key(m, j, true);
    int to = dead_letter(m, j);
    if (to != NONE) {
        MODEL_COUNT(m, j->queue, moved);
        j->origin = j->queue;
        j->queue = to;
        j->stored |= m->queues[to].settings.durable;
        j->state = JOB_READY;
        j->attempts = j->lost = 0;
        return;
    }
    MODEL_COUNT(m, j->queue, died);
    j->state = JOB_DEAD;
    const struct queue_settings *s = &m->queues[j->queue].settings;
    j->until = m->now.mono + s->keep_dead;
    if (s->keep_dead_bytes == 0) {
        MODEL_COUNT(m, j->queue, dead_dropped);
        model_remove(m, j);
    }
}

void model_kick(struct model *m, struct mjob *j)
{
    MODEL_COUNT(m, j->queue, kicked);
    if (j->state == JOB_DEAD) {
        j->attempts = j->lost = 0;
        j->failed = false;
        j->error = 0;
    }
    j->state = JOB_READY;
    j->slack = 0;
    j->wall = false;
}

void model_backoff(const struct queue_settings *s, uint32_t n, int64_t *low, int64_t *high)
{
    double cap = (double)s->backoff_cap;
    double middle = fmin(cap, (double)s->backoff_base * pow(2, n - 1));
    *low = (int64_t)floor(middle * (1 - s->backoff_jitter));
    *high = (int64_t)ceil(fmin(cap, middle * (1 + s->backoff_jitter)));
}

static void come_back_later(struct model *m, struct mjob *j, int64_t low, int64_t high)
{
    j->state = high > 0 ? JOB_DELAYED : JOB_READY;
    j->until = m->now.mono + low;
    j->slack = high - low;
}

void model_come_back(struct model *m, struct mjob *j, enum model_back why, unsigned error, int64_t delay)
{
    const struct queue_settings *s = &m->queues[j->queue].settings;
    int64_t low = delay < 0 ? 0 : delay, high = low;
    bool hard = m->queues[j->queue].hard, dies = false;
    enum dead_reason reason = DEAD_SHUT_DOWN;
    m->runs += why != MODEL_RELEASED;
    if (j->cancelling) {
        model_finish(m, j, JOB_CANCELLED, 0);
        return;
    }
    model_let_go(j);
    j->handing = false;
    if (error)
        j->error = error;
    switch (why) {
    case MODEL_FAILED:
    case MODEL_LEASE_OVER:
        if (why == MODEL_LEASE_OVER)
            MODEL_COUNT(m, j->queue, lease_expired);
        if (++j->attempts >= (j->max_attempts ? j->max_attempts : s->max_attempts))
            dies = true, reason = DEAD_ATTEMPTS;
        if (delay < 0)
            model_backoff(s, j->attempts, &low, &high);
        break;
    case MODEL_LOST:
        MODEL_COUNT(m, j->queue, lost);
        if (++j->lost >= s->max_lost)
            dies = true, reason = DEAD_LOST;
        if (j->lost > 1)
            model_backoff(s, j->lost - 1, &low, &high);
        break;
    case MODEL_RELEASED:
        MODEL_COUNT(m, j->queue, released);
        break;
    }
    if (hard) {
        model_die(m, j, DEAD_SHUT_DOWN, 0);
    } else if (dies || j->expired) {
        model_die(m, j, dies ? reason : DEAD_EXPIRED, 0);
    } else {
        if (why == MODEL_FAILED || why == MODEL_LEASE_OVER)
            MODEL_COUNT(m, j->queue, retried);
        m->more.retried_failed += why == MODEL_FAILED;
        m->more.retried_lease += why == MODEL_LEASE_OVER;
        m->more.retried_lost += why == MODEL_LOST;
        come_back_later(m, j, low, high);
    }
}

// ---- time

static void job_due(struct model *m, struct mjob *j)
{
    switch (j->state) {
    case JOB_DELAYED:
        j->state = JOB_READY;
        j->wall = false;
        break;
    case JOB_RESERVED:
        model_come_back(m, j, MODEL_LEASE_OVER, 0, -1);
        break;
    case JOB_DONE:
    case JOB_DEAD:
    case JOB_CANCELLED:
        model_remove(m, j);
        break;
    default:
        fail("a ready job has no time");
    }
}

static void job_expires(struct model *m, struct mjob *j)
{
    j->expires = 0;
    if (j->state == JOB_RESERVED)
        j->expired = true;
    else
        model_die(m, j, DEAD_EXPIRED, 0);
}

// Does the one thing that is due first. False: nothing is.
static bool due_first(struct model *m)
{
    int64_t first = m->now.mono + 1;
    struct mjob *job = NULL, *expiring = NULL;
    struct mwait *wait = NULL;
    struct mkey *key = NULL;
    for (unsigned i = 0; i < m->job_count; i++) {
        struct mjob *j = &m->jobs[i];
        // A pause of jittered length was begun by this very tick.
        if (j->state != JOB_READY && !j->wall && !j->slack && j->until < first)
            job = j, expiring = NULL, first = j->until;
        if (j->expires && j->expires < first)
            expiring = j, job = NULL, first = j->expires;
    }
    for (unsigned i = 0; i < m->wait_count; i++)
        if (m->waits[i].until && !m->waits[i].over && m->waits[i].until < first)
            wait = &m->waits[i], first = wait->until;
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].until && m->keys[i].until < first)
            key = &m->keys[i], first = key->until;
    if (key) {
        key_remove(m, key);
    } else if (wait) {
        wait->over = true;
        wait->error = wait->kind == WAITER_GET   ? ERROR_EMPTY
                      : wait->kind == WAITER_PUT ? ERROR_FULL
                                                 : ERROR_TIMEOUT;
        if (wait->kind == WAITER_PUT)
            for (int q = 0; q < QUEUES; q++)
                if (wait->queues >> q & 1)
                    MODEL_COUNT(m, q, refused);
    } else if (expiring) {
        job_expires(m, expiring);
    } else if (job) {
        job_due(m, job);
    }
    return key || wait || expiring || job;
}

void model_tick(struct model *m)
{
    for (unsigned i = 0; i < m->job_count;) {
        uint64_t id = m->jobs[i].id;
        if (m->jobs[i].doomed)
            model_die(m, &m->jobs[i], DEAD_SHUT_DOWN, 0);
        i += i < m->job_count && m->jobs[i].id == id;
    }
    while (due_first(m))
        ;
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].state == JOB_DELAYED && m->jobs[i].wall && m->jobs[i].until <= m->now.wall)
            job_due(m, &m->jobs[i]);
}

void model_drop(struct model *m, int queue)
{
    for (unsigned i = 0; i < m->job_count;)
        if (m->jobs[i].queue == queue) {
            REQUIRE(m->dropped_job_count < MODEL_JOBS, "too much was dropped");
            m->dropped_jobs[m->dropped_job_count++] = m->jobs[i];
            model_remove(m, &m->jobs[i]);
        } else {
            i++;
        }
    for (unsigned i = 0; i < m->key_count;)
        if (m->keys[i].queue == queue) {
            REQUIRE(m->dropped_key_count < MODEL_KEYS, "too much was dropped");
            m->dropped_keys[m->dropped_key_count++] = m->keys[i];
            key_remove(m, &m->keys[i]);
        } else {
            i++;
        }
    for (unsigned i = 0; i < m->wait_count; i++) {
        struct mwait *w = &m->waits[i];
        bool was = w->queues >> queue & 1;
        w->queues &= ~(1u << queue);
        if (was && w->queues == 0 && !w->over) {
            w->over = true;
            w->error = w->kind == WAITER_JOIN ? ERROR_NONE : ERROR_NOT_FOUND;
        }
    }
    memset(&m->queues[queue], 0, sizeof m->queues[queue]);
    m->queues[queue].settings = queue_settings_default;
}

// What was handed to the client and not confirmed, or what it holds.
static void client_jobs_back(struct model *m, int client, bool handing)
{
    for (unsigned i = 0; i < m->job_count;) {
        struct mjob *j = &m->jobs[i];
        uint64_t id = j->id;
        if (j->state == JOB_RESERVED && j->handing == handing &&
            (handing ? j->hander == client : j->holder == client))
            model_come_back(m, j, handing ? MODEL_RELEASED : MODEL_LOST, 0, -1);
        i += i < m->job_count && m->jobs[i].id == id;
    }
}

void model_client_gone(struct model *m, int client)
{
    for (unsigned i = 0; i < m->wait_count;)
        if (m->waits[i].client == client)
            model_wait_remove(m, &m->waits[i]);
        else
            i++;
    m->subscriptions[client] = 0;
    client_jobs_back(m, client, true);
    for (int queue = 0; queue < QUEUES; queue++)
        if (m->queues[queue].owner == client + 1)
            model_drop(m, queue);
    client_jobs_back(m, client, false);
}

struct mwait *model_wait_add(struct model *m, const struct mwait *wait, struct waiter *waiter)
{
    REQUIRE(m->wait_count < MODEL_WAITS, "the model is full of waits");
    struct mwait *w = &m->waits[m->wait_count++];
    *w = *wait;
    w->waiter = waiter;
    w->order = m->order++;
    return w;
}

void model_wait_remove(struct model *m, struct mwait *w)
{
    memmove(w, w + 1, (size_t)(m->waits + m->wait_count - (w + 1)) * sizeof *w);
    m->wait_count--;
}

struct mwait *model_subscribe(struct model *m, int client, uint64_t id, bool watch, uint32_t tag)
{
    m->subscriptions[client]++;
    return model_wait_add(m,
                          &(struct mwait){.kind = WAITER_NOTIFY,
                                          .client = client,
                                          .id = id,
                                          .watch = watch,
                                          .tag = tag,
                                          .silent = id == 0},
                          NULL);
}

void model_told_late(struct model *m, struct mwait *w, uint64_t id)
{
    const struct mjob *j = model_job(m, id);
    w->id = id;
    w->error = j ? model_outcome(j) : ERROR_NOT_FOUND;
    w->over = w->error != ERROR_TIMEOUT;
    if (j)
        w->end = *j;
}
