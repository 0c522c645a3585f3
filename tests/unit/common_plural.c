#include "common/plural.h"

#include <check.h>
#include <stdlib.h>

START_TEST(only_one_is_one)
{
    ck_assert_str_eq(plural(1, "job", "jobs"), "job");
    ck_assert_str_eq(plural(0, "job", "jobs"), "jobs");
    ck_assert_str_eq(plural(2, "job", "jobs"), "jobs");
    ck_assert_str_eq(plural(1.5, "job", "jobs"), "jobs");
    ck_assert_str_eq(plural(18446744073709551615.0, "job", "jobs"), "jobs");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/plural");
    TCase *c = tcase_create("plural");
    tcase_add_test(c, only_one_is_one);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
