#include "tests/crash/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MOST       4096
#define NAMES_MOST       512
#define DESCRIPTORS_MOST 256
#define NAME_BYTES       32
#define FOLDER           1000000 // its descriptor

// A sector's content that was written and not synced.
struct unsynced {
    struct unsynced *next;
    uint64_t sector;
    uint8_t bytes[DISK_SECTOR];
};

struct file {
    unsigned names, descriptors; // that refer to it
    uint8_t *seen, *synced;      // `capacity` bytes each: what the process reads, what is on disk
    uint64_t size, synced_size, capacity;
    uint64_t sizes[8]; // it had since the last sync
    unsigned size_count;
    struct unsynced *writes; // newest first
};

struct name {
    char text[NAME_BYTES];
    int seen, synced; // the file, -1: none
    int later[32];    // that it stood for since the last sync
    unsigned later_count;
};

struct disk {
    struct store_io io;
    struct file *files[FILES_MOST];
    struct name names[NAMES_MOST];
    unsigned name_count;
    int descriptors[DESCRIPTORS_MOST]; // the file, -1: free
    uint64_t capacity;
    uint64_t seed;
    void (*hook)(void *arg);
    void *arg;
};

uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t draw_below(uint64_t *state, uint64_t limit)
{
    return draw(state) % limit;
}

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

// --- Files ---

static int file_new(struct disk *d)
{
    for (int i = 0; i < FILES_MOST; i++)
        if (!d->files[i]) {
            d->files[i] = need(calloc(1, sizeof *d->files[i]));
            return i;
        }
    abort();
}

static void forget_writes(struct file *f)
{
    while (f->writes) {
        struct unsynced *next = f->writes->next;
        free(f->writes);
        f->writes = next;
    }
}

static void file_release(struct disk *d, int i)
{
    struct file *f = d->files[i];
    if (f->names > 0 || f->descriptors > 0)
        return;
    for (unsigned n = 0; n < d->name_count; n++) { // a power loss may bring it back
        if (d->names[n].synced == i)
            return;
        for (unsigned k = 0; k < d->names[n].later_count; k++)
            if (d->names[n].later[k] == i)
                return;
    }
    forget_writes(f);
    free(f->seen);
    free(f->synced);
    free(f);
    d->files[i] = NULL;
}

static void release_all(struct disk *d)
{
    for (int i = 0; i < FILES_MOST; i++)
        if (d->files[i])
            file_release(d, i);
}

static void file_reserve(struct file *f, uint64_t size)
{
    if (size <= f->capacity)
        return;
    size = (size + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
    f->seen = need(realloc(f->seen, size));
    f->synced = need(realloc(f->synced, size));
    memset(f->seen + f->capacity, 0, size - f->capacity);
    memset(f->synced + f->capacity, 0, size - f->capacity);
    f->capacity = size;
}

static void file_resize(struct file *f, uint64_t size)
{
    file_reserve(f, size);
    f->size = size;
    if (f->size_count < sizeof f->sizes / sizeof f->sizes[0])
        f->sizes[f->size_count++] = size;
}

static void file_sync(struct file *f)
{
    if (f->capacity)
        memcpy(f->synced, f->seen, f->capacity);
    f->synced_size = f->size;
    f->size_count = 0;
    forget_writes(f);
}

// --- Names ---

static struct name *name_find(struct disk *d, const char *text, bool add)
{
    for (unsigned i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i].text, text) == 0)
            return &d->names[i];
    if (!add)
        return NULL;
    struct name *n = NULL;
    for (unsigned i = 0; i < d->name_count && !n; i++)
        if (d->names[i].seen < 0 && d->names[i].synced < 0 && d->names[i].later_count == 0)
            n = &d->names[i];
    if (!n) {
        assert(d->name_count < NAMES_MOST);
        n = &d->names[d->name_count++];
    }
    assert(strlen(text) < NAME_BYTES);
    *n = (struct name){.seen = -1, .synced = -1};
    snprintf(n->text, sizeof n->text, "%s", text);
    return n;
}

