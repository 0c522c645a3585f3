#include "server/store/format.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0x0123456789abcdefu

static struct format_head some_head(void)
{
    return (struct format_head){
        .version = FORMAT_VERSION, .number = 7, .size = 65536, .id = "fifteen letters", .seed = SEED};
}

// A frame with two records, a put of 5 bytes and a delete, at `at`; returns its length.
static size_t write_frame(uint8_t *at, uint64_t batch, uint32_t segment, uint64_t seed)
{
    uint8_t *records = at + FORMAT_FRAME_SIZE;
    memcpy(format_record_write(records, 1, false, 1000, 5), "hello", 5);
    format_record_write(records + STORE_RECORD_SIZE(5), 2, true, 1001, 0);
    struct format_frame f = {.batch = batch, .segment = segment, .oldest = 3, .length = 40, .count = 2};
    ck_assert_uint_eq(STORE_RECORD_SIZE(5) + STORE_RECORD_SIZE(0), 40);
    format_frame_seal(at, &f, seed);
    return FORMAT_FRAME_SIZE + 40;
}

START_TEST(a_head_comes_back_as_it_was_written)
{
    uint8_t block[FORMAT_HEAD_SIZE];
    struct format_head in = some_head(), out;
    format_head_write(block, &in);
    ck_assert_int_eq(format_head_read(block, &out), FORMAT_GOOD);
    ck_assert_uint_eq(out.number, 7);
    ck_assert_uint_eq(out.size, 65536);
    ck_assert_uint_eq(out.seed, SEED);
    ck_assert_mem_eq(out.id, in.id, sizeof in.id);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_in_a_head_is_seen)
{
    uint8_t block[FORMAT_HEAD_SIZE];
    struct format_head in = some_head(), out;
    format_head_write(block, &in);
    for (size_t bit = 0; bit < 8 * sizeof block; bit++) {
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(format_head_read(block, &out), FORMAT_NONE);
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(a_whole_head_of_another_version_is_told_from_a_damaged_one)
{
    uint8_t block[FORMAT_HEAD_SIZE];
    struct format_head in = some_head(), out;
    in.version = 2;
    format_head_write(block, &in);
    ck_assert_int_eq(format_head_read(block, &out), FORMAT_FOREIGN);
    ck_assert_uint_eq(out.version, 2);
}
END_TEST

// The bytes as FORMAT.md gives them, so that a change of layout or of byte order is noticed.
START_TEST(the_layout_is_the_documented_one)
{
    uint8_t block[FORMAT_HEAD_SIZE];
    struct format_head in = some_head();
    format_head_write(block, &in);
    static const uint8_t head[] = {'t',  'a',  's',  'k',  'q',  'l',  'o', 'g', 1,   0,   0,   0,    7,
                                   0,    0,    0,    0,    0,    1,    0,   0,   0,   0,   0,   0xef, 0xcd,
                                   0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 'f', 'i', 'f', 't', 'e', 'e',  'n',
                                   ' ',  'l',  'e',  't',  't',  'e',  'r', 's', 0,   0};
    ck_assert_mem_eq(block, head, sizeof head);

    uint8_t frame[FORMAT_FRAME_SIZE + 40];
    ck_assert_uint_eq(write_frame(frame, 258, 7, SEED), sizeof frame);
    static const uint8_t front[] = {'t', 's', 'q', 'f', 1, 0, 0, 0, 2,  1, 0, 0, 0, 0, 0, 0,
                                    7,   0,   0,   0,   3, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0};
    static const uint8_t records[] = {1, 0, 0,   0,   5,    0,   0,   0, 0xe8, 3, 0, 0, 0, 0,
                                      0, 0, 'h', 'e', 'l',  'l', 'o', 0, 0,    0, 2, 1, 0, 0,
                                      0, 0, 0,   0,   0xe9, 3,   0,   0, 0,    0, 0, 0};
    ck_assert_mem_eq(frame, front, sizeof front);
    ck_assert_mem_eq(frame + FORMAT_FRAME_SIZE, records, sizeof records);
    // What they were when version 1 was set down.
    static const uint8_t sums[] = {0xa4, 0x2b, 0x0f, 0xc0, 0xa6, 0x74, 0x6c, 0x58,
                                   0x5b, 0xea, 0x94, 0x77, 0x2f, 0x75, 0x9d, 0x76};
    ck_assert_mem_eq(frame + sizeof front, sums, sizeof sums);
}
END_TEST

START_TEST(a_frame_comes_back_record_by_record)
{
    uint8_t bytes[FORMAT_FRAME_SIZE + 40];
    struct format_frame f;
    write_frame(bytes, 9, 7, SEED);
    ck_assert_int_eq(format_frame_read(bytes, sizeof bytes, 7, SEED, &f), FORMAT_GOOD);
    ck_assert_uint_eq(f.batch, 9);
    ck_assert_uint_eq(f.oldest, 3);
    ck_assert_uint_eq(f.count, 2);
    struct store_record r = {0};
    size_t at = 0;
    ck_assert(format_record_read(bytes + FORMAT_FRAME_SIZE, f.length, &at, &r));
    ck_assert(!r.deleted && r.kind == 1 && r.id == 1000 && r.length == 5);
    ck_assert_mem_eq(r.bytes, "hello", 5);
    ck_assert(format_record_read(bytes + FORMAT_FRAME_SIZE, f.length, &at, &r));
    ck_assert(r.deleted && r.kind == 2 && r.id == 1001 && r.length == 0 && r.bytes == NULL);
    ck_assert_uint_eq(at, f.length);
    ck_assert(!format_record_read(bytes + FORMAT_FRAME_SIZE, f.length, &at, &r));
}
END_TEST

START_TEST(a_flipped_bit_anywhere_in_a_frame_is_seen)
{
    uint8_t bytes[FORMAT_FRAME_SIZE + 40];
    struct format_frame f;
    write_frame(bytes, 9, 7, SEED);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(format_frame_read(bytes, sizeof bytes, 7, SEED, &f),
                         bit / 8 < FORMAT_FRAME_SIZE ? FORMAT_NONE : FORMAT_TORN);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(a_frame_that_is_not_all_there_is_torn)
{
    uint8_t bytes[FORMAT_FRAME_SIZE + 40];
    struct format_frame f;
    write_frame(bytes, 9, 7, SEED);
    for (size_t n = 0; n < sizeof bytes; n++)
        ck_assert_int_eq(format_frame_read(bytes, n, 7, SEED, &f),
                         n < FORMAT_FRAME_SIZE ? FORMAT_NONE : FORMAT_TORN);
}
END_TEST

START_TEST(a_frame_of_another_segment_or_of_an_earlier_use_of_the_file_is_none)
{
    uint8_t bytes[FORMAT_FRAME_SIZE + 40];
    struct format_frame f;
    write_frame(bytes, 9, 7, SEED);
    ck_assert_int_eq(format_frame_read(bytes, sizeof bytes, 8, SEED, &f), FORMAT_NONE);
    ck_assert_int_eq(format_frame_read(bytes, sizeof bytes, 7, SEED + 1, &f), FORMAT_NONE);
}
END_TEST

START_TEST(frames_are_found_behind_what_is_none)
{
    static uint8_t segment[65536];
    struct format_head head = some_head();
    struct format_frame f;
    memset(segment, 0x74, sizeof segment); // 't': the beginning of the magic, everywhere
    size_t first = 8192 + 8, second = 30000;
    write_frame(segment + first, 5, 7, SEED);
    write_frame(segment + second, 6, 7, SEED);
    size_t at = FORMAT_HEAD_SIZE;
    ck_assert(format_frame_find(segment, sizeof segment, &head, 1, &at, &f));
    ck_assert_uint_eq(at, first);
    at = FORMAT_HEAD_SIZE;
    ck_assert(format_frame_find(segment, sizeof segment, &head, 6, &at, &f));
    ck_assert_uint_eq(at, second);
    at = FORMAT_HEAD_SIZE;
    ck_assert(!format_frame_find(segment, sizeof segment, &head, 7, &at, &f));
    at = second + 8;
    ck_assert(!format_frame_find(segment, sizeof segment, &head, 1, &at, &f));
}
END_TEST

START_TEST(records_that_nobody_writes_are_refused)
{
    uint8_t r[32] = {0};
    struct store_record record;
    size_t at = 0;
    format_record_write(r, 1, false, 1, 8);
    ck_assert(format_record_read(r, 24, &at, &record));
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 0}, {1, 2}, {1, 1}, {2, 1}, {3, 1}, {4, 9}, {7, 0x80}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t before = r[wrong[i].at];
        r[wrong[i].at] = wrong[i].value;
        at = 0;
        ck_assert_msg(!format_record_read(r, 24, &at, &record), "case %zu", i);
        ck_assert_uint_eq(at, 0);
        r[wrong[i].at] = before;
    }
    at = 0;
    ck_assert(!format_record_read(r, 23, &at, &record));
    memset(r + 4, 0xff, 4); // the largest length must not wrap around
    ck_assert(!format_record_read(r, 24, &at, &record));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/format");
    TCase *c = tcase_create("format");
    tcase_add_test(c, a_head_comes_back_as_it_was_written);
    tcase_add_test(c, a_flipped_bit_anywhere_in_a_head_is_seen);
    tcase_add_test(c, a_whole_head_of_another_version_is_told_from_a_damaged_one);
    tcase_add_test(c, the_layout_is_the_documented_one);
    tcase_add_test(c, a_frame_comes_back_record_by_record);
    tcase_add_test(c, a_flipped_bit_anywhere_in_a_frame_is_seen);
    tcase_add_test(c, a_frame_that_is_not_all_there_is_torn);
    tcase_add_test(c, a_frame_of_another_segment_or_of_an_earlier_use_of_the_file_is_none);
    tcase_add_test(c, frames_are_found_behind_what_is_none);
    tcase_add_test(c, records_that_nobody_writes_are_refused);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
