// The journal against a store that is a list in memory: whatever was done, what is loaded from the list is
// what was there.
#include "server/engine/engine.h"
#include "server/engine/journal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t kind;
    bool removed;
    uint64_t id;
    uint32_t length, segment;
    char *bytes;
    struct journal_place old;
};

struct disk {
    struct entry *entries;
    size_t count, room;
    uint64_t batch_bytes;
};

static struct entry *disk_add(struct disk *d)
{
    if (d->count == d->room) {
        d->room = d->room ? 2 * d->room : 64;
        d->entries = realloc(d->entries, d->room * sizeof *d->entries);
        ck_assert_ptr_nonnull(d->entries);
    }
    d->entries[d->count] = (struct entry){0};
    return &d->entries[d->count++];
}

static void disk_release(struct disk *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->entries[i].bytes);
    free(d->entries);
    *d = (struct disk){0};
}

static void *put(void *arg, uint8_t kind, uint64_t id, uint32_t length, struct journal_place old)
{
    struct disk *d = arg;
    struct entry *e = disk_add(d);
    *e = (struct entry){.kind = kind, .id = id, .length = length, .old = old, .bytes = malloc(length + 1)};
    ck_assert_ptr_nonnull(e->bytes);
    d->batch_bytes += 16 + ((length + 7u) & ~7u);
    return e->bytes;
}

static void remove_record(void *arg, uint8_t kind, uint64_t id, struct journal_place old)
{
    struct disk *d = arg;
    *disk_add(d) = (struct entry){.kind = kind, .id = id, .removed = true, .old = old};
    d->batch_bytes += 16;
}

static struct engine *fresh(void)
{
    struct engine_config c = {.max_bytes = 1u << 30,
                              .max_queues = 1000,
                              .max_waits = 100,
                              .start_number = 1,
                              .first_id = 1,
                              .seed = 7};
    struct engine *e = engine_new(&c);
    ck_assert_ptr_nonnull(e);
    return e;
}

// Takes batches until nothing is marked; each goes to a segment of its own.
static uint32_t commit(struct engine *e, struct moment now, struct disk *d, uint32_t segment, uint64_t most)
{
    while (journal_marked(e) > journal_taken(e)) {
        struct journal_sink sink = {d, ++segment, put, remove_record};
        struct job *removed;
        uint64_t bytes = journal_measure(e, now, most, 16);
        size_t first = d->count;
        d->batch_bytes = 0;
        uint64_t marks = journal_take(e, now, &sink, &removed);
        ck_assert_uint_le(d->batch_bytes, bytes);
        for (size_t i = first; i < d->count; i++)
            d->entries[i].segment = segment;
        jobs_free(removed);
        journal_on_disk(e, marks);
    }
    return segment;
}

// Cleaning, as the store does it: what lives in the oldest segment is written again, and the segment goes.
static uint32_t recycle(struct engine *e, struct moment now, struct disk *d, uint32_t segment)
{
    if (!d->count)
        return segment;
    uint32_t oldest = d->entries[0].segment;
    size_t count = d->count;
    for (size_t i = 0; i < count && d->entries[i].segment == oldest; i++)
        if (!d->entries[i].removed)
            journal_rewrite(e, d->entries[i].kind, d->entries[i].id, oldest);
    segment = commit(e, now, d, segment, 1 << 20);
    size_t gone = 0;
    while (gone < d->count && d->entries[gone].segment == oldest)
        free(d->entries[gone++].bytes);
    d->count -= gone;
    memmove(d->entries, d->entries + gone, d->count * sizeof *d->entries);
    return segment;
}

static struct engine *load(const struct disk *d, struct moment now, struct journal_loaded *loaded)
{
    struct engine *e = fresh();
    struct journal_load *l = journal_load_begin(e, now);
    ck_assert_ptr_nonnull(l);
    for (size_t i = 0; i < d->count; i++) {
        const struct entry *r = &d->entries[i];
        struct journal_place old;
        const char *why;
        enum error error = journal_load_record(l, r->kind, r->id, r->removed ? NULL : r->bytes, r->length,
                                               r->segment, &old, &why);
        ck_assert_msg(error == ERROR_NONE, "record %zu: %s", i, why);
        // The place that loading gives is the one that writing gave: the store's account of what lives
        // depends on it.
        struct journal_place was = r->old;
        if (was.segment < d->entries[0].segment)
            was = (struct journal_place){0}; // it went with its segment
        ck_assert_uint_eq(old.segment, was.segment);
        ck_assert_uint_eq(old.length, was.length);
    }
    ck_assert_int_eq(journal_load_end(l, now, loaded), ERROR_NONE);
    return e;
}

