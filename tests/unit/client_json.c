#include "client/taskq.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(bytes_become_a_string_and_come_back)
{
    struct taskq_text json, bytes;
    ck_assert_int_eq(taskq_json_string("a\"\n\0é", 6, &json), TASKQ_OK);
    ck_assert(taskq_json_valid(json.data, json.len));
    ck_assert_int_eq(taskq_json_unstring(json.data, json.len, &bytes), TASKQ_OK);
    ck_assert_uint_eq(bytes.len, 6);
    ck_assert_mem_eq(bytes.data, "a\"\n\0é", 7);
    taskq_text_release(&json);
    taskq_text_release(&json);
    taskq_text_release(&bytes);
    ck_assert_int_eq(taskq_json_string("\xff", TASKQ_NUL, &json), TASKQ_OK);
    ck_assert_str_eq(json.data, "\"\xef\xbf\xbd\"");
    taskq_text_release(&json);
    ck_assert_int_eq(taskq_json_unstring("\"\"", 2, &bytes), TASKQ_OK);
    ck_assert_uint_eq(bytes.len, 0);
    taskq_text_release(&bytes);
}
END_TEST

START_TEST(what_is_no_string_is_refused)
{
    struct taskq_text bytes;
    const char *bad[] = {"", "1", "\"a", "\"a\"x", "\"\\ud800\"", "[\"a\"]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(taskq_json_unstring(bad[i], TASKQ_NUL, &bytes), TASKQ_USAGE);
    ck_assert(!taskq_json_valid(NULL, 0));
    ck_assert(!taskq_json_valid("1 2", 3));
    ck_assert(taskq_json_valid(" 1 ", TASKQ_NUL));
}
END_TEST

static bool member_is(const char *json, const char *name, const char *expected)
{
    const char *value;
    size_t len;
    return taskq_json_member(json, TASKQ_NUL, name, &value, &len) && len == strlen(expected) &&
           memcmp(value, expected, len) == 0;
}

START_TEST(members_and_elements_are_found)
{
    const char *json = " { \"a\" : [1, {\"b\":2} ,\"]\"], \"\\u0063\":1e400, \"d\":null, \"a\":0 } ";
    ck_assert(member_is(json, "a", "[1, {\"b\":2} ,\"]\"]"));
    ck_assert(member_is(json, "c", "1e400"));
    ck_assert(member_is(json, "d", "null"));
    ck_assert(!taskq_json_member(json, TASKQ_NUL, "b", NULL, NULL));
    ck_assert(!taskq_json_member("[1]", TASKQ_NUL, "a", NULL, NULL));
    ck_assert(!taskq_json_member("{\"a\":1", TASKQ_NUL, "a", NULL, NULL));

    const char *elements[] = {"1", "{\"b\":2}", "\"]\""};
    const char *array = "[1, {\"b\":2} ,\"]\"] ", *value;
    size_t at = 0, len, n = 0;
    while (taskq_json_element(array, TASKQ_NUL, &at, &value, &len)) {
        ck_assert_uint_lt(n, 3);
        ck_assert_uint_eq(len, strlen(elements[n]));
        ck_assert_mem_eq(value, elements[n++], len);
    }
    ck_assert_uint_eq(n, 3);
    at = 0;
    ck_assert(!taskq_json_element("[]", TASKQ_NUL, &at, &value, &len));
    ck_assert(!taskq_json_element("{}", TASKQ_NUL, &at, &value, &len));
}
END_TEST

START_TEST(numbers_are_read)
{
    double d;
    uint64_t u;
    ck_assert(taskq_json_double("-1.5e3", TASKQ_NUL, &d) && d == -1500);
    ck_assert(!taskq_json_double("1e400", TASKQ_NUL, &d));
    ck_assert(!taskq_json_double("\"1\"", TASKQ_NUL, &d));
    ck_assert(taskq_json_uint("9007199254740991", TASKQ_NUL, &u) && u == 9007199254740991u);
    ck_assert(!taskq_json_uint("-1", TASKQ_NUL, &u));
    ck_assert(!taskq_json_uint("1.0", TASKQ_NUL, &u));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/json");
    TCase *c = tcase_create("json");
    tcase_add_test(c, bytes_become_a_string_and_come_back);
    tcase_add_test(c, what_is_no_string_is_refused);
    tcase_add_test(c, members_and_elements_are_found);
    tcase_add_test(c, numbers_are_read);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
