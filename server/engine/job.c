#include "server/engine/job.h"

#include "common/slab.h"
#include "server/engine/account.h"
#include "server/engine/event.h"
#include "server/engine/mark.h"
#include "server/engine/queue.h"
#include "server/engine/records.h"
#include "server/engine/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// What a malloc costs beside the bytes asked for, about.
#define ALLOCATION_COST 16

static_assert(offsetof(struct job, data) == 92, "a job's memory is a promise: see the struct");

static const char *const state_names[JOB_STATE_COUNT] = {"delayed", "ready", "reserved",
                                                         "done",    "dead",  "cancelled"};
static const char *const reason_names[DEAD_REASON_COUNT] = {"attempts", "lost", "buried", "expired",
                                                            "shut_down"};

const char *job_state_name(enum job_state s)
{
    return state_names[s];
}

bool job_state_of_name(struct slice name, enum job_state *s)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        if (slice_equal(name, state_names[i])) {
            *s = (enum job_state)i;
            return true;
        }
    return false;
}

const char *dead_reason_name(enum dead_reason r)
{
    return reason_names[r];
}

// A job that is in a queue counts for that many bytes more (or, as these wrap, fewer).
static void count_bytes(struct engine *e, struct job *j, uint64_t step)
{
    e->bytes += step;
    GAUGE(e, job_queue(j), bytes, step);
}

// ---- making and freeing

static bool options_need_extra(const struct put_options *o)
{
    return o->at || o->lease || o->max_attempts || o->expires || o->key.len || o->watched ||
           (o->submit && o->keep_result >= 0);
}

static struct key *key_prepare(const struct put_options *o)
{
    struct key *k = calloc(1, sizeof *k + o->key.len);
    if (!k)
        return NULL;
    k->key_for = o->key_for;
    k->len = (uint8_t)o->key.len;
    memcpy(k->text, o->key.data, o->key.len);
    return k;
}

struct job *job_prepare(const struct put_options *o, struct slice body)
{
    bool shared = body.len > JOB_INLINE_MAX;
    struct blob *blob = NULL;
    size_t tail = shared ? sizeof(struct blob *) : body.len;
    size_t size = offsetof(struct job, data) + tail;
    struct job *j = slab_alloc(size > sizeof *j ? size : sizeof *j);
    if (!j || (shared && !(blob = blob_new(body)))) {
        slab_free(j);
        return NULL;
    }
    memset(j, 0, offsetof(struct job, data));
    j->state = JOB_NOWHERE;
    j->timer.kind = TIMER_JOB;
    j->len = (uint32_t)body.len;
    if (shared) {
        memcpy(j->data, &blob, sizeof(struct blob *));
        j->flags |= JOB_BLOB;
    } else if (body.len) {
        memcpy(j->data, body.data, body.len);
    }
    if (o->submit)
        j->flags |= JOB_SUBMIT;
    // Until the job is put, its timer holds the delay and the level pointer is not set; the priority travels
    // in `node`.
    j->timer.when = (uint64_t)o->delay & (WHEEL_END - 1);
    memcpy(&j->node, &o->priority, sizeof o->priority);

    if (options_need_extra(o)) {
        struct extra *x = job_extra(NULL, j);
        if (!x || (o->key.len && !(x->key = key_prepare(o)))) {
            job_discard(j);
            return NULL;
        }
        x->lease = o->lease;
        x->max_attempts = o->max_attempts;
        x->at = o->at;
        x->expiry.when = (uint64_t)o->expires & (WHEEL_END - 1);
        x->keep_result = o->keep_result;
    }
    return j;
}

struct extra *job_extra(struct engine *e, struct job *j)
{
    if (j->extra)
        return j->extra;
    struct extra *x = slab_alloc(sizeof *x);
    if (!x)
        return NULL;
    *x = (struct extra){0};
    uint64_t before = job_bytes(j);
    x->job = j;
    x->keep_result = -1;
    x->expiry.kind = TIMER_EXPIRY;
    x->body_length = (uint32_t)sizeof(struct body_record) + j->len; // as long as there was nothing extra
    x->head_length = sizeof(struct head_record);
    j->extra = x;
    if (e)
        count_bytes(e, j, job_bytes(j) - before);
    return x;
}