static void name_set(struct disk *d, struct name *n, int file)
{
    int before = n->seen;
    if (n->later_count < sizeof n->later / sizeof n->later[0])
        n->later[n->later_count++] = file;
    n->seen = file;
    if (file >= 0)
        d->files[file]->names++;
    if (before >= 0) {
        d->files[before]->names--;
        file_release(d, before);
    }
}

static void names_sync(struct disk *d)
{
    for (unsigned i = 0; i < d->name_count; i++) {
        d->names[i].synced = d->names[i].seen;
        d->names[i].later_count = 0;
    }
    release_all(d);
}

// --- The calls ---

static struct file *file_of(struct disk *d, int fd)
{
    assert(fd >= 0 && fd < DESCRIPTORS_MOST && d->descriptors[fd] >= 0);
    return d->files[d->descriptors[fd]];
}

static int disk_open(void *context, int folder, const char *name, int flags, unsigned mode)
{
    struct disk *d = context;
    (void)mode;
    if (flags & O_DIRECTORY)
        return FOLDER;
    assert(folder == FOLDER);
    (void)folder;
    struct name *n = name_find(d, name, flags & O_CREAT);
    if (!n || (n->seen < 0 && !(flags & O_CREAT))) {
        errno = ENOENT;
        return -1;
    }
    int fd = 0;
    while (fd < DESCRIPTORS_MOST && d->descriptors[fd] >= 0)
        fd++;
    assert(fd < DESCRIPTORS_MOST);
    if (n->seen < 0)
        name_set(d, n, file_new(d));
    else if (flags & O_TRUNC)
        file_resize(d->files[n->seen], 0);
    d->descriptors[fd] = n->seen;
    file_of(d, fd)->descriptors++;
    return fd;
}

static int disk_close(void *context, int fd)
{
    struct disk *d = context;
    if (fd == FOLDER)
        return 0;
    int file = d->descriptors[fd];
    file_of(d, fd)->descriptors--;
    d->descriptors[fd] = -1;
    file_release(d, file);
    return 0;
}

static ssize_t disk_pread(void *context, int fd, void *bytes, size_t length, uint64_t offset)
{
    struct file *f = file_of(context, fd);
    if (offset >= f->size)
        return 0;
    if (length > f->size - offset)
        length = (size_t)(f->size - offset);
    memcpy(bytes, f->seen + offset, length);
    return (ssize_t)length;
}

static bool fits(struct disk *d, const struct file *f, uint64_t size)
{
    if (size <= f->size || disk_used(d) + (size - f->size) <= d->capacity)
        return true;
    errno = ENOSPC;
    return false;
}

static ssize_t disk_pwrite(void *context, int fd, const void *bytes, size_t length, uint64_t offset)
{
    struct disk *d = context;
    struct file *f = file_of(d, fd);
    if (!fits(d, f, offset + length))
        return -1;
    if (offset + length > f->size)
        file_resize(f, offset + length);
    memcpy(f->seen + offset, bytes, length);
    for (uint64_t s = offset / DISK_SECTOR; s <= (offset + length - 1) / DISK_SECTOR; s++) {
        struct unsynced *w = need(malloc(sizeof *w));
        w->sector = s;
        memcpy(w->bytes, f->seen + s * DISK_SECTOR, DISK_SECTOR);
        w->next = f->writes;
        f->writes = w;
    }
    return (ssize_t)length;
}

static int disk_allocate(void *context, int fd, uint64_t size)
{
    struct file *f = file_of(context, fd);
    if (!fits(context, f, size))
        return -1;
    if (size > f->size)
        file_resize(f, size);
    return 0;
}

static int disk_truncate(void *context, int fd, uint64_t size)
{
    file_resize(file_of(context, fd), size);
    return 0;
}

static int disk_sync(void *context, int fd)
{
    struct disk *d = context;
    if (d->hook)
        d->hook(d->arg);
    if (fd == FOLDER)
        names_sync(d);
    else
        file_sync(file_of(d, fd));
    return 0;
}

