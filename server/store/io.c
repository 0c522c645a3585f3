#include "server/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_MOST ((size_t)1 << 30) // Linux writes at most 2 GiB - 4 KiB a call

static int system_open(void *context, int folder, const char *name, int flags, unsigned mode)
{
    (void)context;
    return openat(folder == IO_HERE ? AT_FDCWD : folder, name, flags | O_CLOEXEC, (mode_t)mode);
}

static int system_close(void *context, int fd)
{
    (void)context;
    return close(fd);
}

static ssize_t system_pread(void *context, int fd, void *bytes, size_t length, uint64_t offset)
{
    (void)context;
    return pread(fd, bytes, length, (off_t)offset);
}

static ssize_t system_pwrite(void *context, int fd, const void *bytes, size_t length, uint64_t offset)
{
    (void)context;
    return pwrite(fd, bytes, length, (off_t)offset);
}

static int system_allocate(void *context, int fd, uint64_t size)
{
    (void)context;
    return fallocate(fd, 0, 0, (off_t)size);
}

static int system_truncate(void *context, int fd, uint64_t size)
{
    (void)context;
    return ftruncate(fd, (off_t)size);
}

static int system_sync_data(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

static int system_sync(void *context, int fd)
{
    (void)context;
    return fsync(fd);
}

static int system_rename(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    return renameat(folder, from, folder, to);
}

static int system_remove(void *context, int folder, const char *name)
{
    (void)context;
    return unlinkat(folder, name, 0);
}

static int system_make_folder(void *context, const char *path, unsigned mode)
{
    (void)context;
    return mkdir(path, (mode_t)mode);
}

static int system_remove_folder(void *context, const char *path)
{
    (void)context;
    return rmdir(path);
}

static int system_list(void *context, int folder, int (*each)(void *arg, const char *name), void *arg)
{
    (void)context;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); // its own position in the folder
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return -1;
    }
    struct dirent *entry;
    int stop = 0;
    while (errno = 0, !stop && (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            stop = each(arg, entry->d_name);
    int saved = errno;
    closedir(d);
    errno = saved;
    return stop ? stop : saved ? -1 : 0;
}

static int system_stat(void *context, int fd, struct io_stat *out)
{
    (void)context;
    struct stat s;
    if (fstat(fd, &s) < 0)
        return -1;
    *out = (struct io_stat){.size = (uint64_t)s.st_size, .device = s.st_dev, .inode = s.st_ino};
    return 0;
}

static int system_lock(void *context, int fd, bool shared)
{
    (void)context;
    return flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
}

static void system_expect(void *context, int fd)
{
    (void)context;
    posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
}

static void system_forget(void *context, int fd)
{
    (void)context;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int system_random(void *context, void *bytes, size_t length)
{
    (void)context;
    ssize_t n;
    do
        n = getrandom(bytes, length, 0); // up to 256 bytes come whole
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)length ? 0 : -1;
}

const struct store_io io_system = {
    .open = system_open,
    .close = system_close,
    .pread = system_pread,
    .pwrite = system_pwrite,
    .allocate = system_allocate,
    .truncate = system_truncate,
    .sync_data = system_sync_data,
    .sync = system_sync,
    .rename = system_rename,
    .remove = system_remove,
    .make_folder = system_make_folder,
    .remove_folder = system_remove_folder,
    .list = system_list,
    .stat = system_stat,
    .lock = system_lock,
    .expect = system_expect,
    .forget = system_forget,
    .random = system_random,
};

int io_write_all(const struct store_io *io, int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t n = io->pwrite(io->context, fd, from, length < WRITE_MOST ? length : WRITE_MOST, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return -1;
        from += n;
        length -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

ssize_t io_read_all(const struct store_io *io, int fd, void *bytes, size_t length, uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        size_t want = length - done < WRITE_MOST ? length - done : WRITE_MOST;
        ssize_t n = io->pread(io->context, fd, (char *)bytes + done, want, offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int io_sync_data(const struct store_io *io, int fd)
{
    int r;
    do
        r = io->sync_data(io->context, fd);
    while (r < 0 && errno == EINTR);
    return r;
}

int io_sync(const struct store_io *io, int fd)
{
    int r;
    do
        r = io->sync(io->context, fd);
    while (r < 0 && errno == EINTR);
    return r;
}
