#include "server/admin/head.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct head head;
static const char *why;

// The status that a whole head gets; it is read from a block of exactly its size.
static unsigned parse(const char *text)
{
    size_t len = strlen(text), scanned = 0;
    char *block = malloc(len);
    ck_assert_ptr_nonnull(block);
    memcpy(block, text, len);
    ck_assert_int_eq(head_find(block, len, &scanned), HEAD_WHOLE);
    ck_assert_uint_eq(scanned, len);
    static char kept[4096];
    memcpy(kept, block, len);
    why = NULL;
    unsigned status = head_parse(block, len, &head, &why);
    free(block);
    ck_assert_msg(status == 0 || why, "%u without a word", status);
    if (status == 0)
        ck_assert_uint_eq(head_parse(kept, len, &head, &why), 0); // whose slices can be looked at
    return status;
}

static void is(struct slice field, const char *text)
{
    ck_assert_msg(slice_equal(field, text), "\"%.*s\" is not \"%s\"", (int)field.len, field.data, text);
}

START_TEST(the_end_is_found_however_it_comes)
{
    const char *text = "GET / HTTP/1.1\r\nHost: x\r\n\r\nmore\r\n\r\n";
    size_t whole = strlen("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (size_t step = 1; step < 40; step++) {
        size_t scanned = 0, len = 0;
        enum head_found found = HEAD_PARTIAL;
        while (found == HEAD_PARTIAL) {
            len = len + step < strlen(text) ? len + step : strlen(text);
            found = head_find(text, len, &scanned);
            ck_assert(found == HEAD_PARTIAL ? len < whole && scanned == len : len >= whole);
        }
        ck_assert_int_eq(found, HEAD_WHOLE);
        ck_assert_uint_eq(scanned, whole);
    }
}
END_TEST

START_TEST(a_line_ends_in_cr_lf)
{
    const char *broken[] = {"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\n\r\n"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        size_t scanned = 0;
        ck_assert_int_eq(head_find(broken[i], strlen(broken[i]), &scanned), HEAD_BROKEN);
    }
}
END_TEST

START_TEST(what_matters_is_read)
{
    ck_assert_uint_eq(
        parse("POST /a/b?c=/d HTTP/1.1\r\nhOST:  h:1\t\r\nOrigin: http://h:1\r\nContent-Type:a/b\r\n"
              "Authorization: Bearer  t0k \r\nIf-None-Match: \"x\"\r\nSec-Fetch-Site: none\r\n"
              "Expect: 100-continue\r\nContent-Length: 0012\r\nX: \xe9\r\nX:\r\n\r\n"),
        0);
    is(head.method, "POST");
    is(head.path, "/a/b");
    is(head.host, "h:1");
    is(head.origin, "http://h:1");
    is(head.type, "a/b");
    is(head.known, "\"x\"");
    is(head.site, "none");
    is(head.expect, "100-continue");
    is(head_token(&head), "t0k");
    ck_assert(head.has_length && head.length == 12 && !head.chunked && !head.close && !head.old);
}
END_TEST

START_TEST(a_target_may_be_a_whole_address)
{
    ck_assert_uint_eq(parse("GET http://a.example:8/x?y HTTP/1.1\r\nHost: b\r\n\r\n"), 0);
    is(head.path, "/x");
    is(head.host, "a.example:8");
    ck_assert_uint_eq(parse("GET HTTPS://a HTTP/1.1\r\nHost: b\r\n\r\n"), 0);
    is(head.path, "/");
    is(head.host, "a");
    ck_assert_uint_eq(parse("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"), 0);
    is(head.path, "*");
    ck_assert_uint_eq(parse("GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n"), 400);
    ck_assert_uint_eq(parse("GET a HTTP/1.1\r\nHost: b\r\n\r\n"), 400);
}
END_TEST

START_TEST(a_connection_is_kept_or_not)
{
    static const struct {
        const char *text;
        bool close;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: b\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: b\r\nConnection: x ,\tCLOSE,\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: b\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: b\r\nConnection: closed\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_uint_eq(parse(rows[i].text), 0);
        ck_assert_msg(head.close == rows[i].close, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(a_body_has_a_length_or_chunks)
{
#define POST "POST / HTTP/1.1\r\nHost: b\r\n"
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        {POST "Transfer-Encoding: chunked\r\n\r\n", 0},
        {POST "Transfer-Encoding: CHUNKED\r\n\r\n", 0},
        {POST "Transfer-Encoding: gzip\r\n\r\n", 501},
        {POST "Transfer-Encoding:\r\n\r\n", 501},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {POST "Content-Length: 999999999999999999\r\n\r\n", 0},
        {POST "Content-Length: 9999999999999999999\r\n\r\n", 400},
        {POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {POST "Content-Length: 1, 1\r\n\r\n", 400},
        {POST "Content-Length: 0x1\r\n\r\n", 400},
        {POST "Content-Length: -0\r\n\r\n", 400},
        {POST "Content-Length: \r\n\r\n", 400},
    };
#undef POST
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(parse(rows[i].text) == rows[i].status, "%s", rows[i].text);
}
END_TEST

START_TEST(what_can_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {" / HTTP/1.1\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET / x HTTP/1.1\r\n\r\n", 400},
        {"GET / http/1.1\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1\r\n\r\n", 400},
        {"GET / HTTP/1.10\r\n\r\n", 400},
        {"AAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(parse(rows[i].text) == rows[i].status, "%s", rows[i].text);
}
END_TEST

START_TEST(fields_are_bounded)
{
    for (int n = 99; n <= 101; n++) {
        char text[4000] = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < n; i++)
            strcat(text, "A: b\r\n");
        strcat(text, "\r\n");
        ck_assert_uint_eq(parse(text), n <= HEAD_FIELDS_MAX ? 0 : 431);
    }
}
END_TEST

START_TEST(a_token_is_a_bearers)
{
    static const char *const rows[][2] = {{"Bearer abc", "abc"}, {"bearer abc", "abc"}, {"Bearer", ""},
                                          {"Basic abc", ""},     {"Bearerabc", ""},     {"", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct head h = {.authorization = slice_of(rows[i][0])};
        is(head_token(&h), rows[i][1]);
    }
    ck_assert(head_word(SLICE("CloSe"), "close") && !head_word(SLICE("close "), "close") &&
              !head_word(SLICE("clos"), "close") && !head_word((struct slice){0}, "close"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin/head");
    TCase *c = tcase_create("head");
    tcase_add_test(c, the_end_is_found_however_it_comes);
    tcase_add_test(c, a_line_ends_in_cr_lf);
    tcase_add_test(c, what_matters_is_read);
    tcase_add_test(c, a_target_may_be_a_whole_address);
    tcase_add_test(c, a_connection_is_kept_or_not);
    tcase_add_test(c, a_body_has_a_length_or_chunks);
    tcase_add_test(c, what_can_be_read_in_two_ways_is_refused);
    tcase_add_test(c, fields_are_bounded);
    tcase_add_test(c, a_token_is_a_bearers);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
