#include "client/taskq.h"
#include "common/error.h"

#include <check.h>
#include <stdlib.h>

// The public enum repeats the protocol's table: here it is held against it, name by name.
#define SAME(constant)                                                                                       \
    {                                                                                                        \
        TASKQ_##constant, ERROR_##constant                                                                   \
    }
static const struct {
    int public_error;
    enum error error;
} same[] = {
    {TASKQ_PARSE_ERROR, ERROR_PARSE},
    {TASKQ_INTERNAL_ERROR, ERROR_INTERNAL},
    SAME(INVALID_REQUEST),
    SAME(METHOD_NOT_FOUND),
    SAME(INVALID_PARAMS),
    SAME(REQUEST_CANCELLED),
    SAME(EMPTY),
    SAME(FULL),
    SAME(NOT_FOUND),
    SAME(NOT_RESERVED),
    SAME(SHUT_DOWN),
    SAME(TIMEOUT),
    SAME(FAILED),
    SAME(CANCELLED),
    SAME(TOO_LARGE),
    SAME(OVERLOADED),
    SAME(DRAINING),
    SAME(STORE_FAILED),
    SAME(UNAUTHORIZED),
    SAME(FORBIDDEN),
    SAME(HTTP),
};

START_TEST(the_enum_is_the_protocols_table)
{
    ck_assert_uint_eq(sizeof(same) / sizeof(same[0]), ERROR_COUNT - 1);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        ck_assert_int_eq(same[i].public_error, error_code(same[i].error));
        ck_assert_str_eq(taskq_error_name((enum taskq_error)same[i].public_error), error_name(same[i].error));
        ck_assert_str_eq(taskq_error_text((enum taskq_error)same[i].public_error), error_text(same[i].error));
    }
}
END_TEST

START_TEST(the_librarys_own_have_names_and_texts)
{
    for (int e = TASKQ_NO_DAEMON; e <= TASKQ_SYSTEM; e++)
        if (e != TASKQ_UNKNOWN)
            ck_assert_str_ne(taskq_error_name((enum taskq_error)e), "unknown");
    ck_assert_str_eq(taskq_error_name(TASKQ_OK), "ok");
    ck_assert_str_eq(taskq_error_name((enum taskq_error)1234), "unknown");
    ck_assert_str_ne(taskq_error_text((enum taskq_error)1234), "");
    ck_assert_str_eq(taskq_version(), TASKQ_VERSION);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/errors");
    TCase *c = tcase_create("errors");
    tcase_add_test(c, the_enum_is_the_protocols_table);
    tcase_add_test(c, the_librarys_own_have_names_and_texts);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