static void progress_free(struct progress *p)
{
    if (p)
        blob_unref(p->text);
    free(p);
}

static void extra_free(struct extra *x)
{
    if (!x)
        return;
    progress_free(x->progress);
    free(x->key); // one that is in the table was taken out before
    blob_unref(x->result);
    blob_unref(x->error);
    blob_unref(x->origin);
    slab_free(x);
}

void job_discard(struct job *j)
{
    if (!j)
        return;
    blob_unref(job_body_blob(j));
    extra_free(j->extra);
    slab_free(j);
}

void jobs_free(struct job *j)
{
    void *some[64];
    while (j) {
        unsigned n = 0;
        for (; j && n < sizeof some / sizeof *some; j = j->next) {
            blob_unref(job_body_blob(j));
            extra_free(j->extra);
            some[n++] = j;
        }
        slab_free_all(some, n);
    }
}

// ---- looking

struct blob *job_body_blob(const struct job *j)
{
    struct blob *b = NULL;
    if (j->flags & JOB_BLOB)
        memcpy(&b, j->data, sizeof(struct blob *));
    return b;
}

struct slice job_body(const struct job *j)
{
    struct blob *b = job_body_blob(j);
    return b ? blob_slice(b) : (struct slice){j->data, j->len};
}

struct queue *job_queue(const struct job *j)
{
    return j->level->queue;
}

uint64_t job_bytes(const struct job *j)
{
    uint64_t bytes = sizeof *j + j->len + ALLOCATION_COST;
    const struct extra *x = j->extra;
    if (x) {
        bytes += sizeof *x + ALLOCATION_COST;
        bytes += x->key ? sizeof *x->key + x->key->len : 0;
        bytes += x->result ? x->result->len + ALLOCATION_COST : 0;
        bytes += x->error ? x->error->len + ALLOCATION_COST : 0;
        bytes += x->progress ? sizeof *x->progress + x->progress->text->len + 2 * ALLOCATION_COST : 0;
    }
    return bytes;
}

struct job *job_find(const struct engine *e, uint64_t id)
{
    struct job *j = id_map_find(&e->jobs, id);
    return j && !job_queue(j)->dropped ? j : NULL;
}

double job_wanted_priority(const struct job *j)
{
    assert(j->state == JOB_NOWHERE);
    double priority;
    memcpy(&priority, &j->node, sizeof priority);
    return priority;
}

bool job_before(const struct job *a, const struct job *b)
{
    if (a->level->priority != b->level->priority)
        return a->level->priority < b->level->priority;
    return a->id < b->id;
}

void job_give_up_key(struct engine *e, struct job *j)
{
    struct key *k = j->extra ? j->extra->key : NULL;
    if (!k)
        return;
    uint64_t before = job_bytes(j);
    j->extra->key = NULL;
    count_bytes(e, j, job_bytes(j) - before);
    if (k->key_for)
        key_keep(e, k);
    else
        key_free(e, k);
}

int job_compare(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t x = OWNER_OF(const struct job, node, a)->id, y = OWNER_OF(const struct job, node, b)->id;
    return x < y ? -1 : x > y;
}

int at_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct extra *x = OWNER_OF(const struct extra, at_node, a),
                       *y = OWNER_OF(const struct extra, at_node, b);
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->job->id < y->job->id ? -1 : x->job->id > y->job->id;
}

// ---- moving

