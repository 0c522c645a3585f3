#include "server/rpc/dispatch.h"

#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct peer a, b;

static void setup(void)
{
    world_init(&world);
    peer_open(&world, &a);
    peer_open(&world, &b);
}

static void teardown(void)
{
    world_release(&world);
}

#define CALL(id, method, params)                                                                             \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}\n"
#define NOTE(method, params) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":{" params "}}\n"
#define PING(id)             CALL(id, "ping", "")
#define DONE(id, result)     "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}\n"
#define PONG(id)             DONE(id, "{}")

static uint64_t gauge_ready(const char *queue)
{
    struct queue_info info;
    struct moment now = hub_lock(world.hub);
    enum error error = engine_queue_info(hub_engine(world.hub), now, slice_of(queue), &info);
    hub_unlock(world.hub);
    return error ? 0 : info.gauges.ready;
}

static void fill(const char *queue, unsigned jobs, size_t body)
{
    char *text = malloc(body + 2), name[64];
    memset(text, 'x', body);
    text[0] = text[body - 1] = '"';
    snprintf(name, sizeof name, "%s", queue);
    for (unsigned i = 0; i < jobs; i++) {
        struct put_options none = {0};
        struct put_result out;
        struct job *j = job_prepare(&none, (struct slice){text, body});
        struct moment now = hub_lock(world.hub);
        enum error error = engine_put(hub_engine(world.hub), now, slice_of(name), j, NULL, 0, NULL, &out);
        hub_unlock(world.hub);
        ck_assert_int_eq(error, ERROR_NONE);
    }
    free(text);
}

START_TEST(requests_of_one_read_are_answered_in_order)
{
    struct buffer in = BUFFER_INIT, out = BUFFER_INIT;
    char line[256];
    for (int i = 0; i < 1000; i++) { // more than a round
        int n = snprintf(line, sizeof line, CALL("%d", "put", "\"queue\":\"q\",\"body\":%d"), 2 * i, i);
        buffer_append(&in, line, (size_t)n);
        n = snprintf(line, sizeof line, CALL("%d", "get", "\"queue\":\"q\",\"auto_ack\":true"), 2 * i + 1);
        buffer_append(&in, line, (size_t)n);
        n = snprintf(line, sizeof line, DONE("%d", "{\"id\":%d}"), 2 * i, i + 1);
        buffer_append(&out, line, (size_t)n);
        n = snprintf(line, sizeof line,
                     DONE("%d", "{\"id\":%d,\"queue\":\"q\",\"priority\":0,\"delivery\":4294967297,"
                                "\"attempt\":1,\"body\":%d}"),
                     2 * i + 1, i + 1, i);
        buffer_append(&out, line, (size_t)n);
    }
    buffer_append(&out, "", 1);
    world.rpc.output_limit = 1 << 24;
    peer_say_bytes(&a, in.data, in.len);
    ck_assert_str_eq(peer_hear(&a), out.data);
    buffer_release(&in);
    buffer_release(&out);
}
END_TEST

START_TEST(replies_of_a_turn_leave_together_at_its_end)
{
    peer_give(&a, PING("1"), strlen(PING("1")));
    peer_give(&b, PING("2"), strlen(PING("2")));
    peer_give(&a, PING("3"), strlen(PING("3")));
    ck_assert_uint_eq(a.out.len + b.out.len, 0);
    ck_assert(dispatch_busy(&a.session));
    dispatch_flush(&world.dispatch);
    ck_assert(!dispatch_busy(&a.session));
    ck_assert_str_eq(peer_hear(&a), PONG("1") PONG("3"));
    ck_assert_str_eq(peer_hear(&b), PONG("2"));
}
END_TEST

