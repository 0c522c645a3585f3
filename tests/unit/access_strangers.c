#include "server/access/strangers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct strangers s;

static void setup(void)
{
    s = (struct strangers){0};
    strangers_init(&s, 100, 42);
}

static int enter(unsigned address)
{
    return strangers_enter(&s, &address, sizeof address);
}

START_TEST(one_address_has_its_share)
{
    int place = -1;
    for (int i = 0; i < 25; i++)
        ck_assert_int_ge(place = enter(7), 0);
    ck_assert_int_eq(enter(7), -1);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.count, 25);
    ck_assert_int_ge(enter(8), 0);
    strangers_leave(&s, place);
    ck_assert_int_eq(enter(7), place);
    ck_assert_int_eq(enter(7), -1);
}
END_TEST

START_TEST(all_together_have_the_most)
{
    ck_assert(!strangers_crowd(&s));
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_ge(enter(i), 0);
    ck_assert(strangers_crowd(&s));
    ck_assert_int_eq(enter(1000), -1);
    ck_assert_uint_eq(s.count, 100);
    s.most = 101;
    ck_assert_int_ge(enter(1000), 0);
    ck_assert_int_eq(enter(1001), -1);
    s.most = 1; // those that are there stay
    ck_assert_int_eq(enter(1001), -1);
    ck_assert_uint_eq(s.count, 101);
}
END_TEST

START_TEST(of_one_there_may_be_one)
{
    strangers_init(&s, 1, 3);
    int place = enter(1);
    ck_assert_int_ge(place, 0);
    ck_assert_int_eq(enter(1), -1);
    strangers_leave(&s, place);
    ck_assert_int_eq(enter(1), place);
}
END_TEST

START_TEST(the_log_has_so_many_lines_and_says_what_it_lacks)
{
    int64_t now = 5000000000;
    for (int i = 0; i < STRANGERS_LINES; i++)
        ck_assert(strangers_may_log(&s, now));
    for (int i = 0; i < 1000; i++)
        ck_assert(!strangers_may_log(&s, now));
    ck_assert_uint_eq(s.lines.left_out, 1000);
    now += (int64_t)STRANGERS_LINES_MS * 1000000;
    ck_assert(strangers_may_log(&s, now));
    ck_assert_uint_eq(s.lines.left_out, 0);
    ck_assert(!strangers_may_log(&s, now));
    ck_assert(strangers_may_log(NULL, now));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("access/strangers");
    TCase *c = tcase_create("strangers");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, one_address_has_its_share);
    tcase_add_test(c, all_together_have_the_most);
    tcase_add_test(c, of_one_there_may_be_one);
    tcase_add_test(c, the_log_has_so_many_lines_and_says_what_it_lacks);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
