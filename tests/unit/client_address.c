#include "client/address.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(addresses_are_read)
{
    static const struct {
        const char *text, *host, *port;
        bool local;
    } rows[] = {
        {"127.0.0.1:7480", "127.0.0.1", "7480", false},
        {"queue.example", "queue.example", "7480", false},
        {"h:1", "h", "1", false},
        {"h:00080", "h", "80", false},
        {"h:65535", "h", "65535", false},
        {"[::1]:99", "::1", "99", false},
        {"[fe80::1%lo]", "fe80::1%lo", "7480", false},
        {"taskq://h:1/", "h", "1", false},
        {"taskq://h", "h", "7480", false},
        {"unix:/run/q.sock", "/run/q.sock", "7480", true},
        {"unix:rel:ative", "rel:ative", "7480", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a;
        const char *why = "";
        ck_assert_msg(address_parse(&a, rows[i].text, &why), "%s: %s", rows[i].text, why);
        ck_assert_str_eq(a.host, rows[i].host);
        ck_assert_str_eq(a.port, rows[i].port);
        ck_assert(a.local == rows[i].local);
    }
}
END_TEST

START_TEST(addresses_with_tls_are_read)
{
    static const struct {
        const char *text, *host, *port;
    } rows[] = {{"taskqs://q.example", "q.example", "7480"},
                {"taskqs://q.example/", "q.example", "7480"},
                {"taskqs://10.0.0.1:99", "10.0.0.1", "99"},
                {"taskqs://[fd00::1]:99/", "fd00::1", "99"},
                {"tls:0.0.0.0:7480", "0.0.0.0", "7480"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a;
        const char *why = "";
        ck_assert_msg(address_parse(&a, rows[i].text, &why), "%s: %s", rows[i].text, why);
        ck_assert_str_eq(a.host, rows[i].host);
        ck_assert_str_eq(a.port, rows[i].port);
        ck_assert(a.tls && !a.local);
    }
    struct address a;
    const char *why;
    ck_assert(address_parse(&a, "taskq://h", &why) && !a.tls);
    static const char *const hosts[] = {"taskqs", "tls", "tls:1"}; // of these names
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        ck_assert(address_parse(&a, hosts[i], &why) && !a.tls && strncmp(a.host, "t", 1) == 0);
}
END_TEST

START_TEST(what_is_none_is_refused_with_a_reason)
{
    char path[200] = "unix:", host[400];
    memset(path + 5, 'p', 150);
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    const char *bad[] = {"",
                         ":7480",
                         "h:",
                         "h:0",
                         "h:65536",
                         "h:http",
                         "h:-1",
                         "h:1 ",
                         "::1",
                         "[::1",
                         "[]:1",
                         "[::1]x",
                         "[::1]7480",
                         "unix:",
                         path,
                         host,
                         "h:999999",
                         "taskqs://",
                         "taskqs://:1",
                         "taskqs://h:0",
                         "taskqs://h/q",
                         "taskqs://u@h",
                         "taskqs:/h",
                         "taskqs:h",
                         "tls:h",
                         "http://h:7481",
                         "taskqs://unix:/x",
                         "taskqs://h:1//"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address a;
        const char *why = NULL;
        ck_assert_msg(!address_parse(&a, bad[i], &why), "%s is taken", bad[i]);
        ck_assert_ptr_nonnull(why);
    }
}
END_TEST

// A listener whose queue is full: a connection to it neither succeeds nor fails.
static void silent(struct address *a, int fds[3])
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);
    char text[32];
    const char *why;
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&here, sizeof(here)), 0);
    ck_assert_int_eq(listen(fds[0], 0), 0);
    ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&here, &len), 0);
    for (int i = 1; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fds[i], (struct sockaddr *)&here, sizeof(here));
    }
    snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(here.sin_port));
    ck_assert(address_parse(a, text, &why));
}

START_TEST(a_connection_that_does_not_come_ends_in_time_or_when_woken)
{
    struct address a;
    int fds[3];
    const char *why;
    silent(&a, fds);
    int64_t start = clock_ns();
    ck_assert_int_eq(address_connect(&a, start + 30000000, -1, &why), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_ge(clock_ns() - start, 30000000);
    int wake = eventfd(1, EFD_CLOEXEC);
    ck_assert_int_eq(address_connect(&a, -1, wake, &why), -1);
    ck_assert_int_eq(errno, ECANCELED);
    close(wake);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

START_TEST(nobody_there_is_refused)
{
    struct address a;
    const char *why;
    ck_assert(address_parse(&a, "unix:/nonexistent/socket", &why));
    ck_assert_int_eq(address_connect(&a, -1, -1, &why), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_null(why);
    ck_assert(address_parse(&a, "[::]]:1", &why) == false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/address");
    TCase *c = tcase_create("address");
    tcase_add_test(c, addresses_are_read);
    tcase_add_test(c, addresses_with_tls_are_read);
    tcase_add_test(c, what_is_none_is_refused_with_a_reason);
    tcase_add_test(c, a_connection_that_does_not_come_ends_in_time_or_when_woken);
    tcase_add_test(c, nobody_there_is_refused);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
