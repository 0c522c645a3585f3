#include "server/pool/exec_text.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LITERAL(text) ((struct slice){text, sizeof(text) - 1})

static struct buffer b;

static void setup(void)
{
    b = BUFFER_INIT;
}

static void teardown(void)
{
    buffer_release(&b);
}

static void expect(const char *text)
{
    ck_assert(!b.failed);
    buffer_append_byte(&b, '\0');
    ck_assert_str_eq(b.data, text);
    buffer_clear(&b);
}

static void expect_result(struct slice printed, const char *text)
{
    exec_result_write(&b, printed);
    expect(text);
}

START_TEST(a_json_value_is_the_result_as_it_is)
{
    expect_result(LITERAL("42\n"), "42");
    expect_result(LITERAL("  1e400 \t\r\n\n"), "1e400");
    expect_result(LITERAL("\"\\u00e9\"\n"), "\"\\u00e9\"");
    expect_result(LITERAL("12345678901234567890"), "12345678901234567890");
    expect_result(LITERAL("{\"a\":1, \"a\" :2}\n"), "{\"a\":1, \"a\" :2}");
    expect_result(LITERAL("null"), "null");
}
END_TEST

START_TEST(a_json_value_in_many_lines_becomes_one_line)
{
    expect_result(LITERAL("{\n  \"a\": [\r\n    1\n  ],\n  \"b\": \"x\\ny\"\n}\n"),
                  "{   \"a\": [      1   ],   \"b\": \"x\\ny\" }");
}
END_TEST

START_TEST(anything_else_is_a_string)
{
    expect_result(LITERAL(""), "\"\"");
    expect_result(LITERAL("\n"), "\"\"");
    expect_result(LITERAL("hello\n"), "\"hello\"");
    expect_result(LITERAL("hello\n\n"), "\"hello\\n\"");
    expect_result(LITERAL("1 2\n"), "\"1 2\"");
    expect_result(LITERAL(" x\t\"\\"), "\" x\\t\\\"\\\\\"");
    expect_result(LITERAL("{\"a\":1}\n{\"a\":2}\n"), "\"{\\\"a\\\":1}\\n{\\\"a\\\":2}\"");
    expect_result(LITERAL("nul\0nul"), "\"nul\\u0000nul\"");
    expect_result(LITERAL("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    expect_result(LITERAL("a\xff z\xc3"), "\"a\xef\xbf\xbd z\xef\xbf\xbd\"");
    expect_result(LITERAL("\"\xff\""), "\"\\\"\xef\xbf\xbd\\\"\"");
}
END_TEST

START_TEST(an_error_says_how_the_command_ended)
{
    exec_error_write(&b, EXEC_EXIT, 3, LITERAL("oh\n"));
    expect("{\"exit\":3,\"stderr\":\"oh\\n\"}");
    exec_error_write(&b, EXEC_SIGNAL, SIGKILL, LITERAL(""));
    expect("{\"signal\":\"SIGKILL\",\"stderr\":\"\"}");
    exec_error_write(&b, EXEC_SIGNAL, SIGSEGV, LITERAL("\xff"));
    expect("{\"signal\":\"SIGSEGV\",\"stderr\":\"\xef\xbf\xbd\"}");
    exec_error_write(&b, EXEC_SIGNAL, 63, LITERAL(""));
    expect("{\"signal\":\"signal 63\",\"stderr\":\"\"}");
    exec_error_write(&b, EXEC_TIMEOUT, 1500, LITERAL(""));
    expect("{\"timeout\":1.5,\"stderr\":\"\"}");
    exec_error_write(&b, EXEC_OUTPUT, 1048576, LITERAL(""));
    expect("{\"output\":1048576,\"stderr\":\"\"}");
    exec_refusal_write(&b, "spawn", "cannot run", "No \"such\" file");
    expect("{\"spawn\":\"cannot run: No \\\"such\\\" file\"}");
    exec_refusal_write(&b, "input", "bad", NULL);
    expect("{\"input\":\"bad\"}");
}
END_TEST

// Whatever the pieces, the tail is the end of the whole.
START_TEST(the_tail_is_the_last_of_all_that_came)
{
    static char whole[40000];
    for (size_t i = 0; i < sizeof whole; i++)
        whole[i] = (char)('a' + (i * 7 + i / 26) % 26);
    static const size_t pieces[] = {1, 7, 1000, 4095, 4096, 4097, 8192, 9000, sizeof whole};
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        struct exec_tail t = {0};
        for (size_t at = 0; at < sizeof whole;) {
            size_t n = sizeof whole - at < pieces[k] ? sizeof whole - at : pieces[k];
            exec_tail_add(&t, whole + at, n);
            at += n;
            struct slice s = exec_tail_slice(&t);
            size_t len = at < EXEC_TAIL_MAX ? at : EXEC_TAIL_MAX;
            ck_assert_uint_eq(s.len, len);
            ck_assert_mem_eq(s.data, whole + at - len, len);
        }
    }
}
END_TEST

