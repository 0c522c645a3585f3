#include "server/engine/journal.h"

#include "server/engine/mark.h"
#include "server/engine/prefetch.h"
#include "server/engine/records.h"
#include "server/engine/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the records are little-endian: this machine would have to turn them"
#endif
static_assert(sizeof(struct meta_record) == 16 && sizeof(struct queue_record) == 8, "these are on disk");
static_assert(sizeof(struct body_record) == 32 && sizeof(struct head_record) == 64, "these are on disk");
static_assert(sizeof(struct key_record) == 24, "these are on disk");

bool journal_begin(struct engine *e)
{
    assert(!e->journal);
    e->journal = calloc(1, sizeof *e->journal);
    if (!e->journal)
        return false;
    e->journal->ids_to = e->journal->ids_durable = e->next_id;
    mark_ids(e);
    return true;
}

uint64_t journal_marked(const struct engine *e)
{
    return e->journal ? e->journal->marked : 0;
}

uint64_t journal_taken(const struct engine *e)
{
    return e->journal ? e->journal->taken : 0;
}

uint64_t journal_waiting_bytes(const struct engine *e)
{
    return e->journal ? e->journal->waiting_bytes : 0;
}

bool journal_failed(const struct engine *e)
{
    return e->journal && e->journal->failed;
}

void journal_on_disk(struct engine *e, uint64_t marks)
{
    struct journal *n = e->journal;
    if (n->ids_mark && n->ids_mark <= marks) {
        n->ids_durable = n->ids_to;
        n->ids_mark = 0;
    }
}

// ---- how long a record is, and what is in it

static int64_t wall_of(const struct engine *e, const struct timer *t)
{
    return wheel_waiting(t) ? e->wall + ((int64_t)t->when - e->now) : 0;
}

// When it expires. A time that came while it was in somebody's hands counts still: if it comes back, it dies.
static int64_t expires_of(const struct engine *e, const struct extra *x)
{
    return x->expired ? e->wall : wall_of(e, &x->expiry);
}

static unsigned body_fields(const struct job *j)
{
    const struct extra *x = j->extra;
    unsigned fields = j->flags & JOB_SUBMIT ? BODY_SUBMIT : 0;
    if (x)
        fields |= (wheel_waiting(&x->expiry) || x->expired ? BODY_EXPIRES : 0) | (x->lease ? BODY_LEASE : 0) |
                  (x->max_attempts ? BODY_MAX_ATTEMPTS : 0) | (x->keep_result >= 0 ? BODY_KEEP_RESULT : 0) |
                  (x->key ? BODY_KEY : 0);
    return fields;
}

static uint32_t body_length(const struct job *j)
{
    unsigned fields = body_fields(j);
    uint32_t length = (uint32_t)sizeof(struct body_record) + j->len;
    length += 8u * (uint32_t)__builtin_popcount(fields & (BODY_SUBMIT - 1u));
    return fields & BODY_KEY ? length + j->extra->key->len : length;
}

static void *append(void *at, const void *bytes, size_t len)
{
    if (len)
        memcpy(at, bytes, len);
    return (char *)at + len;
}

static void body_write(const struct engine *e, const struct job *j, void *at)
{
    const struct extra *x = j->extra;
    struct slice body = job_body(j);
    struct body_record r = {.queue = job_queue(j)->number,
                            .priority = j->level->priority,
                            .created = (int64_t)j->created,
                            .fields = (uint16_t)body_fields(j),
                            .key_len = x && x->key ? x->key->len : 0,
                            .body_len = j->len};
    at = append(at, &r, sizeof r);
    if (r.fields & (BODY_SUBMIT - 1)) {
        int64_t values[] = {expires_of(e, x), x->lease, x->max_attempts, x->keep_result,
                            x->key ? x->key->key_for : 0};
        for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
            if (r.fields & (1u << i))
                at = append(at, &values[i], 8);
        if (x->key)
            at = append(at, x->key->text, x->key->len);
    }
    append(at, body.data, body.len);
}

static uint32_t blob_len(const struct blob *b)
{
    return b ? b->len : 0;
}

static bool saves_lease(const struct engine *e, const struct job *j)
{
    return e->journal->saving_leases && j->state == JOB_RESERVED && (j->flags & JOB_DETACHED);
}

static uint32_t head_length(const struct engine *e, const struct job *j)
{
    const struct extra *x = j->extra;
    uint32_t length = sizeof(struct head_record);
    if (x && x->held_lease && saves_lease(e, j))
        length += 8;
    return x ? length + blob_len(x->origin) + blob_len(x->error) + blob_len(x->result) : length;
}

