#include "server/admin/body.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

// What comes of a text that is given in pieces of `step` bytes: the status, and the content in *out.
static unsigned take(struct body *b, const char *text, size_t step, uint64_t most, struct buffer *out,
                     size_t *used)
{
    size_t len = strlen(text);
    *used = 0;
    while (*used < len && !b->done) {
        size_t n = len - *used < step ? len - *used : step, taken;
        unsigned status = body_take(b, text + *used, n, most, out, &taken);
        *used += taken;
        if (status)
            return status;
        ck_assert(b->done || taken == n);
    }
    return 0;
}

// All of `text` but its last `behind` bytes is the body.
static void gives(bool chunked, uint64_t length, const char *text, size_t behind, const char *content)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        struct body b;
        struct buffer out = BUFFER_INIT;
        size_t used;
        body_begin(&b, chunked, length);
        ck_assert_uint_eq(take(&b, text, step, 100, &out, &used), 0);
        ck_assert_msg(b.done, "%s", text);
        ck_assert_uint_eq(used, strlen(text) - behind);
        ck_assert_uint_eq(out.len, strlen(content));
        ck_assert_int_eq(out.len ? memcmp(out.data, content, out.len) : 0, 0);
        buffer_release(&out);
    }
}

static void refuses(bool chunked, uint64_t length, const char *text, unsigned status)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        struct body b;
        struct buffer out = BUFFER_INIT;
        size_t used;
        body_begin(&b, chunked, length);
        ck_assert_msg(take(&b, text, step, 100, &out, &used) == status, "%s", text);
        buffer_release(&out);
    }
}

START_TEST(of_a_length)
{
    gives(false, 5, "abcdefg", 2, "abcde");
    struct body b;
    body_begin(&b, false, 0);
    ck_assert(b.done);
    refuses(false, 101, "a", 413);
}
END_TEST

START_TEST(in_chunks)
{
    gives(true, 0, "3\r\nabc\r\n02\r\nde\r\n0\r\n\r\nrest", 4, "abcde");
    gives(true, 0, "A;x=\"y;\"\r\n0123456789\r\na \t\r\n0123456789\r\n000\r\nA: b\r\nC:d\r\n\r\n", 0,
          "01234567890123456789");
    gives(true, 0, "0\r\n\r\n", 0, "");
}
END_TEST

START_TEST(broken_chunks)
{
    static const char *const broken[] = {
        "\r\n",           "x\r\n",      " 1\r\n",        "1\n",     "1\r\r",
        "1\r\nab",        "1\r\na\n",   "1\r\na\r\r",    "0\r\n\n", "0\r\n\r\r",
        "0\r\nA\n",       "1;\x01\r\n", "0\r\n\x01\r\n", "-1\r\n",  "0000000000000001\r\n",
        "1\r\na\r\n\r\n", ";\r\n"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        refuses(true, 0, broken[i], 400);
}
END_TEST

START_TEST(bounds)
{
    refuses(true, 0, "65\r\n", 413); // 101
    refuses(true, 0, "fffffffffffffff\r\n", 413);
    refuses(true, 0, "32\r\n01234567890123456789012345678901234567890123456789\r\n33\r\n", 413);
    // Around the chunks there may be as much as it likes, but not for ever.
    struct body b;
    struct buffer out = BUFFER_INIT;
    unsigned status = 0;
    size_t bytes = 0, used;
    body_begin(&b, true, 0);
    while (status == 0 && bytes < 100000) {
        const char *text = bytes == 0 ? "0\r\n" : bytes % 2 ? "A: b\r\n" : "C: d\r\n";
        status = take(&b, text, 100, 100, &out, &used);
        bytes += strlen(text);
    }
    ck_assert_uint_eq(status, 400);
    ck_assert_uint_lt(bytes, 20000);
    buffer_release(&out);
}
END_TEST

START_TEST(one_line)
{
    static const char *const rows[][2] = {
        {"{\n\"a\":\r\n1}\n", "{ \"a\":\r 1} "},
        {"\"a\nb\"\n", "\"a\rb\" "},           // is no JSON, and stays none
        {"\"a\\\"\n\"\n", "\"a\\\"\r\" "},     // the quote is escaped
        {"\"a\\\\\"\n\"\"", "\"a\\\\\" \"\""}, // the backslash is
        {"\"a\\\n\"\n", "\"a\\\r\" "},         // is none either
        {"\\\"\n\"", "\\\"\r\""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        strcpy(text, rows[i][0]);
        body_to_line(text, strlen(text));
        ck_assert_str_eq(text, rows[i][1]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin/body");
    TCase *c = tcase_create("body");
    tcase_add_test(c, of_a_length);
    tcase_add_test(c, in_chunks);
    tcase_add_test(c, broken_chunks);
    tcase_add_test(c, bounds);
    tcase_add_test(c, one_line);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
