// Reading the log at start. First the tail: the newest segment that holds a frame, whose last frame tells the
// oldest segment in use. Then all segments from that one on, in order, every head and checksum checked and
// the batches' numbers without a gap. Segments are read whole, one at a time, into one piece of memory.
//
// Where a frame is not what it should be, a later frame decides what that means: if one follows anywhere,
// something in between is damaged; if none does, the log ends here, and what stands there was never
// acknowledged.
#include "server/store/load.h"

#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(n) (unsigned long long)(n)

// --- What is in the folder ---

static bool numbers_add(struct numbers *n, uint32_t number)
{
    if (n->count == n->capacity) {
        size_t capacity = n->capacity ? 2 * n->capacity : 64;
        uint32_t *more = realloc(n->items, capacity * sizeof *more);
        if (!more)
            return false;
        n->items = more;
        n->capacity = capacity;
    }
    n->items[n->count++] = number;
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool numbers_have(const struct numbers *n, uint32_t number)
{
    return n->count && bsearch(&number, n->items, n->count, sizeof number, compare_numbers);
}

static int note_file(void *arg, const char *name)
{
    struct load *l = arg;
    uint32_t number;
    switch (segment_of_name(name, &number)) {
    case SEGMENT_LOG:
        return numbers_add(&l->logs, number) ? 0 : 1;
    case SEGMENT_SPARE:
        return numbers_add(&l->spares, number) ? 0 : 1;
    case SEGMENT_MAKING:
        return numbers_add(&l->makings, number) ? 0 : 1;
    default:
        return 0; // a damaged one that was put aside, the lock, or another's
    }
}

static enum store_error list_files(struct load *l)
{
    const struct segment_place *place = &l->log->place;
    int r = place->io->list(place->io->context, place->folder, note_file, l);
    if (r < 0)
        return store_fail(l->message, store_error_of(errno), "cannot list the data folder %s: %s",
                          place->path, strerror(errno));
    if (r == 0 && l->logs.count + l->spares.count) {
        l->seen = malloc((l->logs.count + l->spares.count) * sizeof *l->seen);
        if (l->logs.count)
            qsort(l->logs.items, l->logs.count, sizeof *l->logs.items, compare_numbers);
    }
    if (r > 0 || (l->logs.count + l->spares.count && !l->seen))
        return store_fail(l->message, STORE_MEMORY, "no memory to list the data folder %s", place->path);
    return STORE_OK;
}

// --- Saying what is wrong ---

static void remark(const struct load *l, const char *line)
{
    if (l->loader->remark)
        l->loader->remark(l->loader->arg, line);
    else
        log_event(LOG_RECOVERED, KV("what", line));
}

// The message stands. With `recover` it becomes a remark, and the loading goes on.
static enum store_error refuse(struct load *l, enum store_error e)
{
    if (e != STORE_DAMAGED || !l->log->options.recover)
        return e;
    char line[STORE_MESSAGE_MAX + 16];
    snprintf(line, sizeof line, "left out: %s", l->message);
    remark(l, line);
    return STORE_OK;
}

static enum store_error damaged(struct load *l, uint32_t segment, const char *what)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, segment, SEGMENT_LOG);
    return store_fail(l->message, STORE_DAMAGED, "%s/%s %s", l->log->place.path, name, what);
}

// Batches from `expected` to `found` - 1 should stand at that place and do not.
static enum store_error gap(struct load *l, uint32_t segment, uint64_t offset, uint64_t found)
{
    char what[320], batches[96];
    if (l->expected == 0)
        snprintf(batches, sizeof batches, "batches before %llu", COUNT(found));
    else if (found == l->expected)
        snprintf(batches, sizeof batches, "no batch, but bytes before batch %llu,", COUNT(found));
    else
        snprintf(batches, sizeof batches, "batches %llu to %llu", COUNT(l->expected), COUNT(found - 1));
    snprintf(what, sizeof what,
             "is damaged at offset %llu: %s cannot be read (jobs put in them are lost, jobs ended in them "
             "come back)",
             COUNT(offset), batches);
    return damaged(l, segment, what);
}

