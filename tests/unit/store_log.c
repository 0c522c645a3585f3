// Opening, locking, committing and space: on a folder of the real system where the system decides, else on a
// disk in memory.
#include "tests/crash/disk.h"
#include "tests/crash/owner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORDS 2000

static char base[64], folder[128], message[STORE_MESSAGE_MAX];
static struct store *store;
static struct owner owner;

static void make_base(void)
{
    snprintf(base, sizeof base, "/tmp/store_log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    ck_assert_int_eq(chmod(base, 0755), 0);
    snprintf(folder, sizeof folder, "%s/data", base);
    owner_init(&owner, RECORDS);
}

static void remove_base(void)
{
    owner_release(&owner);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    ck_assert_int_eq(system(command), 0);
}

static struct store_options in_folder(enum store_mode mode)
{
    return (struct store_options){.path = folder, .mode = mode, .segment_size = STORE_SEGMENT_MIN};
}

static enum store_error try_open(enum store_mode mode, struct store **out)
{
    struct store_options o = in_folder(mode);
    return store_open_log(&o, out, message);
}

static void open_folder(void)
{
    ck_assert_msg(try_open(STORE_WRITE, &store) == STORE_OK, "%s", message);
    ck_assert_msg(owner_load(&owner, store) == STORE_OK, "%s", store_message(store));
}

static void expect_line(const char *part)
{
    ck_assert_msg(strstr(message, part), "\"%s\" is not in \"%s\"", part, message);
    ck_assert_msg(strstr(message, base), "no path in \"%s\"", message);
    ck_assert_ptr_null(strchr(message, '\n'));
}

// Runs `body` as a user without privileges; the test's own process if it has none already.
static void unprivileged(void (*body)(void))
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (geteuid() == 0 && seteuid(65534) < 0)
            _exit(3);
        body();
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_missing_folder_is_made_for_its_owner_alone)
{
    open_folder();
    struct stat s;
    ck_assert_int_eq(stat(folder, &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0700);
    owner_put(&owner, 1, 100);
    ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    store_close(store);
    struct owner again;
    owner_init(&again, RECORDS);
    ck_assert_int_eq(try_open(STORE_WRITE, &store), STORE_OK);
    ck_assert_int_eq(owner_load(&again, store), STORE_OK);
    ck_assert(owner_matches(&owner, &again));
    owner_release(&again);
    store_close(store);
}
END_TEST

START_TEST(segments_are_written_in_full_ahead)
{
    open_folder();
    char path[160];
    struct stat s;
    snprintf(path, sizeof path, "%s/0000000001.log", folder);
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_int_eq(s.st_size, STORE_SEGMENT_MIN);
    ck_assert_int_ge(s.st_blocks * 512, STORE_SEGMENT_MIN); // no hole that a commit would have to fill
    snprintf(path, sizeof path, "%s/0000000002.log", folder);
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_int_ge(s.st_blocks * 512, STORE_SEGMENT_MIN);
    store_close(store);
}
END_TEST

START_TEST(a_missing_parent_is_said)
{
    snprintf(folder, sizeof folder, "%s/no/such", base);
    ck_assert_int_eq(try_open(STORE_WRITE, &store), STORE_MISSING);
    expect_line("its parent does not exist");
}
END_TEST

START_TEST(reading_makes_no_folder)
{
    ck_assert_int_eq(try_open(STORE_READ, &store), STORE_MISSING);
    expect_line("there is no data folder");
    ck_assert_int_ne(access(folder, F_OK), 0);
}
END_TEST

START_TEST(a_file_is_no_folder)
{
    int fd = open(folder, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(try_open(STORE_WRITE, &store), STORE_NOT_A_FOLDER);
    expect_line("is not a folder");
}
END_TEST

static void open_without_permission(void)
{
    if (try_open(STORE_WRITE, &store) != STORE_PERMISSION || !strstr(message, "no permission to write to"))
        _exit(1);
}

START_TEST(a_folder_that_may_not_be_written_is_said)
{
    ck_assert_int_eq(mkdir(folder, 0555), 0);
    unprivileged(open_without_permission);
}
END_TEST

static void open_unreadable(void)
{
    if (try_open(STORE_READ, &store) != STORE_PERMISSION || !strstr(message, "no permission to open"))
        _exit(1);
}

START_TEST(a_folder_that_may_not_be_read_is_said)
{
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    if (geteuid() == 0)
        unprivileged(open_unreadable);
}
END_TEST

START_TEST(a_second_writer_is_told_who_was_first)
{
    open_folder();
    struct store *second;
    ck_assert_int_eq(try_open(STORE_WRITE, &second), STORE_LOCKED);
    char expected[64];
    snprintf(expected, sizeof expected, "is in use by process %ld", (long)getpid());
    expect_line(expected);
    ck_assert_int_eq(try_open(STORE_READ, &second), STORE_LOCKED);
    store_close(store);
    struct store *reader, *other;
    ck_assert_int_eq(try_open(STORE_READ, &reader), STORE_OK);
    ck_assert_int_eq(try_open(STORE_READ, &other), STORE_OK);
    ck_assert_int_eq(try_open(STORE_WRITE, &second), STORE_LOCKED);
    store_close(reader);
    store_close(other);
    ck_assert_int_eq(try_open(STORE_WRITE, &second), STORE_OK);
    store_close(second);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    static const struct {
        uint32_t segment_size;
        uint64_t slack;
    } wrong[] = {{1, 0},
                 {STORE_SEGMENT_MIN - 4096, 0},
                 {STORE_SEGMENT_MIN + 1, 0},
                 {STORE_SEGMENT_MAX + 4096, 0},
                 {STORE_SEGMENT_MIN, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct store_options o = in_folder(STORE_WRITE);
        o.segment_size = wrong[i].segment_size;
        o.slack = wrong[i].slack;
        ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OPTION);
    }
    struct store_options none = {.path = NULL};
    ck_assert_int_eq(store_open_log(&none, &store, message), STORE_OPTION);
    ck_assert_int_ne(access(folder, F_OK), 0);
}
END_TEST

START_TEST(the_segment_size_for_a_record_holds_it)
{
    ck_assert_uint_eq(store_segment_size_for(1 << 20), STORE_SEGMENT_DEFAULT);
    uint32_t size = store_segment_size_for(10 << 20);
    ck_assert_uint_gt(size, STORE_SEGMENT_DEFAULT);
    ck_assert_uint_eq(size & (size - 1), 0);
    ck_assert_uint_eq(store_segment_size_for(UINT32_MAX), 0);
}
END_TEST

START_TEST(every_error_has_its_text)
{
    for (int e = 0; e < STORE_ERROR_COUNT; e++)
        ck_assert_str_ne(store_error_text((enum store_error)e), "");
}
END_TEST

START_TEST(a_batch_of_the_most_bytes_goes_in_and_a_larger_one_does_not)
{
    open_folder();
    uint32_t segment;
    size_t most = store_batch_max(store);
    ck_assert_int_eq(store_batch_begin(store, most + 1, &segment), STORE_TOO_LARGE);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(store_batch_begin(store, most, &segment), STORE_OK);
        memset(store_batch_put(store, 9, 1, (uint32_t)most - 16, (struct store_place){0, 0}), i, most - 16);
        ck_assert_int_eq(store_commit(store), STORE_OK);
    }
    store_close(store);
}
END_TEST

START_TEST(a_batch_without_records_leaves_no_trace)
{
    open_folder();
    uint32_t segment;
    ck_assert_int_eq(store_batch_begin(store, 100, &segment), STORE_OK);
    ck_assert_int_eq(store_batch_begin(store, 2000, &segment), STORE_OK); // anew, with more
    ck_assert_int_eq(store_commit(store), STORE_OK);
    ck_assert_uint_eq(store_stats(store).commits, 0);
    ck_assert_uint_eq(store_stats(store).last_batch, 0);
    store_close(store);
}
END_TEST

START_TEST(commits_are_counted)
{
    open_folder();
    owner_put(&owner, 1, 100);
    owner_put(&owner, 2, 200);
    ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    owner_delete(&owner, 1);
    ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    struct store_stats s = store_stats(store);
    ck_assert_uint_eq(s.commits, 2);
    ck_assert_uint_eq(s.records, 3);
    ck_assert_uint_eq(s.bytes,
                      2 * 48 + STORE_RECORD_SIZE(100) + STORE_RECORD_SIZE(200) + STORE_RECORD_SIZE(0));
    ck_assert_uint_eq(s.live_bytes, STORE_RECORD_SIZE(200));
    ck_assert_uint_eq(s.last_batch, 2);
    ck_assert_uint_eq(s.segments, 1);
    ck_assert_uint_eq(s.log_bytes, STORE_SEGMENT_MIN);
    ck_assert_uint_gt(s.sync_ns, 0);
    ck_assert_uint_ge(s.sync_ns, s.sync_max_ns);
    store_close(store);
}
END_TEST

// The helper works on a thread of its own: segment after segment is begun, many times what is ready ahead.
START_TEST(with_a_helper_segments_come_as_fast_as_they_are_filled)
{
    struct store_options o = in_folder(STORE_WRITE);
    o.helper = true;
    for (int round = 0; round < 3; round++) {
        struct owner before = owner;
        owner_init(&owner, RECORDS);
        ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
        ck_assert_msg(owner_load(&owner, store) == STORE_OK, "%s", store_message(store));
        ck_assert(owner_matches(&before, &owner));
        owner_release(&before);
        for (uint32_t i = 0; i < 400; i++) {
            for (uint32_t k = 0; k < 8; k++)
                owner_put(&owner, (i * 8 + k) % 500, 400);
            ck_assert_msg(owner_commit(&owner, false) == STORE_OK, "%s", store_message(store));
            ck_assert_int_eq(owner_clean(&owner), STORE_OK);
        }
        ck_assert_uint_gt(store_stats(store).cleaned_segments, 5);
        store_close(store);
    }
}
END_TEST

// --- Space, on a disk in memory ---

static struct disk *disk;

static void open_disk(void)
{
    struct store_options o = {.path = "disk", .segment_size = STORE_SEGMENT_MIN, .io = disk_io(disk)};
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
}

START_TEST(lack_of_space_is_known_while_a_reserve_is_left)
{
    disk = disk_new(1);
    disk_set_capacity(disk, 8 * STORE_SEGMENT_MIN + 100);
    open_disk();
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
    uint32_t id = 0;
    uint64_t left;
    while (store_space(store, &left) == STORE_SPACE_OK) {
        ck_assert_uint_lt(id, RECORDS);
        owner_put(&owner, id++, 500);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    ck_assert_uint_gt(id, 300);
    ck_assert_uint_ge(left, STORE_SEGMENT_MIN); // the rest of this segment and the whole next one
    store_prepare(store);
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_LOW);

    // Acknowledging goes on, and what it frees ends the lack.
    for (uint32_t done = 0; done < id - 20; done++) {
        owner_delete(&owner, done);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
    }
    store_prepare(store);
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_OK);
    struct owner again;
    owner_init(&again, RECORDS);
    store_close(store);
    open_disk();
    ck_assert_int_eq(owner_load(&again, store), STORE_OK);
    ck_assert(owner_matches(&owner, &again));
    owner_release(&again);
    store_close(store);
    disk_free(disk);
}
END_TEST

