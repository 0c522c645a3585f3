#include "server/admin/http.h"

#include "server/engine/journal.h"
#include "tests/unit/net_fixture.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD(more)     "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" more "\r\n"
#define HEALTH         "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
#define CALL(id, m, p) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" m "\",\"params\":{" p "}}"
#define READ_MAX       (1 << 16)

static struct net_world world;
static struct http_server server;
static _Atomic(const char *) not_ready;

static const char *why_not_ready(void *context)
{
    (void)context;
    return not_ready;
}

static void write_metrics(void *context, struct buffer *out)
{
    (void)context;
    buffer_append(out, "a 1\n", 4);
}

static void setup(void)
{
    not_ready = NULL;
    http_server_init(&server,
                     &(struct http_config){.site = {.why_not_ready = why_not_ready, .metrics = write_metrics},
                                           .connections = 8});
    net_world_init_with(&world, 1, &server.wire);
}

static void teardown(void)
{
    net_world_release(&world);
    http_server_release(&server);
}

// What comes until the other side closes.
static const char *all(int fd)
{
    static char text[READ_MAX + 1];
    size_t len = 0;
    for (ssize_t n; (n = recv(fd, text + len, READ_MAX - len, 0)) != 0;) {
        if (n < 0 && errno == ECONNRESET)
            break;
        ck_assert_msg(n > 0, "recv: %s", strerror(errno));
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

// One response, by its length.
static const char *one(int fd)
{
    static char text[READ_MAX + 1];
    const char *end = NULL;
    for (size_t len = 0; len < READ_MAX; len++) {
        ck_assert_int_eq(recv(fd, text + len, 1, 0), 1);
        text[len + 1] = '\0';
        const char *at = strstr(text, "Content-Length: ");
        end = end ? end : strstr(text, "\r\n\r\n");
        if (end && (!at || at > end || len + 1 == (size_t)(end + 4 - text) + (size_t)atol(at + 16)))
            return text;
    }
    ck_abort_msg("no end");
    return NULL;
}

static void post(int fd, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, HEAD("Content-Length: %zu\r\n") "%s", strlen(body), body);
    net_send(fd, text);
}

static int status_of(const char *response)
{
    ck_assert_msg(strncmp(response, "HTTP/1.1 ", 9) == 0, "%s", response);
    return atoi(response + 9);
}

static uint64_t waits(void)
{
    struct engine_info info;
    hub_lock(world.hub);
    engine_info(hub_engine(world.hub), &info);
    hub_unlock(world.hub);
    return info.gauges.waiting_gets;
}

static void wait_for_waits(uint64_t count)
{
    while (waits() != count)
        sched_yield();
}

START_TEST(it_answers_on_one_connection)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    for (int i = 0; i < 3; i++) {
        net_send(c, HEALTH);
        ck_assert_int_eq(status_of(one(c)), 200);
    }
    post(c, CALL("1", "ping", ""));
    ck_assert_ptr_nonnull(strstr(one(c), "\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"));
    net_send(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *metrics = one(c);
    ck_assert_ptr_nonnull(strstr(metrics, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(strstr(metrics, "\r\n\r\na 1\n"));
    not_ready = "because";
    net_send(c, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *response = one(c);
    ck_assert_int_eq(status_of(response), 503);
    ck_assert_ptr_nonnull(strstr(response, "\r\n\r\nbecause\n"));
    close(c);
    net_wait_connections(&world, 0);
}
END_TEST

// Who dribbles has no more time than who is quick.
START_TEST(a_head_has_its_time)
{
    world.loops[0].patience_ms = 700;
    net_world_start(&world);
    int silent = net_connect(&world, 0), slow = net_connect(&world, 0), again = net_connect(&world, 0);
    net_send(again, HEALTH "GET /he");
    ck_assert_int_eq(status_of(one(again)), 200);
    net_send(slow, "GET /healthz HTTP/1.1\r\n");
    for (;;) { // a line now and then, which is what it hopes to live by
        char byte;
        if (send(slow, "A: b\r\n", 6, MSG_NOSIGNAL) < 0 || recv(slow, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
            break;
        ck_assert(errno == EAGAIN || errno == EWOULDBLOCK);
        struct timeval moment = {.tv_usec = 20000};
        select(0, NULL, NULL, NULL, &moment);
    }
    const char *response = all(slow);
    ck_assert_int_eq(status_of(response), 408);
    ck_assert_ptr_nonnull(strstr(response, "\r\nConnection: close\r\n"));
    ck_assert_int_eq(status_of(all(again)), 408);
    ck_assert_str_eq(all(silent), "");
    close(silent), close(slow), close(again);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(what_waits_has_all_the_time_and_a_body_has_its)
{
    world.loops[0].patience_ms = 500;
    world.rpc.max_request = 6400;
    net_world_start(&world);
    int c = net_connect(&world, 0), slow = net_connect(&world, 0), other = net_connect(&world, 0);
    post(c, CALL("1", "get", "\"queue\":\"q\""));
    wait_for_waits(1);
    net_send(slow, HEAD("Content-Length: 1000\r\n") "{");
    ck_assert_int_eq(status_of(all(slow)), 408); // and so would the get's time be over
    ck_assert_str_eq(all(other), "");
    ck_assert_uint_eq(waits(), 1);
    close(other);
    other = net_connect(&world, 0);
    post(other, CALL("1", "put", "\"queue\":\"q\",\"body\":7"));
    ck_assert_int_eq(status_of(one(other)), 200);
    ck_assert_ptr_nonnull(strstr(one(c), "\"body\":7}}\n"));
    close(c), close(other), close(slow);
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(it_is_called_what_it_calls_itself_first)
{
    net_world_start(&world);
    int c = net_connect(&world, 0);
    const char *agents[] = {"curl/8 \xff", "other"};
    for (int i = 0; i < 2; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET /healthz HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n", agents[i]);
        net_send(c, text);
        ck_assert_int_eq(status_of(one(c)), 200);
    }
    pthread_mutex_lock(&world.loops[0].lock);
    const char *name = atomic_load(&world.loops[0].connections->session.client_name);
    ck_assert_str_eq(name, "curl/8 ");
    pthread_mutex_unlock(&world.loops[0].lock);
    close(c);
}
END_TEST

START_TEST(who_leaves_waits_no_more)
{
    net_world_start(&world);
    for (int half = 0; half < 2; half++) {
        int c = net_connect(&world, 0);
        post(c, CALL("1", "get", "\"queue\":\"q\""));
        wait_for_waits(1);
        if (half)
            shutdown(c, SHUT_WR);
        else
            close(c);
        net_wait_connections(&world, 0);
        wait_for_waits(0);
        if (half)
            close(c);
    }
}
END_TEST

// Bytes of bodies that never end, of several connections: they are bounded together, and let go.
START_TEST(bodies_are_bounded_together)
{
    world.rpc.max_request = 40 << 20;
    net_world_start(&world);
    enum { COUNT = 8, PIECE = 1 << 20 };
    int c[COUNT];
    char *piece = malloc(PIECE);
    ck_assert_ptr_nonnull(piece);
    memset(piece, ' ', PIECE);
    bool refused = false;
    for (int i = 0; i < COUNT; i++) {
        c[i] = net_connect(&world, 0);
        net_send(c[i], HEAD("Content-Length: 40000000\r\n"));
    }
    for (int n = 0; n < 38 && !refused; n++)
        for (int i = 0; i < COUNT && !refused; i++) {
            char byte;
            if (send(c[i], piece, PIECE, MSG_NOSIGNAL) < 0)
                refused = true; // and is not heard any more
            else
                refused = recv(c[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
            if (refused)
                ck_assert_int_eq(status_of(all(c[i])), 503);
        }
    ck_assert(refused);
    for (int i = 0; i < COUNT; i++)
        close(c[i]);
    net_wait_connections(&world, 0);
    net_world_stop(&world);
    ck_assert_uint_eq(server.bodies, 0);
    free(piece);
}
END_TEST

// Requests of all kinds in a row are answered the same in whatever pieces they come.
START_TEST(pieces_make_no_difference)
{
    static const char text[] = HEALTH HEAD("Content-Length: 52\r\n") CALL("1", "ping", "") "\r\n" HEAD(
        "Transfer-Encoding: chunked\r\n") "3;x\r\n{\"j\r\n32\r\nsonrpc\":\"2.0\",\n\"id\":2,\"method\":"
                                          "\"ping\",\"params\":{}}\r\n0\r\nA: b\r\n\r\n"
                                          "HEAD / HTTP/1.1\r\nHost: [::1]\r\n\r\n" HEAD(
                                              "Content-Length: 1\r\n") "{"
                                                                       "GET /nothing HTTP/1.1\r\nHost: "
                                                                       "localhost\r\nConnection: "
                                                                       "close\r\n\r\n";
    net_world_start(&world);
    unsigned seed = 1;
    for (int round = 0; round < 60; round++) {
        int c = net_connect(&world, 0);
        for (size_t at = 0; at < sizeof text - 1;) {
            size_t n = round == 0 ? 1 : round == 1 ? sizeof text - 1 : 1 + (size_t)rand_r(&seed) % 90;
            n = sizeof text - 1 - at < n ? sizeof text - 1 - at : n;
            net_send_bytes(c, text + at, n);
            at += n;
        }
        const char *response = all(c);
        int statuses[] = {200, 200, 200, 200, 200, 404};
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
            response = strstr(response, "HTTP/1.1 ");
            ck_assert_msg(response, "%zu of round %d is missing", i, round);
            ck_assert_int_eq(status_of(response), statuses[i]);
            if (i == 2)
                ck_assert_ptr_nonnull(strstr(response, "\"id\":2,\"result\":{}"));
            response++;
        }
        ck_assert_ptr_null(strstr(response, "HTTP/1.1 "));
        close(c);
    }
    net_wait_connections(&world, 0);
}
END_TEST

START_TEST(a_stop_says_so_to_who_waits)
{
    net_world_start(&world);
    int c = net_connect(&world, 0), idle = net_connect(&world, 0);
    post(c, CALL("1", "get", "\"queue\":\"q\""));
    wait_for_waits(1);
    loop_stop(&world.loops[0], 5000);
    const char *response = all(c);
    ck_assert_int_eq(status_of(response), 503);
    ck_assert_ptr_nonnull(strstr(response, "\"name\":\"draining\""));
    ck_assert_str_eq(all(idle), "");
    close(c), close(idle);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin/http");
    TCase *c = tcase_create("http");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, it_answers_on_one_connection);
    tcase_add_test(c, a_head_has_its_time);
    tcase_add_test(c, what_waits_has_all_the_time_and_a_body_has_its);
    tcase_add_test(c, it_is_called_what_it_calls_itself_first);
    tcase_add_test(c, who_leaves_waits_no_more);
    tcase_add_test(c, bodies_are_bounded_together);
    tcase_add_test(c, pieces_make_no_difference);
    tcase_add_test(c, a_stop_says_so_to_who_waits);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