// From a row's state to which places a job may go.
#define TO(place) (1u << (place))
static const unsigned moves[JOB_PLACE_COUNT] = {
    // Put, moved to another queue, or loaded, which may be to any state.
    [JOB_NOWHERE] =
        TO(JOB_DELAYED) | TO(JOB_READY) | TO(JOB_RESERVED) | TO(JOB_DONE) | TO(JOB_DEAD) | TO(JOB_CANCELLED),
    [JOB_DELAYED] = TO(JOB_READY) | TO(JOB_DEAD) | TO(JOB_CANCELLED) | TO(JOB_NOWHERE) | TO(JOB_GONE),
    [JOB_READY] = TO(JOB_RESERVED) | TO(JOB_DEAD) | TO(JOB_CANCELLED) | TO(JOB_NOWHERE) | TO(JOB_GONE),
    [JOB_RESERVED] = TO(JOB_READY) | TO(JOB_DELAYED) | TO(JOB_DONE) | TO(JOB_DEAD) | TO(JOB_CANCELLED) |
                     TO(JOB_NOWHERE) | TO(JOB_GONE),
    [JOB_DONE] = TO(JOB_GONE),
    [JOB_DEAD] = TO(JOB_READY) | TO(JOB_GONE),
    [JOB_CANCELLED] = TO(JOB_GONE),
    [JOB_GONE] = 0,
};

// What was between a job and its holder.
static void forget_holder(struct engine *e, struct job *j)
{
    j->extra->cancelling = false;
    if (j->extra->progress)
        (void)job_set_progress(e, j, NULL);
}

static void leave(struct engine *e, struct job *j)
{
    struct queue *q = j->level ? job_queue(j) : NULL;
    wheel_remove(&e->wheel, &j->timer);
    switch (j->state) {
    case JOB_READY:
        level_remove(j->level, j);
        GAUGE(e, q, ready, -1);
        break;
    case JOB_DELAYED:
        tree_remove(&q->delayed, &j->node, job_compare);
        if (j->flags & JOB_WALL)
            tree_remove(&e->at, &j->extra->at_node, at_compare);
        j->flags &= ~(unsigned)JOB_WALL & 0xff;
        GAUGE(e, q, delayed, -1);
        break;
    case JOB_RESERVED:
        client_drop(e, j);
        if (j->extra)
            forget_holder(e, j);
        j->flags &= ~(unsigned)(JOB_DETACHED | JOB_HANDING) & 0xff;
        GAUGE(e, q, reserved, -1);
        break;
    case JOB_DEAD:
        tree_remove(&q->dead, &j->node, job_compare);
        q->dead_bytes -= job_bytes(j);
        GAUGE(e, q, dead, -1);
        break;
    case JOB_DONE:
    case JOB_CANCELLED:
        tree_remove(&q->finished, &j->node, job_compare);
        q->result_bytes -= job_bytes(j);
        GAUGE(e, q, finished, -1);
        break;
    default:
        break;
    }
}

static void enter(struct engine *e, struct job *j, int64_t until)
{
    struct queue *q = job_queue(j);
    switch (j->state) {
    case JOB_READY:
        level_add(j->level, j, j->flags & JOB_FRESH);
        j->timer.when = (uint64_t)e->now & (WHEEL_END - 1);
        GAUGE(e, q, ready, 1);
        break;
    case JOB_DELAYED:
        tree_insert(&q->delayed, &j->node, job_compare);
        if (j->flags & JOB_WALL)
            tree_insert(&e->at, &j->extra->at_node, at_compare);
        else
            wheel_add(&e->wheel, &j->timer, until);
        GAUGE(e, q, delayed, 1);
        break;
    case JOB_RESERVED:
        client_hold(e, j->holder, j);
        wheel_add(&e->wheel, &j->timer, until);
        GAUGE(e, q, reserved, 1);
        break;
    case JOB_DEAD:
        tree_insert(&q->dead, &j->node, job_compare);
        wheel_add(&e->wheel, &j->timer, until);
        q->dead_bytes += job_bytes(j);
        GAUGE(e, q, dead, 1);
        break;
    case JOB_DONE:
    case JOB_CANCELLED:
        tree_insert(&q->finished, &j->node, job_compare);
        wheel_add(&e->wheel, &j->timer, until);
        q->result_bytes += job_bytes(j);
        GAUGE(e, q, finished, 1);
        break;
    default:
        break;
    }
}

// The last of a job: out of the tables, its level given back, its memory left for whoever frees after
// unlocking.
static void bury_memory(struct engine *e, struct job *j)
{
    struct queue *q = job_queue(j);
    struct extra *x = j->extra;
    count_bytes(e, j, -job_bytes(j)); // with its key's
    if (x) {
        wheel_remove(&e->wheel, &x->expiry);
        if (x->key) {
            key_free(e, x->key);
            x->key = NULL;
        }
    }
    id_map_remove(&e->jobs, j->id);
    level_unref(j->level);
    j->level = NULL;
    if (!mark_job_gone(e, j)) {
        j->next = e->removed;
        e->removed = j;
    }
    queue_touch(e, q);
}