static void head_write(const struct engine *e, const struct job *j, void *at)
{
    const struct extra *x = j->extra;
    bool lease = saves_lease(e, j);
    struct head_record r = {.queue = job_queue(j)->number,
                            .priority = j->level->priority,
                            .handouts = j->handouts,
                            .attempts = j->attempts,
                            .lost = j->timer.note,
                            .reason = j->timer.mark,
                            // What is in somebody's hands is ready again after a crash.
                            .state = (uint8_t)(j->state == JOB_RESERVED && !lease ? JOB_READY : j->state)};
    if (j->state != JOB_RESERVED || lease)
        r.when = wall_of(e, &j->timer);
    if (lease) {
        r.flags |= HEAD_DETACHED | (x && x->held_lease ? HEAD_LEASE : 0);
        r.lease_start = x && x->lease_start ? x->lease_start : e->config.start_number;
    }
    if (x) {
        r.expires = expires_of(e, x);
        r.flags |= (uint16_t)((x->failed ? HEAD_FAILED : 0) | (x->expired ? HEAD_EXPIRED : 0) |
                              (x->error ? HEAD_ERROR : 0) | (x->result ? HEAD_RESULT : 0) |
                              (x->key ? 0 : HEAD_KEYLESS) | (x->cancelling ? HEAD_CANCELLING : 0));
        r.failed_reason = x->reason;
        r.failed_attempts = x->failed_attempts;
        r.origin_len = (uint8_t)blob_len(x->origin);
        r.error_len = blob_len(x->error);
        r.result_len = blob_len(x->result);
        if (j->flags & JOB_WALL) {
            r.flags |= HEAD_AT;
            r.when = x->at;
        }
    }
    at = append(at, &r, sizeof r);
    if (x) {
        at = append(at, x->origin ? x->origin->data : NULL, r.origin_len);
        at = append(at, x->error ? x->error->data : NULL, r.error_len);
        at = append(at, x->result ? x->result->data : NULL, r.result_len);
        if (r.flags & HEAD_LEASE)
            append(at, &x->held_lease, 8);
    }
}

static uint32_t queue_length(const struct queue *q)
{
    return (uint32_t)(sizeof(struct queue_record) + 8u * QUEUE_SETTING_COUNT + q->name_len +
                      strlen(q->settings->dead_letter));
}

static void queue_write(const struct queue *q, void *at)
{
    struct queue_record r = {.settings = QUEUE_SETTING_COUNT, .name_len = q->name_len};
    r.flags = (q->declared ? QUEUE_DECLARED : 0u) | (q->paused ? QUEUE_PAUSED : 0u) |
              (q->shut_down ? QUEUE_SHUT : 0u) | (q->shut_down_hard ? QUEUE_SHUT_HARD : 0u);
    at = append(at, &r, sizeof r);
    const struct queue_settings *s = q->settings;
    int64_t value;
#define VALUE_NUMBER(field)                      value = (int64_t)s->field;
#define VALUE_ORDER(field)                       VALUE_NUMBER(field)
#define VALUE_COUNT(field)                       VALUE_NUMBER(field)
#define VALUE_BYTES(field)                       VALUE_NUMBER(field)
#define VALUE_SECONDS(field)                     VALUE_NUMBER(field)
#define VALUE_FLAG(field)                        VALUE_NUMBER(field)
#define VALUE_SHARE(field)                       memcpy(&value, &s->field, 8);
#define VALUE_NAME(field)                        value = (int64_t)strlen(s->field);
#define X(field, type, low, high, initial, text) VALUE_##type(field) at = append(at, &value, 8);
    QUEUE_SETTINGS(X)
#undef X
    at = append(at, q->name, q->name_len);
    append(at, s->dead_letter, strlen(s->dead_letter));
}

// ---- taking

static uint64_t cost(uint32_t head, uint32_t length)
{
    return head + (((uint64_t)length + 7) & ~(uint64_t)7);
}

// Its records are to be removed: it is gone, or it is in somebody's hands still and its queue was dropped.
static bool leaves_disk(const struct job *j)
{
    return j->state == JOB_GONE || job_queue(j)->dropped;
}

