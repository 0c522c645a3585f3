#include "server/net/listener.h"

#include "tests/unit/net_fixture.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct net_world world;
static struct event_base *base;
static struct listeners *listeners;
static struct listener_config config;
static char folder[] = "/tmp/net_listener_XXXXXX", path[64], address[80], why[256];

static void setup(void)
{
    net_world_init(&world, 2);
    net_world_start(&world);
    base = event_base_new();
    config = (struct listener_config){.loops = world.loops,
                                      .loop_count = 2,
                                      .max_connections = 100,
                                      .unix_mode = 0600};
    listeners = listeners_new(base, &config);
    strcpy(folder, "/tmp/net_listener_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(address, sizeof address, "unix:%s", path);
}

static void teardown(void)
{
    listeners_free(listeners);
    event_base_free(base);
    net_world_release(&world);
    unlink(path);
    rmdir(folder);
}

static void use(struct listener_config changed)
{
    listeners_free(listeners);
    listeners = listeners_new(base, &changed);
}

static int connect_to_path(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    net_adopt(fd);
    return fd;
}

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"
#define PONG "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"

START_TEST(connections_are_dealt_out_evenly)
{
    ck_assert(listeners_add(listeners, address, why, sizeof why));
    ck_assert(listeners_start(listeners));
    int fds[10];
    for (int i = 0; i < 10; i++)
        fds[i] = connect_to_path();
    while (atomic_load(&world.loops[0].connection_count) + atomic_load(&world.loops[1].connection_count) < 10)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_uint_eq(atomic_load(&world.loops[0].connection_count), 5);
    for (int i = 0; i < 10; i++) {
        ck_assert_str_eq(net_ask(fds[i], PING), PONG);
        close(fds[i]);
    }
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(a_connection_over_the_limit_is_told_and_closed)
{
    config.max_connections = 2;
    use(config);
    ck_assert(listeners_add(listeners, address, why, sizeof why));
    ck_assert(listeners_start(listeners));
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_to_path();
        event_base_loop(base, EVLOOP_ONCE);
    }
    ck_assert_ptr_nonnull(strstr(net_line(fds[2]), "\"name\":\"overloaded\""));
    ck_assert_ptr_null(net_line(fds[2]));
    ck_assert_str_eq(net_ask(fds[0], PING), PONG);
    close(fds[0]); // makes room for another
    net_wait_connections(&world, 1);
    int again = connect_to_path();
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_str_eq(net_ask(again, PING), PONG);
    close(fds[1]);
    close(fds[2]);
    close(again);
}
END_TEST

START_TEST(accepting_pauses_without_descriptors_and_goes_on)
{
    ck_assert(listeners_add(listeners, address, why, sizeof why));
    ck_assert(listeners_start(listeners));
    int client = connect_to_path(), spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)spare + 1; // all below are taken
    for (int fd; (fd = dup(spare)) >= 0 && fd < spare;)
        ;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    // Without a pause each turn would end at once, for ever.
    int turns = 0;
    struct timeval limit = {.tv_usec = 250000};
    event_base_loopexit(base, &limit);
    while (!event_base_got_exit(base) && turns < 1000) {
        event_base_loop(base, EVLOOP_ONCE);
        turns++;
    }
    ck_assert_int_lt(turns, 20);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (atomic_load(&world.loops[0].connection_count) + atomic_load(&world.loops[1].connection_count) < 1)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_str_eq(net_ask(client, PING), PONG);
    close(client);
    close(spare);
}
END_TEST

START_TEST(a_socket_has_its_mode_and_goes_with_the_listener)
{
    struct stat st;
    ck_assert(listeners_add(listeners, address, why, sizeof why));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    use(config);
    ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(a_stale_socket_is_replaced_and_a_live_one_is_not)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(stale, 1), 0);
    ck_assert(!listeners_add(listeners, address, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "in use"));
    close(stale); // its file stays
    ck_assert_msg(listeners_add(listeners, address, why, sizeof why), "%s", why);
}
END_TEST

START_TEST(a_file_that_is_no_socket_stays)
{
    struct stat st;
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert(!listeners_add(listeners, address, why, sizeof why));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(others_are_let_in_only_on_purpose)
{
    ck_assert(!listeners_add(listeners, "0.0.0.0:0", why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "insecure"));
    ck_assert(listeners_add(listeners, "127.0.0.1:0", why, sizeof why));
    config.insecure = true;
    use(config);
    ck_assert_msg(listeners_add(listeners, "0.0.0.0:0", why, sizeof why), "%s", why);
}
END_TEST

START_TEST(tls_takes_a_certificate_and_no_unix_socket)
{
    ck_assert(!listeners_add(listeners, "tls:127.0.0.1:0", why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "set tls_certificate and tls_key"));
    config.handshakes = (struct handshakes *)&world; // is not looked into before somebody comes
    use(config);
    ck_assert_msg(listeners_add(listeners, "tls:127.0.0.1:0", why, sizeof why), "%s", why);
    char text[100];
    snprintf(text, sizeof text, "tls:%s", address);
    ck_assert(!listeners_add(listeners, text, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "a Unix socket takes no TLS"));
}
END_TEST

START_TEST(others_are_let_in_with_tls_where_they_are_known)
{
    config.handshakes = (struct handshakes *)&world;
    use(config);
    ck_assert(!listeners_add(listeners, "tls:0.0.0.0:0", why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "configure tokens or certificates"));
    config.known = true;
    use(config);
    ck_assert_msg(listeners_add(listeners, "tls:0.0.0.0:0", why, sizeof why), "%s", why);
    ck_assert(!listeners_add(listeners, "0.0.0.0:0", why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "clear text: listen with TLS"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/listener");
    TCase *c = tcase_create("listener");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, connections_are_dealt_out_evenly);
    tcase_add_test(c, a_connection_over_the_limit_is_told_and_closed);
    tcase_add_test(c, accepting_pauses_without_descriptors_and_goes_on);
    tcase_add_test(c, a_socket_has_its_mode_and_goes_with_the_listener);
    tcase_add_test(c, a_stale_socket_is_replaced_and_a_live_one_is_not);
    tcase_add_test(c, a_file_that_is_no_socket_stays);
    tcase_add_test(c, others_are_let_in_only_on_purpose);
    tcase_add_test(c, tls_takes_a_certificate_and_no_unix_socket);
    tcase_add_test(c, others_are_let_in_with_tls_where_they_are_known);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