static int disk_rename(void *context, int folder, const char *from, const char *to)
{
    struct disk *d = context;
    (void)folder;
    struct name *a = name_find(d, from, false);
    if (!a || a->seen < 0) {
        errno = ENOENT;
        return -1;
    }
    int file = a->seen;
    name_set(d, name_find(d, to, true), file);
    name_set(d, a, -1);
    return 0;
}

int disk_remove(struct disk *d, const char *name)
{
    struct name *n = name_find(d, name, false);
    if (!n || n->seen < 0) {
        errno = ENOENT;
        return -1;
    }
    name_set(d, n, -1);
    return 0;
}

static int disk_remove_name(void *context, int folder, const char *name)
{
    (void)folder;
    return disk_remove(context, name);
}

static int disk_make_folder(void *context, const char *path, unsigned mode)
{
    (void)context;
    (void)path;
    (void)mode;
    errno = EEXIST;
    return -1;
}

static int disk_remove_folder(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static int disk_list(void *context, int folder, int (*each)(void *arg, const char *name), void *arg)
{
    struct disk *d = context;
    (void)folder;
    int stop = 0;
    for (unsigned i = 0; i < d->name_count && !stop; i++)
        if (d->names[i].seen >= 0)
            stop = each(arg, d->names[i].text);
    return stop;
}

static int disk_stat(void *context, int fd, struct io_stat *out)
{
    struct disk *d = context;
    *out = (struct io_stat){.size = file_of(d, fd)->size, .device = 1, .inode = (uint64_t)d->descriptors[fd]};
    return 0;
}

static int disk_lock(void *context, int fd, bool shared)
{
    (void)context;
    (void)fd;
    (void)shared;
    return 0;
}

static void disk_hint(void *context, int fd)
{
    (void)context;
    (void)fd;
}

static int disk_random(void *context, void *bytes, size_t length)
{
    struct disk *d = context;
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)draw(&d->seed);
    return 0;
}

struct disk *disk_new(uint64_t seed)
{
    struct disk *d = need(calloc(1, sizeof *d));
    d->seed = seed;
    d->capacity = UINT64_MAX;
    memset(d->descriptors, 0xff, sizeof d->descriptors);
    d->io = (struct store_io){
        .context = d,
        .open = disk_open,
        .close = disk_close,
        .pread = disk_pread,
        .pwrite = disk_pwrite,
        .allocate = disk_allocate,
        .truncate = disk_truncate,
        .sync_data = disk_sync,
        .sync = disk_sync,
        .rename = disk_rename,
        .remove = disk_remove_name,
        .make_folder = disk_make_folder,
        .remove_folder = disk_remove_folder,
        .list = disk_list,
        .stat = disk_stat,
        .lock = disk_lock,
        .expect = disk_hint,
        .forget = disk_hint,
        .random = disk_random,
    };
    return d;
}

void disk_free(struct disk *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->name_count; i++)
        d->names[i] = (struct name){.seen = -1, .synced = -1};
    for (int i = 0; i < FILES_MOST; i++)
        if (d->files[i]) {
            d->files[i]->names = d->files[i]->descriptors = 0;
            file_release(d, i);
        }
    free(d);
}

const struct store_io *disk_io(struct disk *d)
{
    return &d->io;
}

// --- Power loss ---

// One of: the synced state, and `count` later ones of which the last is the newest.
static unsigned choose(uint64_t *state, uint64_t seed, unsigned count)
{
    if (seed < 2)
        return seed == 0 ? count : 0;
    return (unsigned)draw_below(state, count + 1);
}

