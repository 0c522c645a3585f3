// The whole of the engine's visible state against the model's.
#include "tests/model/world.h"

#include <inttypes.h>
#include <string.h>

static int64_t at_least_0(int64_t n)
{
    return n < 0 ? 0 : n;
}

// What is left of a job's time. A jittered pause is unknown to the model until it is seen here.

static void compare_left(struct world *w, struct mjob *j, const struct job_info *info)
{
    int64_t now = j->wall ? w->now.wall : w->now.mono;
    if (j->slack) {
        int64_t low = at_least_0(j->until - now), high = j->until + j->slack - now;
        REQUIRE(info->left >= low && info->left <= high,
                "job %" PRIu64 ": %" PRId64 " ms are left, not %" PRId64 " to %" PRId64, j->id, info->left,
                low, high);
        j->until = now + info->left;
        j->slack = 0;
    }
    int64_t left = j->state == JOB_READY ? 0 : at_least_0(j->until - now);
    REQUIRE(info->left == left, "job %" PRIu64 " (%s): %" PRId64 " ms are left, not %" PRId64, j->id,
            job_state_name(j->state), info->left, left);
}

#define SAME(field, want, format)                                                                            \
    REQUIRE(info->field == (want), "job %" PRIu64 ": " #field " is %" format ", not %" format, j->id,        \
            info->field, want)
#define SAME_TEXT(field, want)                                                                               \
    REQUIRE(slice_same(info->field, want), "job %" PRIu64 ": " #field " is '%.*s'", j->id,                   \
            (int)(info->field.len < 60 ? info->field.len : 60), info->field.data)

static void compare_job(struct world *w, struct mjob *j, const struct job_info *info)
{
    SAME_TEXT(queue, queue_text(j->queue));
    // A pause may have been left to chance and have come out as none.
    if (j->state == JOB_DELAYED && info->state == JOB_READY && j->slack && j->until <= w->now.mono)
        j->state = JOB_READY, j->slack = 0;
    SAME(state, j->state, "d");
    SAME(id, j->id, PRIu64);
    SAME(priority, j->priority, "g");
    SAME(attempts, j->attempts, PRIu32);
    SAME(lost, j->lost, PRIu32);
    SAME(deliveries, j->deliveries, PRIu32);
    SAME(created, j->created, PRId64);
    uint64_t most = w->m->queues[j->queue].settings.max_attempts;
    SAME(max_attempts, j->max_attempts ? j->max_attempts : (uint32_t)most, PRIu32);
    compare_left(w, j, info);
    if (!j->expired)
        SAME(expires, j->expires ? at_least_0(j->expires - w->now.mono) : -1, PRId64);
    REQUIRE(info->detached == (j->state == JOB_RESERVED && j->holder == NONE), "job %" PRIu64 ": detached=%d",
            j->id, info->detached);
    if (j->state == JOB_DEAD)
        SAME(reason, j->reason, "d");
    SAME(cancelling, j->cancelling, "d");
    SAME_TEXT(progress, note_text('p', j->progress));
    SAME_TEXT(key, key_text(j->key));
    SAME_TEXT(error, note_text('e', j->error));
    SAME_TEXT(result, note_text('r', j->state == JOB_DONE ? j->result : 0));
    SAME_TEXT(origin, j->origin == NONE ? (struct slice){0} : queue_text(j->origin));
    SAME_TEXT(body, body_text(j->body));
    REQUIRE(memchr(info->why, 0, sizeof info->why) && *info->why, "job %" PRIu64 " does not say why", j->id);
}

static void compare_jobs(struct world *w)
{
    struct model *m = w->m;
    struct job_info info;
    for (unsigned i = 0; i < m->job_count; i++) {
        enum error got = engine_job_info(w->e, w->now, m->jobs[i].id, &info);
        REQUIRE(got == ERROR_NONE, "job %" PRIu64 " is gone; it should be %s in queue %d, from %d",
                m->jobs[i].id, job_state_name(m->jobs[i].state), m->jobs[i].queue, m->jobs[i].origin);
        compare_job(w, &m->jobs[i], &info);
    }
    for (unsigned i = 0; i < m->gone_count && i < 16; i++)
        REQUIRE(engine_job_info(w->e, w->now, m->gone[i], &info) == ERROR_NOT_FOUND,
                "job %" PRIu64 " should be gone; it is %s", m->gone[i], job_state_name(info.state));
}

