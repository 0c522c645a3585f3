#include "server/net/loop.h"

#include "server/engine/journal.h"

#include "tests/unit/hub_fixture.h"
#include "tests/unit/net_fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net_world world;

static void setup(void)
{
    net_world_init(&world, 2);
}

static void teardown(void)
{
    net_world_release(&world);
}

#define CALL(id, method, params)                                                                             \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"

START_TEST(a_loop_that_was_never_started_closes_what_it_was_given)
{
    int c = net_connect(&world, 0);
    net_world_release(&world);
    ck_assert(net_closed(c));
    close(c);
    net_world_init(&world, 1);
}
END_TEST

START_TEST(jobs_go_from_one_thread_to_another)
{
    net_world_start(&world);
    int consumer = net_connect(&world, 0), producer = net_connect(&world, 1);
    char line[200];
    for (int i = 1; i <= 500; i++) {
        net_send(consumer, CALL("1", "get", "\"queue\":\"q\",\"auto_ack\":true") "\n");
        snprintf(line, sizeof line, CALL("2", "put", "\"queue\":\"q\",\"body\":%d"), i);
        (void)net_ask(producer, line);
        snprintf(line, sizeof line, "\"body\":%d}}", i);
        const char *got = net_line(consumer);
        ck_assert_msg(strstr(got, line), "%s", got);
    }
    close(consumer);
    close(producer);
    net_wait_connections(&world, 0);
}
END_TEST

// Consumers of one thread come and go while a producer of another serves them: no job may be lost.
START_TEST(a_consumer_that_goes_while_it_is_served)
{
    net_world_start(&world);
    int producer = net_connect(&world, 1);
    for (int i = 0; i < 300; i++) {
        int consumer = net_connect(&world, 0);
        net_send(consumer, CALL("1", "get", "\"queue\":\"q\"") "\n");
        net_send(producer, CALL("2", "put", "\"queue\":\"q\",\"body\":1") "\n");
        close(consumer);
        (void)net_line(producer);
    }
    net_wait_connections(&world, 1);
    // Those that were handed over and lost twice are delayed, and some may still be on their way back.
    for (int got = 0; got < 300;) {
        (void)net_ask(producer, CALL("3", "kick", "\"queue\":\"q\""));
        while (strstr(net_ask(producer, CALL("4", "get", "\"queue\":\"q\",\"timeout\":0,\"auto_ack\":true")),
                      "\"body\":1"))
            got++;
    }
    close(producer);
}
END_TEST

START_TEST(a_stop_answers_what_waits_and_closes)
{
    net_world_start(&world);
    int c = net_connect(&world, 0), idle = net_connect(&world, 1);
    net_send(c, CALL("1", "get", "\"queue\":\"q\"") "\n");
    ck_assert_ptr_nonnull(net_ask(c, CALL("2", "ping", "")));
    (void)hub_lock(world.hub);
    engine_drain(hub_engine(world.hub));
    hub_unlock(world.hub);
    net_world_stop(&world);
    ck_assert_ptr_nonnull(strstr(net_line(c), "\"id\":1,\"error\":{\"code\":-32011"));
    ck_assert_ptr_null(net_line(c));
    ck_assert_ptr_null(net_line(idle));
    close(c);
    close(idle);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_ever_for_who_does_not_read)
{
    world.rpc.output_limit = 1 << 16;
    net_world_start(&world);
    int c = net_connect(&world, 0);
    // Far more than the sockets hold is waiting to be sent when the loop is stopped.
    char *line = malloc(70000), *end = line;
    for (int i = 0; i < 500; i++)
        end += sprintf(end, "%s\n", CALL("1", "stats", ""));
    net_send(c, line);
    free(line);
    int other = net_connect(&world, 0);
    (void)net_ask(other, CALL("1", "ping", ""));
    net_world_stop(&world);
    ck_assert(net_closed(c) && net_closed(other));
    close(c);
    close(other);
}
END_TEST

// ---- a store that is slow

// All that is marked is on disk now.
static void commit_all(void)
{
    hub_commit(world.hub, NULL);
    for (unsigned i = 0; i < world.loop_count; i++)
        loop_durable(&world.loops[i]);
}

static uint64_t waiting_bytes(void)
{
    (void)hub_lock(world.hub);
    uint64_t bytes = journal_waiting_bytes(hub_engine(world.hub));
    hub_unlock(world.hub);
    return bytes;
}

static uint64_t puts_done(void)
{
    struct engine_info info;
    (void)hub_lock(world.hub);
    engine_info(hub_engine(world.hub), &info);
    hub_unlock(world.hub);
    return info.counters.put;
}

// Sends until nothing more is taken because the store has not caught up. False: all of it was sent.
static bool is_held_up(int fd, const char *data, size_t len, size_t *sent)
{
    while (*sent < len) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 100) == 0) {
            if (hub_crowded(world.hub))
                return true;
            continue;
        }
        ssize_t n = send(fd, data + *sent, len - *sent, MSG_DONTWAIT);
        ck_assert(n > 0 || errno == EAGAIN);
        *sent += n > 0 ? (size_t)n : 0;
    }
    return false;
}

START_TEST(what_gathers_for_a_slow_store_is_bounded)
{
    enum { BODY = 60000, PUTS = 500, LINE = BODY + 100 };
    size_t len = 0, sent = 0;
    char *text = malloc((size_t)PUTS * LINE);
    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < PUTS; i++) {
        len += (size_t)sprintf(text + len,
                               "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"put\",\"params\":{\"queue\":"
                               "\"q\",\"body\":\"%0*d\"}}\n",
                               i, BODY, i);
    }
    hub_keep(world.hub);
    commit_all(); // the ids
    net_world_start(&world);
    int c = net_connect(&world, 0), other = net_connect(&world, 1);

    // 30 MB are not read: the connection is held up, and so is a part that another thread's reads.
    ck_assert(is_held_up(c, text, len, &sent));
    ck_assert(hub_crowded(world.hub));
    ck_assert_uint_gt(waiting_bytes(), HUB_GATHER_MAX);
    ck_assert_uint_lt(waiting_bytes(), HUB_GATHER_MAX + (1 << 20));
    net_send(other, CALL("1", "ping", "") "\n");

    // Every commit lets some more in, and all comes in the end, once.
    int commits = 0;
    do {
        commit_all();
        commits++;
    } while (is_held_up(c, text, len, &sent));
    ck_assert_int_ge(commits, 2);
    while (puts_done() < PUTS)
        commit_all();
    commit_all();
    ck_assert_ptr_nonnull(strstr(net_line(other), "\"id\":1,\"result\":{}"));
    for (int i = 0; i < PUTS; i++) {
        char id[32];
        snprintf(id, sizeof id, "\"id\":%d,\"result\"", i);
        ck_assert_ptr_nonnull(strstr(net_line(c), id));
    }
    close(c);
    close(other);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/loop");
    TCase *c = tcase_create("loop");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_loop_that_was_never_started_closes_what_it_was_given);
    tcase_add_test(c, jobs_go_from_one_thread_to_another);
    tcase_add_test(c, a_consumer_that_goes_while_it_is_served);
    tcase_add_test(c, a_stop_answers_what_waits_and_closes);
    tcase_add_test(c, a_stop_does_not_wait_for_ever_for_who_does_not_read);
    tcase_add_test(c, what_gathers_for_a_slow_store_is_bounded);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
