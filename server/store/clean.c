// Walking the oldest segment, so that the owner can write what lives there again. Nothing else is ever
// cleaned: with the oldest gone nothing is left that its deletes could end, so they need not be kept.
//
// The thresholds. In use are the closed segments and the current one; beside them stand one segment made
// ready and up to two spares. For the files to stay within 2 × live + slack + the current segment, the closed
// ones may be 2 × live + slack - 3 segments. Cleaning begins at seven eighths of the first and three quarters
// of the second: early enough that the walk over live records at the old end, which wins nothing, is over
// before the bound is met, and not earlier, since what dies meanwhile need not be written again.
#include "server/store/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_LEAST  ((size_t)128 << 10)
#define WALK_PER_BYTE 8 // bytes walked for each byte committed since the last call
#define MARK_PER_BYTE 2 // bytes marked to be written again, likewise
#define LEAST         ((uint64_t)4096)

void log_clean_release(struct log *log)
{
    struct clean *c = &log->clean;
    if (c->fd >= 0)
        log->place.io->close(log->place.io->context, c->fd);
    free(c->window);
    *c = (struct clean){.fd = -1, .credit = c->credit};
}

// While space is low every segment that can be won counts, unless writing its live records again might take
// the rest of the reserve before it is free.
static bool wanted_for_space(const struct log *log, uint64_t closed)
{
    uint64_t left;
    if (log->base.ops->space(&log->base, &left) != STORE_SPACE_LOW)
        return false;
    return closed > log->live + log->live / 2 &&
           left > log_oldest(log)->live * 5 / 4 + log->options.segment_size / 4;
}

bool log_clean_wanted(const struct store *store)
{
    const struct log *log = (const struct log *)store;
    if (!log->loaded || log->failed || log->count < 2 || log->snapshots > 0)
        return false;
    const struct segment *oldest = log_oldest(log);
    uint64_t left;
    if (oldest->live == 0) {
        store->ops->space(store, &left);
        return left >= FORMAT_FRAME_SIZE; // it takes a frame to say so
    }
    if (log->clean.segment == oldest->number && log->clean.fd < 0)
        return false; // walked; what lives there comes with the next batches
    if (log->damaged_to)
        return true;
    uint64_t closed = log->in_use - log_current(log)->size;
    uint64_t slack = log->options.slack - 3 * (uint64_t)log->options.segment_size;
    return closed > log->live + log->live * 3 / 4 + slack * 3 / 4 || wanted_for_space(log, closed);
}

static enum store_error unreadable(struct log *log, const char *why)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, log->clean.segment, SEGMENT_LOG);
    return store_fail(log->base.message, STORE_IO, "cannot read %s/%s at offset %llu: %s", log->place.path,
                      name, (unsigned long long)log->clean.offset, why);
}

// Bytes of the file from `at` on, `length` of them or up to where the frames end; NULL with *e set.
static const uint8_t *window(struct log *log, uint64_t at, size_t length, size_t *available,
                             enum store_error *e)
{
    struct clean *c = &log->clean;
    uint64_t end = log_oldest(log)->used;
    size_t want = end - at < length ? (size_t)(end - at) : length;
    if (at < c->window_at || at + want > c->window_at + c->window_length) {
        size_t capacity = want > WINDOW_LEAST ? want : WINDOW_LEAST;
        if (capacity > c->window_capacity) {
            uint8_t *more = malloc(capacity);
            if (!more) {
                *e = store_fail(log->base.message, STORE_MEMORY, "no memory to clean the log");
                return NULL;
            }
            free(c->window);
            c->window = more;
            c->window_capacity = capacity;
        }
        size_t fill = end - at < c->window_capacity ? (size_t)(end - at) : c->window_capacity;
        c->window_length = 0;
        ssize_t n = io_read_all(log->place.io, c->fd, c->window, fill, at);
        if (n != (ssize_t)fill) {
            *e = unreadable(log, n < 0 ? strerror(errno) : "the file is too short");
            return NULL;
        }
        c->window_at = at;
        c->window_length = fill;
    }
    *available = (size_t)(c->window_at + c->window_length - at);
    return c->window + (at - c->window_at);
}

static enum store_error begin_walk(struct log *log)
{
    struct clean *c = &log->clean;
    log_clean_release(log);
    c->segment = log_oldest(log)->number;
    c->offset = FORMAT_HEAD_SIZE;
    enum store_error e = segment_open(&log->place, c->segment, SEGMENT_LOG, false, &c->fd, log->base.message);
    uint8_t *block = e ? NULL : malloc(FORMAT_HEAD_SIZE);
    struct format_head head;
    if (!e && !block)
        e = store_fail(log->base.message, STORE_MEMORY, "no memory to clean the log");
    if (!e && io_read_all(log->place.io, c->fd, block, FORMAT_HEAD_SIZE, 0) != FORMAT_HEAD_SIZE)
        e = unreadable(log, "its head cannot be read");
    if (!e && (format_head_read(block, &head) != FORMAT_GOOD || head.number != c->segment))
        e = unreadable(log, "its head is damaged");
    if (!e)
        c->seed = head.seed;
    free(block);
    if (e)
        log_clean_release(log);
    return e;
}

