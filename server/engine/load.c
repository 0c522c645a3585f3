// Loading: the store's records become jobs and queues again.
//
// Records come in the order of writing, and cleaning writes old ones again, so a job may come before its
// queue's name and a head before its body. Everything is therefore staged first, as jobs in no container, and
// put in its place at the end, in the order of the ids.
#include "server/engine/load.h"

#include <stdlib.h>
#include <string.h>

static uint64_t staged_queue_hash(const struct table_node *n)
{
    return job_id_hash(OWNER_OF(const struct staged_queue, by_number, n)->number);
}

static uint64_t staged_key_hash(const struct table_node *n)
{
    return job_id_hash(OWNER_OF(const struct staged_key, by_id, n)->id);
}

struct journal_load *journal_load_begin(struct engine *e, struct moment now)
{
    struct journal_load *l = calloc(1, sizeof *l);
    if (!l || !table_init(&l->names, staged_queue_hash) || !table_init(&l->keys, staged_key_hash)) {
        if (l)
            table_release(&l->names);
        free(l);
        return NULL;
    }
    engine_begin(e, now);
    l->e = e;
    l->lowest = UINT64_MAX;
    return l;
}

// ---- reading bytes that may be anything

struct bytes {
    const char *at;
    size_t left;
};

static bool take_bytes(struct bytes *b, void *into, size_t len)
{
    if (b->left < len)
        return false;
    if (into && len)
        memcpy(into, b->at, len);
    b->at += len;
    b->left -= len;
    return true;
}

static bool take_blob(struct bytes *b, size_t len, struct blob **out, bool *memory)
{
    if (b->left < len)
        return false;
    *out = blob_new((struct slice){b->at, len});
    *memory = *memory && *out;
    return take_bytes(b, NULL, len);
}

static bool finite_priority(double p)
{
    return p - p == 0;
}

// ---- jobs

struct job *staged_job(const struct engine *e, uint64_t id)
{
    return id_map_find(&e->jobs, id);
}

void stage(struct job *j, const struct staged *s)
{
    memcpy(&j->node.left, &s->queue, sizeof s->queue);
    memcpy(&j->node.right, &s->priority, sizeof s->priority);
    j->timer.kind = s->state & 15;
    j->timer.when = (uint64_t)(s->when < 0 ? 0 : s->when) & (WHEEL_END - 1);
}

struct staged staged_of(const struct job *j)
{
    struct staged s = {.state = j->timer.kind, .when = (int64_t)j->timer.when};
    memcpy(&s.queue, &j->node.left, sizeof s.queue);
    memcpy(&s.priority, &j->node.right, sizeof s.priority);
    if (s.priority == 0)
        s.priority = 0; // not -0
    return s;
}

// The body's fields, in the order of the table in records.h. Times of the wall clock stay so while staged.
static enum error body_fields_read(struct bytes *b, const struct body_record *r, struct put_options *o,
                                   int64_t *expires)
{
    int64_t value[5] = {0, 0, 0, -1, 0};
    for (unsigned i = 0; i < 5; i++)
        if ((r->fields & (1u << i)) && !take_bytes(b, &value[i], 8))
            return ERROR_INTERNAL;
    *expires = value[0];
    o->lease = value[1];
    o->max_attempts = (uint32_t)value[2];
    o->keep_result = value[3];
    o->key_for = value[4];
    o->submit = r->fields & BODY_SUBMIT;
    if (value[1] < 0 || value[2] < 0 || value[2] > 65535 || value[4] < 0)
        return ERROR_INTERNAL;
    o->key = (struct slice){b->at, r->key_len};
    if (r->key_len > QUEUE_NAME_MAX || (r->key_len > 0) != ((r->fields & BODY_KEY) != 0))
        return ERROR_INTERNAL;
    return take_bytes(b, NULL, r->key_len) ? ERROR_NONE : ERROR_INTERNAL;
}

