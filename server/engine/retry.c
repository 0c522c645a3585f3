#include "server/engine/retry.h"

#include "server/engine/event.h"
#include "server/engine/mark.h"

#include <assert.h>

// ---- in and out

void job_admit(struct engine *e, struct job *j, struct level *level_take, int64_t asked)
{
    struct extra *x = j->extra;
    int64_t due = asked + (int64_t)j->timer.when;
    j->node = (struct tree_node){0};
    j->id = e->next_id++;
    j->created = (uint64_t)e->wall & (WHEEL_END - 1);
    job_set_level(e, j, level_take);
    id_map_insert(&e->jobs, j->id, j);
    struct queue *q = job_queue(j);
    COUNT(e, q, put);
    if (x && x->key)
        key_add(e, q, x->key, j->id);
    if (x && x->expiry.when)
        wheel_add(&e->wheel, &x->expiry, asked + (int64_t)x->expiry.when);
    bool waits = due > e->now || (x && x->at > e->wall);
    mark_job(e, j, waits ? JOB_BODY_DIRTY | JOB_HEAD_DIRTY : JOB_BODY_DIRTY);
    if (x && x->at > e->wall) {
        j->flags |= JOB_WALL;
        job_move(e, j, JOB_DELAYED, 0);
    } else if (due > e->now) {
        job_move(e, j, JOB_DELAYED, due);
    } else {
        j->flags |= JOB_FRESH;
        job_move(e, j, JOB_READY, 0);
    }
}

static uint64_t passed(const struct engine *e, int64_t since)
{
    return e->now > since ? (uint64_t)(e->now - since) : 0;
}

void job_hand_out(struct engine *e, struct job *j, uint32_t holder, int64_t lease, struct taken *out)
{
    struct queue *q = job_queue(j);
    struct extra *x = lease ? job_extra(e, j) : j->extra; // without memory the default lease has to do
    if (x) {
        x->held_lease = lease;
        x->held_since = 0;
        x->lease_start = 0;
    }
    histogram_add(&e->times.wait, passed(e, (int64_t)j->timer.when), 1);
    j->holder = holder;
    j->handouts++;
    COUNT(e, q, taken);
    job_move(e, j, JOB_RESERVED, e->now + job_lease(j));
    *out = (struct taken){
        .id = j->id,
        .delivery = engine_token(e, j),
        .attempt = j->attempts + 1,
        .priority = j->level->priority,
        .body = job_body(j),
    };
}

int64_t job_lease(const struct job *j)
{
    const struct extra *x = j->extra;
    if (x && x->held_lease)
        return x->held_lease;
    return x && x->lease ? x->lease : job_queue(j)->settings->lease;
}

uint32_t job_max_attempts(const struct job *j)
{
    const struct extra *x = j->extra;
    return x && x->max_attempts ? x->max_attempts : (uint32_t)job_queue(j)->settings->max_attempts;
}

// A job has no room for when it was handed out; but that is when its lease began.
static int64_t held_since(const struct job *j)
{
    const struct extra *x = j->extra;
    return x && x->held_since ? x->held_since : (int64_t)j->timer.when - job_lease(j);
}

void job_count_run(struct engine *e, const struct job *j)
{
    histogram_add(&e->times.run, passed(e, held_since(j)), 1);
}

void job_note_start(struct engine *e, struct job *j)
{
    int64_t since = held_since(j);
    struct extra *x = job_extra(e, j);
    if (x)
        x->held_since = since;
}

// ---- coming back

int64_t backoff(struct engine *e, const struct queue_settings *s, uint32_t n)
{
    int64_t pause = s->backoff_base;
    while (--n && pause && pause < s->backoff_cap)
        pause *= 2; // both are at most 10^12: no overflow
    if (pause > s->backoff_cap)
        pause = s->backoff_cap;
    double jitter = s->backoff_jitter * (2 * engine_chance(e) - 1);
    pause += (int64_t)((double)pause * jitter);
    return pause < s->backoff_cap ? pause : s->backoff_cap;
}

// Counts what happened, and says whether that was once too often.
static bool count_comeback(struct engine *e, struct job *j, enum comeback why, enum dead_reason *reason)
{
    struct queue *q = job_queue(j);
    switch (why) {
    case BACK_LEASE_OVER:
        COUNT(e, q, lease_expired);
        // fall through
    case BACK_FAILED:
        if (j->attempts < 65535)
            j->attempts++;
        *reason = DEAD_ATTEMPTS;
        return j->attempts >= job_max_attempts(j);
    case BACK_LOST:
        COUNT(e, q, lost);
        if (j->timer.note < 255)
            j->timer.note++;
        *reason = DEAD_LOST;
        return j->timer.note >= q->settings->max_lost;
    case BACK_RELEASED:
        COUNT(e, q, released);
        break;
    }
    return false;
}

