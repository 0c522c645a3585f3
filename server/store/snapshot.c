// A consistent copy of the log while it is used on. Segments are only ever appended to, so their bytes up to
// where the frames ended at one moment are the store as of that moment, as long as none of them is recycled.
#include "server/store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES ((size_t)1 << 20)

struct store_snapshot {
    const struct segment_place *place;
    size_t count;
    uint64_t total;
    struct segment segments[];
};

enum store_error log_snapshot_begin(struct store *store, struct store_snapshot **out)
{
    struct log *log = log_of(store);
    struct store_snapshot *s = malloc(sizeof *s + log->count * sizeof s->segments[0]);
    if (!s)
        return store_fail(store->message, STORE_MEMORY, "no memory for a snapshot");
    s->place = &log->place;
    s->count = log->count;
    s->total = 0;
    memcpy(s->segments, log_oldest(log), log->count * sizeof s->segments[0]);
    for (size_t i = 0; i < s->count; i++)
        s->total += s->segments[i].used;
    log->snapshots++;
    *out = s;
    return STORE_OK;
}

void log_snapshot_end(struct store *store, struct store_snapshot *snapshot)
{
    if (!snapshot)
        return;
    log_of(store)->snapshots--;
    free(snapshot);
}

void store_snapshot_size(const struct store_snapshot *snapshot, uint64_t *segments, uint64_t *bytes)
{
    *segments = snapshot->count;
    *bytes = snapshot->total;
}

struct copy {
    const struct store_io *io;
    const struct segment_place *from;
    const char *path;
    int folder;
    char *buffer;
    uint64_t done, total;
    bool (*goes_on)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    char *message;
};

static enum store_error copy_failed(const struct copy *c, const char *what, const char *name)
{
    int number = errno;
    return store_fail(c->message, store_error_of(number), "cannot %s %s%s%s: %s", what, c->path,
                      name[0] ? "/" : "", name, strerror(number));
}

static enum store_error copy_bytes(struct copy *c, const struct segment *s, int from, int to,
                                   const char *name)
{
    for (uint64_t at = 0; at < s->used;) {
        size_t want = s->used - at < COPY_BYTES ? (size_t)(s->used - at) : COPY_BYTES;
        ssize_t n = io_read_all(c->io, from, c->buffer, want, at);
        if (n != (ssize_t)want)
            return store_fail(c->message, STORE_IO, "cannot read %s/%s at offset %llu: %s", c->from->path,
                              name, (unsigned long long)at,
                              n < 0 ? strerror(errno) : "the file is too short");
        if (io_write_all(c->io, to, c->buffer, want, at) < 0)
            return copy_failed(c, "write", name);
        at += want;
        c->done += want;
        if (c->goes_on && !c->goes_on(c->arg, c->done, c->total))
            return store_fail(c->message, STORE_STOPPED, "the copy to %s was stopped", c->path);
    }
    return io_sync(c->io, to) < 0 ? copy_failed(c, "sync", name) : STORE_OK;
}

static enum store_error copy_segment(struct copy *c, const struct segment *s)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, s->number, SEGMENT_LOG);
    int from, to;
    enum store_error e = segment_open(c->from, s->number, SEGMENT_LOG, false, &from, c->message);
    if (e)
        return e;
    to = c->io->open(c->io->context, c->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    e = to < 0 ? copy_failed(c, "make", name) : copy_bytes(c, s, from, to, name);
    c->io->close(c->io->context, from);
    if (to >= 0 && c->io->close(c->io->context, to) < 0 && !e)
        e = copy_failed(c, "write", name);
    return e;
}

static int any_file(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 1;
}

static enum store_error open_target(struct copy *c, bool *made)
{
    *made = c->io->make_folder(c->io->context, c->path, 0700) == 0;
    if (!*made && errno == ENOENT)
        return store_fail(c->message, STORE_MISSING, "cannot make %s: its parent does not exist", c->path);
    if (!*made && errno != EEXIST)
        return copy_failed(c, "make", "");
    c->folder = c->io->open(c->io->context, IO_HERE, c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (c->folder < 0)
        return copy_failed(c, "open", "");
    int r = c->io->list(c->io->context, c->folder, any_file, NULL);
    if (r < 0)
        return copy_failed(c, "list", "");
    if (r > 0)
        return store_fail(c->message, STORE_OPTION, "the folder %s is not empty", c->path);
    return STORE_OK;
}

static void remove_copies(struct copy *c, const struct store_snapshot *snapshot, size_t count, bool made)
{
    for (size_t i = 0; i < count; i++) {
        char name[SEGMENT_NAME_MAX];
        segment_name(name, snapshot->segments[i].number, SEGMENT_LOG);
        c->io->remove(c->io->context, c->folder, name);
    }
    if (made)
        c->io->remove_folder(c->io->context, c->path);
}

static enum store_error sync_parent(const struct copy *c)
{
    int fd = c->io->open(c->io->context, c->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return STORE_OK; // may not be read: then it cannot be synced either
    int r = io_sync(c->io, fd);
    c->io->close(c->io->context, fd);
    return r < 0 ? copy_failed(c, "sync the parent of", "") : STORE_OK;
}

enum store_error store_snapshot_copy(const struct store_snapshot *snapshot, const char *to,
                                     bool (*goes_on)(void *arg, uint64_t done, uint64_t total), void *arg,
                                     char message[STORE_MESSAGE_MAX])
{
    struct copy c = {
        .io = snapshot->place->io,
        .from = snapshot->place,
        .path = to,
        .folder = -1,
        .buffer = malloc(COPY_BYTES),
        .total = snapshot->total,
        .goes_on = goes_on,
        .arg = arg,
        .message = message,
    };
    if (!c.buffer)
        return store_fail(message, STORE_MEMORY, "no memory to copy the store");
    bool made = false;
    size_t begun = 0;
    enum store_error e = open_target(&c, &made);
    while (!e && begun < snapshot->count)
        e = copy_segment(&c, &snapshot->segments[begun++]);
    if (!e && io_sync(c.io, c.folder) < 0)
        e = copy_failed(&c, "sync", "");
    if (!e)
        e = sync_parent(&c);
    if (e)
        remove_copies(&c, snapshot, begun, made);
    if (c.folder >= 0)
        c.io->close(c.io->context, c.folder);
    free(c.buffer);
    return e;
}