// --- One segment ---

static enum store_error fetch(struct load *l, uint32_t number, int fd, const char *name)
{
    const struct segment_place *place = &l->log->place;
    if (place->io->stat(place->io->context, fd, &l->stat) < 0)
        goto failed;
    if (l->stat.size > STORE_SEGMENT_MAX)
        return damaged(l, number, "is damaged at offset 0: it is larger than a segment can be");
    if (l->stat.size > l->capacity) {
        free(l->buffer);
        l->buffer = malloc(l->stat.size);
        l->capacity = l->buffer ? l->stat.size : 0;
        if (!l->buffer)
            return store_fail(l->message, STORE_MEMORY, "no memory to read %s/%s", place->path, name);
    }
    ssize_t n = io_read_all(place->io, fd, l->buffer, l->stat.size, 0);
    if (n < 0)
        goto failed;
    l->size = (size_t)n;
    return STORE_OK;
failed:
    return store_fail(l->message, store_error_of(errno), "cannot read %s/%s: %s", place->path, name,
                      strerror(errno));
}

static enum store_error check_head(struct load *l, uint32_t number)
{
    struct log *log = l->log;
    char what[128];
    enum format_verdict v = l->size < FORMAT_HEAD_SIZE ? FORMAT_NONE : format_head_read(l->buffer, &l->head);
    if (v == FORMAT_FOREIGN) {
        snprintf(what, sizeof what, "is of format version %u, and this is version %u", l->head.version,
                 FORMAT_VERSION);
        damaged(l, number, what);
        return STORE_VERSION;
    }
    if (v != FORMAT_GOOD)
        return damaged(l, number, "is damaged at offset 0: its head cannot be read, so nothing in it can");
    if (l->head.number != number) {
        snprintf(what, sizeof what, "is not what its name says: its head at offset 0 says segment %u",
                 l->head.number);
        return damaged(l, number, what);
    }
    if (l->have_id && memcmp(l->head.id, log->place.id, sizeof log->place.id) != 0)
        return damaged(l, number, "belongs to another store: its head at offset 0 bears another id");
    memcpy(log->place.id, l->head.id, sizeof log->place.id);
    l->have_id = true;
    if (l->size > l->head.size)
        l->size = l->head.size;
    return STORE_OK;
}

// Reads the segment into the buffer and checks its head. `settle`: what is read must be what the disk holds,
// even if the process that wrote it died between write and sync, or its sync failed.
static enum store_error read_segment(struct load *l, uint32_t number, bool settle)
{
    const struct segment_place *place = &l->log->place;
    settle = settle && l->log->options.mode == STORE_WRITE;
    char name[SEGMENT_NAME_MAX];
    segment_name(name, number, SEGMENT_LOG);
    int fd;
    enum store_error e = segment_open(place, number, SEGMENT_LOG, false, &fd, l->message);
    if (e)
        return e;
    if (settle && io_sync_data(place->io, fd) < 0)
        e = store_fail(l->message, store_error_of(errno), "cannot sync %s/%s: %s", place->path, name,
                       strerror(errno));
    if (settle)
        place->io->forget(place->io->context, fd);
    if (!e)
        e = fetch(l, number, fd, name);
    place->io->close(place->io->context, fd);
    return e ? e : check_head(l, number);
}

// --- The tail ---

static bool last_frame(const struct load *l, struct format_frame *last)
{
    size_t offset = FORMAT_HEAD_SIZE;
    struct format_frame frame;
    bool found = false;
    uint64_t batch = 1;
    while (format_frame_find(l->buffer, l->size, &l->head, batch, &offset, &frame)) {
        *last = frame;
        found = true;
        batch = frame.batch + 1;
        offset += frame.version == FORMAT_FRAME_VERSION ? FORMAT_FRAME_SIZE + frame.length : FORMAT_ALIGN;
    }
    return found;
}