// Allocating fails while the disk is full, and takes as long as we like.
static struct doubt {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool full, held, met;
} doubt = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static int doubtful_allocate(void *context, int fd, uint64_t size)
{
    pthread_mutex_lock(&doubt.lock);
    doubt.met = doubt.held;
    while (doubt.held)
        pthread_cond_wait(&doubt.moved, &doubt.lock);
    bool full = doubt.full;
    pthread_mutex_unlock(&doubt.lock);
    if (!full)
        return io_system.allocate(context, fd, size);
    errno = ENOSPC;
    return -1;
}

static void doubt_set(bool full, bool held)
{
    pthread_mutex_lock(&doubt.lock);
    doubt.full = full;
    doubt.held = held;
    pthread_cond_broadcast(&doubt.moved);
    pthread_mutex_unlock(&doubt.lock);
}

static bool doubt_met(void)
{
    pthread_mutex_lock(&doubt.lock);
    bool met = doubt.met;
    pthread_mutex_unlock(&doubt.lock);
    sched_yield();
    return met;
}

START_TEST(to_look_for_space_is_not_to_have_it)
{
    struct store_io io = io_system;
    io.allocate = doubtful_allocate;
    struct store_options o = in_folder(STORE_WRITE);
    o.helper = true;
    o.io = &io;
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
    ck_assert_msg(owner_load(&owner, store) == STORE_OK, "%s", store_message(store));
    doubt_set(true, false);
    for (uint32_t id = 0; store_space(store, NULL) == STORE_SPACE_OK; id++) {
        ck_assert_uint_lt(id, RECORDS);
        owner_put(&owner, id, 500);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    doubt_set(true, true);
    store_prepare(store);
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_LOW);
    while (!doubt_met()) // what failed last may be ending only now
        store_prepare(store);
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_LOW); // nobody knows yet
    doubt_set(false, false);
    while (store_space(store, NULL) == STORE_SPACE_LOW) {
        store_prepare(store);
        sched_yield();
    }
    uint64_t left;
    ck_assert_int_eq(store_space(store, &left), STORE_SPACE_OK);
    ck_assert_uint_gt(left, STORE_SEGMENT_MIN); // a segment, and the reserve
    store_close(store);
}
END_TEST