static bool same_slice(struct slice a, struct slice b)
{
    return slice_same(a, b);
}

// Of all that was put: each start takes a new block of them.
static uint64_t ids[8000];
static size_t id_count;

static bool is_durable(struct engine *e, struct moment now, struct slice name)
{
    struct queue_info q;
    ck_assert_int_eq(engine_queue_info(e, now, name, &q), ERROR_NONE);
    return q.settings.durable;
}

// Every job of one engine is in the other, alike but for what a crash does to reserved ones.
static unsigned compare(struct engine *a, struct engine *b, struct moment now)
{
    unsigned count = 0;
    for (size_t i = 0; i < id_count; i++) {
        uint64_t id = ids[i];
        struct job_info x, y;
        enum error error = engine_job_info(a, now, id, &x);
        enum error loaded = engine_job_info(b, now, id, &y);
        if (error == ERROR_NONE && loaded == ERROR_NOT_FOUND && !is_durable(a, now, x.queue))
            continue;
        ck_assert_msg(loaded == error, "job %d: %s, loaded %s", (int)id, error_name(error),
                      error_name(loaded));
        if (error != ERROR_NONE)
            continue;
        count++;
        enum job_state expected = x.state == JOB_RESERVED ? JOB_READY : x.state;
        ck_assert_msg(y.state == expected, "job %d: %s became %s", (int)id, job_state_name(x.state),
                      job_state_name(y.state));
        ck_assert(same_slice(x.queue, y.queue));
        ck_assert(x.priority == y.priority);
        ck_assert_uint_eq(x.attempts, y.attempts);
        ck_assert_uint_eq(x.lost, y.lost);
        ck_assert_uint_eq(x.max_attempts, y.max_attempts);
        ck_assert_int_eq(x.created, y.created);
        ck_assert(same_slice(x.body, y.body));
        ck_assert(same_slice(x.error, y.error));
        ck_assert(same_slice(x.result, y.result));
        ck_assert(same_slice(x.origin, y.origin));
        if (x.state != JOB_RESERVED)
            ck_assert_int_eq(x.left, y.left);
        if (x.state == JOB_RESERVED &&
            x.expires < 0) // it may have expired in its consumer's hands: then it dies at once
            ck_assert_int_le(y.expires, 0);
        else
            ck_assert_int_eq(x.expires, y.expires);
        if (x.state == JOB_DEAD)
            ck_assert_int_eq(x.reason, y.reason);
        ck_assert(same_slice(x.key, y.key));
    }
    return count;
}

// The ready jobs of a queue in the order in which they will be taken.
struct order {
    uint64_t ids[4000];
    size_t count;
    struct engine *skip; // without those that are reserved in this engine
    struct moment now;
};

static void note_job(void *context, const struct job_info *info)
{
    struct order *o = context;
    struct job_info other;
    if (o->skip && engine_job_info(o->skip, o->now, info->id, &other) == ERROR_NONE &&
        other.state == JOB_RESERVED)
        return;
    ck_assert_uint_lt(o->count, sizeof o->ids / sizeof *o->ids);
    o->ids[o->count++] = info->id;
}

static void list_ready(struct engine *e, struct moment now, struct slice name, struct order *o)
{
    struct job_cursor cursor = {0};
    unsigned visited;
    bool more = true;
    while (more)
        ck_assert_int_eq(engine_list_jobs(e, now, name, JOB_READY, &cursor, 1000, note_job, o, &visited,
                                          &more),
                         ERROR_NONE);
}