static void count_retry(struct engine *e, struct queue *q, enum comeback why)
{
    if (why == BACK_FAILED)
        e->more.retried_failed++;
    else if (why == BACK_LEASE_OVER)
        e->more.retried_lease++;
    else if (why == BACK_LOST)
        e->more.retried_lost++;
    if (why == BACK_FAILED || why == BACK_LEASE_OVER)
        COUNT(e, q, retried);
}

static int64_t pause_after(struct engine *e, const struct job *j, enum comeback why)
{
    const struct queue_settings *s = job_queue(j)->settings;
    if (why == BACK_FAILED || why == BACK_LEASE_OVER)
        return backoff(e, s, j->attempts);
    if (why == BACK_LOST && j->timer.note > 1)
        return backoff(e, s, j->timer.note - 1u);
    return 0;
}

enum job_state job_come_back(struct engine *e, struct job *j, enum comeback why, struct blob *error,
                             int64_t delay)
{
    static_assert((int)CAUSE_LEASE - (int)CAUSE_FAILED == BACK_LEASE_OVER &&
                      (int)CAUSE_RELEASED - (int)CAUSE_FAILED == BACK_RELEASED,
                  "the same order");
    assert(j->state == JOB_RESERVED);
    struct queue *q = job_queue(j);
    if (q->dropped) {
        job_remove(e, j);
        return JOB_DEAD;
    }
    if (why != BACK_RELEASED)
        job_count_run(e, j);
    if (job_cancelling(j)) {
        (void)job_cancel_held(e, j);
        return JOB_CANCELLED;
    }
    enum dead_reason reason = DEAD_ATTEMPTS;
    bool dies = count_comeback(e, j, why, &reason);
    if (q->shut_down_hard)
        dies = true, reason = DEAD_SHUT_DOWN;
    else if (!dies && j->extra && j->extra->expired)
        dies = true, reason = DEAD_EXPIRED;
    e->cause = (uint8_t)(CAUSE_FAILED + why);
    if (dies) {
        job_die(e, j, reason, error);
        e->cause = CAUSE_NONE;
        return JOB_DEAD;
    }
    if (error && job_extra(e, j))
        job_set_error(e, j, error);
    count_retry(e, q, why);
    if (delay < 0)
        delay = pause_after(e, j, why);
    job_move(e, j, delay ? JOB_DELAYED : JOB_READY, e->now + delay);
    e->cause = CAUSE_NONE;
    return delay ? JOB_DELAYED : JOB_READY;
}

// ---- the end

enum error job_outcome(const struct job *j, struct outcome *out)
{
    const struct extra *x = j->extra;
    *out = (struct outcome){.state = (enum job_state)j->state, .attempts = j->attempts};
    if (j->state == JOB_DEAD || (x && x->failed)) {
        out->state = JOB_DEAD;
        out->reason = x ? (enum dead_reason)x->reason : (enum dead_reason)j->timer.mark;
        out->attempts = x ? x->failed_attempts : j->attempts;
        out->error = x ? blob_ref(x->error) : NULL;
        return ERROR_FAILED;
    }
    if (j->state == JOB_CANCELLED)
        return ERROR_CANCELLED;
    if (j->state != JOB_DONE)
        return ERROR_TIMEOUT;
    out->result = x ? blob_ref(x->result) : NULL;
    return ERROR_NONE;
}

// Tells all who wait for the outcome.
static void tell_future(struct engine *e, struct job *j, enum error error, const struct outcome *outcome)
{
    while (j->extra && j->extra->results) {
        struct wait *w = j->extra->results;
        w->pub.outcome = *outcome;
        blob_ref(outcome->result);
        blob_ref(outcome->error);
        wait_complete(e, w, error);
    }
}

// Removes the oldest of a set until what it holds is within its bytes again.
static void trim(struct engine *e, struct tree *set, const uint64_t *held, uint64_t most, uint64_t *dropped,
                 uint64_t *all)
{
    for (int i = 0; *held > most && !tree_empty(set) && i < SLICE_OF_WORK; i++) {
        ++*dropped, ++*all;
        job_remove(e, job_of_node(tree_first(set)));
    }
}

void queue_trim(struct engine *e, struct queue *q)
{
    trim(e, &q->finished, &q->result_bytes, q->settings->keep_result_bytes, &q->counters.results_dropped,
         &e->counters.results_dropped);
    trim(e, &q->dead, &q->dead_bytes, q->settings->keep_dead_bytes, &q->counters.dead_dropped,
         &e->counters.dead_dropped);
}