static uint64_t job_cost(const struct engine *e, const struct job *j, uint32_t head)
{
    if (leaves_disk(j))
        return (j->head_segment ? cost(head, 0) : 0) + (j->body_segment ? cost(head, 0) : 0);
    uint64_t bytes = j->flags & JOB_BODY_DIRTY ? cost(head, body_length(j)) : 0;
    // A head that stood before its body in the log would be read before it: where one exists it follows.
    if (j->flags & JOB_HEAD_DIRTY || j->head_segment)
        bytes += cost(head, head_length(e, j));
    return bytes;
}

// A job that moved while its mark waited may stand before its new queue's name, without which it is nothing:
// the name goes with it.
static bool queue_follows(const struct job *j, uint64_t number)
{
    return !leaves_disk(j) && job_queue(j)->marked > number && !job_queue(j)->place.segment;
}

static uint64_t mark_cost(const struct engine *e, const struct mark *m, uint64_t number, uint32_t head)
{
    if (!m->object)
        return m->place.segment ? cost(head, 0) : 0;
    switch (m->kind) {
    case RECORD_BODY:
        return job_cost(e, m->object, head) +
               (queue_follows(m->object, number) ? cost(head, queue_length(job_queue(m->object))) : 0);
    case RECORD_QUEUE:
        return cost(head, queue_length(m->object));
    case RECORD_KEY:
        return cost(head, (uint32_t)sizeof(struct key_record) + ((struct key *)m->object)->len);
    default:
        return cost(head, sizeof(struct meta_record));
    }
}

// The jobs of these marks were changed by another processor, and may be anywhere in memory.
#define TOGETHER 32

static void prefetch_marks(const struct journal *n, size_t from)
{
    size_t end = from + TOGETHER < n->count ? from + TOGETHER : n->count;
    for (size_t i = from; i < end; i++) {
        const struct mark *m = &n->marks[(n->first + i) & (n->room - 1)];
        if (m->kind == RECORD_BODY && m->object)
            prefetch_job(m->object);
    }
}

uint64_t journal_measure(struct engine *e, struct moment now, uint64_t most, uint32_t head)
{
    struct journal *n = e->journal;
    uint64_t bytes = 0;
    e->now = now.mono;
    e->wall = now.wall;
    for (n->batch = 0; n->batch < n->count; n->batch++) {
        if (n->batch % TOGETHER == 0)
            prefetch_marks(n, n->batch);
        uint64_t more =
            mark_cost(e, &n->marks[(n->first + n->batch) & (n->room - 1)], n->taken + n->batch + 1, head);
        if (n->batch && bytes + more > most)
            break;
        bytes += more;
    }
    return bytes;
}

static struct journal_place body_place(const struct job *j)
{
    uint32_t plain = (uint32_t)sizeof(struct body_record) + j->len;
    return (struct journal_place){j->body_segment, !j->body_segment ? 0
                                                   : j->extra       ? j->extra->body_length
                                                                    : plain};
}

static struct journal_place head_place(const struct job *j)
{
    uint32_t plain = sizeof(struct head_record);
    return (struct journal_place){j->head_segment, !j->head_segment ? 0
                                                   : j->extra       ? j->extra->head_length
                                                                    : plain};
}

static void take_leaving(const struct journal_sink *sink, struct job *j, struct job **removed)
{
    if (j->head_segment) // first: a head is never without its body
        sink->remove(sink->arg, RECORD_HEAD, j->id, head_place(j));
    if (j->body_segment)
        sink->remove(sink->arg, RECORD_BODY, j->id, body_place(j));
    j->head_segment = j->body_segment = 0;
    j->flags &= ~(unsigned)(JOB_BODY_DIRTY | JOB_HEAD_DIRTY) & 0xff;
    if (j->state == JOB_GONE) {
        j->next = *removed;
        *removed = j;
    }
}

static void take_job(struct engine *e, const struct journal_sink *sink, struct job *j, struct job **removed)
{
    if (leaves_disk(j)) {
        take_leaving(sink, j, removed);
        return;
    }
    bool head = (j->flags & JOB_HEAD_DIRTY) || j->head_segment;
    if (j->flags & JOB_BODY_DIRTY) {
        uint32_t length = body_length(j);
        body_write(e, j, sink->put(sink->arg, RECORD_BODY, j->id, length, body_place(j)));
        j->body_segment = sink->segment;
        if (j->extra)
            j->extra->body_length = length;
    }
    if (head) {
        uint32_t length = head_length(e, j);
        head_write(e, j, sink->put(sink->arg, RECORD_HEAD, j->id, length, head_place(j)));
        j->head_segment = sink->segment;
        if (j->extra)
            j->extra->head_length = length;
    }
    j->flags &= ~(unsigned)(JOB_BODY_DIRTY | JOB_HEAD_DIRTY) & 0xff;
}