static void compare_queue(struct engine *a, struct engine *b, struct moment now, struct slice name)
{
    struct queue_info x, y;
    bool there = engine_queue_info(a, now, name, &x) == ERROR_NONE;
    bool loaded = engine_queue_info(b, now, name, &y) == ERROR_NONE;
    bool needed = there && (x.declared || x.paused || x.shut_down);
    ck_assert(!needed || loaded);
    if (!there || !loaded) {
        ck_assert(!loaded || !(y.declared || y.paused || y.shut_down));
        return;
    }
    ck_assert(x.declared == y.declared && x.paused == y.paused);
    ck_assert(x.shut_down == y.shut_down && x.shut_down_hard == y.shut_down_hard);
#define SAME_NUMBER(field)                       ck_assert(x.settings.field == y.settings.field)
#define SAME_ORDER                               SAME_NUMBER
#define SAME_COUNT                               SAME_NUMBER
#define SAME_BYTES                               SAME_NUMBER
#define SAME_SECONDS                             SAME_NUMBER
#define SAME_FLAG                                SAME_NUMBER
#define SAME_SHARE                               SAME_NUMBER
#define SAME_NAME(field)                         ck_assert_str_eq(x.settings.field, y.settings.field)
#define X(field, type, low, high, initial, text) SAME_##type(field);
    QUEUE_SETTINGS(X)
#undef X
    if (!x.settings.durable)
        return;
    ck_assert_uint_eq(y.gauges.ready, x.gauges.ready + x.gauges.reserved);
    ck_assert_uint_eq(y.gauges.delayed, x.gauges.delayed);
    ck_assert_uint_eq(y.gauges.dead, x.gauges.dead);
    ck_assert_uint_eq(y.gauges.finished, x.gauges.finished);
    ck_assert_uint_eq(y.gauges.reserved, 0);
    static struct order before, after;
    before = (struct order){.now = now};
    after = (struct order){.now = now, .skip = a};
    list_ready(a, now, name, &before);
    list_ready(b, now, name, &after);
    ck_assert_uint_eq(before.count, after.count);
    ck_assert_mem_eq(before.ids, after.ids, before.count * sizeof *before.ids);
}

// A put with a key is answered in both in the same way. It changes both.
static void compare_keys(struct engine *a, struct engine *b, struct moment now, struct slice name)
{
    struct queue_info q;
    if (engine_queue_info(a, now, name, &q) != ERROR_NONE || !q.settings.durable || q.shut_down)
        return;
    for (unsigned i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        struct put_options o = {.keep_result = -1, .key = slice_of(key)};
        struct put_result x, y;
        ck_assert_int_eq(engine_put(a, now, name, job_prepare(&o, SLICE("1")), NULL, 0, NULL, &x),
                         ERROR_NONE);
        ck_assert_int_eq(engine_put(b, now, name, job_prepare(&o, SLICE("1")), NULL, 0, NULL, &y),
                         ERROR_NONE);
        ck_assert_msg(x.existing == y.existing, "key %s of %.*s", key, (int)name.len, name.data);
        ck_assert(!x.existing || x.id == y.id);
    }
}

static uint64_t chance;
static unsigned below(unsigned n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance >> 33) % n;
}

#define QUEUES 4
static struct slice name_of(unsigned i)
{
    static const char *const names[QUEUES] = {"a", "b", "letters", "loose"};
    return slice_of(names[i]);
}

static void declare(struct engine *e, struct moment now)
{
    struct queue_settings s = queue_settings_default, out;
    const char *why;
    strcpy(s.dead_letter, "letters");
    s.max_attempts = 2;
    s.backoff_jitter = 0;
    unsigned named = 1u << QUEUE_SETTING_dead_letter | 1u << QUEUE_SETTING_max_attempts |
                     1u << QUEUE_SETTING_backoff_jitter;
    ck_assert_int_eq(engine_declare(e, now, SLICE("a"), &s, named, &out, &why), ERROR_NONE);
    s.durable = false;
    ck_assert_int_eq(engine_declare(e, now, SLICE("loose"), &s, 1u << QUEUE_SETTING_durable, &out, &why),
                     ERROR_NONE);
}