void job_finish(struct engine *e, struct job *j, enum job_state state, struct blob *result)
{
    struct queue *q = job_queue(j);
    struct extra *x = j->extra;
    int64_t keep = 0;
    mark_job(e, j, JOB_HEAD_DIRTY); // before anybody is told: what they hear is promised
    if (j->flags & JOB_SUBMIT)
        keep = x && x->keep_result >= 0 ? x->keep_result : q->settings->keep_result;
    if (state == JOB_DONE)
        COUNT(e, q, done);
    else
        COUNT(e, q, cancelled);

    struct outcome outcome = {.state = state, .attempts = j->attempts, .result = result};
    tell_future(e, j, state == JOB_DONE ? ERROR_NONE : ERROR_CANCELLED, &outcome);
    if (keep && result) {
        // An ack is never refused for memory: its outcome may be.
        if (e->bytes + result->len <= e->config.max_bytes && job_extra(e, j)) {
            job_set_result(e, j, result);
        } else {
            COUNT(e, q, results_dropped);
            keep = 0;
        }
    }
    job_give_up_key(e, j);
    if (x)
        wheel_remove(&e->wheel, &x->expiry);
    if (!keep) {
        event_note(e, j, q, (struct event_note){.from = j->state, .state = state});
        job_move(e, j, JOB_GONE, 0);
        return;
    }
    job_move(e, j, state, e->now + keep);
    queue_trim(e, q);
}

enum error job_cancel_held(struct engine *e, struct job *j)
{
    assert(job_cancelling(j));
    job_finish(e, j, JOB_CANCELLED, NULL);
    return ERROR_CANCELLED;
}

// A dying job moves to its queue's dead-letter queue, once. False: it has none, or that one takes no more.
static bool move_to_dead_letter(struct engine *e, struct job *j)
{
    struct queue *q = job_queue(j), *to;
    const char *name = q->settings->dead_letter;
    struct extra *x = j->extra;
    if (!name[0] || !x || x->origin || queue_get(e, slice_of(name), &to) != ERROR_NONE || to->shut_down)
        return false;
    struct level *l = level_get(to, j->level->priority);
    x->origin = blob_new(queue_name(q));
    if (!l || !x->origin) {
        if (l)
            level_unref(l);
        blob_unref(x->origin);
        x->origin = NULL;
        return false;
    }
    event_note(e, j, q, (struct event_note){.from = j->state, .state = JOB_DEAD, .moved = true});
    e->cause = CAUSE_NONE;
    job_move(e, j, JOB_NOWHERE, 0);
    job_set_level(e, j, l);
    j->attempts = 0;
    j->timer.note = 0;
    x->expired = false;
    COUNT(e, q, moved);
    job_move(e, j, JOB_READY, 0);
    mark_job(e, j,
             JOB_BODY_DIRTY | JOB_HEAD_DIRTY); // the body too, as only one of the two queues may be durable
    return true;
}

static void count_death(struct engine *e, enum dead_reason reason)
{
    struct daemon_counters *c = &e->more;
    uint64_t *const counters[DEAD_REASON_COUNT] = {
        [DEAD_ATTEMPTS] = &c->dead_attempts,   [DEAD_LOST] = &c->dead_lost,
        [DEAD_BURIED] = &c->dead_buried,       [DEAD_EXPIRED] = &c->dead_expired,
        [DEAD_SHUT_DOWN] = &c->dead_shut_down,
    };
    ++*counters[reason];
}

void job_die(struct engine *e, struct job *j, enum dead_reason reason, struct blob *error)
{
    struct queue *q = job_queue(j);
    struct extra *x = job_extra(e, j);
    count_death(e, reason);
    mark_job(e, j, JOB_HEAD_DIRTY);
    j->timer.mark = reason & 15;
    if (x) {
        if (error)
            job_set_error(e, j, error);
        if (!x->failed) { // in a dead-letter queue it dies again: the first death decides the outcome
            x->failed = true;
            x->reason = (uint8_t)reason;
            x->failed_attempts = j->attempts;
        }
        wheel_remove(&e->wheel, &x->expiry);
    }
    struct outcome outcome = {.state = JOB_DEAD,
                              .reason = reason,
                              .attempts = j->attempts,
                              .error = x ? x->error : NULL};
    tell_future(e, j, ERROR_FAILED, &outcome);
    job_give_up_key(e, j);
    if (move_to_dead_letter(e, j))
        return;
    COUNT(e, q, died);
    job_move(e, j, JOB_DEAD, e->now + q->settings->keep_dead);
    queue_trim(e, q);
}

void job_kick(struct engine *e, struct job *j)
{
    struct queue *q = job_queue(j);
    bool was_dead = j->state == JOB_DEAD;
    job_move(e, j, JOB_READY, 0);
    mark_job(e, j, JOB_HEAD_DIRTY);
    COUNT(e, q, kicked);
    if (!was_dead)
        return;
    j->attempts = 0;
    j->timer.note = 0;
    if (j->extra) {
        j->extra->failed = false;
        j->extra->expired = false;
        job_set_error(e, j, NULL);
    }
}

void job_remove(struct engine *e, struct job *j)
{
    struct outcome nothing = {.state = JOB_CANCELLED};
    struct extra *x = j->extra;
    if (j->state != JOB_DONE && j->state != JOB_CANCELLED) // else it is an outcome that goes
        event_note(e, j, job_queue(j), (struct event_note){.from = j->state, .state = EVENT_DELETED});
    job_move(e, j, JOB_GONE, 0); // before anybody is told: what they hear is promised
    if (x && x->results)
        tell_future(e, j, ERROR_NOT_FOUND, &nothing);
}
