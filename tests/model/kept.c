// What is written, and whether that is all.
#include "tests/model/kept.h"

#include "server/store/store.h"

#include <inttypes.h>
#include <string.h>

struct kept_record *kept_find(struct kept *k, uint8_t kind, uint64_t id)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->records[i].kind == kind && k->records[i].id == id)
            return &k->records[i];
    return NULL;
}

struct kept_record *kept_queue(struct kept *k, uint64_t number)
{
    struct kept_record *r = kept_find(k, RECORD_QUEUE, number);
    for (unsigned i = 0; r && i < k->count; i++)
        if (k->records[i].kind == RECORD_QUEUE && k->records[i].queue == r->queue &&
            k->records[i].id > number)
            return NULL;
    return r;
}

uint64_t kept_bytes(const struct kept *k)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < k->count; i++)
        bytes += STORE_RECORD_SIZE(k->records[i].place.length);
    return bytes;
}

// ---- writing

static int queue_named(const char *bytes)
{
    struct queue_record r;
    memcpy(&r, bytes, sizeof r);
    struct slice name = {bytes + sizeof r + 8 * r.settings, r.name_len};
    for (int q = 0; q < QUEUES; q++)
        if (slice_same(queue_text(q), name))
            return q;
    fail("a queue of a name that nobody gave is written");
}

// A job that went with its queue may be written as it was, as long as the disk has not heard of that.
static struct mjob job_now(const struct kept *k, const struct model *m, uint64_t id)
{
    struct mjob job = {.id = id};
    for (unsigned i = 0; i < m->dropped_job_count; i++)
        if (m->dropped_jobs[i].id == id)
            job = m->dropped_jobs[i];
    for (unsigned i = 0; i < m->job_count; i++)
        if (m->jobs[i].id == id)
            job = m->jobs[i];
    if (job.state != JOB_RESERVED)
        return job;
    if (k->saving && job.holder == NONE)
        job.lease_start = job.lease_start ? job.lease_start : m->start_number;
    else
        job.state = JOB_READY;
    if (job.expired)
        job.expires = m->now.mono; // it did already
    return job;
}

static struct mkey key_now(const struct model *m, uint64_t id)
{
    struct mkey key = {.id = id};
    for (unsigned i = 0; i < m->dropped_key_count; i++)
        if (m->dropped_keys[i].id == id)
            key = m->dropped_keys[i];
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].id == id)
            key = m->keys[i];
    return key;
}

void kept_put(struct kept *k, const struct model *m, uint8_t kind, uint64_t id, const void *bytes,
              struct journal_place place)
{
    struct kept_record *r = kept_find(k, kind, id);
    if (!r) {
        REQUIRE(k->count < sizeof k->records / sizeof *k->records, "the model's disk is full");
        r = &k->records[k->count++];
    }
    memset(r, 0, sizeof *r);
    r->kind = kind;
    r->id = id;
    r->place = place;
    r->order = ++k->order;
    r->shift = m->now.wall - m->now.mono;
    switch (kind) {
    case RECORD_META:
        k->start_number = m->start_number;
        break;
    case RECORD_QUEUE:
        r->queue = queue_named(bytes);
        r->settings = m->queues[r->queue];
        break;
    case RECORD_BODY:
    case RECORD_HEAD:
        memcpy(&r->number, bytes, sizeof r->number);
        r->job = job_now(k, m, id);
        break;
    case RECORD_KEY:
        memcpy(&r->number, bytes, sizeof r->number);
        r->key = key_now(m, id);
        break;
    default:
        fail("a record of kind %d is written", kind);
    }
}

void kept_remove(struct kept *k, uint8_t kind, uint64_t id)
{
    struct kept_record *r = kept_find(k, kind, id);
    REQUIRE(r, "record %" PRIu64 " of kind %d is removed and was not there", id, kind);
    *r = k->records[--k->count];
}

bool kept_job(struct kept *k, uint64_t id, struct mjob *out)
{
    const struct kept_record *body = kept_find(k, RECORD_BODY, id), *head = kept_find(k, RECORD_HEAD, id);
    const struct kept_record *newest = head ? head : body;
    const struct kept_record *queue = body ? kept_queue(k, newest->number) : NULL;
    if (!queue)
        return false;
    *out = newest->job;
    out->queue = queue->queue;
    out->handing = false;
    if (!head) { // as it was put
        out->state = JOB_READY;
        out->attempts = out->lost = out->deliveries = 0;
        out->cancelling = false;
    }
    if (out->state != JOB_RESERVED)
        out->expired = false;
    return true;
}

// ---- whether that is all

#define SAME(field, format)                                                                                  \
    REQUIRE(is.field == now.field, "job %" PRIu64 ": " #field " is %" format " on disk, not %" format,       \
            now.id, is.field, now.field)

// A time that was over when the engine was started counts from then.
static void same_time(const struct kept *k, const char *what, uint64_t id, int64_t is, int64_t now)
{
    REQUIRE(is == now || (is < k->started && now == k->started),
            "job %" PRIu64 ": %s is %" PRId64 " on disk, not %" PRId64, id, what, is, now);
}