static void put_one(struct engine *e, struct moment now)
{
    static const char text[] = "\"0123456789012345678901234567890123456789\"";
    char key[8];
    snprintf(key, sizeof key, "k%u", below(20));
    struct put_options o = {.priority = below(3), .submit = below(2), .keep_result = -1};
    o.delay = below(4) ? 0 : 1 + below(20000);
    o.at = !o.delay && !below(6) ? now.wall + 1 + below(20000) : 0;
    o.lease = below(4) ? 0 : 1000;
    o.max_attempts = below(4) ? 0 : 1 + below(3);
    o.expires = below(8) ? 0 : 5000;
    o.key = below(4) ? (struct slice){NULL, 0} : slice_of(key);
    o.key_for = o.key.len && below(2) ? 30000 : 0;
    struct job *j = job_prepare(&o, (struct slice){text, 1 + below(40)});
    struct put_result r;
    enum error error = engine_put(e, now, name_of(below(QUEUES)), j, NULL, 0, NULL, &r);
    if (error == ERROR_SHUT_DOWN)
        job_discard(j);
    else
        ck_assert_int_eq(error, ERROR_NONE);
    if (error == ERROR_NONE && !r.existing) {
        ck_assert_uint_lt(id_count, sizeof ids / sizeof *ids);
        ids[id_count++] = r.id;
    }
}

static void take_one(struct engine *e, struct moment now, struct engine_client *c)
{
    struct slice name = name_of(below(QUEUES));
    struct get_options g = {
        .queues = &name, .queue_count = 1, .max = 1, .auto_ack = !below(8), .detached = !below(4)};
    struct taken t;
    struct waiter *w;
    unsigned n;
    if (engine_get(e, now, c, &g, &t, &n, &w) != ERROR_NONE || g.auto_ack)
        return;
    struct blob *text = blob_new(SLICE("{\"why\":1}"));
    struct nack_result nacked;
    double priority = below(3);
    switch (below(6)) {
    case 0:
        ck_assert_int_eq(engine_ack(e, now, c, t.id, t.delivery, text), ERROR_NONE);
        break;
    case 1:
        ck_assert_int_eq(engine_nack(e, now, c, t.id, t.delivery, text, -1, &nacked), ERROR_NONE);
        break;
    case 2:
        ck_assert_int_eq(engine_bury(e, now, c, t.id, t.delivery, text), ERROR_NONE);
        break;
    case 3:
        ck_assert_int_eq(engine_release(e, now, c, t.id, t.delivery, below(2) ? 500 : 0, &priority),
                         ERROR_NONE);
        break;
    }
    blob_unref(text);
}

static void change_queue(struct engine *e, struct moment now, bool *dropped)
{
    struct queue_settings s = queue_settings_default, out;
    struct slice name = name_of(below(QUEUES));
    const char *why;
    uint64_t count;
    unsigned named = 1u << QUEUE_SETTING_lease | 1u << QUEUE_SETTING_order | 1u << QUEUE_SETTING_dead_letter |
                     1u << QUEUE_SETTING_keep_result_bytes;
    switch (below(16)) {
    case 0:
        *dropped |= engine_drop(e, now, name, &count) == ERROR_NONE;
        break;
    case 1:
        ck_assert_int_eq(engine_shutdown(e, now, name, below(2)), ERROR_NONE);
        break;
    case 2:
    case 3:
        s.lease = 1 + below(100000);
        s.order = below(2);
        s.keep_result_bytes = below(3000);
        if (below(2))
            memcpy(s.dead_letter, "loose", sizeof "loose");
        (void)!engine_declare(e, now, name, &s, named, &out, &why); // refused where it would be its own
        break;
    case 4:
        s.durable = below(2); // refused where it has jobs
        (void)!engine_declare(e, now, name, &s, 1u << QUEUE_SETTING_durable, &out, &why);
        break;
    default:
        ck_assert_int_eq(below(2) ? engine_pause(e, now, name) : engine_resume(e, now, name), ERROR_NONE);
    }
}

static void forget_result(struct engine *e, struct moment now, uint64_t id)
{
    struct outcome o = {0};
    struct waiter *w;
    if (engine_result(e, now, id, true, NULL, 0, NULL, &o, &w) == ERROR_NOT_FOUND)
        return;
    blob_unref(o.result);
    blob_unref(o.error);
}