static void insert(struct journal_load *l, uint64_t id, struct job *j)
{
    id_map_insert(&l->e->jobs, id, j);
    l->lowest = id < l->lowest ? id : l->lowest;
    l->highest = id > l->highest ? id : l->highest;
}

// A head that came before its body was staged in a job without one: what it said moves over.
static void adopt_head(struct engine *e, struct job *j, struct job *stub)
{
    struct extra *own = j->extra, *x = stub->extra;
    if (own && x) {
        own->result = x->result, own->error = x->error, own->origin = x->origin;
        own->expired = x->expired, own->keyless = x->keyless, own->failed = x->failed,
        own->cancelling = x->cancelling, own->reason = x->reason;
        own->failed_attempts = x->failed_attempts, own->lease_start = x->lease_start, own->at = x->at;
        own->held_lease = x->held_lease;
        own->expiry.when = x->expiry.when;
        own->head_length = x->head_length;
        x->result = x->error = x->origin = NULL;
    } else if (own) {
        own->expiry.when = 0; // a plain head: none is left
    } else if (x) {
        j->extra = x;
        x->job = j;
        x->body_length = (uint32_t)sizeof(struct body_record) + j->len;
        stub->extra = NULL;
    }
    j->node = stub->node;
    j->timer = stub->timer;
    j->attempts = stub->attempts;
    j->handouts = stub->handouts;
    j->head_segment = stub->head_segment;
    j->flags |= stub->flags & (JOB_WALL | JOB_DETACHED);
    id_map_remove(&e->jobs, stub->id);
    job_discard(stub);
}

static enum error load_body(struct journal_load *l, uint64_t id, struct bytes b, uint32_t segment,
                            struct journal_place *old)
{
    struct engine *e = l->e;
    struct body_record r;
    struct put_options o = {0};
    int64_t expires;
    uint32_t length = (uint32_t)b.left;
    if (!take_bytes(&b, &r, sizeof r) || !finite_priority(r.priority) ||
        body_fields_read(&b, &r, &o, &expires) != ERROR_NONE || b.left != r.body_len)
        return ERROR_INTERNAL;
    struct job *known = staged_job(e, id);
    if (known && known->body_segment) { // written again by cleaning
        *old = (struct journal_place){known->body_segment, known->extra ? known->extra->body_length
                                                                        : (uint32_t)sizeof r + known->len};
        known->body_segment = segment;
        if (known->extra)
            known->extra->body_length = length;
        if (known->extra && !known->head_segment) // else the head's time counts: it is the newer
            known->extra->expiry.when = (uint64_t)expires & (WHEEL_END - 1);
        return ERROR_NONE;
    }
    struct job *j = job_prepare(&o, (struct slice){b.at, b.left});
    if (!j || !id_map_ready(&e->jobs) || (expires && !job_extra(NULL, j))) {
        job_discard(j);
        return ERROR_OVERLOADED;
    }
    j->id = id;
    j->created = (uint64_t)r.created & (WHEEL_END - 1);
    j->timer.note = 0;
    stage(j, &(struct staged){r.queue, r.priority, JOB_READY, 0});
    if (j->extra) {
        j->extra->expiry.when = (uint64_t)expires & (WHEEL_END - 1);
        j->extra->body_length = length;
        j->extra->head_length = sizeof(struct head_record);
    }
    j->body_segment = segment;
    if (known)
        adopt_head(e, j, known);
    insert(l, id, j);
    return ERROR_NONE;
}

static enum error head_blobs_read(struct bytes *b, const struct head_record *r, struct extra *x)
{
    bool memory = true;
    blob_unref(x->origin), blob_unref(x->error), blob_unref(x->result);
    x->origin = x->error = x->result = NULL;
    bool ok = !r->origin_len || take_blob(b, r->origin_len, &x->origin, &memory);
    ok = ok && (!(r->flags & HEAD_ERROR) || take_blob(b, r->error_len, &x->error, &memory));
    ok = ok && (!(r->flags & HEAD_RESULT) || take_blob(b, r->result_len, &x->result, &memory));
    return !ok ? ERROR_INTERNAL : memory ? ERROR_NONE : ERROR_OVERLOADED;
}

