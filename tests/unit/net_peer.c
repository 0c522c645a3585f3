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

// The key of a client that connects from there, and how long it is; 0: this machine has no such address.
static size_t key_of(const struct sockaddr *from, socklen_t len, char key[PEER_KEY_MAX])
{
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    int listener = socket(from->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0),
        client = socket(from->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t found = 0;
    if (listener >= 0 && client >= 0 && bind(listener, from, len) == 0) {
        ck_assert_int_eq(listen(listener, 1), 0);
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &at_len), 0);
        ck_assert_int_eq(bind(client, from, len), 0);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&at, at_len), 0);
        int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(taken, 0);
        found = peer_key(taken, key);
        close(taken);
    }
    close(listener);
    close(client);
    return found;
}

static size_t key_of_four(uint32_t address, char key[PEER_KEY_MAX])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    return key_of((struct sockaddr *)&at, sizeof at, key);
}

START_TEST(an_address_is_told_from_others_and_its_ports_are_not)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char one[PEER_KEY_MAX], again[PEER_KEY_MAX], other[PEER_KEY_MAX], user[PEER_KEY_MAX];
    size_t len = key_of_four(INADDR_LOOPBACK, one);
    ck_assert_uint_gt(len, 4);
    ck_assert_uint_eq(key_of_four(INADDR_LOOPBACK, again), len);
    ck_assert_mem_eq(one, again, len);
    ck_assert_uint_eq(key_of_four(INADDR_LOOPBACK + 1, other), len);
    ck_assert_mem_ne(one, other, len);
    size_t six_len = key_of((struct sockaddr *)&six, sizeof six, other);
    if (six_len > 0) { // the network, not the host
        ck_assert_uint_eq(six_len, 8);
        ck_assert_mem_eq(other, &six.sin6_addr, 8);
    }
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    uid_t me = getuid();
    ck_assert_uint_eq(peer_key(pair[0], user), sizeof me);
    ck_assert_mem_eq(user, &me, sizeof me);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(a_socket_for_both_families_tells_addresses_of_ipv4_apart)
{
    struct sockaddr_in6 both = {.sin6_family = AF_INET6};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof both;
    char direct[PEER_KEY_MAX], key[PEER_KEY_MAX];
    int off = 0, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) // a machine without IPv6
        return;
    ck_assert_int_eq(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&both, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&both, &len), 0);
    to.sin_port = both.sin6_port;
    for (uint32_t from = INADDR_LOOPBACK; from <= INADDR_LOOPBACK + 1; from++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(from)}};
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(client, (struct sockaddr *)&at, sizeof at), 0);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&to, sizeof to), 0);
        int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        size_t direct_len = key_of_four(from, direct);
        ck_assert_uint_eq(peer_key(taken, key), direct_len);
        ck_assert_mem_eq(key, direct, direct_len);
        close(taken);
        close(client);
    }
    close(listener);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/peer");
    TCase *c = tcase_create("peer");
    tcase_add_test(c, a_unix_peer_is_its_user_or_its_group);
    tcase_add_test(c, a_tcp_peer_is_nobody_and_has_an_address);
    tcase_add_test(c, an_address_is_told_from_others_and_its_ports_are_not);
    tcase_add_test(c, a_socket_for_both_families_tells_addresses_of_ipv4_apart);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
