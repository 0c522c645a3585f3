// Getting ready to write, after the log was read: files that are not of it become spares or go, what a cut
// frame left is wiped out, and the next segments are made.
#include "server/store/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool seen_before(struct load *l, const struct io_stat *stat)
{
    for (size_t i = 0; i < l->seen_count; i++)
        if (l->seen[i].device == stat->device && l->seen[i].inode == stat->inode)
            return true;
    return false;
}

static bool file_stat(const struct load *l, uint32_t number, enum segment_kind kind, struct io_stat *stat)
{
    char ignored[STORE_MESSAGE_MAX];
    const struct segment_place *place = &l->log->place;
    int fd;
    if (segment_open(place, number, kind, false, &fd, ignored))
        return false;
    int r = place->io->stat(place->io->context, fd, stat);
    place->io->close(place->io->context, fd);
    return r == 0;
}

static enum store_error remove_file(struct load *l, uint32_t number, enum segment_kind kind)
{
    const struct segment_place *place = &l->log->place;
    char name[SEGMENT_NAME_MAX];
    segment_name(name, number, kind);
    if (place->io->remove(place->io->context, place->folder, name) < 0 && errno != ENOENT)
        return store_fail(l->message, store_error_of(errno), "cannot remove %s/%s: %s", place->path, name,
                          strerror(errno));
    return STORE_OK;
}

// A name in the log that is not of it: retired when the store stopped, or made ready. Neither is gone on with
// as it is: what stands in the latter may be the rest of a frame that was cut, so it gets a new head like any
// spare.
static enum store_error adopt_log(struct load *l, uint32_t number)
{
    struct io_stat stat;
    if (!file_stat(l, number, SEGMENT_LOG, &stat) || seen_before(l, &stat))
        return remove_file(l, number, SEGMENT_LOG);
    l->seen[l->seen_count++] = stat;
    return ahead_adopt_log(l->log->ahead, number, stat.size, l->message);
}

static enum store_error adopt_leftovers(struct load *l)
{
    struct log *log = l->log;
    const struct segment_place *place = &log->place;
    enum store_error e = STORE_OK;
    for (size_t i = 0; i < l->makings.count && !e; i++)
        e = remove_file(l, l->makings.items[i], SEGMENT_MAKING);
    for (size_t i = 0; i < l->spares.count && !e; i++) {
        struct io_stat stat;
        uint32_t number = l->spares.items[i];
        bool fits = file_stat(l, number, SEGMENT_SPARE, &stat) && stat.size == log->options.segment_size;
        // A power loss may leave a file under two names; the one that says the least goes.
        if (!fits || seen_before(l, &stat) || !ahead_adopt_spare(log->ahead, number))
            e = remove_file(l, number, SEGMENT_SPARE);
        else
            l->seen[l->seen_count++] = stat;
    }
    for (size_t i = 0; i < l->logs.count && !e; i++)
        if (l->logs.items[i] < l->oldest || l->logs.items[i] > l->tail)
            e = adopt_log(l, l->logs.items[i]);
    // A new head may be torn, and must not be found under the old name then.
    if (!e && io_sync(place->io, place->folder) < 0)
        e = store_fail(l->message, store_error_of(errno), "cannot sync the data folder %s: %s", place->path,
                       strerror(errno));
    return e;
}

// Goes on in the last segment. The rest of a frame that was cut is wiped out first: frames to come are
// written over it piece by piece, and pieces of both must never make up the old one after all.
static enum store_error reopen_current(struct load *l)
{
    struct log *log = l->log;
    const struct segment *current = log_current(log);
    const struct store_io *io = log->place.io;
    enum store_error e = segment_open(&log->place, current->number, SEGMENT_LOG, true, &log->fd, l->message);
    if (e)
        return e;
    log->seed = l->head.seed;
    size_t end =
        current->used + l->size / 4 < l->size ? current->used + l->size / 4 : l->size; // the longest frame
    size_t at = current->used;
    while (at < end && l->buffer[at] == 0)
        at++;
    if (at == end)
        return STORE_OK;
    memset(l->buffer + current->used, 0, end - current->used);
    if (io_write_all(io, log->fd, l->buffer + current->used, end - current->used, current->used) == 0 &&
        io_sync_data(io, log->fd) == 0)
        return STORE_OK;
    char name[SEGMENT_NAME_MAX];
    segment_name(name, current->number, SEGMENT_LOG);
    return store_fail(l->message, store_error_of(errno), "cannot write to %s/%s: %s", log->place.path, name,
                      strerror(errno));
}

enum store_error load_resume(struct load *l)
{
    struct log *log = l->log;
    const struct store_io *io = log->place.io;
    log->ahead = ahead_new(&log->place, log->options.segment_size);
    if (!log->ahead)
        return store_fail(l->message, STORE_MEMORY, "no memory to open the log");
    if (!l->have_id && io->random(io->context, log->place.id, sizeof log->place.id) < 0)
        return store_fail(l->message, STORE_IO, "the system gives no random numbers: %s", strerror(errno));

    enum store_error e = adopt_leftovers(l);
    if (!e)
        e = ahead_start(log->ahead, l->tail + 1, log->options.helper, l->message);
    if (e)
        return e;

    // The last segment is gone on with, unless it is not all there (a copy) or frames behind its end are in
    // doubt.
    struct segment *current = log->count ? log_current(log) : NULL;
    if (current && !log->damaged_to && current->size == l->head.size && l->head.number == current->number)
        e = reopen_current(l);
    else
        e = log_next_segment(log);
    if (!e && !log->options.helper)
        ahead_run(log->ahead, false);
    return e;
}