static bool head_makes_sense(const struct head_record *r)
{
    return r->state < JOB_STATE_COUNT && r->reason < DEAD_REASON_COUNT &&
           r->failed_reason < DEAD_REASON_COUNT && finite_priority(r->priority);
}

static enum error load_head(struct journal_load *l, uint64_t id, struct bytes b, uint32_t segment,
                            struct journal_place *old)
{
    struct engine *e = l->e;
    struct head_record r;
    uint32_t length = (uint32_t)b.left;
    if (!take_bytes(&b, &r, sizeof r) || !head_makes_sense(&r))
        return ERROR_INTERNAL;
    struct job *j = staged_job(e, id);
    if (!j) { // its body comes later, written again by cleaning
        j = id_map_ready(&e->jobs) ? job_prepare(&(struct put_options){0}, (struct slice){NULL, 0}) : NULL;
        if (!j)
            return ERROR_OVERLOADED;
        j->id = id;
        insert(l, id, j);
    }
    if (j->head_segment)
        *old = (struct journal_place){j->head_segment, j->extra ? j->extra->head_length : (uint32_t)sizeof r};
    j->head_segment = segment;
    j->attempts = r.attempts;
    j->handouts = r.handouts;
    stage(j, &(struct staged){r.queue, r.priority, r.state, r.when});
    j->timer.note = r.lost;
    j->timer.mark = r.reason & 15;
    j->flags &= ~(unsigned)(JOB_WALL | JOB_DETACHED) & 0xff;
    j->flags |= (r.flags & HEAD_AT ? JOB_WALL : 0u) | (r.flags & HEAD_DETACHED ? JOB_DETACHED : 0u);
    // A body without anything extra had no key to give up.
    unsigned flags = j->body_segment ? r.flags & ~(unsigned)HEAD_KEYLESS : r.flags;
    bool plain = !j->extra && length == sizeof r && !flags && !r.expires;
    if (plain)
        return ERROR_NONE;
    bool had_body = j->body_segment;
    struct extra *x = job_extra(NULL, j);
    if (!x)
        return ERROR_OVERLOADED;
    if (had_body && !x->body_length)
        x->body_length = (uint32_t)sizeof(struct body_record) + j->len;
    x->head_length = length;
    x->failed = r.flags & HEAD_FAILED;
    x->expired = r.flags & HEAD_EXPIRED;
    x->keyless = r.flags & HEAD_KEYLESS;
    x->cancelling = r.flags & HEAD_CANCELLING;
    x->reason = r.failed_reason;
    x->failed_attempts = r.failed_attempts;
    x->lease_start = r.lease_start;
    x->at = r.flags & HEAD_AT ? r.when : 0;
    x->expiry.when = (uint64_t)r.expires & (WHEEL_END - 1);
    x->held_lease = 0;
    enum error error = head_blobs_read(&b, &r, x);
    if (error == ERROR_NONE && (r.flags & HEAD_LEASE) &&
        (!take_bytes(&b, &x->held_lease, 8) || x->held_lease < 0 || x->held_lease > SETTING_SECONDS_MAX))
        error = ERROR_INTERNAL;
    return error;
}

static void unload_job(struct journal_load *l, uint8_t kind, uint64_t id, struct journal_place *old)
{
    struct job *j = staged_job(l->e, id);
    if (!j)
        return;
    if (kind == RECORD_HEAD && j->head_segment) {
        *old = (struct journal_place){j->head_segment, j->extra ? j->extra->head_length
                                                                : (uint32_t)sizeof(struct head_record)};
        j->head_segment = 0;
        if (j->body_segment)
            return;
    } else if (kind == RECORD_BODY && j->body_segment) {
        *old =
            (struct journal_place){j->body_segment, j->extra ? j->extra->body_length
                                                             : (uint32_t)sizeof(struct body_record) + j->len};
    }
    id_map_remove(&l->e->jobs, id);
    job_discard(j);
}

