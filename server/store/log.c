// The segmented log: committing and space. folder.c and load.c open it, clean.c keeps it short, ahead.c makes
// its files.
#include "server/store/log.h"

#include "common/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_KEPT  ((size_t)1 << 20) // a larger batch's memory is given back
#define SLACK_LEAST 4                 // segments

static bool options_fit(const struct store_options *o)
{
    return o->path && o->path[0] && o->segment_size >= STORE_SEGMENT_MIN &&
           o->segment_size <= STORE_SEGMENT_MAX && o->segment_size % FORMAT_HEAD_SIZE == 0 &&
           o->slack >= SLACK_LEAST * (uint64_t)o->segment_size;
}

static void log_close(struct store *store)
{
    struct log *log = log_of(store);
    const struct store_io *io = log->place.io;
    ahead_free(log->ahead);
    log_clean_release(log);
    if (log->fd >= 0)
        io->close(io->context, log->fd);
    if (log->lock >= 0)
        io->close(io->context, log->lock);
    if (log->place.folder >= 0)
        io->close(io->context, log->place.folder);
    free(log->batch.bytes);
    free(log->segments);
    free((char *)log->options.path);
    free(log);
}

// --- Segments in use ---

bool log_reserve_segment(struct log *log)
{
    if (log->first + log->count < log->capacity)
        return true;
    if (log->first > log->count) { // more than half is free at the front
        memmove(log->segments, log->segments + log->first, log->count * sizeof *log->segments);
        log->first = 0;
        return true;
    }
    size_t capacity = log->capacity ? 2 * log->capacity : 16;
    struct segment *more = realloc(log->segments, capacity * sizeof *more);
    if (!more)
        return false;
    log->segments = more;
    log->capacity = capacity;
    return true;
}

void log_add_segment(struct log *log, const struct segment *segment)
{
    assert(log->first + log->count < log->capacity);
    assert(log->count == 0 || segment->number == log_current(log)->number + 1);
    log->segments[log->first + log->count++] = *segment;
    log->in_use += segment->size;
}

enum store_error log_next_segment(struct log *log)
{
    if (!log_reserve_segment(log))
        return store_fail(log->base.message, STORE_MEMORY, "no memory for another segment");
    struct ahead_ready ready;
    enum store_error e = ahead_take(log->ahead, &ready, log->base.message);
    if (e)
        return e;
    if (log->fd >= 0)
        log->place.io->close(log->place.io->context, log->fd);
    log->fd = ready.fd;
    log->seed = ready.head.seed;
    log_add_segment(log, &(struct segment){.number = ready.head.number,
                                           .size = ready.head.size,
                                           .used = FORMAT_HEAD_SIZE});
    return STORE_OK;
}

bool log_count_live(struct log *log, uint32_t segment, uint64_t size, struct store_place old)
{
    if (old.segment) {
        struct segment *from = log_segment(log, old.segment);
        uint64_t gone = STORE_RECORD_SIZE(old.length);
        if (!from || from->live < gone)
            return false;
        from->live -= gone;
        log->live -= gone;
    }
    struct segment *to = log_segment(log, segment);
    assert(to);
    to->live += size;
    log->live += size;
    return true;
}

// --- Batches ---

static size_t log_batch_max(const struct store *store)
{
    // A quarter, so that what a segment cannot take at its end is never more than a quarter of it.
    const struct log *log = (const struct log *)store;
    return log->options.segment_size / 4 - 2 * FORMAT_HEAD_SIZE;
}

static enum store_error fail_for_good(struct log *log, enum store_error e)
{
    log->failed = e;
    return e;
}

static enum store_error refuse_failed(struct log *log)
{
    return log->failed ? STORE_FAILED : STORE_OK; // the message is still the one that says why
}

