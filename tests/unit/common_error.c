#include "common/error.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_error_has_a_name_a_text_and_a_code_of_its_own)
{
    for (int e = 1; e < ERROR_COUNT; e++) {
        ck_assert_int_lt(error_code((enum error)e), 0);
        ck_assert_str_ne(error_name((enum error)e), "");
        ck_assert_str_ne(error_text((enum error)e), "");
        ck_assert_int_eq(error_of_code(error_code((enum error)e)), e);
        ck_assert_int_eq(error_of_name(error_name((enum error)e)), e);
    }
}
END_TEST

START_TEST(ours_are_in_the_range_that_the_standard_leaves_to_servers)
{
    for (int e = ERROR_EMPTY; e < ERROR_COUNT; e++) {
        ck_assert_int_le(error_code((enum error)e), -32000);
        ck_assert_int_ge(error_code((enum error)e), -32099);
    }
}
END_TEST

START_TEST(what_is_not_listed_is_not_found)
{
    ck_assert_int_eq(error_of_code(1), ERROR_NONE);
    ck_assert_int_eq(error_of_name("nonsense"), ERROR_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/error");
    TCase *c = tcase_create("table");
    tcase_add_test(c, every_error_has_a_name_a_text_and_a_code_of_its_own);
    tcase_add_test(c, ours_are_in_the_range_that_the_standard_leaves_to_servers);
    tcase_add_test(c, what_is_not_listed_is_not_found);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