// ---- queues, keys, meta

struct staged_queue *staged_queue(const struct journal_load *l, uint64_t number)
{
    struct table_node *n = table_chain(&l->names, job_id_hash(number));
    while (n && OWNER_OF(struct staged_queue, by_number, n)->number != number)
        n = n->next;
    return n ? OWNER_OF(struct staged_queue, by_number, n) : NULL;
}

// One setting; what is out of its range was not written by us.
static bool setting_read(struct bytes *b, unsigned index, struct queue_settings *s, uint64_t *name_len)
{
    int64_t value;
    if (!take_bytes(b, &value, sizeof value))
        return false;
#define READ_NUMBER(field, low, high)                                                                        \
    s->field = (__typeof__(s->field))value;                                                                  \
    return value >= (int64_t)(low) && value <= (int64_t)(high);
#define READ_ORDER(field, low, high)   READ_NUMBER(field, low, high)
#define READ_COUNT(field, low, high)   READ_NUMBER(field, low, high)
#define READ_BYTES(field, low, high)   READ_NUMBER(field, low, high)
#define READ_SECONDS(field, low, high) READ_NUMBER(field, low, high)
#define READ_FLAG(field, low, high)    READ_NUMBER(field, low, high)
#define READ_SHARE(field, low, high)                                                                         \
    memcpy(&s->field, &value, sizeof s->field);                                                              \
    return s->field >= (low) && s->field <= (high);
#define READ_NAME(field, low, high)                                                                          \
    *name_len = (uint64_t)value;                                                                             \
    return value >= 0 && value <= QUEUE_NAME_MAX;
    switch (index) {
#define X(field, type, low, high, initial, text)                                                             \
    case QUEUE_SETTING_##field:                                                                              \
        READ_##type(field, low, high)
        QUEUE_SETTINGS(X)
#undef X
    }
    return true; // a later version's: its value is passed over
}

static enum error load_queue(struct journal_load *l, uint64_t number, struct bytes b, uint32_t segment,
                             struct journal_place *old)
{
    struct queue_record r;
    struct queue_settings s = queue_settings_default;
    uint64_t letter_len = 0;
    uint32_t length = (uint32_t)b.left;
    bool ok =
        take_bytes(&b, &r, sizeof r) && r.name_len >= 1 && r.name_len <= QUEUE_NAME_MAX && r.settings < 1000;
    for (unsigned i = 0; ok && i < r.settings; i++)
        ok = setting_read(&b, i, &s, &letter_len);
    if (!ok || b.left != r.name_len + letter_len)
        return ERROR_INTERNAL;
    struct staged_queue *q = staged_queue(l, number);
    if (!q) {
        q = calloc(1, sizeof *q);
        if (!q)
            return ERROR_OVERLOADED;
        q->number = number;
        table_insert(&l->names, &q->by_number);
    }
    *old = q->place;
    q->place = (struct journal_place){segment, length};
    q->flags = r.flags;
    q->name_len = (uint8_t)r.name_len;
    take_bytes(&b, q->name, r.name_len);
    memset(s.dead_letter, 0, sizeof s.dead_letter);
    take_bytes(&b, s.dead_letter, letter_len);
    q->settings = s;
    return ERROR_NONE;
}

static void unload_queue(struct journal_load *l, uint64_t number, struct journal_place *old)
{
    struct staged_queue *q = staged_queue(l, number);
    if (!q)
        return;
    *old = q->place;
    table_remove(&l->names, &q->by_number);
    free(q);
}

static struct staged_key *staged_key(const struct journal_load *l, uint64_t id)
{
    struct table_node *n = table_chain(&l->keys, job_id_hash(id));
    while (n && OWNER_OF(struct staged_key, by_id, n)->id != id)
        n = n->next;
    return n ? OWNER_OF(struct staged_key, by_id, n) : NULL;
}

