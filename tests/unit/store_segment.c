// The files of the log and those who make them: segment.c and ahead.c, on a disk in memory.
#include "server/store/ahead.h"
#include "server/store/segment.h"
#include "tests/crash/disk.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define SIZE STORE_SEGMENT_MIN

static struct disk *disk;
static struct segment_place place;
static char message[STORE_MESSAGE_MAX];

static void setup(void)
{
    disk = disk_new(1);
    const struct store_io *io = disk_io(disk);
    place = (struct segment_place){.io = io, .path = "disk", .id = "0123456789abcde"};
    place.folder = io->open(io->context, IO_HERE, "disk", O_RDONLY | O_DIRECTORY, 0);
}

static void teardown(void)
{
    disk_free(disk);
}

static bool there(const char *name)
{
    uint64_t size;
    return disk_file(disk, name, &size) != NULL;
}

START_TEST(names_say_number_and_kind)
{
    char name[SEGMENT_NAME_MAX];
    uint32_t number;
    for (int k = 0; k < SEGMENT_NONE; k++) {
        segment_name(name, UINT32_MAX - 1, (enum segment_kind)k);
        ck_assert_int_eq(segment_of_name(name, &number), k);
        ck_assert_uint_eq(number, UINT32_MAX - 1);
    }
    static const char *const others[] = {"",
                                         "lock",
                                         "1.log",
                                         "0000000000.log",
                                         "4294967296.log",
                                         "00000000012.log",
                                         "0000000001.logs",
                                         "0000000001",
                                         "0000000001.LOG",
                                         "-000000001.log"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_int_eq(segment_of_name(others[i], &number), SEGMENT_NONE);
}
END_TEST

START_TEST(a_spare_is_all_zeros_and_becomes_a_segment)
{
    uint64_t size;
    ck_assert_int_eq(segment_make_spare(&place, 5, SIZE, message), STORE_OK);
    uint8_t *file = disk_file(disk, "0000000005.spare", &size);
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(size, SIZE);
    ck_assert_int_eq(place.io->sync(place.io->context, place.folder), 0);
    struct disk *left = disk_after_power_loss(disk, 1); // the name alone is not all that was synced
    ck_assert_ptr_nonnull(disk_file(left, "0000000005.spare", &size));
    ck_assert_uint_eq(size, SIZE);
    disk_free(left);
    for (uint64_t i = 0; i < size; i++)
        ck_assert_uint_eq(file[i], 0);
    struct format_head head, read;
    int fd;
    ck_assert_int_eq(segment_new_head(&place, 9, SIZE, &head, message), STORE_OK);
    ck_assert_int_eq(segment_use_spare(&place, 5, &head, &fd, message), STORE_OK);
    ck_assert(!there("0000000005.spare"));
    file = disk_file(disk, "0000000009.log", &size);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(format_head_read(file, &read), FORMAT_GOOD);
    ck_assert_uint_eq(read.number, 9);
    ck_assert_uint_eq(read.seed, head.seed);
    ck_assert_mem_eq(read.id, place.id, sizeof read.id);
    place.io->close(place.io->context, fd);
}
END_TEST

START_TEST(what_does_not_fit_leaves_nothing)
{
    disk_set_capacity(disk, SIZE - 1);
    ck_assert_int_eq(segment_make_spare(&place, 5, SIZE, message), STORE_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(message, "disk/0000000005.making"));
    ck_assert_uint_eq(disk_used(disk), 0);
}
END_TEST

static struct ahead *started(uint32_t next, bool helper)
{
    struct ahead *a = ahead_new(&place, SIZE);
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(ahead_start(a, next, helper, message), STORE_OK);
    return a;
}

static void close_ready(struct ahead_ready *r)
{
    place.io->close(place.io->context, r->fd);
}

START_TEST(one_is_ready_and_one_in_reserve)
{
    struct ahead *a = started(1, false);
    ahead_run(a, false);
    struct ahead_state s = ahead_state(a);
    ck_assert(s.ready && s.reserve && !s.low);
    ck_assert_uint_eq(s.bytes, 2 * SIZE);
    ck_assert_uint_eq(disk_used(disk), 2 * SIZE);
    struct ahead_ready first, second;
    ck_assert_int_eq(ahead_take(a, &first, message), STORE_OK);
    ck_assert_int_eq(ahead_take(a, &second, message), STORE_OK);
    ck_assert_uint_eq(first.head.number, 1);
    ck_assert_uint_eq(second.head.number, 2);
    ck_assert_uint_ne(first.head.seed, second.head.seed);
    close_ready(&first);
    close_ready(&second);
    ahead_free(a);
}
END_TEST

START_TEST(retired_files_are_used_again_and_few_are_kept)
{
    struct ahead *a = started(1, false);
    ahead_run(a, false);
    struct ahead_ready ready;
    for (uint32_t i = 1; i <= 6; i++) {
        ck_assert_int_eq(ahead_take(a, &ready, message), STORE_OK);
        close_ready(&ready);
        ahead_run(a, false);
    }
    ck_assert_uint_eq(disk_used(disk), 8 * SIZE);
    ck_assert(ahead_reserve(a, 6));
    for (uint32_t i = 1; i <= 6; i++)
        ahead_retire(a, &(struct segment){.number = i, .size = SIZE});
    ahead_run(a, false);
    ck_assert_uint_eq(disk_used(disk), 3 * SIZE); // the one that is ready, and two spares
    ck_assert_uint_eq(ahead_state(a).bytes, 3 * SIZE);
    disk_set_capacity(disk, 0); // nothing new need be made
    for (uint32_t i = 7; i <= 9; i++) {
        ck_assert_int_eq(ahead_take(a, &ready, message), STORE_OK);
        ck_assert_uint_eq(ready.head.number, i);
        close_ready(&ready);
    }
    ck_assert_int_eq(ahead_take(a, &ready, message), STORE_NO_SPACE);
    ck_assert(ahead_state(a).low);
    ahead_free(a);
}
END_TEST

START_TEST(a_retired_file_of_another_size_goes)
{
    struct ahead *a = started(3, false);
    ck_assert_int_eq(segment_make_spare(&place, 1, 2 * SIZE, message), STORE_OK);
    ck_assert_int_eq(place.io->rename(place.io->context, place.folder, "0000000001.spare", "0000000001.log"),
                     0);
    ck_assert(ahead_reserve(a, 1));
    ahead_retire(a, &(struct segment){.number = 1, .size = 2 * SIZE});
    ahead_run(a, false);
    ck_assert_uint_eq(disk_used(disk), 2 * SIZE); // one ready, one in reserve, both made anew
    ck_assert_uint_eq(ahead_state(a).bytes, 2 * SIZE);
    ahead_free(a);
}
END_TEST

START_TEST(a_damaged_file_is_kept_apart)
{
    struct ahead *a = started(1, false);
    struct ahead_ready ready;
    ck_assert_int_eq(ahead_take(a, &ready, message), STORE_OK);
    close_ready(&ready);
    ahead_run(a, false);
    ck_assert(ahead_reserve(a, 2));
    ahead_retire(a, &(struct segment){.number = 1, .size = SIZE, .damaged = true});
    ahead_retire(a, &(struct segment){.number = 77, .damaged = true, .missing = true});
    ahead_run(a, false);
    ck_assert_int_eq(ahead_failed(a, message), STORE_OK);
    ck_assert(there("0000000001.damaged"));
    ck_assert(!there("0000000001.log"));
    ahead_free(a);
}
END_TEST

START_TEST(a_file_that_should_be_there_and_is_not_is_a_failure)
{
    struct ahead *a = started(1, false);
    ck_assert(ahead_reserve(a, 1));
    ahead_retire(a, &(struct segment){.number = 77, .size = SIZE});
    ahead_run(a, false);
    ck_assert_int_eq(ahead_failed(a, message), STORE_IO);
    ck_assert_ptr_nonnull(strstr(message, "disk/0000000077.log"));
    struct ahead_ready ready;
    message[0] = '\0';
    ck_assert_int_eq(ahead_take(a, &ready, message), STORE_IO);
    ck_assert_ptr_nonnull(strstr(message, "disk/0000000077.log"));
    ahead_free(a);
}
END_TEST

static int sync_fails(void *context, int fd)
{
    (void)context;
    (void)fd;
    errno = EIO;
    return -1;
}

START_TEST(a_disk_that_fails_is_not_taken_for_a_full_one)
{
    struct store_io failing = *place.io;
    failing.sync = sync_fails;
    place.io = &failing;
    struct ahead *a = started(1, false);
    ahead_run(a, false);
    ck_assert_int_eq(ahead_failed(a, message), STORE_IO);
    ck_assert(!ahead_state(a).low);
    ahead_run(a, true); // and is not tried again
    ck_assert_int_eq(ahead_failed(a, message), STORE_IO);
    ahead_free(a);
}
END_TEST

START_TEST(lack_of_space_passes_when_it_is_tried_again)
{
    disk_set_capacity(disk, SIZE);
    struct ahead *a = started(1, false);
    ahead_run(a, false);
    struct ahead_state s = ahead_state(a);
    ck_assert(s.ready && !s.reserve && s.low);
    disk_set_capacity(disk, 3 * SIZE);
    ahead_run(a, false);
    ck_assert(ahead_state(a).low); // not tried by itself: each try costs
    ahead_run(a, true);
    s = ahead_state(a);
    ck_assert(s.ready && s.reserve && !s.low);
    ahead_free(a);
}
END_TEST

START_TEST(the_helper_makes_what_is_taken)
{
    struct ahead *a = started(1, true);
    for (uint32_t i = 1; i <= 50; i++) {
        struct ahead_ready ready;
        ck_assert_int_eq(ahead_take(a, &ready, message), STORE_OK);
        ck_assert_uint_eq(ready.head.number, i);
        ck_assert(ahead_reserve(a, 1));
        ahead_retire(a, &(struct segment){.number = i, .size = SIZE});
        ahead_run(a, false);
    }
    ahead_free(a);
    ck_assert_uint_le(disk_used(disk), 53 * SIZE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/segment");
    TCase *c = tcase_create("segment");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, names_say_number_and_kind);
    tcase_add_test(c, a_spare_is_all_zeros_and_becomes_a_segment);
    tcase_add_test(c, what_does_not_fit_leaves_nothing);
    tcase_add_test(c, one_is_ready_and_one_in_reserve);
    tcase_add_test(c, retired_files_are_used_again_and_few_are_kept);
    tcase_add_test(c, a_retired_file_of_another_size_goes);
    tcase_add_test(c, a_damaged_file_is_kept_apart);
    tcase_add_test(c, a_file_that_should_be_there_and_is_not_is_a_failure);
    tcase_add_test(c, a_disk_that_fails_is_not_taken_for_a_full_one);
    tcase_add_test(c, lack_of_space_passes_when_it_is_tried_again);
    suite_add_tcase(s, c);
    TCase *t = tcase_create("helper");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_helper_makes_what_is_taken);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
