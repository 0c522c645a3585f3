#include "client/outcome.h"

#include <check.h>
#include <stdlib.h>

static enum taskq_error parse(const char *text, struct taskq_outcome *o, char **memory)
{
    *memory = NULL;
    return outcome_parse(slice_of(text), o, memory);
}

START_TEST(each_state_is_understood)
{
    struct taskq_outcome o;
    char *memory;
    ck_assert_int_eq(parse("{\"id\":7,\"state\":\"done\",\"result\":{\"a\": 1e400}}", &o, &memory), TASKQ_OK);
    ck_assert_uint_eq(o.id, 7);
    ck_assert_int_eq(o.error, TASKQ_OK);
    ck_assert_str_eq(o.result, "{\"a\": 1e400}");
    ck_assert_uint_eq(o.result_len, 12);
    ck_assert_str_eq(o.message, "job 7 is done");
    free(memory);
    ck_assert_int_eq(
        parse("{\"name\":\"failed\",\"id\":8,\"state\":\"dead\",\"reason\":\"attempts\",\"attempts\":3,"
              "\"error\":[\"x\"]}",
              &o, &memory),
        TASKQ_OK);
    ck_assert_int_eq(o.error, TASKQ_FAILED);
    ck_assert_str_eq(o.reason, "attempts");
    ck_assert_uint_eq(o.attempts, 3);
    ck_assert_str_eq(o.job_error, "[\"x\"]");
    ck_assert_uint_eq(o.job_error_len, 5);
    ck_assert_str_eq(o.message, "job 8 is dead (attempts) after 3 attempts");
    ck_assert_ptr_null(o.result);
    free(memory);
    ck_assert_int_eq(
        parse("{\"id\":8,\"state\":\"dead\",\"reason\":\"buried\",\"attempts\":1,\"error\":null}", &o,
              &memory),
        TASKQ_OK);
    ck_assert_ptr_null(o.job_error);
    ck_assert_str_eq(o.message, "job 8 is dead (buried) after 1 attempt");
    free(memory);
    ck_assert_int_eq(parse("{\"id\":9,\"state\":\"cancelled\"}", &o, &memory), TASKQ_OK);
    ck_assert_int_eq(o.error, TASKQ_CANCELLED);
    free(memory);
    ck_assert_int_eq(parse("{\"id\":9,\"state\":\"deleted\",\"later\":true}", &o, &memory), TASKQ_OK);
    ck_assert_int_eq(o.error, TASKQ_NOT_FOUND);
    free(memory);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
    static const char *const texts[] = {
        "7",
        "{}",
        "{\"id\":1}",
        "{\"id\":1,\"state\":\"flying\"}",
        "{\"id\":1,\"state\":7}",
        "{\"id\":0,\"state\":\"cancelled\"}",
        "{\"id\":\"1\",\"state\":\"cancelled\"}",
        "{\"id\":1,\"state\":\"done\"}",
        "{\"id\":1,\"state\":\"dead\",\"attempts\":-1}",
        "{\"id\":1,\"state\":\"cancelled\"",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct taskq_outcome o;
        char *memory;
        ck_assert_msg(parse(texts[i], &o, &memory) == TASKQ_PROTOCOL, "%s", texts[i]);
        ck_assert_ptr_null(memory);
    }
}
END_TEST

START_TEST(an_error_of_the_call_keeps_its_words)
{
    struct taskq_outcome o;
    char *memory, words[] = "the queue is full";
    ck_assert_int_eq(outcome_of_error(0, TASKQ_FULL, words, &o, &memory), TASKQ_OK);
    words[0] = 'T';
    ck_assert_int_eq(o.error, TASKQ_FULL);
    ck_assert_str_eq(o.message, "the queue is full");
    ck_assert_uint_eq(o.id, 0);
    free(memory);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/outcome");
    TCase *c = tcase_create("all");
    tcase_add_test(c, each_state_is_understood);
    tcase_add_test(c, what_is_none_is_refused);
    tcase_add_test(c, an_error_of_the_call_keeps_its_words);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