static bool reserve_batch(struct batch *b, size_t need)
{
    if (need <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : 4096;
    while (capacity < need)
        capacity *= 2;
    uint8_t *more = malloc(capacity);
    if (!more)
        return false;
    free(b->bytes);
    b->bytes = more;
    b->capacity = capacity;
    return true;
}

static enum store_error log_batch_begin(struct store *store, size_t bytes, uint32_t *segment)
{
    struct log *log = log_of(store);
    struct batch *b = &log->batch;
    assert(log->loaded && log->options.mode == STORE_WRITE && (!b->begun || b->count == 0));
    if (log->failed)
        return refuse_failed(log);
    enum store_error e = ahead_failed(log->ahead, store->message);
    if (e)
        return fail_for_good(log, e);
    if (bytes > log_batch_max(store))
        return store_fail(store->message, STORE_TOO_LARGE, "a batch of %zu bytes is more than %zu", bytes,
                          log_batch_max(store));
    if (!reserve_batch(b, FORMAT_FRAME_SIZE + bytes))
        return store_fail(store->message, STORE_MEMORY, "no memory for a batch of %zu bytes", bytes);
    struct segment *current = log_current(log);
    if (current->used + FORMAT_FRAME_SIZE + bytes > current->size) {
        e = log_next_segment(log);
        if (e && e != STORE_NO_SPACE && e != STORE_MEMORY)
            return fail_for_good(log, e);
        if (e)
            return e;
    }
    b->begun = true;
    b->used = 0;
    b->count = 0;
    b->most = bytes;
    *segment = log_current(log)->number;
    return STORE_OK;
}

static uint8_t *add_record(struct log *log, uint8_t kind, bool deleted, uint64_t id, uint32_t length,
                           struct store_place old)
{
    struct batch *b = &log->batch;
    uint64_t size = STORE_RECORD_SIZE(length);
    assert(b->begun && size <= b->most - b->used);
    bool known = log_count_live(log, log_current(log)->number, deleted ? 0 : size, old);
    assert(known);
    (void)known;
    uint8_t *bytes = format_record_write(b->bytes + FORMAT_FRAME_SIZE + b->used, kind, deleted, id, length);
    b->used += size;
    b->count++;
    return bytes;
}

static void *log_batch_put(struct store *store, uint8_t kind, uint64_t id, uint32_t length,
                           struct store_place old)
{
    return add_record(log_of(store), kind, false, id, length, old);
}

static void log_batch_delete(struct store *store, uint8_t kind, uint64_t id, struct store_place old)
{
    add_record(log_of(store), kind, true, id, 0, old);
}

// How many of the oldest segments hold nothing that lives once the batch is on disk. Only the oldest ever go:
// a delete in a later one still has to end what an earlier one says.
static size_t count_dead(const struct log *log)
{
    size_t n = 0;
    if (log->snapshots > 0)
        return 0;
    while (n + 1 < log->count && log->segments[log->first + n].live == 0)
        n++;
    return n > 0 && ahead_reserve(log->ahead, n) ? n : 0;
}

static void retire(struct log *log, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct segment *s = log_oldest(log);
        log->in_use -= s->size;
        ahead_retire(log->ahead, s);
        log->first++;
        log->count--;
        log->counters.cleaned_segments++;
    }
    if (n > 0 && log->clean.segment && log->clean.segment < log_oldest(log)->number)
        log_clean_release(log);
    if (log->damaged_to && log->damaged_to < log_oldest(log)->number)
        log->damaged_to = 0;
}

static enum store_error write_frame(struct log *log, size_t length)
{
    const struct store_io *io = log->place.io;
    struct segment *current = log_current(log);
    const char *what = "write to";
    int r = io_write_all(io, log->fd, log->batch.bytes, length, current->used);
    if (r == 0) {
        what = "sync";
        int64_t before = clock_ns();
        r = io_sync_data(io, log->fd);
        uint64_t took = (uint64_t)(clock_ns() - before);
        log->counters.sync_ns += took;
        if (took > log->counters.sync_max_ns)
            log->counters.sync_max_ns = took;
    }
    if (r == 0)
        return STORE_OK;
    int number = errno;
    char name[SEGMENT_NAME_MAX];
    segment_name(name, current->number, SEGMENT_LOG);
    return fail_for_good(log, store_fail(log->base.message, store_error_of(number),
                                         "cannot %s %s/%s at offset %llu: %s", what, log->place.path, name,
                                         (unsigned long long)current->used, strerror(number)));
}