static void take_queue(const struct journal_sink *sink, struct queue *q)
{
    uint32_t length = queue_length(q);
    queue_write(q, sink->put(sink->arg, RECORD_QUEUE, q->number, length, q->place));
    q->place = (struct journal_place){sink->segment, length};
    q->marked = 0;
}

static void take_key(struct engine *e, const struct journal_sink *sink, struct key *k)
{
    uint32_t length = (uint32_t)sizeof(struct key_record) + k->len;
    struct key_record r = {.queue = k->queue->number, .until = wall_of(e, &k->expiry), .key_len = k->len};
    void *at = sink->put(sink->arg, RECORD_KEY, k->id, length, k->place);
    append(append(at, &r, sizeof r), k->text, k->len);
    k->place = (struct journal_place){sink->segment, length};
    k->marked = 0;
}

static void take_meta(struct engine *e, const struct journal_sink *sink)
{
    struct journal *n = e->journal;
    struct meta_record r = {RECORDS_VERSION, e->config.start_number, n->ids_to};
    memcpy(sink->put(sink->arg, RECORD_META, 0, sizeof r, n->meta), &r, sizeof r);
    n->meta = (struct journal_place){sink->segment, sizeof r};
}

static void take(struct engine *e, const struct journal_sink *sink, const struct mark *m,
                 struct job **removed)
{
    if (!m->object) {
        if (m->place.segment)
            sink->remove(sink->arg, m->kind, m->id, m->place);
    } else if (m->kind == RECORD_BODY) {
        if (queue_follows(m->object, e->journal->taken + 1)) {
            mark_clear(e, job_queue(m->object)->marked);
            take_queue(sink, job_queue(m->object));
        }
        take_job(e, sink, m->object, removed);
    } else if (m->kind == RECORD_QUEUE) {
        take_queue(sink, m->object);
    } else if (m->kind == RECORD_KEY) {
        take_key(e, sink, m->object);
    } else {
        take_meta(e, sink);
    }
}

uint64_t journal_take(struct engine *e, struct moment now, const struct journal_sink *sink,
                      struct job **removed)
{
    struct journal *n = e->journal;
    assert(now.mono == e->now); // as measured
    (void)now;
    *removed = NULL;
    for (; n->batch; n->batch--) {
        take(e, sink, &n->marks[n->first], removed);
        n->waiting_bytes -= n->marks[n->first].bytes;
        n->first = (n->first + 1) & (n->room - 1);
        n->count--;
        n->taken++;
    }
    return n->taken;
}

// ---- cleaning and stopping

static bool rewrite_job(struct engine *e, uint8_t kind, uint64_t id, uint32_t segment)
{
    struct job *j = id_map_find(&e->jobs, id);
    if (!j || (kind == RECORD_BODY ? j->body_segment : j->head_segment) != segment)
        return false;
    // Somebody may have it in hand for long: it must not hold the segment meanwhile.
    if (job_queue(j)->dropped)
        mark_job_leaving(e, j);
    else
        mark_job(e, j, kind == RECORD_BODY ? JOB_BODY_DIRTY : JOB_HEAD_DIRTY);
    return true;
}

static bool rewrite_queue(struct engine *e, uint64_t number, uint32_t segment)
{
    struct queue *q = queue_by_number(e, number);
    if (!q || q->place.segment != segment)
        return false;
    mark_queue(e, q);
    return true;
}

static bool rewrite_key(struct engine *e, uint64_t id, uint32_t segment)
{
    struct key *k = key_by_id(e, id);
    if (!k || k->place.segment != segment || k->queue->dropped) // the next ticks remove it
        return false;
    mark_key(e, k);
    return true;
}

bool journal_rewrite(struct engine *e, uint8_t kind, uint64_t id, uint32_t segment)
{
    switch (kind) {
    case RECORD_META:
        return e->journal->meta.segment == segment && mark_meta(e);
    case RECORD_QUEUE:
        return rewrite_queue(e, id, segment);
    case RECORD_KEY:
        return rewrite_key(e, id, segment);
    default:
        return rewrite_job(e, kind, id, segment);
    }
}

void journal_save_leases(struct engine *e, struct moment now)
{
    if (!e->journal)
        return;
    engine_begin(e, now);
    e->journal->saving_leases = true;
    for (struct job *j = e->clients[0]->first; j; j = j->next)
        mark_job(e, j, JOB_HEAD_DIRTY);
}
