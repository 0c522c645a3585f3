// What is done to whole queues.
#include "tests/model/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void any_settings(struct world *w, struct queue_settings *s, int dead_letter)
{
    static const int64_t keeps[] = {0, 200, 2000, 600000, 600000};
    static const double jitters[] = {0, 0, 0, 0.1, 1};
    s->order = one_in(w, 2);
    s->maxsize = one_in(w, 3) ? 0 : 1 + any(w, 6);
    s->lease = any_duration(w);
    s->max_attempts = 1 + any(w, 4);
    s->max_lost = 1 + any(w, 4);
    s->backoff_base = one_in(w, 4) ? 0 : 1 + (int64_t)any(w, 100);
    s->backoff_cap = one_in(w, 4) ? 0 : (int64_t)any(w, 500);
    s->backoff_jitter = jitters[any(w, 5)];
    snprintf(s->dead_letter, sizeof s->dead_letter, "%s",
             dead_letter == NONE ? "" : queue_text(dead_letter).data);
    s->concurrency = one_in(w, 2) ? 0 : 1 + any(w, 3);
    s->durable = !one_in(w, 4);
    s->keep_result = keeps[any(w, 5)];
    s->keep_dead = keeps[any(w, 5)];
    s->keep_result_bytes = one_in(w, 8) ? 0 : 1 << 20;
    s->keep_dead_bytes = one_in(w, 8) ? 0 : 1 << 20;
}

// What must hold at once when keep_*_bytes becomes 0.
static void drop_kept(struct world *w, int queue)
{
    struct model *m = w->m;
    const struct queue_settings *s = &m->queues[queue].settings;
    for (unsigned i = 0; i < m->job_count;) {
        struct mjob *j = &m->jobs[i];
        bool result = j->queue == queue && (j->state == JOB_DONE || j->state == JOB_CANCELLED) &&
                      s->keep_result_bytes == 0;
        bool dead = j->queue == queue && j->state == JOB_DEAD && s->keep_dead_bytes == 0;
        if (result)
            MODEL_COUNT(m, queue, results_dropped);
        if (dead)
            MODEL_COUNT(m, queue, dead_dropped);
        if (result || dead)
            model_remove(m, j);
        else
            i++;
    }
}

void op_declare(struct world *w)
{
    struct model *m = w->m;
    int queue = any_queue(w), dead_letter = one_in(w, 3) ? NONE : any_queue(w);
    struct queue_settings s, now_set;
    any_settings(w, &s, dead_letter);
    unsigned named = (unsigned)any(w, 1u << QUEUE_SETTING_COUNT);
    if (one_in(w, 2))
        named &= (unsigned)any(w, 1u << QUEUE_SETTING_COUNT);
    int owner = one_in(w, 3) ? any_client(w) : NONE;
    if (owner != NONE && !one_in(w, 4))
        s.durable = false; // else it is refused whenever durable is named
    say("declare queue=%d named=%x dead_letter=%d owner=%d", queue, named, dead_letter, owner);

    uint64_t jobs = 0;
    for (int state = 0; state < JOB_STATE_COUNT; state++)
        jobs += model_count(m, queue, (enum job_state)state);
    bool bad = (named >> QUEUE_SETTING_dead_letter & 1) && dead_letter == queue;
    struct mqueue *q = &m->queues[queue];
    bool durable = named >> QUEUE_SETTING_durable & 1 ? s.durable : owner == NONE && q->settings.durable;
    bad |= durable != q->settings.durable && jobs;
    bad |= durable && (owner != NONE || q->owner);
    bad |= owner != NONE && q->owner != owner + 1 &&
           (q->owner || q->declared || q->paused || q->shut_down || jobs);

    const char *why = NULL;
    enum error got = owner == NONE
                         ? engine_declare(w->e, w->now, queue_text(queue), &s, named, &now_set, &why)
                         : engine_declare_owned(w->e, w->now, queue_text(queue), &s, named, w->clients[owner],
                                                &now_set, &why);
    REQUIRE(got == (bad ? ERROR_INVALID_PARAMS : ERROR_NONE), "declare says %s: %s", error_name(got),
            why ? why : "");
    if (bad) {
        REQUIRE(why && *why, "declare does not say why");
        return;
    }
    struct queue_settings *mine = &m->queues[queue].settings;
    m->queues[queue].declared = true;
    if (owner != NONE)
        m->queues[queue].owner = owner + 1, mine->durable = false;
#define X(field, type, low, high, value, text)                                                               \
    if (named >> QUEUE_SETTING_##field & 1)                                                                  \
        memcpy(&mine->field, &s.field, sizeof s.field);
    QUEUE_SETTINGS(X)
#undef X
    const char *other = settings_differ(mine, &now_set);
    REQUIRE(!other, "declare says another %s", other);
    drop_kept(w, queue);
}

void op_pause(struct world *w)
{
    int queue = any_queue(w);
    say("pause queue=%d", queue);
    enum error got = engine_pause(w->e, w->now, queue_text(queue));
    REQUIRE(got == ERROR_NONE, "pause says %s", error_name(got));
    w->m->queues[queue].paused = true;
}

void op_resume(struct world *w)
{
    int queue = any_queue(w);
    say("resume queue=%d", queue);
    enum error got = engine_resume(w->e, w->now, queue_text(queue));
    REQUIRE(got == ERROR_NONE, "resume says %s", error_name(got));
    w->m->queues[queue].paused = false;
}

void op_join(struct world *w)
{
    struct model *m = w->m;
    int queue = any_queue(w), client = any_client(w);
    int64_t timeout = any_timeout(w);
    say("join queue=%d timeout=%" PRId64 " client=%d", queue, timeout, client);
    bool waits = model_unfinished(m, queue) > 0;
    enum error want = !waits                                          ? ERROR_NONE
                      : timeout == 0                                  ? ERROR_TIMEOUT
                      : m->draining                                   ? ERROR_DRAINING
                      : model_client_waits(m, client) >= m->max_waits ? ERROR_OVERLOADED
                                                                      : ERROR_NONE;
    struct waiter *waiting = NULL;
    enum error got = engine_join(w->e, w->now, queue_text(queue), w->clients[client], timeout, w, &waiting);
    REQUIRE(got == want, "join says %s, not %s", error_name(got), error_name(want));
    if (got)
        return;
    REQUIRE(waits == (waiting != NULL), "a join waits=%d", waiting != NULL);
    for (unsigned i = 0; !waits && i < m->job_count; i++)
        if (m->jobs[i].queue == queue)
            storage_tell(w, m->jobs[i].id, engine_promise(w->e));
    if (waits)
        model_wait_add(m,
                       &(struct mwait){.kind = WAITER_JOIN,
                                       .client = client,
                                       .until = timeout == FOREVER ? 0 : w->now.mono + timeout,
                                       .queues = 1u << queue},
                       waiting);
}

void op_shutdown(struct world *w)
{
    struct model *m = w->m;
    int queue = any_queue(w);
    bool immediate = one_in(w, 2);
    say("shutdown queue=%d immediate=%d", queue, immediate);
    enum error got = engine_shutdown(w->e, w->now, queue_text(queue), immediate);
    REQUIRE(got == ERROR_NONE, "shutdown says %s", error_name(got));
    m->queues[queue].shut_down = true;
    m->queues[queue].hard |= immediate;
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].queue == queue && immediate &&
            (m->jobs[i].state == JOB_READY || m->jobs[i].state == JOB_DELAYED))
            m->jobs[i].doomed = true;
    for (unsigned i = 0; i < m->wait_count; i++) {
        struct mwait *wait = &m->waits[i];
        if (wait->kind == WAITER_PUT && wait->job.queue == queue) {
            wait->over = true;
            wait->error = ERROR_SHUT_DOWN;
        }
    }
}

