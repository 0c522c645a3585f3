#include "server/net/stream.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct stream *stream;

static void setup(void)
{
    stream = stream_new();
}

static void teardown(void)
{
    stream_free(stream);
}

static void add(const char *text, uint64_t at, uint64_t promise)
{
    struct mark m = {at, promise};
    ck_assert(stream_append(stream, text, strlen(text), &m, promise ? 1 : 0));
}

START_TEST(bytes_leave_up_to_the_first_promise_that_is_not_kept)
{
    add("free", 0, 0);
    add("free too, one", 10, 1);
    add("two", 0, 2);
    ck_assert_uint_eq(stream_ready(stream, 0), 14);
    ck_assert_uint_eq(stream_ready(stream, 1), 17);
    ck_assert_uint_eq(stream_ready(stream, 2), 20);
    stream_advance(stream, 5);
    ck_assert_uint_eq(stream_ready(stream, 0), 9);
    stream_advance(stream, 9);
    ck_assert_uint_eq(stream_ready(stream, 0), 0);
    stream_advance(stream, 2);
    ck_assert_uint_eq(stream_ready(stream, 1), 1);
    ck_assert_mem_eq(stream_head(stream), "etwo", 4);
    ck_assert_uint_eq(stream_len(stream), 4);
}
END_TEST

START_TEST(a_promise_holds_what_is_behind_it)
{
    add("five", 0, 5);
    add("three", 0, 3);
    add("six", 0, 6);
    ck_assert_uint_eq(stream_ready(stream, 4), 0);
    ck_assert_uint_eq(stream_ready(stream, 5), 9);
    ck_assert_uint_eq(stream_ready(stream, 6), 12);
}
END_TEST

START_TEST(a_long_stream_keeps_its_bytes_and_marks)
{
    char in[1000];
    uint64_t written = 0, read = 0;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (char)((written + i) % 251);
        struct mark m = {sizeof in / 2, (uint64_t)round + 1};
        ck_assert(stream_append(stream, in, sizeof in, &m, 1));
        written += sizeof in;
        size_t ready = stream_ready(stream, (uint64_t)round);
        ck_assert_uint_eq(read + ready, written - sizeof in / 2); // up to this round's mark
        size_t part = round % 3 ? ready : ready / 2;
        size_t same = 0;
        while (same < part && stream_head(stream)[same] == (char)((read + same) % 251))
            same++;
        ck_assert_uint_eq(same, part);
        stream_advance(stream, part);
        read += part;
    }
    ck_assert_uint_eq(stream_len(stream), written - read);
    ck_assert_uint_lt(stream->bytes.cap, 1 << 20); // what is gone is given back
}
END_TEST

START_TEST(marks_move_with_their_bytes)
{
    static char block[100000];
    struct mark m = {10, 7};
    ck_assert(stream_append(stream, block, sizeof block, NULL, 0));
    ck_assert(stream_append(stream, block, 100, &m, 1));
    stream_advance(stream, sizeof block - 5);
    ck_assert(stream_append(stream, block, 100, NULL, 0)); // what is gone is given back here
    ck_assert_uint_lt(stream->bytes.len, 1000);
    ck_assert_uint_eq(stream_ready(stream, 6), 15);
    ck_assert_uint_eq(stream_ready(stream, 7), 205);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/stream");
    TCase *c = tcase_create("stream");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, bytes_leave_up_to_the_first_promise_that_is_not_kept);
    tcase_add_test(c, a_promise_holds_what_is_behind_it);
    tcase_add_test(c, marks_move_with_their_bytes);
    tcase_add_test(c, a_long_stream_keeps_its_bytes_and_marks);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
