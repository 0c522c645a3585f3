#include "server/pool/stderr_log.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stderr_log l;
static char text[1 << 20];
static int ends[2], before;

// The log goes into a file that has no name.
static void setup(void)
{
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    ends[0] = fileno(f);
    before = dup(STDERR_FILENO);
    dup2(ends[0], STDERR_FILENO);
    stderr_log_init(&l, "h");
}

static void teardown(void)
{
    dup2(before, STDERR_FILENO);
}

static const char *written(void)
{
    ssize_t n = pread(ends[0], text, sizeof text - 1, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static void add(uint64_t job, const char *bytes)
{
    stderr_log_add(&l, job, bytes, strlen(bytes));
}

static void has(const char *line)
{
    ck_assert_msg(strstr(written(), line) != NULL, "%s has no %s", text, line);
}

static unsigned count(const char *what)
{
    unsigned n = 0;
    for (const char *at = written(); (at = strstr(at, what)); at++)
        n++;
    return n;
}

START_TEST(lines_with_job_and_handler)
{
    add(7, "one\r\n\ntw");
    add(7, "o\nthree");
    has(" job=7 handler=h text=one\n");
    has(" job=7 handler=h text=two\n");
    ck_assert_uint_eq(count("\n"), 2);
    stderr_log_end(&l, 7);
    has(" job=7 handler=h text=three\n");
    add(0, "idle\n");
    has(" handler=h text=idle\n");
    stderr_log_close(&l);
    ck_assert_uint_eq(count("\n"), 4);
}
END_TEST

START_TEST(nothing_in_it_spoils_the_log)
{
    static const char bytes[] = "a\x01\0\xff\xc3\xa9 %s b\n";
    stderr_log_add(&l, 1, bytes, sizeof bytes - 1);
    has(" text=\"a\\u0001\\u0000\xef\xbf\xbd\xc3\xa9 %s b\"\n");
    char *line = malloc(3000);
    memset(line, 'x', 3000);
    stderr_log_add(&l, 1, line, 3000);
    stderr_log_end(&l, 1);
    free(line);
    ck_assert_uint_eq(count("\n"), 4);
    ck_assert_uint_eq(count("x") - count("text="), 3000);
}
END_TEST

START_TEST(a_flood_is_held_back_and_counted)
{
    for (int i = 0; i < 1000; i++)
        add(1, "again\n");
    unsigned said = count("again");
    ck_assert_uint_ge(said, STDERR_BURST);
    ck_assert_uint_lt(said, 1000);
    stderr_log_end(&l, 1);
    stderr_log_close(&l);
    char line[100];
    snprintf(line, sizeof line, "handler=h left_out=%u\n", 1000 - said);
    has(line);
}
END_TEST

// Also by many jobs with a line each.
START_TEST(the_end_of_a_job_is_no_way_round)
{
    for (int i = 1; i <= 1000; i++) {
        add((uint64_t)i, "again\n");
        stderr_log_end(&l, (uint64_t)i);
    }
    ck_assert_uint_lt(count("\n"), 900);
}
END_TEST

START_TEST(after_a_while_there_is_room_again)
{
    for (int i = 0; i < 150; i++)
        add(1, "again\n");
    l.counted -= 10 * STDERR_EVERY_MS; // 1 s ago
    add(2, "and now\n");
    has(" left_out=");
    has("job=2 handler=h text=\"and now\"\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stderr_log");
    TCase *c = tcase_create("stderr_log");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, lines_with_job_and_handler);
    tcase_add_test(c, nothing_in_it_spoils_the_log);
    tcase_add_test(c, a_flood_is_held_back_and_counted);
    tcase_add_test(c, the_end_of_a_job_is_no_way_round);
    tcase_add_test(c, after_a_while_there_is_room_again);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
