#include "server/pool/answer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct answer a;
static struct progress_report progress;
static const char *why;

static bool parse(const char *line)
{
    why = NULL;
    return answer_parse(slice_of(line), 7, &a, &progress, &why);
}

static void refuses(const char *line, const char *text)
{
    ck_assert_msg(!parse(line), "%s is taken", line);
    ck_assert_msg(strstr(why, text) != NULL, "%s: \"%s\" does not say %s", line, why, text);
}

START_TEST(a_result)
{
    ck_assert(parse(" {\"result\" : {\"a\": [1 ,2]} , \"id\":7}\r"));
    ck_assert_int_eq(a.kind, ANSWER_RESULT);
    ck_assert(slice_equal(a.value, "{\"a\": [1 ,2]}"));
    ck_assert(parse("{\"id\":7,\"result\":null}"));
    ck_assert(slice_equal(a.value, "null"));
}
END_TEST

START_TEST(an_error)
{
    ck_assert(parse("{\"id\":7,\"error\":\"no\"}"));
    ck_assert_int_eq(a.kind, ANSWER_ERROR);
    ck_assert(slice_equal(a.value, "\"no\""));
    ck_assert_int_eq(a.delay, -1);
    ck_assert(!a.bury);
    ck_assert(parse("{\"id\":7,\"error\":1,\"delay\":0.0015,\"bury\":true}"));
    ck_assert_int_eq(a.delay, 2);
    ck_assert(a.bury);
    ck_assert(parse("{\"id\":7,\"error\":1,\"delay\":1e9,\"bury\":false}"));
    ck_assert_int_eq(a.delay, ANSWER_DELAY_MAX);
    ck_assert(!a.bury);
}
END_TEST

START_TEST(progress_in_all_its_forms)
{
    ck_assert(parse("{\"id\":7,\"progress\":{\"done\":1,\"total\":2.5,\"message\":\"a\\nb\"}}"));
    ck_assert_int_eq(a.kind, ANSWER_PROGRESS);
    ck_assert(progress.text.has_done && progress.text.has_total);
    ck_assert_double_eq(progress.text.done, 1);
    ck_assert_double_eq(progress.text.total, 2.5);
    ck_assert(progress.text.has_message);
    ck_assert_uint_eq(progress.text.message.len, 3);
    ck_assert_mem_eq(progress.text.message.data, "a\nb", 3);
    ck_assert(parse("{\"id\":7,\"progress\":{\"done\":0}}"));
    ck_assert(progress.text.has_done && progress.text.done == 0);
    ck_assert(!progress.text.has_total && !progress.text.has_message);
    ck_assert(parse("{\"id\":7,\"progress\":{\"message\":\"\"}}"));
    ck_assert(!progress.text.has_done && progress.text.has_message && progress.text.message.len == 0);
}
END_TEST

START_TEST(a_message_has_at_most_1024_bytes)
{
    char line[1200], text[1030];
    memset(text, 'x', sizeof text);
    for (int len = 1024; len <= 1025; len++) {
        snprintf(line, sizeof line, "{\"id\":7,\"progress\":{\"message\":\"%.*s\"}}", len, text);
        ck_assert_int_eq(parse(line), len == 1024);
        if (len == 1024)
            ck_assert_ptr_eq(progress.text.message.data, progress.message); // the line goes before it
    }
    ck_assert(parse("{\"id\":7,\"progress\":{\"message\":\"\\u00e9\"}}"));
    ck_assert_uint_eq(progress.text.message.len, 2);
}
END_TEST

START_TEST(what_is_no_answer)
{
    refuses("", "not a JSON object");
    refuses("hello", "not a JSON object");
    refuses("[7]", "not a JSON object");
    refuses("{\"id\":7,\"result\":1} x", "not a JSON object");
    refuses("{\"id\":7,\"result\":\"\xff\"}", "not a JSON object");
    refuses("{\"id\":7,\"result\":1", "not a JSON object");
    refuses("{\"result\":1}", "has no id");
    refuses("{\"id\":\"7\",\"result\":1}", "has no id");
    refuses("{\"id\":8,\"result\":1}", "another job");
    refuses("{\"id\":7}", "just one of");
    refuses("{\"id\":7,\"result\":1,\"error\":2}", "just one of");
    refuses("{\"id\":7,\"result\":1,\"progress\":{\"done\":1}}", "just one of");
    refuses("{\"id\":7,\"result\":1,\"result\":2}", "stands there twice");
    refuses("{\"id\":7,\"reslt\":1}", "unknown");
    refuses("{\"id\":7,\"result\":1,\"delay\":1}", "without an error");
    refuses("{\"id\":7,\"result\":1,\"bury\":true}", "without an error");
    refuses("{\"id\":7,\"error\":1,\"delay\":-1}", "delay");
    refuses("{\"id\":7,\"error\":1,\"delay\":\"1\"}", "delay");
    refuses("{\"id\":7,\"error\":1,\"delay\":1000000001}", "delay");
    refuses("{\"id\":7,\"error\":1,\"bury\":1}", "bury");
    refuses("{\"id\":7,\"progress\":1}", "not an object");
    refuses("{\"id\":7,\"progress\":{}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"total\":1}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"done\":-1}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"done\":1e999}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"done\":-1,\"done\":1}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"done\":1,\"x\":1}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"done\":1,\"message\":3}}", "not made of");
    refuses("{\"id\":7,\"progress\":{\"message\":\"\\ud800\"}}", "not made of");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_result, an_error, progress_in_all_its_forms,
                                  a_message_has_at_most_1024_bytes, what_is_no_answer};
    Suite *s = suite_create("answer");
    TCase *c = tcase_create("answer");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
