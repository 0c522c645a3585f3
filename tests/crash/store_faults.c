// Faults. A workload with the smallest segments runs again and again, and each time one more system call
// passes before the fault comes, until a run meets none. Then: what was reported must be what store.h says,
// the store must take nothing more after a failed write or sync, and a store opened on the disk (after a
// power loss, or with the kernel's cache kept) must hold what was committed.
//
//     crash_store_faults
#include "tests/crash/disk.h"
#include "tests/crash/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 60
#define STEPS   90

enum call { CALL_OPEN, CALL_READ, CALL_WRITE, CALL_ALLOCATE, CALL_SYNC, CALL_NAME, CALL_LOOK, CALLS };

#define BIT(call) (1u << (call))

struct fault {
    const char *name;
    int number;     // errno; 0: half of the bytes only
    unsigned calls; // that meet it
    bool stays;     // all later ones meet it too
    bool harmless;  // the store must not notice
};

static const struct fault faults[] = {
    {"EIO once", EIO, BIT(CALLS) - 1, false, false},
    {"EIO from then on", EIO, BIT(CALLS) - 1, true, false},
    {"ENOSPC once", ENOSPC,
     BIT(CALL_OPEN) | BIT(CALL_WRITE) | BIT(CALL_ALLOCATE) | BIT(CALL_SYNC) | BIT(CALL_NAME), false, false},
    {"ENOSPC from then on", ENOSPC, BIT(CALL_WRITE) | BIT(CALL_ALLOCATE), true, false},
    {"ENOSPC at allocations", ENOSPC, BIT(CALL_ALLOCATE), false, true},
    {"EMFILE once", EMFILE, BIT(CALL_OPEN), false, false},
    {"EINTR once", EINTR, BIT(CALL_READ) | BIT(CALL_WRITE) | BIT(CALL_ALLOCATE) | BIT(CALL_SYNC), false,
     true},
    {"a short read or write", 0, BIT(CALL_READ) | BIT(CALL_WRITE), false, true},
};

struct faulty {
    struct store_io io;
    const struct store_io *under;
    const struct fault *fault;
    uint64_t left; // calls until it comes
    bool met;
};

static struct faulty *faulty_of(void *context)
{
    return context;
}

static bool meets(struct faulty *f, enum call call)
{
    if (!(f->fault->calls & BIT(call)))
        return false;
    if (f->met)
        return f->fault->stays;
    if (f->left-- > 0)
        return false;
    f->met = true;
    return true;
}

// With the fault's errno set; for those calls that know no half of it.
static bool fails(void *context, enum call call)
{
    struct faulty *f = faulty_of(context);
    if (!meets(f, call))
        return false;
    errno = f->fault->number;
    return true;
}

#define UNDER(c) faulty_of(c)->under->context

static int faulty_open(void *c, int folder, const char *name, int flags, unsigned mode)
{
    return fails(c, CALL_OPEN) ? -1 : faulty_of(c)->under->open(UNDER(c), folder, name, flags, mode);
}

static int faulty_close(void *c, int fd)
{
    return faulty_of(c)->under->close(UNDER(c), fd);
}

static ssize_t faulty_pread(void *c, int fd, void *bytes, size_t length, uint64_t offset)
{
    struct faulty *f = faulty_of(c);
    if (length > 1 && f->fault->number == 0 && meets(f, CALL_READ))
        length /= 2;
    else if (f->fault->number != 0 && fails(c, CALL_READ))
        return -1;
    return f->under->pread(UNDER(c), fd, bytes, length, offset);
}

static ssize_t faulty_pwrite(void *c, int fd, const void *bytes, size_t length, uint64_t offset)
{
    struct faulty *f = faulty_of(c);
    if (length > 1 && f->fault->number == 0 && meets(f, CALL_WRITE)) {
        length /= 2;
    } else if (f->fault->number != 0 && fails(c, CALL_WRITE)) {
        int number = errno;
        if (number != EINTR && length > 1) // a part of it may have come through
            f->under->pwrite(UNDER(c), fd, bytes, length / 2, offset);
        errno = number;
        return -1;
    }
    return f->under->pwrite(UNDER(c), fd, bytes, length, offset);
}

