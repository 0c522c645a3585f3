#include "server/net/handshakes.h"

#include "server/tls/tls.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/tls_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"
#define PONG "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"

static struct net_world world;
static struct tls_pair own;
static struct tls *tls;
static struct handshakes *h;
static SSL_CTX *context;

static void setup(void)
{
    char why[TLS_WHY_MAX];
    net_world_init(&world, 2);
    net_world_start(&world);
    tls_folder_make();
    own = tls_pair_new(&(struct tls_wish){.name = "server"}, NULL);
    struct tls_files files = {.certificate = tls_write_certificate("server.pem", own.certificate),
                              .key = tls_write_key("server.key", own.key, NULL)};
    tls = tls_new(&files, why);
    ck_assert_msg(tls, "%s", why);
    context = tls_client_context(&own, NULL);
}

static void teardown(void)
{
    if (h) {
        handshakes_stop(h);
        ck_assert_uint_eq(handshakes_count(h), 0);
    }
    net_world_release(&world);
    handshakes_free(h);
    h = NULL;
    tls_free(tls);
    tls_pair_free(&own);
    SSL_CTX_free(context);
    tls_folder_remove();
}

static void start(unsigned most, int64_t ms)
{
    h = handshakes_start(tls, most, ms);
    ck_assert_ptr_nonnull(h);
}

// The client's end, which blocks.
static int give(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    net_adopt(ends[0]);
    ck_assert(handshakes_give(h, ends[1], world.loops, 2));
    return ends[0];
}

static SSL *shake(int fd)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    ck_assert_int_eq(SSL_connect(ssl), 1);
    return ssl;
}

static void ping(SSL *ssl)
{
    char line[sizeof PONG] = "";
    ck_assert_int_eq(SSL_write(ssl, PING, sizeof PING - 1), sizeof PING - 1);
    ck_assert_int_eq(SSL_read(ssl, line, sizeof line), sizeof PONG - 1);
    ck_assert_str_eq(line, PONG);
}

static void wait_count(unsigned count)
{
    while (handshakes_count(h) != count)
        sched_yield();
}

START_TEST(who_is_done_is_given_to_the_loop_with_the_fewest)
{
    start(10, 60000);
    int fds[4];
    SSL *ssl[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = give();
        ssl[i] = shake(fds[i]);
        ping(ssl[i]);
    }
    ck_assert_uint_eq(handshakes_count(h), 0);
    ck_assert_uint_eq(atomic_load(&world.loops[0].connection_count), 2);
    ck_assert_uint_eq(atomic_load(&world.loops[1].connection_count), 2);
    ck_assert_uint_eq(atomic_load(&world.loops[0].coming), 0);
    ck_assert_uint_eq(handshakes_figures(h).done, 4);
    ck_assert_uint_eq(handshakes_figures(h).failed, 0);
    for (int i = 0; i < 4; i++) {
        SSL_free(ssl[i]);
        close(fds[i]);
    }
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(who_fails_or_takes_too_long_is_closed)
{
    start(10, 200);
    int plain = give(), silent = give(), half = give();
    ck_assert_uint_ge(handshakes_count(h), 1);
    net_send(plain, "{}\n");
    net_send_bytes(half, "\x16\x03\x01\x02\x00\x01", 6);
    ck_assert(net_closed(plain));
    ck_assert(net_closed(silent));
    ck_assert(net_closed(half));
    wait_count(0);
    ck_assert_uint_eq(handshakes_figures(h).failed, 3);
    ck_assert_uint_eq(atomic_load(&world.loops[0].coming), 0);
    close(plain);
    close(silent);
    close(half);
}
END_TEST

START_TEST(so_many_at_a_time_and_the_others_wait_in_turn)
{
    start(2, 60000);
    int held[2] = {give(), give()}, fd = give();
    ck_assert_uint_eq(handshakes_count(h), 3);
    struct loop *fewest;
    unsigned total;
    fewest = loop_least_loaded(world.loops, 2, &total);
    ck_assert_ptr_nonnull(fewest);
    ck_assert_uint_eq(total, 3); // they count as connections
    SSL *ssl = shake(fd);        // once the first has taken longer than a second
    ping(ssl);
    ck_assert(net_closed(held[0]));
    ck_assert_uint_eq(handshakes_count(h), 1);
    SSL *late = shake(held[1]); // nobody waits any more, so it has its time
    ping(late);
    SSL_free(ssl);
    SSL_free(late);
    close(fd);
    close(held[0]);
    close(held[1]);
}
END_TEST

START_TEST(the_time_counts_while_they_wait)
{
    start(1, 300);
    int first = give(), second = give(), third = give();
    ck_assert(net_closed(third)); // no second has passed: it never had its turn
    ck_assert(net_closed(second));
    ck_assert(net_closed(first));
    ck_assert_uint_eq(handshakes_figures(h).failed, 3);
    close(first);
    close(second);
    close(third);
}
END_TEST

START_TEST(bounds_can_be_changed)
{
    start(1, 60000);
    int first = give(), second = give();
    handshakes_limit(h, 2, 60000);
    SSL *ssl = shake(second);
    ping(ssl);
    handshakes_limit(h, 2, 1);
    ck_assert(net_closed(first));
    SSL_free(ssl);
    close(first);
    close(second);
}
END_TEST

START_TEST(a_stop_closes_all)
{
    start(1, 60000);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = give();
    handshakes_stop(h);
    for (int i = 0; i < 5; i++) {
        ck_assert(net_closed(fds[i]));
        close(fds[i]);
    }
    ck_assert_uint_eq(handshakes_count(h), 0);
    handshakes_free(h);
    handshakes_free(NULL);
    h = NULL;
}
END_TEST

START_TEST(many_at_once)
{
    start(16, 60000);
    int fds[60];
    for (int i = 0; i < 60; i++)
        fds[i] = give();
    for (int i = 0; i < 60; i++) {
        SSL *ssl = shake(fds[i]);
        ping(ssl);
        SSL_free(ssl);
        close(fds[i]);
    }
    ck_assert_uint_eq(handshakes_figures(h).done, 60);
    net_wait_connections(&world, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/handshakes");
    TCase *c = tcase_create("handshakes");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, who_is_done_is_given_to_the_loop_with_the_fewest);
    tcase_add_test(c, who_fails_or_takes_too_long_is_closed);
    tcase_add_test(c, so_many_at_a_time_and_the_others_wait_in_turn);
    tcase_add_test(c, the_time_counts_while_they_wait);
    tcase_add_test(c, bounds_can_be_changed);
    tcase_add_test(c, a_stop_closes_all);
    tcase_add_test(c, many_at_once);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