static void lose_power(struct file *to, const struct file *from, uint64_t *state, uint64_t seed)
{
    uint64_t size = from->synced_size;
    unsigned which = choose(state, seed, from->size_count);
    if (which > 0)
        size = which == from->size_count ? from->size : from->sizes[which - 1];
    file_reserve(to, from->capacity > size ? from->capacity : size);
    if (from->capacity)
        memcpy(to->seen, from->synced, from->capacity);
    // Per sector: how many unsynced contents there are, then which of them stays. The list has the newest
    // first.
    uint64_t sectors = to->capacity / DISK_SECTOR;
    unsigned *counts = need(calloc(sectors + 1, sizeof *counts)),
             *chosen = need(calloc(sectors + 1, sizeof *chosen));
    for (const struct unsynced *w = from->writes; w; w = w->next)
        counts[w->sector]++;
    for (uint64_t s = 0; s < sectors; s++)
        chosen[s] = counts[s] ? choose(state, seed, counts[s]) : 0;
    for (const struct unsynced *w = from->writes; w; w = w->next)
        if (counts[w->sector]-- == chosen[w->sector])
            memcpy(to->seen + w->sector * DISK_SECTOR, w->bytes, DISK_SECTOR);
    free(counts);
    free(chosen);
    if (size < to->capacity)
        memset(to->seen + size, 0, to->capacity - size);
    to->size = size;
    file_sync(to);
}

struct disk *disk_after_power_loss(const struct disk *d, uint64_t seed)
{
    uint64_t state = seed;
    struct disk *n = disk_new(d->seed ^ draw(&state));
    for (int i = 0; i < FILES_MOST; i++)
        if (d->files[i]) {
            n->files[i] = need(calloc(1, sizeof *n->files[i]));
            lose_power(n->files[i], d->files[i], &state, seed);
        }
    for (unsigned i = 0; i < d->name_count; i++) {
        const struct name *a = &d->names[i];
        unsigned which = choose(&state, seed, a->later_count);
        int file = which == 0 ? a->synced : which == a->later_count ? a->seen : a->later[which - 1];
        if (file < 0)
            continue;
        struct name *b = name_find(n, a->text, true);
        b->seen = b->synced = file;
        n->files[file]->names++;
    }
    release_all(n);
    return n;
}

static void copy_file(struct file *to, const struct file *from)
{
    *to = *from;
    to->descriptors = 0;
    to->seen = to->synced = NULL;
    to->capacity = 0;
    file_reserve(to, from->capacity);
    if (from->capacity) {
        memcpy(to->seen, from->seen, from->capacity);
        memcpy(to->synced, from->synced, from->capacity);
    }
    struct unsynced **end = &to->writes;
    for (const struct unsynced *w = from->writes; w; w = w->next) {
        *end = need(malloc(sizeof **end));
        **end = *w;
        end = &(*end)->next;
    }
    *end = NULL;
}

struct disk *disk_after_kill(const struct disk *d)
{
    uint64_t state = d->seed;
    struct disk *n = disk_new(draw(&state));
    for (int i = 0; i < FILES_MOST; i++)
        if (d->files[i]) {
            n->files[i] = need(calloc(1, sizeof *n->files[i]));
            copy_file(n->files[i], d->files[i]);
        }
    memcpy(n->names, d->names, sizeof n->names);
    n->name_count = d->name_count;
    release_all(n);
    return n;
}

void disk_kill(struct disk *d)
{
    for (int fd = 0; fd < DESCRIPTORS_MOST; fd++)
        if (d->descriptors[fd] >= 0)
            disk_close(d, fd);
}

void disk_at_sync(struct disk *d, void (*hook)(void *arg), void *arg)
{
    d->hook = hook;
    d->arg = arg;
}

void disk_set_capacity(struct disk *d, uint64_t bytes)
{
    d->capacity = bytes;
}

uint64_t disk_used(const struct disk *d)
{
    uint64_t sum = 0;
    for (int i = 0; i < FILES_MOST; i++)
        if (d->files[i] && (d->files[i]->names > 0 || d->files[i]->descriptors > 0))
            sum += d->files[i]->size;
    return sum;
}

uint8_t *disk_file(struct disk *d, const char *name, uint64_t *size)
{
    struct name *n = name_find(d, name, false);
    if (!n || n->seen < 0)
        return NULL;
    *size = d->files[n->seen]->size;
    return d->files[n->seen]->seen;
}

void disk_add(struct disk *d, const char *name, const uint8_t *bytes, uint64_t size)
{
    int file = file_new(d);
    name_set(d, name_find(d, name, true), file);
    file_resize(d->files[file], size);
    if (size)
        memcpy(d->files[file]->seen, bytes, size);
    file_sync(d->files[file]);
    names_sync(d);
}
