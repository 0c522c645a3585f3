#include "server/net/connection.h"

#include "server/access/identity.h"
#include "tests/unit/hub_fixture.h"
#include "tests/unit/net_fixture.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net_world world;

static void setup(void)
{
    net_world_init(&world, 1);
}

static void teardown(void)
{
    net_world_release(&world);
}

#define CALL(id, method, params)                                                                             \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define PING(id)           CALL(id, "ping", "")
#define RESULT(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define PONG(id)           RESULT(id, "{}")

START_TEST(an_idle_connection_is_small)
{
    ck_assert_uint_le(sizeof(struct connection), 336);
}
END_TEST

START_TEST(it_answers)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    ck_assert_str_eq(net_ask(c, PING("1")), PONG("1"));
    for (const char *p = PING("2") "\n"; *p; p++)
        net_send_bytes(c, p, 1);
    ck_assert_str_eq(net_line(c), PONG("2"));
    close(c);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(a_long_line_comes_in_pieces)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    size_t len = (1 << 20) - 2;
    char *body = malloc(len + 1);
    memset(body, 'x', len);
    body[len] = '\0';
    for (int i = 0; i < 3; i++) {
        net_send(c,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":\"");
        net_send(c, body);
        net_send(c, "\"}}\n" PING("2") "\n");
        ck_assert_ptr_nonnull(strstr(net_line(c), "\"result\":{\"id\":"));
        ck_assert_str_eq(net_line(c), PONG("2"));
        const char *job = net_ask(c, CALL("3", "get", "\"queue\":\"q\""));
        ck_assert_uint_gt(strlen(job), len);
        ck_assert_int_eq(strncmp(strstr(job, "\"body\":\"") + 8, body, len), 0);
    }
    free(body);
    close(c);
}
END_TEST

START_TEST(many_requests_in_flight)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    struct buffer b = BUFFER_INIT;
    char line[100];
    for (int i = 0; i < 20000; i++)
        buffer_append(&b, line, (size_t)snprintf(line, sizeof line, PING("%d") "\n", i));
    // All of it is sent before anything is read: more than fits into the sockets.
    pid_t sender = fork();
    if (sender == 0) {
        net_send_bytes(c, b.data, b.len);
        _exit(0);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(line, sizeof line, PONG("%d"), i);
        ck_assert_str_eq(net_line(c), line);
    }
    buffer_release(&b);
    close(c);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_not_read)
{
    world.rpc.output_limit = 65536;
    net_world_start(&world);
    int c = net_connect(&world, 0), other = net_connect(&world, 0);
    char put[1100],
        *end = stpcpy(
            put, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":\"");
    memset(end, 'x', 1000);
    strcpy(end + 1000, "\"}}");
    for (int i = 0; i < 2000; i++)
        (void)net_ask(other, put);
    static const char get[] = CALL("1", "get", "\"queue\":\"q\"") "\n";
    struct pollfd writable = {.fd = c, .events = POLLOUT};
    int sent = 0;
    while (sent < 2000 && poll(&writable, 1, 0) == 1) {
        net_send(c, get);
        sent++;
    }
    // 2 MB of jobs: its sockets and 64 KiB hold less.
    struct queue_info info;
    ck_assert_str_eq(net_ask(other, PING("2")), PONG("2"));
    struct moment now = hub_lock(world.hub);
    ck_assert_int_eq(engine_queue_info(hub_engine(world.hub), now, SLICE("q"), &info), ERROR_NONE);
    hub_unlock(world.hub);
    ck_assert_uint_gt(info.gauges.ready, 500);
    for (int i = 0; i < sent; i++)
        ck_assert_uint_gt(strlen(net_line(c)), 1000);
    ck_assert_str_eq(net_ask(c, PING("3")), PONG("3"));
    close(c);
    close(other);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(what_was_asked_before_a_half_close_is_answered)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    net_send(c, CALL("1", "put", "\"queue\":\"q\",\"body\":[1]") "\n" CALL(
                    "2", "get", "\"queue\":\"none\"") "\n" PING("3") "\n" PING("4"));
    shutdown(c, SHUT_WR);
    ck_assert_str_eq(net_line(c), RESULT("1", "{\"id\":1}"));
    ck_assert_str_eq(net_line(c), PONG("3"));
    ck_assert_ptr_null(net_line(c)); // neither what waits nor what has no end
    close(c);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(a_slow_reader_gets_all_after_a_half_close)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    int small = 4096;
    setsockopt(c, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 2000; i++)
        net_send(c, CALL("1", "stats", "") "\n");
    shutdown(c, SHUT_WR);
    int lines = 0;
    while (net_line(c))
        lines++;
    ck_assert_int_eq(lines, 2000);
    close(c);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(what_is_no_json_is_told_so_and_closed)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    net_send(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(net_line(c), "\"name\":\"http\""));
    ck_assert_ptr_null(net_line(c));
    net_send(c, PING("1") "\n"); // nobody listens
    close(c);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(one_that_goes_on_after_it_was_refused_is_cut_off)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    net_send(c, "x");
    ck_assert_ptr_nonnull(strstr(net_line(c), "\"name\":\"http\""));
    char room[65536];
    memset(room, 'x', sizeof room);
    while (send(c, room, sizeof room, MSG_NOSIGNAL) > 0)
        ;
    net_wait_connections(&world, 0);
    close(c);
}
END_TEST

