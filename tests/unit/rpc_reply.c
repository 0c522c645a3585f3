#include "server/rpc/reply.h"

#include "common/json_reader.h"
#include "server/engine/blob.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buffer out;

static void teardown(void)
{
    buffer_release(&out);
}

static const char *text(void)
{
    buffer_append(&out, "", 1);
    ck_assert(json_text_valid(out.data, out.len - 1));
    buffer_clear(&out);
    return out.data;
}

START_TEST(an_error_says_what_is_known)
{
    struct reply_error e = {.error = ERROR_INVALID_PARAMS,
                            .text = "a \"b\"\n\xff",
                            .param = SLICE("q\\\"x"),
                            .offset = 7};
    reply_error(&out, SLICE("1"), &e);
    ck_assert_str_eq(
        text(),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"a \\\"b\\\"\\n\xEF\xBF\xBD\","
        "\"data\":{\"name\":\"invalid_params\",\"param\":\"q\\\"x\",\"at\":7}}}");
    reply_plain_error(&out, (struct slice){0}, ERROR_EMPTY);
    ck_assert_str_eq(
        text(), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"no job is ready\","
                "\"data\":{\"name\":\"empty\"}}}");
}
END_TEST

START_TEST(outcomes)
{
    struct blob *result = blob_new(SLICE("[0.10]")), *error = blob_new(SLICE("\"no\""));
    struct outcome o = {.state = JOB_DONE, .result = result};
    reply_outcome(&out, SLICE("\"x\""), 7, &o);
    ck_assert_str_eq(
        text(),
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{\"id\":7,\"state\":\"done\",\"result\":[0.10]}}");
    o.result = NULL;
    reply_outcome(&out, SLICE("1"), 7, &o);
    ck_assert_str_eq(
        text(), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":7,\"state\":\"done\",\"result\":null}}");
    o = (struct outcome){.state = JOB_DEAD, .reason = DEAD_BURIED, .attempts = 3, .error = error};
    reply_outcome(&out, SLICE("1"), 7, &o);
    ck_assert_ptr_nonnull(
        strstr(text(), "\"data\":{\"name\":\"failed\",\"id\":7,\"state\":\"dead\",\"reason\":\"buried\","
                       "\"attempts\":3,\"error\":\"no\"}"));
    o = (struct outcome){.state = JOB_CANCELLED};
    reply_outcome(&out, SLICE("1"), 7, &o);
    ck_assert_ptr_nonnull(
        strstr(text(), "\"data\":{\"name\":\"cancelled\",\"id\":7,\"state\":\"cancelled\"}"));
    blob_unref(result);
    blob_unref(error);
}
END_TEST

START_TEST(jobs)
{
    struct taken job = {.id = 9007199254740991,
                        .delivery = 4294967297,
                        .attempt = 2,
                        .priority = -0.5,
                        .body = SLICE("{\"a\": 1}")};
    write_taken(&out, SLICE("a\"b"), &job);
    ck_assert_str_eq(text(), "{\"id\":9007199254740991,\"queue\":\"a\\\"b\",\"priority\":-0.5,\"delivery\":"
                             "4294967297,\"attempt\":2,"
                             "\"body\":{\"a\": 1}}");
    write_put(&out, 7, true);
    ck_assert_str_eq(text(), "{\"id\":7,\"existing\":true}");
}
END_TEST

START_TEST(all_settings_of_a_queue_are_written)
{
    static const char *const names[] = {
#define X(field, type, low, high, value, text) #field,
        QUEUE_SETTINGS(X)
#undef X
    };
    struct queue_settings s = queue_settings_default;
    buffer_append_byte(&out, '{');
    write_queue_settings(&out, &s);
    buffer_append_byte(&out, '}');
    const char *written = text();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = strncmp(names[i], "backoff_", 8) == 0 ? names[i] + 8 : names[i];
        char key[64];
        snprintf(key, sizeof key, "\"%s\":", name);
        ck_assert_msg(strstr(written, key), "%s", key);
    }
    ck_assert_ptr_nonnull(
        strstr(written, "\"backoff\":{\"base\":1,\"cap\":3600,\"jitter\":0.1},\"dead_letter\":null,"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/reply");
    TCase *c = tcase_create("texts");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_test(c, an_error_says_what_is_known);
    tcase_add_test(c, outcomes);
    tcase_add_test(c, jobs);
    tcase_add_test(c, all_settings_of_a_queue_are_written);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