// Being handed out is not kept (after a crash the job is ready again), and neither is becoming due: the time
// that is written says it. A new job's body is marked by whoever admits it, with its head if it is delayed.
static bool changes_on_disk(unsigned from, unsigned to)
{
    if (to == JOB_RESERVED || to == JOB_NOWHERE || from == JOB_NOWHERE)
        return false;
    return !(from == JOB_DELAYED && to == JOB_READY);
}

void job_move(struct engine *e, struct job *j, unsigned place, int64_t until)
{
    assert(moves[j->state] & TO(place));
    unsigned from = j->state;
    struct queue *q = job_queue(j);
    if (j->extra && j->extra->account)
        account_follow(e, j, from, place);
    leave(e, j);
    j->state = place & 7;
    if (place == JOB_GONE) {
        bury_memory(e, j);
        return;
    }
    enter(e, j, until);
    if (changes_on_disk(from, place))
        mark_job(e, j, JOB_HEAD_DIRTY);
    if (place != JOB_NOWHERE)
        event_note(e, j, job_queue(j),
                   (struct event_note){.from = from,
                                       .state = place,
                                       .moved = from == JOB_NOWHERE && j->extra && j->extra->origin});
    // Waiters are served once the call is through, so that of several jobs the most urgent goes first.
    bool freed_room = from == JOB_READY || from == JOB_DELAYED;
    if ((q->gets.first && place != JOB_RESERVED) || (q->puts.first && freed_room) || q->joins.first)
        queue_touch(e, q);
}

void job_set_level(struct engine *e, struct job *j, struct level *level_take)
{
    assert(j->state == JOB_NOWHERE);
    if (j->level) {
        struct queue *old = job_queue(j);
        GAUGE(e, old, bytes, -(int64_t)job_bytes(j));
        level_unref(j->level);
        queue_touch(e, old);
    }
    j->level = level_take;
    GAUGE(e, job_queue(j), bytes, (int64_t)job_bytes(j));
}

static void replace_blob(struct engine *e, struct job *j, struct blob **slot, struct blob *b)
{
    uint64_t before = job_bytes(j);
    blob_ref(b);
    blob_unref(*slot);
    *slot = b;
    count_bytes(e, j, job_bytes(j) - before);
}

void job_set_error(struct engine *e, struct job *j, struct blob *error)
{
    assert(j->state != JOB_DEAD && j->state != JOB_DONE && j->state != JOB_CANCELLED);
    if (j->extra || error)
        replace_blob(e, j, &j->extra->error, error);
}

void job_set_result(struct engine *e, struct job *j, struct blob *result)
{
    assert(j->state != JOB_DEAD && j->state != JOB_DONE && j->state != JOB_CANCELLED);
    if (j->extra || result)
        replace_blob(e, j, &j->extra->result, result);
}

static struct progress *progress_new(struct job *j)
{
    struct progress *p = calloc(1, sizeof *p);
    if (p) {
        p->job = j;
        p->pause.kind = TIMER_PROGRESS;
    }
    return p;
}

bool job_set_progress(struct engine *e, struct job *j, struct blob *text)
{
    struct progress *p = j->extra ? j->extra->progress : NULL, *fresh = NULL;
    if (text && !p && !(p = fresh = progress_new(j)))
        return false;
    if (text && !job_extra(e, j)) {
        progress_free(fresh);
        return false;
    }
    if (!p)
        return true;
    uint64_t before = job_bytes(j);
    if (text) {
        blob_ref(text);
        blob_unref(p->text);
        p->text = text;
        p->number = ++e->progress_count;
        j->extra->progress = p;
    } else {
        wheel_remove(&e->wheel, &p->pause);
        progress_free(p);
        j->extra->progress = NULL;
    }
    count_bytes(e, j, job_bytes(j) - before);
    return true;
}