START_TEST(a_closed_connection_gives_its_jobs_back)
{
    net_world_start(&world);
    int a = net_connect(&world, 0), b = net_connect(&world, 0);
    (void)net_ask(a, CALL("1", "put", "\"queue\":\"q\",\"body\":1"));
    (void)net_ask(a, CALL("2", "get", "\"queue\":\"q\""));
    net_send(b, CALL("1", "get", "\"queue\":\"q\"") "\n");
    ck_assert_str_eq(net_ask(b, PING("2")), PONG("2"));
    close(a);
    ck_assert_ptr_nonnull(strstr(net_line(b), "\"result\":{\"id\":1,"));
    close(b);
    net_wait_connections(&world, 0);
}
END_TEST

// ---- promises

static void commit(void)
{
    uint64_t bytes;
    hub_commit(world.hub, &bytes);
    ck_assert_uint_gt(bytes, 0);
    loop_durable(&world.loops[0]);
}

START_TEST(a_reply_leaves_when_its_promise_is_kept)
{
    hub_keep(world.hub);
    commit();
    net_world_start(&world);
    int c = net_connect(&world, 0), other = net_connect(&world, 0);
    for (int i = 0; i < 3; i++) {
        net_send(c, PING("1") "\n" CALL("2", "put", "\"queue\":\"q\",\"body\":1") "\n" PING("3") "\n");
        ck_assert_str_eq(net_line(c), PONG("1"));
        // The put is carried out once it can be got, and its reply is not there.
        ck_assert_ptr_nonnull(strstr(net_ask(other, CALL("1", "get", "\"queue\":\"q\"")), "\"body\":1"));
        struct pollfd readable = {.fd = c, .events = POLLIN};
        ck_assert_int_eq(poll(&readable, 1, 0), 0);
        commit();
        ck_assert_ptr_nonnull(strstr(net_line(c), "\"id\":2,\"result\":{\"id\":"));
        ck_assert_str_eq(net_line(c), PONG("3"));
    }
    // One that closes while its output is held.
    net_send(c, CALL("2", "put", "\"queue\":\"q\",\"body\":1") "\n");
    ck_assert_ptr_nonnull(strstr(net_ask(other, CALL("1", "get", "\"queue\":\"q\"")), "\"body\":1"));
    close(c);
    commit();
    close(other);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(who_has_not_said_who_it_is_in_time_is_closed_and_nobody_else)
{
    struct access access = {0};
    struct identity *i = access_add(&access, IDENTITY_TOKEN, "x");
    ck_assert(i && token_hash(SLICE("secret"), &i->sha256));
    world.rpc.access = &access;
    world.loops[0].patience_ms = 300;
    ck_assert_int_eq(LOOP_PATIENCE, 10000); // as common/protocol.md says
    net_world_start(&world);
    int known = net_connect(&world, 0);
    ck_assert_ptr_nonnull(strstr(net_ask(known, CALL("1", "auth", "\"token\":\"secret\"")), "result"));
    int stranger = net_connect(&world, 0); // whose time is up after that of the other
    ck_assert(net_closed(stranger));
    ck_assert_str_eq(net_ask(known, PING("2")), PONG("2"));
    close(known);
    close(stranger);
    net_world_stop(&world);
    access_release(&access);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/connection");
    TCase *c = tcase_create("input");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, an_idle_connection_is_small);
    tcase_add_test(c, it_answers);
    tcase_add_test(c, a_long_line_comes_in_pieces);
    tcase_add_test(c, many_requests_in_flight);
    suite_add_tcase(s, c);
    c = tcase_create("output and end");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_client_that_does_not_read_is_not_read);
    tcase_add_test(c, what_was_asked_before_a_half_close_is_answered);
    tcase_add_test(c, a_slow_reader_gets_all_after_a_half_close);
    tcase_add_test(c, what_is_no_json_is_told_so_and_closed);
    tcase_add_test(c, one_that_goes_on_after_it_was_refused_is_cut_off);
    tcase_add_test(c, who_has_not_said_who_it_is_in_time_is_closed_and_nobody_else);
    tcase_add_test(c, a_closed_connection_gives_its_jobs_back);
    tcase_add_test(c, a_reply_leaves_when_its_promise_is_kept);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