static void compare_counters(int queue, const struct queue_counters *is, const struct queue_counters *want)
{
#define X(name, metric, label, text)                                                                         \
    REQUIRE(is->name == want->name, "queue %d: " #name " counts %" PRIu64 ", not %" PRIu64, queue, is->name, \
            want->name);
    QUEUE_COUNTERS(X)
#undef X
}

static void compare_gauges(struct world *w, int queue, const struct queue_gauges *is)
{
    struct model *m = w->m;
    struct queue_gauges want = {
        .ready = model_count(m, queue, JOB_READY),
        .delayed = model_count(m, queue, JOB_DELAYED),
        .reserved = model_count(m, queue, JOB_RESERVED),
        .dead = model_count(m, queue, JOB_DEAD),
        .finished = model_count(m, queue, JOB_DONE) + model_count(m, queue, JOB_CANCELLED),
        .waiting_gets = model_waiting(m, queue, WAITER_GET),
        .waiting_puts = model_waiting(m, queue, WAITER_PUT),
        .waiting_joins = model_waiting(m, queue, WAITER_JOIN),
        .bytes = is->bytes, // compared in sum, and at the end
    };
#define X(name, metric, label, text)                                                                         \
    REQUIRE(is->name == want.name, "queue %d: " #name " is %" PRIu64 ", not %" PRIu64, queue, is->name,      \
            want.name);
    QUEUE_GAUGES(X)
#undef X
}

// The age of the ready job that was put first.
static int64_t oldest(const struct world *w, int queue)
{
    for (unsigned i = 0; i < w->m->job_count; i++) {
        const struct mjob *j = &w->m->jobs[i];
        if (j->queue == queue && j->state == JOB_READY)
            return at_least_0(w->now.wall - j->created);
    }
    return -1;
}

static void compare_queue(struct world *w, int queue, struct queue_gauges *sum)
{
    struct mqueue *q = &w->m->queues[queue];
    struct queue_info info;
    if (engine_queue_info(w->e, w->now, queue_text(queue), &info) != ERROR_NONE) {
        REQUIRE(!model_used(w->m, queue), "queue %d is gone and yet in use", queue);
        memset(&q->counters, 0, sizeof q->counters);
        return;
    }
    REQUIRE(slice_same(info.name, queue_text(queue)), "queue %d has another name", queue);
    REQUIRE(info.declared == q->declared && info.paused == q->paused && info.shut_down == q->shut_down &&
                info.shut_down_hard == q->hard,
            "queue %d: declared=%d paused=%d shut_down=%d at once=%d", queue, info.declared, info.paused,
            info.shut_down, info.shut_down_hard);
    int64_t age = oldest(w, queue);
    REQUIRE(info.oldest == age, "queue %d: oldest is %" PRId64 ", not %" PRId64, queue, info.oldest, age);
    const char *other = settings_differ(&info.settings, &q->settings);
    REQUIRE(!other, "queue %d: %s differs", queue, other);
    compare_gauges(w, queue, &info.gauges);
    compare_counters(queue, &info.counters, &q->counters);
#define X(name, metric, label, text) sum->name += info.gauges.name;
    QUEUE_GAUGES(X)
#undef X
}

static void compare_sums(struct world *w, const struct queue_gauges *sum)
{
    struct engine_info info;
    engine_info(w->e, &info);
    compare_counters(NONE, &info.counters, &w->m->counters);
#define X(name, metric, label, text)                                                                         \
    REQUIRE(info.more.name == w->m->more.name, #name " counts %" PRIu64 ", not %" PRIu64, info.more.name,    \
            w->m->more.name);
    DAEMON_COUNTERS(X)
#undef X
    struct engine_times times;
    engine_times(w->e, &times);
    REQUIRE(histogram_count(&times.wait) == w->m->counters.taken,
            "%" PRIu64 " waits of %" PRIu64 " hand-outs", histogram_count(&times.wait), w->m->counters.taken);
    REQUIRE(histogram_count(&times.run) == w->m->runs, "%" PRIu64 " runs, not %" PRIu64,
            histogram_count(&times.run), w->m->runs);
#define X(name, metric, label, text)                                                                         \
    REQUIRE(info.gauges.name == sum->name, "the sum of " #name " is %" PRIu64 ", not %" PRIu64,              \
            info.gauges.name, sum->name);
    QUEUE_GAUGES(X)
#undef X
    REQUIRE(info.bytes >= sum->bytes, "%" PRIu64 " bytes in all, %" PRIu64 " in the queues", info.bytes,
            sum->bytes);
}