static int faulty_allocate(void *c, int fd, uint64_t size)
{
    return fails(c, CALL_ALLOCATE) ? -1 : faulty_of(c)->under->allocate(UNDER(c), fd, size);
}

static int faulty_truncate(void *c, int fd, uint64_t size)
{
    return fails(c, CALL_WRITE) ? -1 : faulty_of(c)->under->truncate(UNDER(c), fd, size);
}

static int faulty_sync(void *c, int fd)
{
    return fails(c, CALL_SYNC) ? -1 : faulty_of(c)->under->sync(UNDER(c), fd);
}

static int faulty_rename(void *c, int folder, const char *from, const char *to)
{
    return fails(c, CALL_NAME) ? -1 : faulty_of(c)->under->rename(UNDER(c), folder, from, to);
}

static int faulty_remove(void *c, int folder, const char *name)
{
    return fails(c, CALL_NAME) ? -1 : faulty_of(c)->under->remove(UNDER(c), folder, name);
}

static int faulty_make_folder(void *c, const char *path, unsigned mode)
{
    return faulty_of(c)->under->make_folder(UNDER(c), path, mode);
}

static int faulty_remove_folder(void *c, const char *path)
{
    return faulty_of(c)->under->remove_folder(UNDER(c), path);
}

static int faulty_list(void *c, int folder, int (*each)(void *arg, const char *name), void *arg)
{
    return fails(c, CALL_LOOK) ? -1 : faulty_of(c)->under->list(UNDER(c), folder, each, arg);
}

static int faulty_stat(void *c, int fd, struct io_stat *out)
{
    return fails(c, CALL_LOOK) ? -1 : faulty_of(c)->under->stat(UNDER(c), fd, out);
}

static int faulty_lock(void *c, int fd, bool shared)
{
    return fails(c, CALL_LOOK) ? -1 : faulty_of(c)->under->lock(UNDER(c), fd, shared);
}

static void faulty_hint(void *c, int fd)
{
    (void)c;
    (void)fd;
}

static int faulty_random(void *c, void *bytes, size_t length)
{
    return fails(c, CALL_LOOK) ? -1 : faulty_of(c)->under->random(UNDER(c), bytes, length);
}

static void faulty_init(struct faulty *f, const struct store_io *under, const struct fault *fault,
                        uint64_t left)
{
    *f = (struct faulty){.under = under, .fault = fault, .left = left};
    f->io = (struct store_io){
        .context = f,
        .open = faulty_open,
        .close = faulty_close,
        .pread = faulty_pread,
        .pwrite = faulty_pwrite,
        .allocate = faulty_allocate,
        .truncate = faulty_truncate,
        .sync_data = faulty_sync,
        .sync = faulty_sync,
        .rename = faulty_rename,
        .remove = faulty_remove,
        .make_folder = faulty_make_folder,
        .remove_folder = faulty_remove_folder,
        .list = faulty_list,
        .stat = faulty_stat,
        .lock = faulty_lock,
        .expect = faulty_hint,
        .forget = faulty_hint,
        .random = faulty_random,
    };
}

static _Noreturn void die(const struct faulty *f, uint64_t nth, const char *what, const char *detail)
{
    fprintf(stderr, "store_faults: %s at call %llu: %s: %s\n", f->fault->name, (unsigned long long)nth, what,
            detail);
    exit(EXIT_FAILURE);
}

static void change_some(struct owner *o, uint64_t *state)
{
    for (uint64_t i = 0, n = 1 + draw_below(state, 5); i < n; i++) {
        uint32_t id = (uint32_t)draw_below(state, RECORDS);
        if (draw_below(state, 4) == 0)
            owner_delete(o, id);
        else
            owner_put(o, id, (uint32_t)(4 + draw_below(state, 3000)));
    }
}

static bool passing(enum store_error e)
{
    return e == STORE_NO_SPACE || e == STORE_MEMORY;
}

// Commits all; what is refused for want of space is tried once more, as the daemon would.
static enum store_error commit(struct faulty *f, uint64_t nth, struct owner *o)
{
    enum store_error e = owner_commit(o, false);
    if (passing(e) && store_batch_begin(o->store, 0, &(uint32_t){0}) != STORE_FAILED) {
        e = store_commit(o->store); // of nothing
        store_prepare(o->store);
        if (!e)
            e = owner_commit(o, false);
    }
    uint32_t segment;
    if (e && !passing(e) && store_batch_begin(o->store, 0, &segment) != STORE_FAILED)
        die(f, nth, "a store that failed takes more", store_message(o->store));
    return e;
}