START_TEST(a_full_disk_refuses_the_batch_and_takes_it_when_there_is_space)
{
    disk = disk_new(1);
    disk_set_capacity(disk, 3 * STORE_SEGMENT_MIN + 100);
    open_disk();
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
    enum store_error e = STORE_OK;
    uint64_t commits = 0;
    for (uint32_t id = 0; !e; id++) {
        ck_assert_uint_lt(id, RECORDS);
        owner_put(&owner, id, 500);
        e = owner_commit(&owner, true);
        commits += !e;
    }
    ck_assert_int_eq(e, STORE_NO_SPACE);
    ck_assert_msg(strstr(store_message(store), strerror(ENOSPC)), "%s", store_message(store));
    ck_assert_uint_gt(commits, 3 * 100); // all three segments were used before
    ck_assert_int_eq(owner_commit(&owner, true), STORE_NO_SPACE);
    disk_set_capacity(disk, 30 * STORE_SEGMENT_MIN);
    store_prepare(store);
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_OK);
    ck_assert_int_eq(owner_commit(&owner, true), STORE_OK);
    store_close(store);
    disk_free(disk);
}
END_TEST

START_TEST(a_store_whose_disk_filled_up_opens_again)
{
    disk = disk_new(1);
    open_disk();
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
    for (uint32_t id = 0; id < 700; id++) {
        owner_put(&owner, id, 500);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    store_close(store);
    unsigned removed = 0;
    for (unsigned number = 1; number < 50; number++) {
        char name[24];
        snprintf(name, sizeof name, "%010u.spare", number);
        removed += disk_remove(disk, name) == 0;
    }
    ck_assert_uint_gt(removed, 0);
    disk_set_capacity(disk, disk_used(disk) + 100); // the reserve's place was taken by something else
    open_disk();
    struct owner again;
    owner_init(&again, RECORDS);
    ck_assert_msg(owner_load(&again, store) == STORE_OK, "%s", store_message(store));
    ck_assert(owner_matches(&owner, &again));
    ck_assert_int_eq(store_space(store, NULL), STORE_SPACE_LOW);
    owner_put(&again, 3, 100);
    ck_assert_int_eq(owner_commit(&again, false), STORE_OK);
    owner_release(&again);
    store_close(store);
    disk_free(disk);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/log");
    TCase *c = tcase_create("log");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_base, remove_base);
    tcase_add_test(c, a_missing_folder_is_made_for_its_owner_alone);
    tcase_add_test(c, segments_are_written_in_full_ahead);
    tcase_add_test(c, a_missing_parent_is_said);
    tcase_add_test(c, reading_makes_no_folder);
    tcase_add_test(c, a_file_is_no_folder);
    tcase_add_test(c, a_folder_that_may_not_be_written_is_said);
    tcase_add_test(c, a_folder_that_may_not_be_read_is_said);
    tcase_add_test(c, a_second_writer_is_told_who_was_first);
    tcase_add_test(c, options_out_of_range_are_refused);
    tcase_add_test(c, the_segment_size_for_a_record_holds_it);
    tcase_add_test(c, every_error_has_its_text);
    tcase_add_test(c, a_batch_of_the_most_bytes_goes_in_and_a_larger_one_does_not);
    tcase_add_test(c, a_batch_without_records_leaves_no_trace);
    tcase_add_test(c, commits_are_counted);
    tcase_add_test(c, with_a_helper_segments_come_as_fast_as_they_are_filled);
    tcase_add_test(c, lack_of_space_is_known_while_a_reserve_is_left);
    tcase_add_test(c, to_look_for_space_is_not_to_have_it);
    tcase_add_test(c, a_full_disk_refuses_the_batch_and_takes_it_when_there_is_space);
    tcase_add_test(c, a_store_whose_disk_filled_up_opens_again);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