START_TEST(a_tail_begins_at_a_character)
{
    static char euros[3 * 3000 + 1];
    for (size_t i = 0; i < 3000; i++)
        memcpy(euros + 3 * i, "\xe2\x82\xac", 3);
    euros[sizeof euros - 1] = '\n';
    struct exec_tail t = {0};
    exec_tail_add(&t, euros, sizeof euros); // 4096 bytes back is within one
    struct slice s = exec_tail_slice(&t);
    ck_assert_uint_eq(s.len % 3, 1);
    ck_assert_uint_gt(s.len, EXEC_TAIL_MAX - 3);
    ck_assert_mem_eq(s.data, "\xe2\x82\xac", 3);

    // What is no UTF-8 at all is kept, and nothing is cut from what is whole.
    struct exec_tail short_one = {0};
    exec_tail_add(&short_one, "\x80\x80\x80\x80", 4);
    ck_assert_uint_eq(exec_tail_slice(&short_one).len, 4);
}
END_TEST

static void expect_input(struct slice body, bool unquote, struct slice text)
{
    struct slice input;
    const char *why = NULL;
    ck_assert(exec_input(&b, body, unquote, &input, &why));
    ck_assert(!b.failed);
    ck_assert(slice_same(input, text));
    buffer_clear(&b);
}

START_TEST(input_is_the_body_or_the_text_of_a_string)
{
    expect_input(LITERAL("\"a b\""), false, LITERAL("\"a b\""));
    expect_input(LITERAL("\"a b\""), true, LITERAL("a b"));
    expect_input(LITERAL("\"\""), true, LITERAL(""));
    expect_input(LITERAL("\"q\\\" b\\\\ n\\n \\u00e9 \\ud83d\\ude00 \\u0000\""), true,
                 LITERAL("q\" b\\ n\n \xc3\xa9 \xf0\x9f\x98\x80 \0"));
    expect_input(LITERAL("{\"a\":\"b\"}"), true, LITERAL("{\"a\":\"b\"}"));
    expect_input(LITERAL("17"), true, LITERAL("17"));

    struct slice input;
    const char *why = NULL;
    ck_assert(!exec_input(&b, LITERAL("\"\\ud800\""), true, &input, &why));
    ck_assert_ptr_nonnull(why);
    expect_input(LITERAL("\"\\ud800\""), false, LITERAL("\"\\ud800\""));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool/exec_text");
    TCase *c = tcase_create("texts");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_json_value_is_the_result_as_it_is);
    tcase_add_test(c, a_json_value_in_many_lines_becomes_one_line);
    tcase_add_test(c, anything_else_is_a_string);
    tcase_add_test(c, an_error_says_how_the_command_ended);
    tcase_add_test(c, the_tail_is_the_last_of_all_that_came);
    tcase_add_test(c, a_tail_begins_at_a_character);
    tcase_add_test(c, input_is_the_body_or_the_text_of_a_string);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