static void step(struct engine *e, struct moment *now, struct engine_client **c, bool *dropped)
{
    bool yes;
    unsigned what = below(20);
    uint64_t some = id_count ? ids[below((unsigned)id_count)] : 1;
    if (what < 8)
        put_one(e, *now);
    else if (what < 14)
        take_one(e, *now, *c);
    else if (what == 14)
        (void)!engine_kick(e, *now, some, &yes);
    else if (what == 15)
        (void)!engine_delete(e, *now, some);
    else if (what == 16)
        (void)!engine_cancel(e, *now, some, false, &yes);
    else if (what == 17)
        change_queue(e, *now, dropped);
    else if (what == 19)
        forget_result(e, *now, some);
    else if (what == 18 && !below(10)) {
        while (!engine_client_close(e, *now, *c))
            ;
        *c = engine_client_new(e, NULL);
    }
    int64_t pass = below(3) ? 0 : below(500);
    now->mono += pass;
    now->wall += pass;
    engine_tick(e, *now);
}

static void leave(struct engine *e, struct engine_client *c, struct moment now)
{
    while (!engine_client_close(e, now, c))
        ;
    for (struct waiter *w = engine_take_completed(e), *next; w; w = next) {
        next = w->next;
        engine_confirm(e, now, w);
    }
    engine_free(e);
}

START_TEST(what_is_loaded_is_what_was_there)
{
    chance = (uint64_t)_i + 1;
    struct moment now = {1000000, 1700000000000};
    struct disk d = {0};
    struct engine *e = fresh();
    struct journal_loaded loaded;
    uint32_t segment = 0;
    unsigned compared = 0;
    id_count = 0;
    // A store that is empty is loaded as well: the first start.
    struct journal_load *l = journal_load_begin(e, now);
    ck_assert_int_eq(journal_load_end(l, now, &loaded), ERROR_NONE);
    segment = commit(e, now, &d, segment, 1 << 20);
    declare(e, now);
    struct engine_client *c = engine_client_new(e, NULL);
    for (int round = 0; round < 8; round++) {
        bool dropped = false;
        for (int i = 0; i < 400; i++) {
            step(e, &now, &c, &dropped);
            jobs_free(engine_take_removed(e));
            if (!below(20))
                segment = commit(e, now, &d, segment, below(2) ? 300 : 1 << 20);
            if (!below(20))
                segment = recycle(e, now, &d, segment);
            // Cleaning: any record may be written again at any time.
            if (!below(10) && d.count) {
                const struct entry *r = &d.entries[below((unsigned)d.count)];
                if (!r->removed)
                    journal_rewrite(e, r->kind, r->id, r->segment);
            }
        }
        // Every fourth crash comes upon what is not committed: that it loads, and every place is known, is
        // enough.
        bool torn = round % 4 == 3;
        if (!torn)
            segment = commit(e, now, &d, segment, 1 << 20);
        struct engine *again = load(&d, now, &loaded);
        if (!torn) {
            compared += compare(e, again, now);
            for (unsigned i = 0; i < QUEUES; i++)
                compare_queue(e, again, now, name_of(i));
            ck_assert(dropped || loaded.orphans == 0);
        }
        segment = commit(again, now, &d, segment, 1 << 20); // its ids are reserved
        for (unsigned i = 0; i < QUEUES && !torn; i++)
            compare_keys(e, again, now, name_of(i));
        // The copy goes on, as after a crash; the first is gone with what it held.
        leave(e, c, now);
        e = again;
        c = engine_client_new(e, NULL);
    }
    ck_assert_uint_gt(compared, 100);
    leave(e, c, now);
    disk_release(&d);
}
END_TEST

