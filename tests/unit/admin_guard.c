#include "server/admin/guard.h"

#include <check.h>
#include <stdlib.h>

static char *names[] = {"taskq.example", "Q"};

START_TEST(hosts)
{
    static const char *const own[] = {"localhost",     "LocalHost:7481",  "127.0.0.1",  "127.0.0.1:80",
                                      "10.0.0.1",      "[::1]",           "[::1]:7481", "[fe80::1]:443",
                                      "taskq.example", "TASKQ.EXAMPLE:1", "q",          "localhost:"};
    static const char *const others[] = {"",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "xlocalhost",
                                         "127.0.0.1.evil.example",
                                         "127.1",
                                         "0x7f000001",
                                         "::1",
                                         "[::1",
                                         "[::1]x",
                                         "[localhost]",
                                         "localhost:x",
                                         "localhost:1:2",
                                         ":80",
                                         "[]",
                                         "a.taskq.example",
                                         "taskq.example.",
                                         "localhost 1",
                                         "[127.0.0.1]",
                                         "1234567890123456789012345678901234567890123456789"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_msg(guard_host(slice_of(own[i]), names, 2), "%s", own[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!guard_host(slice_of(others[i]), names, 2), "%s", others[i]);
    ck_assert(!guard_host(SLICE("127.0.0.1\0x"), names, 2));
    ck_assert(!guard_host(SLICE("taskq.example"), NULL, 0));
}
END_TEST

START_TEST(origins)
{
    struct slice host = SLICE("localhost:7481"), none = {0};
    ck_assert(guard_origin(none, none, host));
    ck_assert(guard_origin(SLICE("http://localhost:7481"), none, host));
    ck_assert(guard_origin(SLICE("https://LOCALHOST:7481"), SLICE("same-origin"), host));
    ck_assert(guard_origin(none, SLICE("none"), host));
    static const char *const others[] = {"null",
                                         "http://localhost",
                                         "http://localhost:74810",
                                         "http://evil.example",
                                         "localhost:7481",
                                         "://",
                                         "http://localhost:7481/",
                                         "http://evil.example/://localhost:7481"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!guard_origin(slice_of(others[i]), none, host), "%s", others[i]);
    ck_assert(!guard_origin(SLICE("http://localhost:7481"), SLICE("cross-site"), host));
    ck_assert(!guard_origin(none, SLICE("same-site"), host));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin/guard");
    TCase *c = tcase_create("guard");
    tcase_add_test(c, hosts);
    tcase_add_test(c, origins);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
