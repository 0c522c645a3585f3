#include "server/admin/response.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct buffer b;

static const char *written(const struct response *r)
{
    buffer_clear(&b);
    response_write(&b, r);
    buffer_append_byte(&b, '\0');
    ck_assert(!b.failed);
    return b.data;
}

static void teardown(void)
{
    buffer_release(&b);
}

START_TEST(a_whole_one)
{
    struct response r = {.status = 200, .type = "a/b", .fields = "X: y\r\n", .content = SLICE("content")};
    const char *text = written(&r);
    ck_assert_int_eq(strncmp(text, "HTTP/1.1 200 OK\r\nDate: ", 23), 0);
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\ncontent");
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: a/b\r\nContent-Length: 7\r\nX: y\r\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Security-Policy: default-src 'none';"));
    ck_assert_ptr_null(strstr(text, "Connection:"));
    // Day, date, time: 29 bytes, whatever the locale.
    const char *date = strstr(text, "Date: ") + 6;
    ck_assert_int_eq(strncmp(date + 25, " GMT\r\n", 6), 0);
}
END_TEST

START_TEST(heads_alone)
{
    struct response head = {.status = 404, .type = "a/b", .content = SLICE("content"), .head = true};
    const char *text = written(&head);
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 7\r\n"));
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    struct response known = {.status = 304, .type = "a/b", .content = SLICE("content")};
    text = written(&known);
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    ck_assert_ptr_null(strstr(text, "Content-Length"));
    ck_assert_ptr_null(strstr(written(&(struct response){.status = 204}), "Content-"
                                                                          "Length"));
}
END_TEST

// A status of protocol.md without a row of its own would go out as "411 Status".
START_TEST(every_status_has_its_words)
{
    static const unsigned all[] = {200, 204, 304, 400, 401, 403, 404, 405, 408, 411,
                                   413, 415, 417, 421, 429, 431, 501, 503, 505};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_ptr_null(strstr(written(&(struct response){.status = all[i]}), " Status\r\n"));
}
END_TEST

START_TEST(the_last_on_its_connection)
{
    ck_assert_ptr_nonnull(strstr(written(&(struct response){.status = 200, .close = true, .old = true}),
                                 "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(
        strstr(written(&(struct response){.status = 200, .old = true}), "\r\nConnection: keep-alive\r\n"));
}
END_TEST

START_TEST(errors)
{
    struct buffer e = BUFFER_INIT;
    response_error(&e, ERROR_HTTP, "why \"it\" is");
    buffer_append_byte(&e, '\0');
    ck_assert_str_eq(
        e.data, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32015,\"message\":\"why \\\"it\\\" "
                "is\",\"data\":{\"name\":\"http\"}}}\n");
    buffer_release(&e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin/response");
    TCase *c = tcase_create("response");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_test(c, a_whole_one);
    tcase_add_test(c, heads_alone);
    tcase_add_test(c, every_status_has_its_words);
    tcase_add_test(c, the_last_on_its_connection);
    tcase_add_test(c, errors);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