START_TEST(much_output_leaves_before_the_turn_ends)
{
    char id[1000];
    memset(id, '7', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    char line[1200];
    int n = snprintf(line, sizeof line, PING("%s"), id);
    for (int i = 0; i < 400; i++)
        peer_give(i % 2 ? &a : &b, line, (size_t)n);
    ck_assert_uint_gt(a.out.len, 0);
    dispatch_flush(&world.dispatch);
    ck_assert_uint_eq(a.out.len, b.out.len);
    ck_assert_uint_eq(a.out.len, 200 * (strlen(PONG("")) + strlen(id)));
}
END_TEST

START_TEST(notifications_are_carried_out_without_a_reply)
{
    peer_say(&a, NOTE("put", "\"queue\":\"q\",\"body\":1") NOTE("put", "\"queue\":\"q\"")
                     NOTE("pause", "\"queue\":\"p\"") NOTE("declare", "\"queue\":\"d\",\"maxsize\":3")
                         NOTE("drop", "\"queue\":\"p\""));
    ck_assert_str_eq(peer_hear(&a), "");
    ck_assert_uint_eq(gauge_ready("q"), 1);
    ck_assert_ptr_nonnull(strstr(peer_ask(&a, CALL("1", "stats", "\"queue\":\"d\"")), "\"maxsize\":3"));
    ck_assert_ptr_nonnull(strstr(peer_ask(&a, CALL("1", "stats", "\"queue\":\"p\"")), "not_found"));
}
END_TEST

START_TEST(a_get_that_nobody_would_hear_of_takes_nothing)
{
    fill("q", 1, 3);
    peer_say(&a, NOTE("get", "\"queue\":\"q\"") NOTE("get", "\"queue\":\"none\"")
                     NOTE("join", "\"queue\":\"q\"") NOTE("result", "\"id\":1,\"forget\":true"));
    ck_assert_uint_eq(gauge_ready("q"), 1);
    ck_assert_ptr_null(a.session.waits);
}
END_TEST

// ---- output that is not taken

START_TEST(a_deaf_peer_is_not_heard_until_it_listens)
{
    fill("q", 200, 1000);
    a.deaf = true;
    for (int i = 0; i < 200; i++)
        peer_say(&a, CALL("1", "get", "\"queue\":\"q\""));
    uint64_t left = gauge_ready("q");
    // One reply more than the limit, and those of the round.
    ck_assert_uint_ge(200 - left, world.rpc.output_limit / 1100);
    ck_assert_uint_le(200 - left, world.rpc.output_limit / 1000 + 2);
    ck_assert(dispatch_blocked(&world.dispatch, &a.session));
    ck_assert_str_eq(peer_ask(&b, PING("1")), PONG("1"));
    peer_listen(&a);
    ck_assert_uint_eq(gauge_ready("q"), 0);
    const char *heard = peer_hear(&a);
    int replies = 0;
    for (const char *p = heard; (p = strchr(p, '\n')); p++)
        replies++;
    ck_assert_int_eq(replies, 200);
}
END_TEST

START_TEST(gets_of_one_round_stop_where_their_bodies_are_too_much)
{
    fill("q", 200, 4000);
    a.deaf = true;
    struct buffer in = BUFFER_INIT;
    for (int i = 0; i < 200; i++)
        buffer_append(&in, CALL("1", "get", "\"queue\":\"q\""), strlen(CALL("1", "get", "\"queue\":\"q\"")));
    peer_say_bytes(&a, in.data, in.len);
    ck_assert_uint_le(200 - gauge_ready("q"), world.rpc.output_limit / 4000 + 2);
    for (int i = 0; i < 200 && gauge_ready("q") > 0; i++) {
        peer_listen(&a);
        a.deaf = true;
    }
    ck_assert_uint_eq(gauge_ready("q"), 0);
    buffer_release(&in);
}
END_TEST

START_TEST(a_round_that_stops_early_loses_nothing_behind_it)
{
    // The line behind the gets is too long, and its end is still to come.
    fill("q", 40, 4000);
    struct buffer in = BUFFER_INIT;
    for (int i = 0; i < 40; i++)
        buffer_append(&in, CALL("1", "get", "\"queue\":\"q\""), strlen(CALL("1", "get", "\"queue\":\"q\"")));
    for (unsigned i = 0; i < world.rpc.max_request + 10; i++)
        buffer_append_byte(&in, 'x');
    a.deaf = true;
    peer_say_bytes(&a, in.data, in.len);
    ck_assert_uint_gt(gauge_ready("q"), 0);
    for (int i = 0; i < 10; i++) {
        peer_listen(&a);
        a.deaf = true;
    }
    peer_listen(&a);
    peer_say(&a, "x\n" PING("2"));
    const char *heard = peer_hear(&a);
    int bodies = 0;
    for (const char *p = heard; (p = strstr(p, "\"body\":")); p++)
        bodies++;
    ck_assert_int_eq(bodies, 40);
    const char *too_large = strstr(heard, "too_large");
    ck_assert_ptr_nonnull(too_large);
    ck_assert_ptr_null(strstr(too_large + 1, "too_large"));
    ck_assert_ptr_nonnull(strstr(too_large, PONG("2")));
    buffer_release(&in);
}
END_TEST

START_TEST(a_get_of_many_takes_no_more_than_can_be_held)
{
    fill("q", 500, 4000);
    const char *heard = peer_ask(&a, CALL("1", "get", "\"queue\":\"q\",\"max\":500"));
    uint64_t taken = 500 - gauge_ready("q");
    ck_assert_uint_ge(taken, world.rpc.output_limit / 4000);
    ck_assert_uint_le(taken, world.rpc.output_limit / 4000 + 32);
    uint64_t found = 0;
    for (const char *p = heard; (p = strstr(p, "\"body\":")); p++)
        found++;
    ck_assert_uint_eq(found, taken);
}
END_TEST

START_TEST(the_replies_of_a_batch_have_a_bound)
{
    fill("q", 100, 4000);
    struct buffer in = BUFFER_INIT;
    buffer_append_byte(&in, '[');
    for (int i = 0; i < 100; i++) {
        const char *get = CALL("1", "get", "\"queue\":\"q\"");
        buffer_append(&in, get, strlen(get) - 1);
        buffer_append_byte(&in, i < 99 ? ',' : ']');
    }
    buffer_append_byte(&in, '\n');
    peer_say_bytes(&a, in.data, in.len);
    const char *heard = peer_hear(&a);
    uint64_t bodies = 0, refused = 0;
    for (const char *p = heard; (p = strstr(p, "\"body\":")); p++)
        bodies++;
    for (const char *p = heard; (p = strstr(p, "\"too_large\"")); p++)
        refused++;
    ck_assert_uint_eq(bodies, 100 - gauge_ready("q"));
    ck_assert_uint_eq(bodies + refused, 100);
    ck_assert_uint_gt(refused, 50);
    ck_assert_uint_eq(a.session.batched, 0);
    buffer_release(&in);
}
END_TEST

// ---- slow requests

START_TEST(a_sweep_is_done_in_slices_and_holds_up_its_connection_alone)
{
    fill("q", 3500, 3);
    peer_give(&a, CALL("1", "delete", "\"queue\":\"q\"") PING("2"),
              strlen(CALL("1", "delete", "\"queue\":\"q\"") PING("2")));
    ck_assert(a.session.task && dispatch_blocked(&world.dispatch, &a.session));
    unsigned turns = 0;
    do {
        peer_give(&b, PING("3"), strlen(PING("3")));
        turns++;
    } while (world_turn(&world) && a.session.task);
    ck_assert_uint_ge(turns, 3);
    ck_assert_uint_ge(strlen(peer_hear(&b)), 3 * strlen(PONG("3")));
    world_settle(&world);
    ck_assert_str_eq(peer_hear(&a), DONE("1", "{\"count\":3500}") PONG("2"));
    ck_assert_uint_eq(gauge_ready("q"), 0);
}
END_TEST

// By id they are quick: no connection is held up for one, nor does one end a round.
START_TEST(single_jobs_are_deleted_and_kicked_in_turn)
{
    fill("q", 4, 3);
    peer_give(&a,
              CALL("1", "delete", "\"id\":3") CALL("2", "delete", "\"id\":1") CALL("3", "kick", "\"id\":2")
                  CALL("4", "delete", "\"id\":2,\"limit\":1") PING("5"),
              strlen(CALL("1", "delete", "\"id\":3") CALL("2", "delete", "\"id\":1")
                         CALL("3", "kick", "\"id\":2") CALL("4", "delete", "\"id\":2,\"limit\":1")
                             PING("5")));
    ck_assert_ptr_null(a.session.task);
    ck_assert_uint_eq(gauge_ready("q"), 2);
    world_settle(&world);
    const char *heard = peer_hear(&a), *refused = strstr(heard, "\"id\":4,\"error\"");
    ck_assert(strncmp(heard, DONE("1", "{\"count\":1}") DONE("2", "{\"count\":1}") DONE("3", "{\"count\":0}"),
                      strlen(DONE("1", "{\"count\":1}") DONE("2", "{\"count\":1}")
                                 DONE("3", "{\"count\":0}"))) == 0);
    ck_assert(refused && strstr(refused, PONG("5")));
    ck_assert_ptr_nonnull(strstr(peer_ask(&a, CALL("6", "delete", "\"id\":3")), "not_found"));
}
END_TEST

START_TEST(a_sweep_goes_on_when_its_connection_closes)
{
    fill("q", 3500, 3);
    peer_give(&a, CALL("1", "delete", "\"queue\":\"q\""), strlen(CALL("1", "delete", "\"queue\":\"q\"")));
    ck_assert_ptr_nonnull(a.session.task);
    peer_close(&a);
    world_settle(&world);
    ck_assert_uint_eq(gauge_ready("q"), 0);
    peer_open(&world, &a);
}
END_TEST

START_TEST(a_slow_element_holds_up_its_batch)
{
    fill("q", 2500, 3);
    const char *line =
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"delete\",\"params\":{\"queue\":\"q\",\"limit\":2400}},"
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"kick\",\"params\":{\"id\":2450}},"
        "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}]\n" PING("5");
    peer_say(&a, line);
    ck_assert_str_eq(peer_hear(&a), "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\","
                                    "\"id\":2,\"result\":{\"count\":2400}},"
                                    "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"count\":0}},{\"jsonrpc\":"
                                    "\"2.0\",\"id\":4,\"result\":{}}]\n" PONG("5"));
}
END_TEST

START_TEST(closed_amid_a_batch_with_a_slow_element)
{
    fill("q", 2500, 3);
    const char *line =
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"get\",\"params\":{\"queue\":\"none\"}},"
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"delete\",\"params\":{\"queue\":\"q\"}},7]\n";
    peer_give(&a, line, strlen(line));
    ck_assert_ptr_nonnull(a.session.task);
    ck_assert_ptr_nonnull(a.session.batch);
    ck_assert_ptr_nonnull(a.session.waits);
    peer_close(&a);
    world_settle(&world);
    ck_assert_uint_eq(gauge_ready("q"), 0);
    peer_open(&world, &a);
}
END_TEST

START_TEST(pages_of_jobs_give_each_once)
{
    fill("q", 950, 3);
    char after[80] = "", line[256];
    unsigned seen = 0, pages = 0;
    for (;;) {
        snprintf(line, sizeof line, CALL("1", "jobs", "\"queue\":\"q\",\"limit\":300%s%s%s"),
                 *after ? ",\"after\":\"" : "", after, *after ? "\"" : "");
        const char *heard = peer_ask(&a, line);
        for (const char *p = heard; (p = strstr(p, "{\"id\":")); p++) {
            unsigned id = 0;
            ck_assert_int_eq(sscanf(p, "{\"id\":%u,", &id), 1);
            ck_assert_uint_eq(id, ++seen);
        }
        ck_assert_ptr_null(strstr(heard, "\"body\""));
        pages++;
        const char *next = strstr(heard, "\"next\":\"");
        if (!next)
            break;
        ck_assert_int_eq(sscanf(next, "\"next\":\"%79[^\"]", after), 1);
    }
    ck_assert_uint_eq(seen, 950);
    ck_assert_uint_ge(pages, 4);
}
END_TEST

START_TEST(pages_of_queues_give_each_once)
{
    char line[256], after[16] = "";
    for (int i = 0; i < 250; i++) {
        snprintf(line, sizeof line, CALL("1", "pause", "\"queue\":\"q%03d\""), i);
        (void)peer_ask(&a, line);
    }
    int seen = 0;
    for (int limit = 1; seen < 250; limit = 120) {
        snprintf(line, sizeof line, CALL("1", "queues", "\"limit\":%d%s%s%s"), limit,
                 *after ? ",\"after\":\"" : "", after, *after ? "\"" : "");
        const char *heard = peer_ask(&a, line), *next = strstr(heard, "\"next\":");
        for (const char *p = heard; (p = strstr(p, "{\"queue\":\"q")); p++)
            ck_assert_int_eq(atoi(p + 11), seen++);
        ck_assert_int_eq(sscanf(next, "\"next\":\"%15[^\"]", after) == 1, seen < 250);
    }
    ck_assert_int_eq(seen, 250);
}
END_TEST

// ---- the end of a connection

START_TEST(jobs_of_a_closed_connection_come_back)
{
    fill("q", 2500, 3);
    world.rpc.output_limit = 1 << 24;
    for (int i = 0; i < 3; i++)
        (void)peer_ask(&a, CALL("1", "get", "\"queue\":\"q\",\"max\":1000"));
    ck_assert_uint_eq(gauge_ready("q"), 0);
    peer_close(&a);
    ck_assert(dispatch_has_work(&world.dispatch)); // 1,000 at a time
    world_settle(&world);
    ck_assert_uint_eq(gauge_ready("q"), 2500);
    peer_open(&world, &a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/dispatch");
    TCase *c = tcase_create("order");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, requests_of_one_read_are_answered_in_order);
    tcase_add_test(c, replies_of_a_turn_leave_together_at_its_end);
    tcase_add_test(c, much_output_leaves_before_the_turn_ends);
    tcase_add_test(c, notifications_are_carried_out_without_a_reply);
    tcase_add_test(c, a_get_that_nobody_would_hear_of_takes_nothing);
    suite_add_tcase(s, c);
    c = tcase_create("output");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_deaf_peer_is_not_heard_until_it_listens);
    tcase_add_test(c, gets_of_one_round_stop_where_their_bodies_are_too_much);
    tcase_add_test(c, a_round_that_stops_early_loses_nothing_behind_it);
    tcase_add_test(c, a_get_of_many_takes_no_more_than_can_be_held);
    tcase_add_test(c, the_replies_of_a_batch_have_a_bound);
    suite_add_tcase(s, c);
    c = tcase_create("slow");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_sweep_is_done_in_slices_and_holds_up_its_connection_alone);
    tcase_add_test(c, single_jobs_are_deleted_and_kicked_in_turn);
    tcase_add_test(c, a_sweep_goes_on_when_its_connection_closes);
    tcase_add_test(c, a_slow_element_holds_up_its_batch);
    tcase_add_test(c, closed_amid_a_batch_with_a_slow_element);
    tcase_add_test(c, pages_of_jobs_give_each_once);
    tcase_add_test(c, pages_of_queues_give_each_once);
    suite_add_tcase(s, c);
    c = tcase_create("close");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, jobs_of_a_closed_connection_come_back);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
