#include "server/pool/line_reader.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct line_reader reader;
static struct slice line;
static int ends[2];

static void setup(void)
{
    reader = (struct line_reader){0};
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
}

static void teardown(void)
{
    line_reader_release(&reader);
    close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
}

static void write_text(const char *text)
{
    ck_assert_int_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void next_is(const char *text)
{
    ck_assert_int_eq(line_reader_next(&reader, 100, &line), LINE_READ);
    ck_assert_msg(slice_equal(line, text), "%.*s is not %s", (int)line.len, line.data, text);
}

static void no_more(void)
{
    ck_assert_int_eq(line_reader_next(&reader, 100, &line), LINE_MORE);
}

START_TEST(lines_however_they_are_cut)
{
    no_more();
    write_text("one\n\ntw");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    next_is("one");
    next_is("");
    no_more();
    ck_assert(!line_reader_empty(&reader));
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_AGAIN);
    write_text("o");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    no_more();
    write_text("!\nthree\n");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    next_is("two!");
    next_is("three");
    ck_assert(line_reader_empty(&reader));
    no_more();
    close(ends[1]);
    ends[1] = -1;
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_END);
}
END_TEST

START_TEST(a_line_is_at_most_so_long)
{
    write_text("12345\n123456\n");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    ck_assert_int_eq(line_reader_next(&reader, 5, &line), LINE_READ);
    ck_assert_int_eq(line_reader_next(&reader, 5, &line), LINE_TOO_LONG);
    ck_assert_int_eq(line_reader_next(&reader, 5, &line), LINE_TOO_LONG);
    line_reader_clear(&reader);
    write_text("12345");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    ck_assert_int_eq(line_reader_next(&reader, 5, &line), LINE_MORE);
    write_text("6");
    ck_assert_int_eq(line_reader_fill(&reader, ends[0]), FILL_SOME);
    ck_assert_int_eq(line_reader_next(&reader, 5, &line), LINE_TOO_LONG);
}
END_TEST

// Long lines that come in pieces, after others, so that the rest has to be moved.
START_TEST(long_lines_come_whole)
{
    enum { LONG = 300000 };
    char *text = malloc(LONG + 1);
    ck_assert_ptr_nonnull(text);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(line_reader_add(&reader, "ab\nc", 4), FILL_SOME);
        memset(text, 'd' + round, LONG);
        text[LONG] = '\n';
        for (size_t at = 0; at <= LONG; at += 1000) {
            ck_assert_int_eq(line_reader_next(&reader, 1 << 20, &line), at == 0 ? LINE_READ : LINE_MORE);
            size_t n = LONG + 1 - at < 1000 ? LONG + 1 - at : 1000;
            ck_assert_int_eq(line_reader_add(&reader, text + at, n), FILL_SOME);
        }
        ck_assert_int_eq(line_reader_next(&reader, 1 << 20, &line), LINE_READ);
        ck_assert_uint_eq(line.len, LONG + 1);
        ck_assert_int_eq(line.data[0], 'c');
        ck_assert_mem_eq(line.data + 1, text, LONG);
    }
    ck_assert_int_eq(line_reader_add(&reader, "x", 1), FILL_SOME); // which lets go of what was so large
    ck_assert_uint_lt(reader.bytes.cap, LONG);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("line_reader");
    TCase *c = tcase_create("line_reader");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, lines_however_they_are_cut);
    tcase_add_test(c, a_line_is_at_most_so_long);
    tcase_add_test(c, long_lines_come_whole);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