static enum store_error find_tail(struct load *l)
{
    for (size_t i = l->logs.count; i-- > 0;) {
        uint32_t number = l->logs.items[i];
        enum store_error e = read_segment(l, number, true);
        if (e && (e != STORE_DAMAGED || !l->log->options.recover))
            return e;
        if (e && l->tail < number)
            l->tail = number; // it is said again, and left out, when its turn comes
        struct format_frame last;
        if (!e && last_frame(l, &last)) {
            l->oldest = last.oldest;
            if (l->tail < number)
                l->tail = number;
            return STORE_OK;
        }
    }
    l->oldest = l->logs.items[0];
    if (l->oldest == 1 && l->tail == 0) {
        l->tail = 1; // made, and never written to
        return STORE_OK;
    }
    damaged(l, l->oldest, "and those after it hold no batch that can be read, though there were some");
    l->tail = l->logs.items[l->logs.count - 1];
    return refuse(l, STORE_DAMAGED);
}

// --- The records ---

static enum store_error deliver(struct load *l, uint64_t offset, const struct format_frame *frame)
{
    const uint8_t *records = l->buffer + offset + FORMAT_FRAME_SIZE;
    struct store_record record = {.segment = l->head.number};
    size_t at = 0;
    for (uint32_t i = 0; i < frame->count; i++) {
        if (!format_record_read(records, frame->length, &at, &record))
            goto malformed;
        struct store_place old = {0, 0};
        enum store_error e = l->loader->record(l->loader->arg, &record, &old);
        if (e)
            return store_fail(l->message, e, "loading was ended by its caller: %s", store_error_text(e));
        uint64_t size = record.deleted ? 0 : STORE_RECORD_SIZE(record.length);
        if (!log_count_live(l->log, l->head.number, size, old))
            return store_fail(l->message, STORE_STOPPED, "record %llu names an older place that is not there",
                              COUNT(record.id));
    }
    if (at == frame->length)
        return STORE_OK;
malformed:;
    // The checksum holds, so this is what was written: not damage, but a writer that is not ours.
    char name[SEGMENT_NAME_MAX];
    segment_name(name, l->head.number, SEGMENT_LOG);
    return store_fail(l->message, STORE_VERSION,
                      "%s/%s holds a batch at offset %llu that this version cannot read", l->log->place.path,
                      name, COUNT(offset));
}

static enum store_error foreign(struct load *l, uint64_t offset, const struct format_frame *frame)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, l->head.number, SEGMENT_LOG);
    return store_fail(l->message, STORE_VERSION,
                      "%s/%s has a frame of version %u at offset %llu, and this is version %d",
                      l->log->place.path, name, frame->version, COUNT(offset), FORMAT_FRAME_VERSION);
}

static void mark_damaged(struct load *l, uint32_t number)
{
    struct segment *s = log_segment(l->log, number);
    if (s)
        s->damaged = true;
    if (l->log->damaged_to < number)
        l->log->damaged_to = number;
}

// Something that is not the next frame stands at `offset`, and a later one at `found`.
static enum store_error step_over(struct load *l, size_t offset, size_t found,
                                  const struct format_frame *frame)
{
    uint32_t segment = l->head.number;
    uint64_t place = offset;
    // A good first frame with too high a number: what is missing ended the segment before.
    if (found == FORMAT_HEAD_SIZE && l->end_segment) {
        segment = l->end_segment;
        place = l->end_offset;
    }
    enum store_error e = refuse(l, gap(l, segment, place, frame->batch));
    mark_damaged(l, segment);
    mark_damaged(l, l->head.number);
    return e;
}

