// The data folder: found or made, and locked, or refused with a line that says why.
#include "server/store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_NAME "lock"

static enum store_error path_failed(const struct log *log, char *message, const char *what)
{
    int number = errno;
    enum store_error e = store_error_of(number);
    const char *path = log->options.path;
    switch (e) {
    case STORE_NOT_A_FOLDER:
        return store_fail(message, e, "%s is not a folder", path);
    case STORE_READ_ONLY:
        return store_fail(message, e, "the data folder %s is on a read-only file system", path);
    case STORE_PERMISSION:
        return store_fail(message, e, "no permission to %s the data folder %s", what, path);
    default:
        return store_fail(message, e, "cannot %s the data folder %s: %s", what, path, strerror(number));
    }
}

static void sync_parent(const struct log *log)
{
    // What cannot be opened for reading cannot be synced; the folder itself is there all the same.
    const struct store_io *io = log->place.io;
    char *parent = malloc(strlen(log->options.path) + sizeof "/..");
    if (!parent)
        return;
    sprintf(parent, "%s/..", log->options.path);
    int fd = io->open(io->context, IO_HERE, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    free(parent);
    if (fd < 0)
        return;
    io_sync(io, fd);
    io->close(io->context, fd);
}

enum store_error folder_open(struct log *log, char *message)
{
    const struct store_io *io = log->place.io;
    const char *path = log->options.path;
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    log->place.folder = io->open(io->context, IO_HERE, path, flags, 0);
    if (log->place.folder >= 0)
        return STORE_OK;
    if (errno != ENOENT)
        return path_failed(log, message, "open");
    if (log->options.mode == STORE_READ)
        return store_fail(message, STORE_MISSING, "there is no data folder %s", path);
    if (io->make_folder(io->context, path, 0700) < 0 && errno != EEXIST) {
        if (errno == ENOENT)
            return store_fail(message, STORE_MISSING,
                              "cannot make the data folder %s: its parent does not exist", path);
        return path_failed(log, message, "make");
    }
    log->place.folder = io->open(io->context, IO_HERE, path, flags, 0);
    if (log->place.folder < 0)
        return path_failed(log, message, "open");
    sync_parent(log);
    return STORE_OK;
}

enum store_error folder_lock(struct log *log, char *message)
{
    const struct store_io *io = log->place.io;
    bool shared = log->options.mode == STORE_READ;
    int fd = io->open(io->context, log->place.folder, LOCK_NAME,
                      (shared ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
    if (fd < 0 && shared && errno == ENOENT)
        return STORE_OK; // never opened by a writer: a copy
    if (fd < 0)
        return path_failed(log, message, shared ? "lock" : "write to");
    char pid[16] = "";
    if (io->lock(io->context, fd, shared) < 0) {
        int number = errno;
        ssize_t n = io_read_all(io, fd, pid, sizeof pid - 1, 0);
        io->close(io->context, fd);
        if (number != EWOULDBLOCK)
            return store_fail(message, STORE_IO, "cannot lock the data folder %s: %s", log->options.path,
                              strerror(number));
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        return store_fail(message, STORE_LOCKED, "the data folder %s is in use by %s%s", log->options.path,
                          pid[0] ? "process " : "another process", pid);
    }
    log->lock = fd;
    if (shared)
        return STORE_OK;
    // For the other's message only; a stale number does no harm, as the lock alone decides.
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (io->truncate(io->context, fd, 0) == 0)
        (void)io_write_all(io, fd, pid, (size_t)n, 0);
    return STORE_OK;
}