START_TEST(put_and_ack_in_one_batch_are_nothing)
{
    struct moment now = {1000000, 1700000000000};
    struct disk d = {0};
    struct engine *e = fresh();
    ck_assert(journal_begin(e));
    uint32_t segment = commit(e, now, &d, 0, 1 << 20);
    struct engine_client *c = engine_client_new(e, NULL);
    struct slice name = SLICE("q");
    struct put_result r;
    size_t before;
    for (int i = 0; i < 3; i++) {
        before = d.count;
        ck_assert_int_eq(engine_put(e, now, name, job_prepare(&(struct put_options){0}, SLICE("1")), NULL, 0,
                                    NULL, &r),
                         ERROR_NONE);
        struct get_options g = {.queues = &name, .queue_count = 1, .max = 1};
        struct taken t;
        struct waiter *w;
        unsigned n;
        ck_assert_int_eq(engine_get(e, now, c, &g, &t, &n, &w), ERROR_NONE);
        ck_assert_int_eq(engine_ack(e, now, c, t.id, t.delivery, NULL), ERROR_NONE);
        ck_assert_uint_gt(engine_promise(e), 0);
        segment = commit(e, now, &d, segment, 1 << 20);
    }
    ck_assert_uint_eq(d.count, before); // the queue's own record came with the first
    leave(e, c, now);
    disk_release(&d);
}
END_TEST

START_TEST(a_clean_stop_saves_detached_leases_and_a_crash_voids_them)
{
    struct moment now = {1000000, 1700000000000};
    struct disk d = {0};
    struct engine *e = fresh();
    ck_assert(journal_begin(e));
    uint32_t segment = commit(e, now, &d, 0, 1 << 20);
    struct slice name = SLICE("q");
    struct put_result r;
    struct engine_client *c = engine_client_new(e, NULL);
    ck_assert_int_eq(engine_put(e, now, name, job_prepare(&(struct put_options){0}, SLICE("1")), NULL, 0,
                                NULL, &r),
                     ERROR_NONE);
    struct get_options g = {.queues = &name, .queue_count = 1, .max = 1, .detached = true};
    struct taken t;
    struct waiter *w;
    unsigned n;
    ck_assert_int_eq(engine_get(e, now, c, &g, &t, &n, &w), ERROR_NONE);
    journal_save_leases(e, now);
    segment = commit(e, now, &d, segment, 1 << 20);
    leave(e, c, now);

    struct journal_loaded loaded;
    struct job_info info;
    e = load(&d, now, &loaded);
    ck_assert_int_eq(engine_job_info(e, now, t.id, &info), ERROR_NONE);
    ck_assert_int_eq(info.state, JOB_RESERVED);
    ck_assert_int_eq(info.left, 60000);
    segment = commit(e, now, &d, segment, 1 << 20);
    struct engine *crashed = load(&d, now, &loaded);
    ck_assert_int_eq(engine_job_info(crashed, now, t.id, &info), ERROR_NONE);
    ck_assert_int_eq(info.state, JOB_READY);
    ck_assert_int_eq(engine_ack(crashed, now, NULL, t.id, t.delivery, NULL), ERROR_NOT_RESERVED);
    engine_free(crashed);
    ck_assert_int_eq(engine_ack(e, now, NULL, t.id, t.delivery, NULL), ERROR_NONE);
    engine_free(e);
    disk_release(&d);
}
END_TEST

START_TEST(no_id_and_no_token_is_used_twice)
{
    struct moment now = {1000000, 1700000000000};
    struct disk d = {0};
    struct journal_loaded loaded;
    uint64_t last = 0, last_start = 0;
    uint32_t segment = 0;
    for (int start = 0; start < 5; start++) {
        struct engine *e = load(&d, now, &loaded);
        ck_assert_uint_eq(loaded.start_number, last_start++);
        segment = commit(e, now, &d, segment, 1 << 20);
        for (int i = 0; i < 10; i++) { // and never committed
            struct put_result r;
            struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
            ck_assert_int_eq(engine_put(e, now, SLICE("q"), j, NULL, 0, NULL, &r), ERROR_NONE);
            ck_assert_uint_gt(r.id, last);
            last = r.id;
        }
        engine_free(e);
    }
    disk_release(&d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/journal");
    TCase *c = tcase_create("journal");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, what_is_loaded_is_what_was_there, 0, 20);
    tcase_add_test(c, put_and_ack_in_one_batch_are_nothing);
    tcase_add_test(c, a_clean_stop_saves_detached_leases_and_a_crash_voids_them);
    tcase_add_test(c, no_id_and_no_token_is_used_twice);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