static enum store_error walk_segment(struct load *l, struct segment *segment)
{
    size_t offset = FORMAT_HEAD_SIZE;
    for (;;) {
        struct format_frame frame;
        enum format_verdict v =
            format_frame_read(l->buffer + offset, l->size - offset, l->head.number, l->head.seed, &frame);
        bool next = v == FORMAT_GOOD && (l->expected == 0 || frame.batch == l->expected);
        if (!next) {
            size_t found = offset;
            if (!format_frame_find(l->buffer, l->size, &l->head, l->expected, &found, &frame))
                break;
            if (frame.version != FORMAT_FRAME_VERSION)
                return foreign(l, found, &frame);
            enum store_error e = step_over(l, offset, found, &frame);
            if (e)
                return e;
            offset = found;
        }
        enum store_error e = deliver(l, offset, &frame);
        if (e)
            return e;
        l->expected = frame.batch + 1;
        offset += FORMAT_FRAME_SIZE + frame.length;
    }
    segment->used = offset;
    l->end_segment = l->head.number;
    l->end_offset = offset;
    if (l->expected != 0)
        return STORE_OK;
    // The oldest segment is only in use because something lives in it.
    enum store_error e = refuse(l, gap(l, l->head.number, offset, l->log->last_batch + 1));
    mark_damaged(l, l->head.number);
    return e;
}

static enum store_error add_segment(struct load *l, const struct segment *segment)
{
    if (!log_reserve_segment(l->log))
        return store_fail(l->message, STORE_MEMORY, "no memory to load the log");
    log_add_segment(l->log, segment);
    return STORE_OK;
}

static enum store_error load_segment(struct load *l, uint32_t number)
{
    struct segment s = {.number = number, .used = FORMAT_HEAD_SIZE};
    enum store_error e;
    s.missing = !numbers_have(&l->logs, number);
    if (s.missing)
        e = damaged(l, number, "is missing");
    else
        e = read_segment(l, number, false);
    if (e) {
        e = refuse(l, e);
        s.damaged = true;
        s.size = s.missing ? 0 : l->stat.size;
        if (!e)
            e = add_segment(l, &s);
        mark_damaged(l, number);
        return e;
    }
    s.size = l->stat.size;
    l->seen[l->seen_count++] = l->stat;
    e = add_segment(l, &s);
    return e ? e : walk_segment(l, log_current(l->log));
}

static void expect(const struct load *l, uint32_t number)
{
    // So that the disk reads the next segment while this one is being worked on.
    char ignored[STORE_MESSAGE_MAX];
    const struct segment_place *place = &l->log->place;
    int fd;
    if (number > l->tail || segment_open(place, number, SEGMENT_LOG, false, &fd, ignored))
        return;
    place->io->expect(place->io->context, fd);
    place->io->close(place->io->context, fd);
}

static void report_torn(struct load *l)
{
    // The buffer still holds the last segment.
    uint64_t end = l->end_offset;
    if (l->end_segment != l->head.number || end >= l->size ||
        !format_frame_resembles(l->buffer + end, l->size - end, l->head.number))
        return;
    char line[STORE_MESSAGE_MAX], name[SEGMENT_NAME_MAX];
    segment_name(name, l->end_segment, SEGMENT_LOG);
    snprintf(line, sizeof line,
             "cut: %s/%s ends at offset %llu in a batch that was not finished, nor acknowledged",
             l->log->place.path, name, COUNT(end));
    remark(l, line);
}

static enum store_error load_all(struct load *l)
{
    l->expected = l->oldest == 1 ? 1 : 0;
    for (uint32_t number = l->oldest; number <= l->tail; number++) {
        expect(l, number + 1);
        enum store_error e = load_segment(l, number);
        if (e)
            return e;
        uint64_t size = log_current(l->log)->size;
        l->done += size;
        if (l->loader->progress)
            l->loader->progress(l->loader->arg, l->done, l->done + (l->tail - number) * size);
    }
    l->log->last_batch = l->expected ? l->expected - 1 : 0;
    report_torn(l);
    return STORE_OK;
}

enum store_error log_load(struct store *store, const struct store_loader *loader)
{
    struct log *log = log_of(store);
    struct load l = {.log = log, .loader = loader, .message = store->message};
    enum store_error e = list_files(&l);
    if (!e && l.logs.count > 0) {
        e = find_tail(&l);
        if (!e)
            e = load_all(&l);
    }
    if (!e && log->options.mode == STORE_WRITE)
        e = load_resume(&l);
    free(l.logs.items);
    free(l.spares.items);
    free(l.makings.items);
    free(l.seen);
    free(l.buffer);
    log->loaded = e == STORE_OK;
    if (e)
        log->failed = e;
    return e;
}
