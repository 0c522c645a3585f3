// What the loading makes of a log that is not as it was written: cut at the end, damaged anywhere else,
// refused with file and offset, or left out with `recover`.
#include "server/store/format.h"
#include "tests/crash/disk.h"
#include "tests/crash/owner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 300

static struct disk *disk;
static struct store *store;
static struct owner owner;
static char message[STORE_MESSAGE_MAX];

static struct store_options options(void)
{
    return (struct store_options){.path = "disk", .segment_size = STORE_SEGMENT_MIN, .io = disk_io(disk)};
}

static enum store_error open_with(bool recover, enum store_mode mode)
{
    struct store_options o = options();
    o.recover = recover;
    o.mode = mode;
    owner_init(&owner, RECORDS);
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
    return owner_load(&owner, store);
}

static void close_store(void)
{
    store_close(store);
    owner_release(&owner);
}

static void must_commit(void)
{
    ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
}

// Batches of up to ten records until the current segment is number `segments`, nothing of it cleaned.
static void write_segments(uint64_t segments)
{
    disk = disk_new(1);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    uint64_t state = 5;
    for (uint32_t id = 0; store_stats(store).segments < segments; id++) {
        for (int i = 0; i < 10; i++)
            owner_put(&owner, id % RECORDS, 4 + (uint32_t)draw_below(&state, 900));
        owner_put(&owner, (id + 1) % RECORDS, 4 + (uint32_t)draw_below(&state, 900));
        if (id % 5 == 4)
            owner_delete(&owner, id - 3);
        must_commit();
    }
    owner_put(&owner, 0, 50);
    must_commit();
    owner_put(&owner, 1, 50);
    must_commit();
}

// Keeps one record in segment 1, so that it stays in use.
static void write_pinned_segments(uint64_t segments)
{
    disk = disk_new(1);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    owner_put(&owner, RECORDS - 1, 100);
    must_commit();
    uint64_t state = 5;
    for (uint32_t id = 0; store_stats(store).segments < segments; id++) {
        owner_put(&owner, id % 100, 4 + (uint32_t)draw_below(&state, 900));
        owner_put(&owner, (id + 1) % 100, 4 + (uint32_t)draw_below(&state, 900));
        must_commit();
    }
    owner_put(&owner, 0, 50);
    must_commit();
    owner_put(&owner, 1, 50);
    must_commit();
}

static struct owner take_owner(void)
{
    struct owner o = owner;
    store_close(store);
    store = NULL;
    return o;
}

// The frame's offset that covers `at`, or where frames end.
static uint64_t frame_around(const uint8_t *file, uint64_t size, uint64_t at, uint64_t *end)
{
    struct format_head head;
    struct format_frame f;
    ck_assert_int_eq(format_head_read(file, &head), FORMAT_GOOD);
    uint64_t offset = FORMAT_HEAD_SIZE, found = 0;
    while (format_frame_read(file + offset, size - offset, head.number, head.seed, &f) == FORMAT_GOOD) {
        if (at >= offset && at < offset + FORMAT_FRAME_SIZE + f.length)
            found = offset;
        offset += FORMAT_FRAME_SIZE + f.length;
    }
    *end = offset;
    return found;
}