// ---- pages

struct page {
    struct world *w;
    struct mjob *listed[MODEL_JOBS];
    unsigned count;
};

static void visit(void *context, const struct job_info *info)
{
    struct page *p = context;
    struct mjob *j = model_job(p->w->m, info->id);
    REQUIRE(j && p->count < MODEL_JOBS, "a page has job %" PRIu64, info->id);
    compare_job(p->w, j, info);
    p->listed[p->count++] = j;
}

static void compare_order(struct world *w, const struct page *p, int queue, enum job_state state)
{
    bool lifo = w->m->queues[queue].settings.order;
    for (unsigned i = 0; i < p->count; i++) {
        const struct mjob *j = p->listed[i], *before = i ? p->listed[i - 1] : NULL;
        REQUIRE(j->queue == queue && j->state == state, "a page has job %" PRIu64 " of another place", j->id);
        if (!before)
            continue;
        bool right = before->id < j->id;
        if (state == JOB_READY)
            right = before->priority < j->priority ||
                    (before->priority == j->priority && (lifo ? before->id > j->id : before->id < j->id));
        REQUIRE(right, "job %" PRIu64 " stands before %" PRIu64 " in a page", before->id, j->id);
    }
}

static void compare_list(struct world *w, int queue, enum job_state state)
{
    struct page p = {.w = w};
    struct job_cursor cursor = {0};
    bool more = true;
    unsigned limit = 1 + (unsigned)any(w, 5);
    for (unsigned calls = 0; more; calls++) {
        unsigned visited = 0, before = p.count;
        enum error got = engine_list_jobs(w->e, w->now, queue_text(queue), state, &cursor, limit, visit, &p,
                                          &visited, &more);
        if (got == ERROR_NOT_FOUND && !model_used(w->m, queue))
            return;
        REQUIRE(got == ERROR_NONE, "a page says %s", error_name(got));
        REQUIRE(visited == p.count - before && visited <= limit, "a page of %u has %u jobs and says %u",
                limit, p.count - before, visited);
        REQUIRE(calls < 100000, "the pages do not end");
    }
    compare_order(w, &p, queue, state);
    uint64_t want = model_count(w->m, queue, state);
    REQUIRE(p.count == want, "the pages have %u %s jobs, not %" PRIu64, p.count, job_state_name(state), want);
}

struct names {
    struct slice last;
    uint64_t count;
};

static void visit_queue(void *context, const struct queue_info *info)
{
    struct names *n = context;
    size_t least = n->last.len < info->name.len ? n->last.len : info->name.len;
    int order = least ? memcmp(n->last.data, info->name.data, least) : 0;
    REQUIRE(order < 0 || (order == 0 && n->last.len < info->name.len), "queues out of order");
    n->last = info->name;
    n->count++;
}

static void compare_names(struct world *w)
{
    struct names n = {0};
    for (uint64_t before = UINT64_MAX; before != n.count;) {
        before = n.count;
        engine_list_queues(w->e, w->now, n.last, 1 + (unsigned)any(w, 3), visit_queue, &n);
    }
    struct engine_info info;
    engine_info(w->e, &info);
    REQUIRE(info.queues == n.count, "%" PRIu64 " queues, and %" PRIu64 " are listed", info.queues, n.count);
}

void compare(struct world *w, bool deep)
{
    struct queue_gauges sum = {0};
    compare_jobs(w);
    for (int q = 0; q < QUEUES; q++)
        compare_queue(w, q, &sum);
    compare_sums(w, &sum);
    int64_t due = engine_next_due(w->e, w->now);
    REQUIRE(due <= model_next_due(w->m), "the next tick is due in %" PRId64 " ms, not %" PRId64,
            due - w->now.mono, model_next_due(w->m) - w->now.mono);
    invariants(w->e);
    if (!deep)
        return;
    compare_names(w);
    for (int q = 0; q < QUEUES; q++)
        for (int state = 0; state < JOB_STATE_COUNT; state++)
            compare_list(w, q, (enum job_state)state);
}