static void end_walk(struct log *log)
{
    uint32_t segment = log->clean.segment;
    log_clean_release(log);
    log->clean.segment = segment;
}

// Goes to the next frame, or to the walk's end.
static enum store_error next_frame(struct log *log)
{
    struct clean *c = &log->clean;
    const struct segment *oldest = log_oldest(log);
    enum store_error e = STORE_OK;
    while (c->offset + FORMAT_FRAME_SIZE <= oldest->used) {
        struct format_frame frame;
        size_t available;
        const uint8_t *at = window(log, c->offset, FORMAT_FRAME_SIZE, &available, &e);
        if (!at)
            return e;
        enum format_verdict v = format_frame_read(at, available, c->segment, c->seed, &frame);
        if (v == FORMAT_TORN && frame.length <= oldest->used - c->offset - FORMAT_FRAME_SIZE) {
            at = window(log, c->offset, FORMAT_FRAME_SIZE + frame.length, &available, &e);
            if (!at)
                return e;
            v = format_frame_read(at, available, c->segment, c->seed, &frame);
        }
        if (v == FORMAT_GOOD) {
            c->frame_at = c->offset;
            c->frame_length = frame.length;
            c->position = 0;
            c->offset += FORMAT_FRAME_SIZE + frame.length;
            return STORE_OK;
        }
        if (!oldest->damaged)
            return unreadable(log, "the batch there is damaged");
        c->offset += FORMAT_ALIGN; // the loading left it out, and so does the walk
    }
    end_walk(log);
    return STORE_OK;
}

// Walks on in the frame until it is through or a share is used up.
static enum store_error walk_frame(struct log *log, uint64_t *walk, uint64_t *mark, store_lives *lives,
                                   void *arg)
{
    struct clean *c = &log->clean;
    enum store_error e = STORE_OK;
    size_t available;
    const uint8_t *records = window(log, c->frame_at + FORMAT_FRAME_SIZE, c->frame_length, &available, &e);
    if (!records)
        return e;
    while (c->position<c->frame_length && * walk> 0 && *mark > 0) {
        struct store_ref refs[STORE_REFS_MAX];
        unsigned count = 0;
        uint64_t could_live = 0; // not more than may be marked is asked about
        while (c->position<c->frame_length && * walk> 0 && could_live < *mark && count < STORE_REFS_MAX) {
            struct store_record record;
            size_t at = c->position;
            if (!format_record_read(records, c->frame_length, &at, &record))
                return unreadable(log, "a record there is malformed");
            uint32_t size = (uint32_t)(at - c->position);
            c->position = (uint32_t)at;
            *walk -= size < *walk ? size : *walk;
            log->counters.cleaned_bytes += size;
            if (record.deleted)
                continue;
            refs[count++] = (struct store_ref){.id = record.id, .size = size, .kind = record.kind};
            could_live += size;
        }
        if (count > 0)
            lives(arg, refs, count, c->segment);
        for (unsigned i = 0; i < count; i++)
            if (refs[i].lives)
                *mark -= refs[i].size < *mark ? refs[i].size : *mark;
    }
    return STORE_OK;
}

enum store_error log_clean_next(struct store *store, store_lives *lives, void *arg)
{
    struct log *log = log_of(store);
    struct clean *c = &log->clean;
    if (log->failed)
        return STORE_FAILED;
    assert(!log->batch.begun);
    if (!log_clean_wanted(store))
        return STORE_OK;
    if (log_oldest(log)->live == 0) { // no commit came since it died, or none that could retire it
        enum store_error e = log_commit_empty(log);
        return e == STORE_NO_SPACE || e == STORE_MEMORY ? STORE_OK : e;
    }
    uint64_t walk = log->options.segment_size / 256, mark = log->options.segment_size / 1024;
    walk = (walk > LEAST ? walk : LEAST) + WALK_PER_BYTE * c->credit;
    mark = (mark > LEAST ? mark : LEAST) + MARK_PER_BYTE * c->credit;
    c->credit = 0;
    enum store_error e = STORE_OK;
    if (c->segment != log_oldest(log)->number)
        e = begin_walk(log);
    while (!e && walk > 0 && mark > 0 && c->fd >= 0) {
        if (c->position == c->frame_length)
            e = next_frame(log);
        if (!e && c->fd >= 0)
            e = walk_frame(log, &walk, &mark, lives, arg);
    }
    return e == STORE_MEMORY ? STORE_OK : e; // no memory or descriptors now: the next call goes on
}
