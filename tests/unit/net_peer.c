#include "server/net/peer.h"

#include "server/access/identity.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct access allowed;

static void add(enum identity_kind kind, uint32_t number)
{
    struct identity *i = access_add(&allowed, kind, "x");
    ck_assert_ptr_nonnull(i);
    i->number = number;
}

START_TEST(a_unix_peer_is_its_user_or_its_group)
{
    int pair[2];
    char text[PEER_TEXT_MAX], expected[PEER_TEXT_MAX];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    add(IDENTITY_USER, getuid() + 1);
    ck_assert_ptr_null(peer_identity(pair[0], &allowed));
    add(IDENTITY_GROUP, getgid());
    ck_assert_ptr_eq(peer_identity(pair[0], &allowed), &allowed.items[1]);
    add(IDENTITY_USER, getuid());
    ck_assert_ptr_eq(peer_identity(pair[0], &allowed), &allowed.items[2]);
    peer_print(pair[0], text);
    snprintf(expected, sizeof expected, "unix:pid=%d,uid=%u", (int)getpid(), (unsigned)getuid());
    ck_assert_str_eq(text, expected);
    close(pair[0]);
    close(pair[1]);
    access_release(&allowed);
}
END_TEST

START_TEST(a_tcp_peer_is_nobody_and_has_an_address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    char text[PEER_TEXT_MAX], expected[PEER_TEXT_MAX];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, len), 0);
    int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(taken, 0);
    add(IDENTITY_USER, getuid());
    add(IDENTITY_USER, UINT32_MAX); // what the kernel says of a socket that has no such peer
    ck_assert_ptr_null(peer_identity(taken, &allowed));
    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&at, &len), 0);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", ntohs(at.sin_port));
    peer_print(taken, text);
    ck_assert_str_eq(text, expected);
    close(listener);
    close(client);
    close(taken);
    access_release(&allowed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/peer");
    TCase *c = tcase_create("peer");
    tcase_add_test(c, a_unix_peer_is_its_user_or_its_group);
    tcase_add_test(c, a_tcp_peer_is_nobody_and_has_an_address);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