// What is not written: being handed out, and becoming due.
static void compare_state(struct kept *k, const struct model *m, const struct mjob *is, struct mjob now)
{
    if (now.state == JOB_RESERVED && !(k->saving && now.holder == NONE))
        now.state = JOB_READY;
    if (is->state == JOB_DELAYED && now.state == JOB_READY) {
        REQUIRE(is->wall || is->until <= m->now.mono, "job %" PRIu64 " is ready, and delayed on disk",
                is->id);
        return;
    }
    REQUIRE(is->state == now.state, "job %" PRIu64 " is %s, and %s on disk", is->id,
            job_state_name(now.state), job_state_name(is->state));
    if (is->state != JOB_READY)
        same_time(k, "its time", is->id, is->until, now.until);
}

static void compare_job(struct kept *k, const struct model *m, const struct mjob now)
{
    struct mjob is;
    REQUIRE(kept_job(k, now.id, &is), "job %" PRIu64 " is not on disk", now.id);
    compare_state(k, m, &is, now);
    bool finished = now.state == JOB_DONE || now.state == JOB_DEAD || now.state == JOB_CANCELLED;
    SAME(queue, "d");
    SAME(priority, "g");
    SAME(attempts, "u");
    SAME(lost, "u");
    SAME(key, "d");
    SAME(origin, "d");
    SAME(error, "u");
    SAME(failed, "d");
    SAME(cancelling, "d");
    if (now.state == JOB_DONE)
        SAME(result, "u");
    if (now.state == JOB_DEAD)
        SAME(reason, "d");
    if (now.failed) {
        SAME(failed_reason, "d");
        SAME(failed_attempts, "u");
    }
    if (now.expired)
        REQUIRE(is.expires && is.expires <= m->now.mono, "job %" PRIu64 " has not expired on disk", now.id);
    else if (!finished)
        same_time(k, "when it expires", now.id, is.expires, now.expires);
    REQUIRE(is.deliveries <= now.deliveries, "job %" PRIu64 ": more deliveries on disk", now.id);
}

void kept_shows_queue(struct kept *k, const struct model *m, int queue)
{
    struct mqueue is = {.settings = queue_settings_default};
    const struct mqueue none = is, *now = m->queues[queue].owner ? &none : &m->queues[queue];
    for (unsigned i = 0; i < k->count; i++)
        if (k->records[i].kind == RECORD_QUEUE && k->records[i].queue == queue &&
            kept_queue(k, k->records[i].id))
            is = k->records[i].settings;
    REQUIRE(is.declared == now->declared && is.paused == now->paused && is.shut_down == now->shut_down &&
                is.hard == now->hard,
            "queue %d on disk: declared=%d paused=%d shut_down=%d at once=%d", queue, is.declared, is.paused,
            is.shut_down, is.hard);
    const char *other = settings_differ(&is.settings, &now->settings);
    REQUIRE(!other, "queue %d: the setting %s differs on disk", queue, other);
}

static void compare_key(struct kept *k, const struct mkey *now)
{
    const struct kept_record *r = kept_find(k, RECORD_KEY, now->id);
    REQUIRE(r && kept_queue(k, r->number), "the key of job %" PRIu64 " is not on disk", now->id);
    REQUIRE(r->key.key == now->key && kept_queue(k, r->number)->queue == now->queue,
            "another key of job %" PRIu64 " is on disk", now->id);
    same_time(k, "the end of its key", now->id, r->key.until, now->until);
}

// A queue of somebody's own is not on disk, and nor is what is in it.
static bool stays(const struct model *m, int queue)
{
    return !m->queues[queue].owner;
}

void kept_shows(struct kept *k, struct model *m, uint64_t id)
{
    const struct mjob *j = model_job(m, id);
    struct mjob is;
    if (!j)
        REQUIRE(!kept_job(k, id, &is), "job %" PRIu64 " is on disk and should be gone", id);
    else if (j->stored && stays(m, j->queue))
        compare_job(k, m, *j);
}

void kept_complete(struct kept *k, struct model *m)
{
    for (int q = 0; q < QUEUES; q++)
        kept_shows_queue(k, m, q);
    for (unsigned i = 0; i < m->job_count; i++)
        kept_shows(k, m, m->jobs[i].id);
    for (unsigned i = 0; i < m->key_count; i++)
        if (m->keys[i].until && m->keys[i].stored && stays(m, m->keys[i].queue))
            compare_key(k, &m->keys[i]);
    for (unsigned i = 0; i < k->count; i++) {
        const struct kept_record *r = &k->records[i];
        bool lives = r->kind == RECORD_META || !kept_queue(k, r->number);
        if (r->kind == RECORD_QUEUE)
            lives = kept_queue(k, r->id);
        if (r->kind == RECORD_BODY || r->kind == RECORD_HEAD)
            lives = lives || model_job(m, r->id);
        for (unsigned n = 0; r->kind == RECORD_KEY && n < m->key_count; n++)
            lives = lives || (m->keys[n].id == r->id && m->keys[n].until);
        REQUIRE(lives, "record %" PRIu64 " of kind %d is on disk, and what it is of is gone", r->id, r->kind);
    }
    m->dropped_job_count = m->dropped_key_count = 0;
}
