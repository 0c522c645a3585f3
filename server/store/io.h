// The system calls that the store makes, as a struct of functions, so that tests can inject faults and record
// what reaches the disk. Each returns what its system call returns (-1 and errno); `context` is the struct's
// own.
//
// Two threads may be in these functions at once: the owner's, and the store's helper.
#ifndef SERVER_STORE_IO_H
#define SERVER_STORE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IO_HERE (-1) // in place of a folder's descriptor: `name` is a path

struct io_stat {
    uint64_t size;
    uint64_t device, inode; // the same file has the same pair under each of its names
};

struct store_io {
    void *context;
    int (*open)(void *context, int folder, const char *name, int flags, unsigned mode);
    int (*close)(void *context, int fd);
    ssize_t (*pread)(void *context, int fd, void *bytes, size_t length, uint64_t offset);
    ssize_t (*pwrite)(void *context, int fd, const void *bytes, size_t length, uint64_t offset);
    int (*allocate)(void *context, int fd, uint64_t size); // as fallocate(fd, 0, 0, size)
    int (*truncate)(void *context, int fd, uint64_t size);
    int (*sync_data)(void *context, int fd);
    int (*sync)(void *context, int fd); // also of a folder
    int (*rename)(void *context, int folder, const char *from, const char *to);
    int (*remove)(void *context, int folder, const char *name);
    int (*make_folder)(void *context, const char *path, unsigned mode);
    int (*remove_folder)(void *context, const char *path);
    int (*list)(void *context, int folder, int (*each)(void *arg, const char *name),
                void *arg); // stops at non-zero
    int (*stat)(void *context, int fd, struct io_stat *out);
    int (*lock)(void *context, int fd, bool shared); // as flock with LOCK_NB
    void (*expect)(void *context, int fd);           // a hint: the whole file is read soon
    void (*forget)(void *context, int fd);           // a hint: the next read should come from the disk
    int (*random)(void *context, void *bytes, size_t length);
};

// The system's own calls.
extern const struct store_io io_system;

// What callers want of them: all of it, and EINTR (nothing done yet) tried again. A failed call is not tried
// again.

// 0, or -1 and errno. Goes on after a short write: what was written was written.
int io_write_all(const struct store_io *io, int fd, const void *bytes, size_t length, uint64_t offset);

// The bytes read: `length`, or fewer at the file's end; -1 and errno.
ssize_t io_read_all(const struct store_io *io, int fd, void *bytes, size_t length, uint64_t offset);

int io_sync_data(const struct store_io *io, int fd);
int io_sync(const struct store_io *io, int fd);

#endif
