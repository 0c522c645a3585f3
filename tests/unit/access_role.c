#include "server/access/role.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(words_are_in_the_order_of_the_bits)
{
    ck_assert_str_eq(role_words(), "put take read admin");
    ck_assert_int_eq(ROLE_ALL, ROLE_PUT | ROLE_TAKE | ROLE_READ | ROLE_ADMIN);
}
END_TEST

START_TEST(sets_are_printed_for_a_sentence)
{
    char text[ROLE_TEXT_MAX];
    ck_assert_str_eq(role_print(0, text), "");
    ck_assert_str_eq(role_print(ROLE_TAKE, text), "take");
    ck_assert_str_eq(role_print(ROLE_PUT | ROLE_READ, text), "put or read");
    ck_assert_str_eq(role_print(ROLE_ALL, text), "put, take, read or admin");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access/role");
    TCase *c = tcase_create("role");
    tcase_add_test(c, words_are_in_the_order_of_the_bits);
    tcase_add_test(c, sets_are_printed_for_a_sentence);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
