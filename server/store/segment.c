#include "server/store/segment.h"

#include "server/store/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZEROS ((size_t)256 << 10) // written at a time

static const char *const endings[SEGMENT_NONE] = {
    [SEGMENT_LOG] = ".log",
    [SEGMENT_SPARE] = ".spare",
    [SEGMENT_MAKING] = ".making",
    [SEGMENT_DAMAGED] = ".damaged",
};

void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number, enum segment_kind kind)
{
    snprintf(name, SEGMENT_NAME_MAX, "%010u%s", number, endings[kind]);
}

enum segment_kind segment_of_name(const char *name, uint32_t *number)
{
    uint64_t n = 0;
    int i;
    for (i = 0; i < 10; i++) {
        if (name[i] < '0' || name[i] > '9')
            return SEGMENT_NONE;
        n = n * 10 + (uint64_t)(name[i] - '0');
    }
    if (n == 0 || n > UINT32_MAX)
        return SEGMENT_NONE;
    *number = (uint32_t)n;
    for (int k = 0; k < SEGMENT_NONE; k++)
        if (strcmp(name + i, endings[k]) == 0)
            return (enum segment_kind)k;
    return SEGMENT_NONE;
}

static enum store_error failed(const struct segment_place *place, const char *what, const char *name,
                               char message[STORE_MESSAGE_MAX])
{
    int number = errno;
    return store_fail(message, store_error_of(number), "cannot %s %s/%s: %s", what, place->path, name,
                      strerror(number));
}

static int write_zeros(const struct segment_place *place, int fd, uint64_t size)
{
    char *zeros = calloc(1, ZEROS);
    int r = zeros ? 0 : -1;
    for (uint64_t at = 0; r == 0 && at < size; at += ZEROS)
        r = io_write_all(place->io, fd, zeros, size - at < ZEROS ? (size_t)(size - at) : ZEROS, at);
    int saved = errno;
    free(zeros);
    errno = saved;
    return r;
}

static int fill(const struct segment_place *place, int fd, uint64_t size)
{
    // First the allocation, which tells at once and in one piece of the disk that there is no space.
    if (place->io->allocate(place->io->context, fd, size) < 0 && errno != EOPNOTSUPP && errno != ENOSYS &&
        errno != EINTR)
        return -1;
    if (write_zeros(place, fd, size) < 0)
        return -1;
    return io_sync(place->io, fd);
}

enum store_error segment_make_spare(const struct segment_place *place, uint32_t number, uint64_t size,
                                    char message[STORE_MESSAGE_MAX])
{
    const struct store_io *io = place->io;
    char making[SEGMENT_NAME_MAX], spare[SEGMENT_NAME_MAX];
    segment_name(making, number, SEGMENT_MAKING);
    segment_name(spare, number, SEGMENT_SPARE);
    enum store_error e = STORE_OK;
    int fd = io->open(io->context, place->folder, making, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(place, "make", making, message);
    if (fill(place, fd, size) < 0)
        e = failed(place, "make", making, message);
    io->close(io->context, fd);
    if (!e && io->rename(io->context, place->folder, making, spare) < 0)
        e = failed(place, "rename", making, message);
    if (e)
        io->remove(io->context, place->folder, making);
    return e;
}

enum store_error segment_use_spare(const struct segment_place *place, uint32_t spare,
                                   const struct format_head *head, int *out, char message[STORE_MESSAGE_MAX])
{
    const struct store_io *io = place->io;
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    segment_name(from, spare, SEGMENT_SPARE);
    segment_name(to, head->number, SEGMENT_LOG);
    int fd;
    enum store_error e = segment_open(place, spare, SEGMENT_SPARE, true, &fd, message);
    if (e)
        return e;
    uint8_t *block = calloc(1, FORMAT_HEAD_SIZE);
    if (!block) {
        e = store_fail(message, STORE_MEMORY, "no memory to make %s/%s", place->path, to);
        goto out;
    }
    format_head_write(block, head);
    // The head is on disk before the name says that this is a segment, and the name before its first frame.
    if (io_write_all(io, fd, block, FORMAT_HEAD_SIZE, 0) < 0 || io_sync_data(io, fd) < 0)
        e = failed(place, "write", from, message);
    else if (io->rename(io->context, place->folder, from, to) < 0)
        e = failed(place, "rename", from, message);
    else if (io_sync(io, place->folder) < 0)
        e = failed(place, "sync the folder of", to, message);
out:
    free(block);
    if (e)
        io->close(io->context, fd);
    else
        *out = fd;
    return e;
}

enum store_error segment_open(const struct segment_place *place, uint32_t number, enum segment_kind kind,
                              bool write, int *fd, char message[STORE_MESSAGE_MAX])
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, number, kind);
    *fd =
        place->io->open(place->io->context, place->folder, name, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
    return *fd < 0 ? failed(place, "open", name, message) : STORE_OK;
}

enum store_error segment_new_head(const struct segment_place *place, uint32_t number, uint64_t size,
                                  struct format_head *head, char message[STORE_MESSAGE_MAX])
{
    *head = (struct format_head){.version = FORMAT_VERSION, .number = number, .size = size};
    memcpy(head->id, place->id, sizeof head->id);
    if (place->io->random(place->io->context, &head->seed, sizeof head->seed) < 0)
        return store_fail(message, STORE_IO, "the system gives no random numbers: %s", strerror(errno));
    return STORE_OK;
}
