// The bound of the log: under patterns that are known to be hard on logs its files stay within twice the live
// bytes and the slack, plus the segment that is being written; and the work is bounded in each step.
#include "tests/crash/disk.h"
#include "tests/crash/owner.h"

#include <check.h>
#include <stdlib.h>

#define SEGMENT STORE_SEGMENT_MIN
#define RECORDS 20000

static struct disk *disk;
static struct store *store;
static struct owner owner;
static uint64_t state;

static void setup(void)
{
    char message[STORE_MESSAGE_MAX];
    disk = disk_new(3);
    state = 3;
    struct store_options o = {.path = "disk", .segment_size = SEGMENT, .io = disk_io(disk)};
    owner_init(&owner, RECORDS);
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
}

static void teardown(void)
{
    // Whatever was cleaned away, what lives is there.
    char message[STORE_MESSAGE_MAX];
    struct store_options o = {.path = "disk", .segment_size = SEGMENT, .io = disk_io(disk)};
    struct owner again;
    store_close(store);
    owner_init(&again, RECORDS);
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
    ck_assert_msg(owner_load(&again, store) == STORE_OK, "%s", store_message(store));
    ck_assert(owner_matches(&owner, &again));
    ck_assert_uint_eq(store_stats(store).live_bytes, owner_live_bytes(&again));
    store_close(store);
    owner_release(&again);
    owner_release(&owner);
    disk_free(disk);
}

static void check_bound(void)
{
    struct store_stats s = store_stats(store);
    uint64_t slack = 4 * SEGMENT, current = SEGMENT;
    ck_assert_uint_eq(s.live_bytes, owner_live_bytes(&owner));
    ck_assert_msg(s.disk_bytes <= 2 * s.live_bytes + slack + current, "%llu bytes of files, %llu live",
                  (unsigned long long)s.disk_bytes, (unsigned long long)s.live_bytes);
    // And the counted bytes are those of the disk (the lock file is some bytes more).
    ck_assert_uint_le(disk_used(disk), s.disk_bytes + 32);
}

static void step(void)
{
    ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    ck_assert_int_eq(owner_clean(&owner), STORE_OK);
}

static void idle(void)
{
    for (int i = 0; store_clean_wanted(store) || owner.dirty_count > 0; i++) {
        ck_assert_int_lt(i, 100000);
        step();
    }
}

START_TEST(one_old_record_under_a_million_short_ones)
{
    owner_put(&owner, 0, 100);
    step();
    for (uint32_t i = 0; i < 1000000 / 64; i++) {
        for (uint32_t k = 0; k < 64; k++) // put and ended within the same breath of 64
            owner_put(&owner, 1 + k, 60);
        step();
        for (uint32_t k = 0; k < 64; k++)
            owner_delete(&owner, 1 + k);
        step();
        check_bound();
    }
    ck_assert_uint_gt(store_stats(store).cleaned_segments, 1000);
}
END_TEST

START_TEST(a_backlog_ended_in_random_order)
{
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t id = 0; id < RECORDS; id++) {
            owner_put(&owner, id, 100);
            if (id % 50 == 49) {
                step();
                check_bound();
            }
        }
        for (uint32_t i = 0; i < 3 * RECORDS; i++) {
            owner_delete(&owner, (uint32_t)draw_below(&state, RECORDS));
            if (i % 20 == 19)
                step();
        }
        idle(); // it may run ahead while a backlog falls together, but never stays there
        check_bound();
    }
}
END_TEST

START_TEST(a_steady_backlog_with_records_ended_at_random)
{
    for (uint32_t i = 0; i < 60000; i++) {
        uint32_t id = (uint32_t)draw_below(&state, 5000);
        if (owner.entries[id].version)
            owner_delete(&owner, id);
        else
            owner_put(&owner, id, 20 + (uint32_t)draw_below(&state, 200));
        if (i % 10 == 9) {
            step();
            check_bound();
        }
    }
}
END_TEST

START_TEST(old_records_that_live_at_the_front_of_the_log)
{
    for (uint32_t id = 0; id < 4000; id++) {
        owner_put(&owner, id, 100);
        if (id % 20 == 19)
            step();
    }
    for (uint32_t i = 0; i < 30000; i++) { // garbage behind them
        owner_put(&owner, 4000 + i % 10, 100);
        step();
        check_bound();
    }
}
END_TEST

START_TEST(records_of_a_third_of_what_a_batch_takes)
{
    uint32_t length = (uint32_t)store_batch_max(store) / 3;
    for (uint32_t i = 0; i < 6000; i++) {
        owner_put(&owner, (uint32_t)draw_below(&state, 40), length);
        step();
        check_bound();
    }
}
END_TEST

