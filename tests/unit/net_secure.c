#include "server/net/secure.h"

#include "server/tls/tls.h"
#include "tests/unit/tls_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 1000 // more than anything here takes

static struct tls_pair authority, server, client;
static struct tls *tls;
static struct secure *us;
static SSL_CTX *context;
static SSL *them;
static int their_fd;

static void open_both(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    us = secure_new(tls, ends[0]);
    ck_assert_ptr_nonnull(us);
    ck_assert_int_eq(secure_fd(us), ends[0]);
    their_fd = ends[1];
    them = SSL_new(context);
    SSL_set_fd(them, their_fd);
    SSL_set_connect_state(them);
}

static void setup(void)
{
    char why[TLS_WHY_MAX];
    tls_folder_make();
    authority = tls_pair_new(&(struct tls_wish){.name = "authority", .authority = true}, NULL);
    server = tls_pair_new(&(struct tls_wish){.name = "server"}, &authority);
    client = tls_pair_new(&(struct tls_wish){.name = "client"}, &authority);
    struct tls_files files = {.certificate = tls_write_certificate("server.pem", server.certificate),
                              .key = tls_write_key("server.key", server.key, NULL),
                              .client_ca = tls_write_certificate("ca.pem", authority.certificate),
                              .client = TLS_CLIENT_OPTIONAL};
    tls = tls_new(&files, why);
    ck_assert_msg(tls, "%s", why);
    context = tls_client_context(&authority, &client);
    open_both();
}

static void close_us(void)
{
    if (us)
        secure_close(us);
    us = NULL;
}

static void teardown(void)
{
    close_us();
    SSL_free(them);
    SSL_CTX_free(context);
    close(their_fd);
    tls_free(tls);
    tls_pair_free(&authority);
    tls_pair_free(&server);
    tls_pair_free(&client);
    tls_folder_remove();
}

static enum secure_state shake(void)
{
    enum secure_state state = SECURE_WANTS_READ;
    int theirs = 0;
    for (int i = 0; i < TURNS && !(state == SECURE_DONE && theirs == 1) && state != SECURE_FAILED; i++) {
        theirs = SSL_do_handshake(them);
        ERR_clear_error();
        if (state != SECURE_DONE)
            state = secure_handshake(us);
    }
    return state;
}

static void connect_both(void)
{
    ck_assert_int_eq(shake(), SECURE_DONE);
}

// They write all; how much they could.
static size_t they_write(const char *data, size_t len)
{
    size_t sent = 0, n;
    while (sent < len && SSL_write_ex(them, data + sent, len - sent, &n) == 1)
        sent += n;
    ERR_clear_error();
    return sent;
}

static void expect(ssize_t got, int error)
{
    ck_assert_int_eq(got, -1);
    ck_assert_int_eq(errno, error);
}

// ---- the handshake

START_TEST(a_handshake_says_what_it_waits_for_and_who_is_there)
{
    ck_assert_int_eq(secure_handshake(us), SECURE_WANTS_READ);
    ck_assert_int_eq(secure_handshake(us), SECURE_WANTS_READ);
    connect_both();
    ck_assert_str_eq(secure_name(us), "client");
    ck_assert(secure_is_current(us));
    ck_assert(secure_still_trusted(us));
}
END_TEST

START_TEST(a_handshake_that_fails_says_why)
{
    close_us();
    SSL_free(them);
    SSL_CTX_free(context);
    close(their_fd);
    struct tls_pair false_one = tls_pair_new(&(struct tls_wish){.name = "client"}, NULL);
    context = tls_client_context(&authority, &false_one);
    tls_pair_free(&false_one);
    open_both();
    ck_assert_int_eq(shake(), SECURE_FAILED);
    ck_assert_str_eq(secure_trouble(us), "self-signed certificate");
    ck_assert(!secure_is_plain(us));
}
END_TEST

START_TEST(who_hangs_up_has_hung_up)
{
    (void)SSL_do_handshake(them);
    ck_assert_int_eq(secure_handshake(us), SECURE_WANTS_READ);
    shutdown(their_fd, SHUT_RDWR);
    ck_assert_int_eq(secure_handshake(us), SECURE_FAILED);
    ck_assert_str_eq(secure_trouble(us), "it hung up");
}
END_TEST