// The workload until its end or its first error. Reports the error, and whether the store was loaded by then.
static enum store_error work(struct faulty *f, uint64_t nth, struct owner *o, char message[STORE_MESSAGE_MAX])
{
    struct store_options opt = {.path = "disk", .segment_size = STORE_SEGMENT_MIN, .io = &f->io};
    struct store *store;
    uint64_t state = 11;
    message[0] = '\0';
    enum store_error e = store_open_log(&opt, &store, message);
    if (e)
        return e;
    // The records of a first run are there already: loading is part of the workload. A load that fails
    // half-way tells the owner nothing, so it goes into a fresh one.
    struct owner loaded;
    owner_init(&loaded, RECORDS);
    e = owner_load(&loaded, store);
    if (!e) {
        if (!owner_matches(o, &loaded))
            die(f, nth, "the load did not fail, and is wrong", "");
        owner_release(o);
        *o = loaded;
        for (int step = 0; step < STEPS && !e; step++) {
            change_some(o, &state);
            e = commit(f, nth, o);
            if (!e)
                e = owner_clean(o);
        }
    } else {
        owner_release(&loaded);
    }
    memcpy(message, store_message(store), STORE_MESSAGE_MAX);
    store_close(store);
    return e;
}

static void check(const struct faulty *f, uint64_t nth, const struct owner *o, struct disk *disk,
                  const char *when)
{
    char message[STORE_MESSAGE_MAX];
    struct store *store;
    struct owner again;
    struct store_options opt = {.path = "disk", .segment_size = STORE_SEGMENT_MIN, .io = disk_io(disk)};
    owner_init(&again, RECORDS);
    if (store_open_log(&opt, &store, message))
        die(f, nth, "cannot open again", message);
    if (owner_load(&again, store))
        die(f, nth, "cannot load again", store_message(store));
    if (!owner_matches(o, &again))
        die(f, nth, "what was committed is not what is there", when);
    owner_put(&again, 0, 100);
    if (owner_commit(&again, false))
        die(f, nth, "cannot go on", store_message(store));
    store_close(store);
    owner_release(&again);
}

static void first_run(struct disk *disk, struct owner *o)
{
    static const struct fault none = {"no fault", EIO, 0, false, false};
    struct faulty f;
    char message[STORE_MESSAGE_MAX];
    faulty_init(&f, disk_io(disk), &none, 0);
    owner_init(o, RECORDS);
    if (work(&f, 0, o, message))
        die(&f, 0, "the workload fails by itself", message);
}

// False once the workload meets no fault any more.
static bool run(const struct fault *fault, uint64_t nth, unsigned *errors)
{
    struct disk *disk = disk_new(nth + 1);
    struct owner o;
    struct faulty f;
    char message[STORE_MESSAGE_MAX];
    first_run(disk, &o);
    faulty_init(&f, disk_io(disk), fault, nth);
    enum store_error e = work(&f, nth, &o, message);
    if (e && !message[0])
        die(&f, nth, "an error without a line about it", store_error_text(e));
    if (e && !f.met)
        die(&f, nth, "an error without a fault", message);
    if (e && fault->harmless)
        die(&f, nth, "a fault that should not be noticed", message);
    *errors += e != STORE_OK;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct disk *left = disk_after_power_loss(disk, seed < 2 ? seed : seed + nth);
        check(&f, nth, &o, left, "after a power loss");
        disk_free(left);
    }
    check(&f, nth, &o, disk, "after the process ended");
    owner_release(&o);
    disk_free(disk);
    return f.met;
}

int main(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint64_t nth = 0;
        unsigned errors = 0;
        while (run(&faults[i], nth, &errors))
            nth++;
        printf("store_faults: %s: at each of %llu calls, %u errors reported\n", faults[i].name,
               (unsigned long long)nth, errors);
        if (nth == 0 || (errors == 0) != faults[i].harmless) {
            fprintf(stderr, "store_faults: %s tested nothing\n", faults[i].name);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