START_TEST(records_with_hardly_a_byte_one_a_batch)
{
    for (uint32_t i = 0; i < 40000; i++) {
        owner_put(&owner, (uint32_t)draw_below(&state, 3000), 4);
        step();
        check_bound();
    }
    idle();
    check_bound();
}
END_TEST

START_TEST(an_idle_store_comes_to_rest)
{
    for (uint32_t i = 0; i < 5000; i++) {
        owner_put(&owner, (uint32_t)draw_below(&state, 2000), 4 + (uint32_t)draw_below(&state, 500));
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK); // nobody cleans meanwhile
    }
    idle();
    check_bound();
    uint64_t commits = store_stats(store).commits;
    idle();
    ck_assert_uint_eq(store_stats(store).commits, commits);
    for (uint32_t id = 0; id < 2000; id++)
        owner_delete(&owner, id);
    idle();
    ck_assert_uint_eq(store_stats(store).live_bytes, 0);
    ck_assert_uint_eq(store_stats(store).segments, 1);
}
END_TEST

START_TEST(what_died_under_a_snapshot_goes_when_it_ends)
{
    struct store_snapshot *snapshot;
    for (uint32_t id = 0; store_stats(store).segments < 8; id++) {
        owner_put(&owner, id, 2000);
        step();
    }
    ck_assert_int_eq(store_snapshot_begin(store, &snapshot), STORE_OK);
    for (uint32_t id = 0; owner.entries[id].place.segment == 1; id++)
        owner_delete(&owner, id);
    step();
    ck_assert_uint_eq(store_stats(store).segments, 8);
    store_snapshot_end(store, snapshot);
    ck_assert(store_clean_wanted(store)); // though no record has to move
    idle();
    ck_assert_uint_eq(store_stats(store).segments, 7);
}
END_TEST

struct count {
    unsigned records;
};

static void lives_never(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    (void)refs;
    (void)segment;
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, STORE_REFS_MAX);
    ((struct count *)arg)->records += count;
}

static void lives_always(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    lives_never(arg, refs, count, segment);
    for (unsigned i = 0; i < count; i++)
        refs[i].lives = true;
}

START_TEST(one_share_is_bounded)
{
    owner_put(&owner, 0, 100);
    for (uint32_t i = 0; store_stats(store).segments < 6; i++) {
        owner_put(&owner, 1 + i % 50, 84); // 100 bytes each in the log
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    struct count count = {0};
    uint64_t credit = store_stats(store).bytes;
    ck_assert(store_clean_wanted(store));
    ck_assert_int_eq(store_clean_next(store, lives_never, &count), STORE_OK);
    ck_assert_uint_gt(count.records, 0);
    ck_assert_uint_le(count.records, 1 + (4096 + 8 * credit) / 100);
    count.records = 0; // nothing was committed since: the least
    ck_assert_int_eq(store_clean_next(store, lives_always, &count), STORE_OK);
    ck_assert_uint_le(count.records, 1 + 4096 / 100);
}
END_TEST

START_TEST(what_lives_ends_a_share_earlier_than_what_is_walked_over)
{
    uint32_t long_lived = 300, last = 0;
    while (store_stats(store).segments < 12) {
        if (store_stats(store).segments > last) // one in each
            owner_put(&owner, long_lived++, 84);
        last = (uint32_t)store_stats(store).segments;
        for (uint32_t i = 1; i <= 100; i++)
            owner_put(&owner, i, 84);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    uint64_t first = store_stats(store).cleaned_segments, before = 0;
    while (store_stats(store).cleaned_segments == first) { // with it goes the credit of all that was written
        before = store_stats(store).bytes;
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
        owner_put(&owner, 200, 84);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
    }
    ck_assert(store_clean_wanted(store));
    uint64_t credit = store_stats(store).bytes - before;
    struct count count = {0};
    ck_assert_int_eq(store_clean_next(store, lives_always, &count), STORE_OK);
    ck_assert_uint_gt(count.records, 20);
    ck_assert_uint_le(count.records, 1 + (4096 + 2 * credit) / 100);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/clean");
    TCase *c = tcase_create("clean");
    tcase_set_timeout(c, 100);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, one_old_record_under_a_million_short_ones);
    tcase_add_test(c, a_backlog_ended_in_random_order);
    tcase_add_test(c, a_steady_backlog_with_records_ended_at_random);
    tcase_add_test(c, old_records_that_live_at_the_front_of_the_log);
    tcase_add_test(c, records_of_a_third_of_what_a_batch_takes);
    tcase_add_test(c, records_with_hardly_a_byte_one_a_batch);
    tcase_add_test(c, an_idle_store_comes_to_rest);
    tcase_add_test(c, what_died_under_a_snapshot_goes_when_it_ends);
    tcase_add_test(c, one_share_is_bounded);
    tcase_add_test(c, what_lives_ends_a_share_earlier_than_what_is_walked_over);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