START_TEST(plain_text_is_not_answered)
{
    char room[100];
    ck_assert_int_eq(send(their_fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    ck_assert_int_eq(secure_handshake(us), SECURE_FAILED);
    ck_assert_str_eq(secure_trouble(us), "it does not speak TLS");
    ck_assert(secure_is_plain(us));
    close_us();
    ck_assert_int_eq(recv(their_fd, room, sizeof room, 0), 0);
}
END_TEST

// ---- after it

#define MUCH ((size_t)1 << 20)

static char *much(void)
{
    char *data = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 + i / 251);
    return data;
}

START_TEST(what_is_sent_to_it_comes_whole_and_in_bounds)
{
    char *data = much(), *got = malloc(MUCH + SECURE_READ);
    size_t sent = 0, len = 0;
    connect_both();
    expect(secure_recv(us, got, SECURE_READ), EAGAIN);
    while (len < MUCH) {
        sent += they_write(data + sent, MUCH - sent);
        struct pollfd p = {.fd = secure_fd(us), .events = POLLIN};
        while (poll(&p, 1, 0) == 1) {
            ssize_t n = secure_recv(us, got + len, SECURE_READ);
            if (n < 0) { // a part of a record
                ck_assert_int_eq(errno, EAGAIN);
                break;
            }
            len += (size_t)n;
        }
    }
    ck_assert_int_eq(memcmp(data, got, MUCH), 0);
    ck_assert(!secure_ended(us));
    free(data);
    free(got);
}
END_TEST

START_TEST(nothing_whole_stays_behind)
{
    char got[SECURE_READ];
    size_t len = 0;
    connect_both();
    // Small records, many at once: whenever the socket has nothing left, all of them have been handed out.
    BIO *out = BIO_new(BIO_s_mem());
    char *records;
    SSL_set0_wbio(them, out);
    for (int i = 0; i < 900; i++)
        ck_assert_uint_eq(they_write("0123456789", 10), 10);
    long all = BIO_get_mem_data(out, &records);
    ck_assert_int_eq(send(their_fd, records, (size_t)all, 0), all);
    struct pollfd p = {.fd = secure_fd(us), .events = POLLIN};
    while (poll(&p, 1, 0) == 1) {
        ssize_t n = secure_recv(us, got, sizeof got);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_uint_eq(len, 9000);
    expect(secure_recv(us, got, sizeof got), EAGAIN);
}
END_TEST

START_TEST(what_the_socket_does_not_take_is_taken_later)
{
    char *data = much(), *got = malloc(MUCH);
    size_t sent = 0, len = 0, n;
    connect_both();
    ssize_t took = secure_send(us, data, 300000); // what may leave grows between two tries
    ck_assert_int_gt(took, 0);
    ck_assert_int_lt(took, 300000);
    sent = (size_t)took;
    expect(secure_send(us, data + sent, 300000 - sent), EAGAIN);
    while (len < MUCH) {
        while (SSL_read_ex(them, got + len, MUCH - len, &n) == 1)
            len += n;
        ERR_clear_error();
        char *moved = malloc(MUCH - sent + 1);
        memcpy(moved, data + sent, MUCH - sent);
        if (sent < MUCH && (took = secure_send(us, moved, MUCH - sent)) > 0)
            sent += (size_t)took;
        free(moved);
    }
    ck_assert_int_eq(memcmp(data, got, MUCH), 0);
    free(data);
    free(got);
}
END_TEST

START_TEST(an_end_comes_behind_what_was_sent_before_it)
{
    char got[SECURE_READ];
    connect_both();
    they_write("last", 4);
    (void)SSL_shutdown(them);
    ck_assert_int_eq(secure_recv(us, got, sizeof got), 4);
    ck_assert(secure_ended(us)); // without another event
    ck_assert_int_eq(secure_recv(us, got, sizeof got), 0);
    ck_assert_int_eq(secure_send(us, "answer", 6), 6); // they have only said that they send no more
    ck_assert_int_eq(SSL_read(them, got, 100), 6);
}
END_TEST

START_TEST(a_socket_that_ends_is_an_end)
{
    char got[SECURE_READ];
    connect_both();
    they_write("last", 4);
    shutdown(their_fd, SHUT_WR);
    ck_assert_int_eq(secure_recv(us, got, sizeof got), 4);
    ck_assert_int_eq(secure_recv(us, got, sizeof got), 0);
    ck_assert_int_eq(secure_send(us, "answer", 6), 6);
}
END_TEST

START_TEST(they_are_told_of_the_end_once)
{
    char got[100];
    connect_both();
    secure_end(us);
    secure_end(us);
    ck_assert_int_eq(SSL_read(them, got, sizeof got), 0);
    ck_assert_int_eq(SSL_get_shutdown(them) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    close_us();
    ck_assert_int_eq(recv(their_fd, got, sizeof got, 0), 0);
}
END_TEST

START_TEST(a_changed_record_breaks_it)
{
    char got[SECURE_READ];
    connect_both();
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set0_wbio(them, out);
    they_write("123", 3);
    char *record;
    long len = BIO_get_mem_data(out, &record);
    record[len - 1] ^= 1;
    ck_assert_int_eq(send(their_fd, record, (size_t)len, 0), len);
    expect(secure_recv(us, got, sizeof got), EPROTO);
    expect(secure_send(us, "x", 1), EPROTO);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(who_is_gone_is_noticed)
{
    char got[SECURE_READ];
    connect_both();
    close(their_fd);
    their_fd = -1;
    ck_assert_int_le(secure_recv(us, got, sizeof got), 0);
    ssize_t n = secure_send(us, "x", 1);
    ck_assert_int_eq(n, -1);
    ck_assert_int_ne(errno, EAGAIN);
}
END_TEST

START_TEST(other_files_make_it_one_of_before)
{
    char why[TLS_WHY_MAX];
    connect_both();
    struct tls_files files = {.certificate = tls_path("server.pem"), .key = tls_path("server.key")};
    ck_assert_msg(tls_reload(tls, &files, why), "%s", why);
    ck_assert(!secure_is_current(us));
    ck_assert(!secure_still_trusted(us)); // nobody may issue certificates any more
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/secure");
    TCase *c = tcase_create("secure");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_handshake_says_what_it_waits_for_and_who_is_there);
    tcase_add_test(c, a_handshake_that_fails_says_why);
    tcase_add_test(c, who_hangs_up_has_hung_up);
    tcase_add_test(c, plain_text_is_not_answered);
    tcase_add_test(c, what_is_sent_to_it_comes_whole_and_in_bounds);
    tcase_add_test(c, nothing_whole_stays_behind);
    tcase_add_test(c, what_the_socket_does_not_take_is_taken_later);
    tcase_add_test(c, an_end_comes_behind_what_was_sent_before_it);
    tcase_add_test(c, a_socket_that_ends_is_an_end);
    tcase_add_test(c, they_are_told_of_the_end_once);
    tcase_add_test(c, a_changed_record_breaks_it);
    tcase_add_test(c, who_is_gone_is_noticed);
    tcase_add_test(c, other_files_make_it_one_of_before);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