static enum error load_key(struct journal_load *l, uint64_t id, struct bytes b, uint32_t segment,
                           struct journal_place *old)
{
    struct key_record r;
    uint32_t length = (uint32_t)b.left;
    if (!take_bytes(&b, &r, sizeof r) || r.key_len < 1 || r.key_len > QUEUE_NAME_MAX || b.left != r.key_len)
        return ERROR_INTERNAL;
    struct staged_key *k = staged_key(l, id);
    if (!k) {
        k = calloc(1, sizeof *k);
        struct key *key = calloc(1, sizeof *key + r.key_len);
        if (!k || !key) {
            free(k);
            free(key);
            return ERROR_OVERLOADED;
        }
        k->id = id;
        k->key = key;
        key->len = (uint8_t)r.key_len;
        take_bytes(&b, key->text, r.key_len);
        table_insert(&l->keys, &k->by_id);
    }
    *old = k->place;
    k->place = (struct journal_place){segment, length};
    k->queue = r.queue;
    k->until = r.until;
    return ERROR_NONE;
}

static void unload_key(struct journal_load *l, uint64_t id, struct journal_place *old)
{
    struct staged_key *k = staged_key(l, id);
    if (!k)
        return;
    *old = k->place;
    table_remove(&l->keys, &k->by_id);
    free(k->key);
    free(k);
}

static enum error load_meta(struct journal_load *l, struct bytes b, uint32_t segment,
                            struct journal_place *old, const char **why)
{
    struct meta_record r;
    if (b.left < sizeof r || !take_bytes(&b, &r, sizeof r))
        return ERROR_INTERNAL;
    if (r.version < RECORDS_OLDEST || r.version > RECORDS_VERSION) {
        *why = "it was written by a version of the daemon with other records";
        return ERROR_INTERNAL;
    }
    l->meta = r;
    *old = l->meta_place;
    l->meta_place = (struct journal_place){segment, sizeof r};
    return ERROR_NONE;
}

enum error journal_load_record(struct journal_load *l, uint8_t kind, uint64_t id, const void *bytes,
                               uint32_t length, uint32_t segment, struct journal_place *old, const char **why)
{
    struct bytes b = {bytes, length};
    *old = (struct journal_place){0};
    *why = "its content makes no sense";
    switch (kind) {
    case RECORD_META:
        return bytes ? load_meta(l, b, segment, old, why) : ERROR_INTERNAL;
    case RECORD_QUEUE:
        if (bytes)
            return load_queue(l, id, b, segment, old);
        unload_queue(l, id, old);
        return ERROR_NONE;
    case RECORD_KEY:
        if (bytes)
            return load_key(l, id, b, segment, old);
        unload_key(l, id, old);
        return ERROR_NONE;
    case RECORD_BODY:
    case RECORD_HEAD:
        if (!bytes)
            unload_job(l, kind, id, old);
        else
            return kind == RECORD_BODY ? load_body(l, id, b, segment, old)
                                       : load_head(l, id, b, segment, old);
        return ERROR_NONE;
    default:
        *why = "its kind is not known to this version of the daemon";
        return ERROR_INTERNAL;
    }
}

// Frees what was staged beside the jobs, which are the engine's.
void journal_load_abandon(struct journal_load *l)
{
    for (size_t i = 0; i < l->names.buckets; i++)
        for (struct table_node *n; (n = table_chain(&l->names, i));) {
            table_remove_first(&l->names, i);
            free(OWNER_OF(struct staged_queue, by_number, n));
        }
    for (size_t i = 0; i < l->keys.buckets; i++)
        for (struct table_node *n; (n = table_chain(&l->keys, i));) {
            struct staged_key *k = OWNER_OF(struct staged_key, by_id, n);
            table_remove_first(&l->keys, i);
            free(k->key);
            free(k);
        }
    table_release(&l->names);
    table_release(&l->keys);
    free(l);
}