static enum store_error commit_batch(struct log *log)
{
    struct batch *b = &log->batch;
    size_t dead = count_dead(log);
    struct format_frame frame = {
        .batch = log->last_batch + 1,
        .segment = log_current(log)->number,
        .oldest = log->segments[log->first + dead].number,
        .length = (uint32_t)b->used,
        .count = b->count,
    };
    size_t length = FORMAT_FRAME_SIZE + b->used;
    format_frame_seal(b->bytes, &frame, log->seed);
    enum store_error e = write_frame(log, length);
    if (e)
        return e;

    log->last_batch++;
    log_current(log)->used += length;
    log->clean.credit += length;
    log->counters.commits++;
    log->counters.records += b->count;
    log->counters.bytes += length;
    retire(log, dead);
    if (!log->options.helper)
        ahead_run(log->ahead, false);
    if (b->capacity > BATCH_KEPT) {
        free(b->bytes);
        b->bytes = NULL;
        b->capacity = 0;
    }
    return STORE_OK;
}

static enum store_error log_commit(struct store *store)
{
    struct log *log = log_of(store);
    if (log->failed)
        return refuse_failed(log);
    assert(log->batch.begun);
    log->batch.begun = false;
    return log->batch.count > 0 ? commit_batch(log) : STORE_OK;
}

enum store_error log_commit_empty(struct log *log)
{
    uint32_t segment;
    enum store_error e = log_batch_begin(&log->base, 0, &segment);
    if (e)
        return e;
    log->batch.begun = false;
    return commit_batch(log);
}

// --- Space, figures ---

static enum store_space log_space(const struct store *store, uint64_t *left)
{
    const struct log *log = (const struct log *)store;
    struct ahead_state s = ahead_state(log->ahead);
    if (left) {
        *left = log_current(log)->size - log_current(log)->used;
        if (s.ready)
            *left += log->options.segment_size - FORMAT_HEAD_SIZE;
        if (s.reserve)
            *left += log->options.segment_size - FORMAT_HEAD_SIZE;
    }
    return s.low ? STORE_SPACE_LOW : STORE_SPACE_OK;
}

static void log_prepare(struct store *store)
{
    ahead_run(log_of(store)->ahead, true);
}

static struct store_stats log_stats(const struct store *store)
{
    const struct log *log = (const struct log *)store;
    struct store_stats s = log->counters;
    s.last_batch = log->last_batch;
    s.segments = log->count;
    s.log_bytes = log->in_use;
    s.disk_bytes = log->in_use + (log->ahead ? ahead_state(log->ahead).bytes : 0);
    s.live_bytes = log->live;
    return s;
}

static const struct store_ops log_ops = {
    .keeps = true,
    .close = log_close,
    .load = log_load,
    .batch_max = log_batch_max,
    .batch_begin = log_batch_begin,
    .batch_put = log_batch_put,
    .batch_delete = log_batch_delete,
    .commit = log_commit,
    .clean_wanted = log_clean_wanted,
    .clean_next = log_clean_next,
    .space = log_space,
    .prepare = log_prepare,
    .snapshot_begin = log_snapshot_begin,
    .snapshot_end = log_snapshot_end,
    .stats = log_stats,
};

enum store_error store_open_log(const struct store_options *options, struct store **out,
                                char message[STORE_MESSAGE_MAX])
{
    message[0] = '\0';
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return store_fail(message, STORE_MEMORY, "no memory for a store");
    log->base.ops = &log_ops;
    log->fd = log->lock = log->place.folder = log->clean.fd = -1;
    log->options = *options;
    if (!log->options.segment_size)
        log->options.segment_size = STORE_SEGMENT_DEFAULT;
    if (!log->options.slack)
        log->options.slack = SLACK_LEAST * (uint64_t)log->options.segment_size;
    log->place.io = options->io ? options->io : &io_system;
    log->options.path = options->path ? strdup(options->path) : NULL;
    log->place.path = log->options.path;
    enum store_error e = STORE_OK;
    if (options->path && !log->options.path)
        e = store_fail(message, STORE_MEMORY, "no memory for a store");
    else if (!options_fit(&log->options))
        e = store_fail(message, STORE_OPTION, "the store's path, segment size or slack is out of its range");
    if (!e)
        e = folder_open(log, message);
    if (!e)
        e = folder_lock(log, message);
    if (e) {
        log_close(&log->base);
        return e;
    }
    *out = &log->base;
    return STORE_OK;
}