void op_drop(struct world *w)
{
    struct model *m = w->m;
    int queue = any_queue(w);
    say("drop queue=%d", queue);
    uint64_t want = 0, count = 0;
    for (int state = 0; state < JOB_STATE_COUNT; state++)
        want += model_count(m, queue, (enum job_state)state);
    bool used = model_used(m, queue);
    enum error got = engine_drop(w->e, w->now, queue_text(queue), &count);
    REQUIRE(got == ERROR_NONE || (got == ERROR_NOT_FOUND && !used), "drop says %s", error_name(got));
    REQUIRE(count == want || got, "drop counts %" PRIu64 ", not %" PRIu64, count, want);
    model_drop(m, queue);
}

// Which jobs a limited sweep takes is the engine's: it is asked which they were.
static void swept(struct world *w, const struct sweep *s, int queue, uint64_t limit)
{
    struct model *m = w->m;
    uint64_t there = 0, done = 0;
    for (unsigned i = 0; i < m->job_count;) {
        struct mjob *j = &m->jobs[i];
        uint64_t id = j->id;
        struct job_info info;
        if (j->queue == queue && s->states & JOB_STATE_BIT(j->state)) {
            there++;
            enum error got = engine_job_info(w->e, w->now, id, &info);
            if (s->kind == SWEEP_DELETE && got == ERROR_NOT_FOUND) {
                done++;
                MODEL_COUNT(m, queue, deleted);
                model_remove(m, j);
            } else if (s->kind == SWEEP_KICK && info.state != j->state) { // a waiting get may have it by now
                done++;
                model_kick(m, j);
            }
        }
        i += i < m->job_count && m->jobs[i].id == id;
    }
    uint64_t want = there < limit ? there : limit;
    if (s->kind == SWEEP_KICK && m->queues[queue].hard)
        want = 0; // nothing comes back to life in a queue that was shut down at once
    REQUIRE(done == want && s->count == want, "a sweep did %" PRIu64 " and counts %" PRIu64 ", not %" PRIu64,
            done, s->count, want);
}

void op_sweep(struct world *w)
{
    int queue = any_queue(w);
    struct sweep s = {.kind = one_in(w, 2) ? SWEEP_KICK : SWEEP_DELETE, .queue = queue_text(queue)};
    unsigned states = 1 + (unsigned)any(w, (1u << JOB_STATE_COUNT) - 1);
    states &= s.kind == SWEEP_KICK ? JOB_STATE_BIT(JOB_DELAYED) | JOB_STATE_BIT(JOB_DEAD)
                                   : ~JOB_STATE_BIT(JOB_RESERVED);
    if (states == 0)
        return;
    s.states = states;
    uint64_t limit = s.limit = one_in(w, 2) ? 1 + any(w, 5) : UINT64_MAX;
    say("sweep kind=%d queue=%d states=%x limit=%" PRIu64, s.kind, queue, states, s.limit);
    bool used = model_used(w->m, queue);
    while (!s.done) {
        enum error got = engine_sweep(w->e, w->now, &s);
        REQUIRE(got == ERROR_NONE || (got == ERROR_NOT_FOUND && !used), "sweep says %s", error_name(got));
        REQUIRE(!got || s.done, "after an error a sweep goes on");
        w->promise = engine_promise(w->e);
    }
    swept(w, &s, queue, limit);
}