START_TEST(what_was_committed_comes_back)
{
    write_segments(4);
    struct owner before = take_owner();
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    ck_assert_str_eq(owner.remarks, "");
    ck_assert_uint_eq(store_stats(store).live_bytes, owner_live_bytes(&owner));
    owner_put(&owner, 5, 10);
    must_commit();
    owner_release(&before);
    before = take_owner();
    ck_assert_int_eq(open_with(false, STORE_READ), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(a_flipped_bit_in_a_closed_segment_is_refused_with_file_and_offset)
{
    write_pinned_segments(3);
    struct owner before = take_owner();
    uint64_t size, end, refused = 0;
    uint8_t *file = disk_file(disk, "0000000002.log", &size);
    uint8_t *good = malloc(size);
    ck_assert_ptr_nonnull(good);
    memcpy(good, file, size);
    frame_around(good, size, 0, &end);
    ck_assert_uint_gt(end, size / 2);
    // Every byte of the head and of the first frames, then every seventh.
    for (uint64_t at = _i; at < end; at += at < 6000 ? 4 : 4 * 7) {
        file[at] ^= (uint8_t)(1u << at % 8);
        enum store_error e = open_with(false, at % 2 ? STORE_READ : STORE_WRITE);
        ck_assert_int_eq(e, STORE_DAMAGED);
        uint64_t ignored, place = at < FORMAT_HEAD_SIZE ? 0 : frame_around(good, size, at, &ignored);
        char offset[64];
        snprintf(offset, sizeof offset, "offset %llu:", (unsigned long long)place);
        ck_assert_msg(strstr(store_message(store), "disk/0000000002.log") &&
                          strstr(store_message(store), offset),
                      "byte %llu: %s", (unsigned long long)at, store_message(store));
        close_store();
        file[at] ^= (uint8_t)(1u << at % 8);
        refused++;
    }
    ck_assert_uint_gt(refused, 2000);
    // What no frame covers is not read at all.
    for (uint64_t at = end; at < size; at += 5)
        file[at] ^= 0xff;
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    close_store();
    owner_release(&before);
    free(good);
    disk_free(disk);
}
END_TEST

START_TEST(a_torn_frame_at_the_end_is_cut_wherever_it_is_torn)
{
    write_segments(2);
    struct store_stats stats = store_stats(store);
    struct owner before = take_owner();
    char name[24];
    uint64_t size, end;
    snprintf(name, sizeof name, "%010u.log", 2);
    uint8_t *file = disk_file(disk, name, &size);
    frame_around(file, size, 0, &end);
    // The last frame is one record of 50 bytes; version and id are in its first bytes.
    uint64_t last = end - FORMAT_FRAME_SIZE - STORE_RECORD_SIZE(50);
    uint8_t saved[FORMAT_FRAME_SIZE + 80];
    ck_assert_uint_eq(STORE_RECORD_SIZE(50), 72);
    memcpy(saved, file + last, end - last);
    for (uint64_t keep = 0; keep < end - last - 6; keep++) { // 6: padding that is zero anyhow
        memset(file + last + keep, 0, end - last - keep);
        ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
        ck_assert_uint_eq(store_stats(store).last_batch, stats.last_batch - 1);
        ck_assert(!owner.wrong && owner.entries[1].version != before.entries[1].version);
        if (keep >= FORMAT_FRAME_SIZE)
            ck_assert_ptr_nonnull(strstr(owner.remarks, "cut: disk/0000000002.log"));
        close_store();
        memcpy(file + last, saved, end - last);
    }
    // And it goes on behind the cut, of which nothing is left that the next frame could be mixed with.
    memset(file + last + 30, 0xaa, end - last + 1000);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    for (uint64_t at = last; at < last + size / 4 && at < size; at++)
        ck_assert_uint_eq(file[at], 0);
    owner_put(&owner, 2, 20);
    must_commit();
    owner_release(&before);
    before = take_owner();
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    ck_assert_uint_eq(store_stats(store).last_batch, stats.last_batch);
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(damage_before_the_last_frame_is_no_torn_end)
{
    write_segments(2);
    struct owner before = take_owner();
    uint64_t size, end;
    uint8_t *file = disk_file(disk, "0000000002.log", &size);
    frame_around(file, size, 0, &end);
    uint64_t last = end - 2 * (FORMAT_FRAME_SIZE + STORE_RECORD_SIZE(50));
    memset(file + last, 0, FORMAT_FRAME_SIZE); // even if it is all zeros, as behind the end
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_DAMAGED);
    char offset[64];
    snprintf(offset, sizeof offset, "0000000002.log is damaged at offset %llu: batches",
             (unsigned long long)last);
    ck_assert_msg(strstr(store_message(store), offset), "%s", store_message(store));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    static const char *const files[] = {"0000000001.log", "0000000002.log"};
    write_pinned_segments(3);
    struct owner before = take_owner();
    ck_assert_int_eq(disk_remove(disk, files[_i]), 0);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_DAMAGED);
    ck_assert_msg(strstr(store_message(store), files[_i]) && strstr(store_message(store), "missing"), "%s",
                  store_message(store));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(another_version_is_refused_by_its_number)
{
    write_segments(1);
    struct owner before = take_owner();
    uint64_t size;
    uint8_t *file = disk_file(disk, "0000000001.log", &size);
    struct format_head head;
    ck_assert_int_eq(format_head_read(file, &head), FORMAT_GOOD);
    head.version = 9;
    format_head_write(file, &head);
    ck_assert_int_eq(open_with(_i, STORE_WRITE), STORE_VERSION); // also with recover
    ck_assert_msg(strstr(store_message(store), "version 9"), "%s", store_message(store));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(a_segment_of_another_store_is_refused)
{
    write_pinned_segments(3);
    struct owner before = take_owner();
    uint64_t size;
    uint8_t *file = disk_file(disk, "0000000002.log", &size);
    struct format_head head;
    ck_assert_int_eq(format_head_read(file, &head), FORMAT_GOOD);
    head.id[3] ^= 1;
    format_head_write(file, &head);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_DAMAGED);
    ck_assert_msg(strstr(store_message(store), "another store"), "%s", store_message(store));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(frames_of_a_recycled_segment_are_not_taken_for_new_ones)
{
    // One live record, so segments are recycled round and round; each current one is full of old frames.
    disk = disk_new(1);
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    for (int i = 0; i < 3000; i++) {
        owner_put(&owner, 0, 100);
        must_commit();
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
        if (i % 50 == 49) {
            struct owner before = take_owner();
            ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
            ck_assert(owner_matches(&before, &owner));
            ck_assert_str_eq(owner.remarks, "");
            owner_release(&before);
        }
    }
    uint64_t size;
    ck_assert_ptr_null(disk_file(disk, "0000000002.log", &size));
    ck_assert_uint_lt(disk_used(disk), 6 * STORE_SEGMENT_MIN);
    close_store();
    disk_free(disk);
}
END_TEST

static void clean_out_damage(void)
{
    for (int i = 0; store_clean_wanted(store); i++) {
        ck_assert_int_lt(i, 10000);
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
        must_commit();
    }
}

// Damages the second of three segments in way `_i`; recovers; the next start needs no recover.
START_TEST(recover_leaves_out_what_is_damaged_and_rids_the_log_of_it)
{
    write_pinned_segments(3);
    struct owner before = take_owner();
    uint64_t size, end;
    char left_out[64], aside[32];
    const char *name = _i == 5 ? "0000000003.log" : "0000000002.log";
    uint8_t *file = disk_file(disk, name, &size);
    frame_around(file, size, 0, &end);
    snprintf(left_out, sizeof left_out, "left out: disk/%s", name);
    snprintf(aside, sizeof aside, "%.10s.damaged", name);
    if (_i == 0 || _i == 5)
        file[FORMAT_HEAD_SIZE + (end - FORMAT_HEAD_SIZE) / 2] ^= 1;
    else if (_i == 1)
        file[40] ^= 1;
    else if (_i == 2)
        ck_assert_int_eq(disk_remove(disk, "0000000002.log"), 0);
    else if (_i == 3)
        memset(file + 20000, 0, 20000);
    else
        file[end - 20] ^= 1;
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_DAMAGED);
    close_store();
    ck_assert_int_eq(open_with(true, STORE_READ), STORE_OK);
    ck_assert_ptr_nonnull(strstr(owner.remarks, left_out));
    close_store();
    ck_assert_int_eq(open_with(true, STORE_WRITE), STORE_OK);
    ck_assert(!owner.wrong);
    ck_assert_ptr_nonnull(strstr(owner.remarks, left_out));
    ck_assert_uint_eq(owner.entries[RECORDS - 1].version, before.entries[RECORDS - 1].version);
    ck_assert_uint_eq(owner.entries[1].version, before.entries[1].version);
    ck_assert(store_clean_wanted(store));
    clean_out_damage();
    for (uint32_t id = 0; id < 100; id++) {
        owner_put(&owner, id, 900);
        must_commit();
    }
    ck_assert_uint_gt(store_stats(store).segments, 1);
    ck_assert(!store_clean_wanted(store)); // the damage is over, and the rest is as ever
    owner_release(&before);
    before = take_owner();
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    if (_i != 2)
        ck_assert_ptr_nonnull(disk_file(disk, aside, &size)); // kept for whoever wants to look
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(a_log_of_which_nothing_can_be_read_is_refused)
{
    write_pinned_segments(3);
    struct owner before = take_owner();
    uint64_t size;
    for (unsigned i = 1; i <= 4; i++) {
        char name[24];
        snprintf(name, sizeof name, "%010u.log", i);
        uint8_t *file = disk_file(disk, name, &size);
        if (file)
            memset(file + FORMAT_HEAD_SIZE, 0, size - FORMAT_HEAD_SIZE);
    }
    disk_remove(disk, "0000000001.log");
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_DAMAGED);
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(reading_changes_nothing)
{
    write_segments(3);
    struct owner before = take_owner();
    uint64_t used = disk_used(disk), size;
    uint8_t *file = disk_file(disk, "0000000003.log", &size);
    uint8_t *copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, file, size);
    ck_assert_int_eq(open_with(false, STORE_READ), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    ck_assert_uint_eq(store_stats(store).live_bytes, owner_live_bytes(&owner));
    close_store();
    ck_assert_uint_eq(disk_used(disk), used);
    ck_assert_mem_eq(copy, disk_file(disk, "0000000003.log", &size), size);
    free(copy);
    owner_release(&before);
    disk_free(disk);
}
END_TEST

START_TEST(another_segment_size_is_taken_up_on_the_way)
{
    write_segments(3);
    struct owner before = take_owner();
    struct store_options o = options();
    o.segment_size = 2 * STORE_SEGMENT_MIN;
    owner_init(&owner, RECORDS);
    ck_assert_int_eq(store_open_log(&o, &store, message), STORE_OK);
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    for (int i = 0; i < 2000; i++) {
        owner_put(&owner, (uint32_t)i % 30, 200);
        must_commit();
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
    }
    owner_release(&before);
    before = take_owner();
    ck_assert_int_eq(open_with(false, STORE_WRITE), STORE_OK);
    ck_assert(owner_matches(&before, &owner));
    close_store();
    owner_release(&before);
    disk_free(disk);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/load");
    TCase *c = tcase_create("load");
    tcase_set_timeout(c, 100);
    tcase_add_test(c, what_was_committed_comes_back);
    tcase_add_loop_test(c, a_flipped_bit_in_a_closed_segment_is_refused_with_file_and_offset, 0, 4);
    tcase_add_test(c, a_torn_frame_at_the_end_is_cut_wherever_it_is_torn);
    tcase_add_test(c, damage_before_the_last_frame_is_no_torn_end);
    tcase_add_loop_test(c, a_missing_file_is_named, 0, 2);
    tcase_add_loop_test(c, another_version_is_refused_by_its_number, 0, 2);
    tcase_add_test(c, a_segment_of_another_store_is_refused);
    tcase_add_test(c, frames_of_a_recycled_segment_are_not_taken_for_new_ones);
    tcase_add_loop_test(c, recover_leaves_out_what_is_damaged_and_rids_the_log_of_it, 0, 6);
    tcase_add_test(c, a_log_of_which_nothing_can_be_read_is_refused);
    tcase_add_test(c, reading_changes_nothing);
    tcase_add_test(c, another_segment_size_is_taken_up_on_the_way);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
