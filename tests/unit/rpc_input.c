#include "server/rpc/input.h"

#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct peer peer;

static void setup(void)
{
    world_init(&world);
    peer_open(&world, &peer);
}

static void teardown(void)
{
    world_release(&world);
}

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"
#define TOO_LARGE                                                                                            \
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32009,\"data\":{\"name\":\"too_large\"}}}\n"
#define HTTP "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32015,\"data\":{\"name\":\"http\"}}}\n"
#define NO_REQUEST                                                                                           \
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"data\":{\"name\":\"invalid_request\"}}}"
#define PUT(id, q)                                                                                           \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"put\",\"params\":{\"queue\":\"" q "\",\"body\":[" id    \
    "]}}"

// Ids are different from run to run, all else is not.
static const char script[] = "\r\n \t\n" PING("1") "\r\n\n\n" PING("\"two\\u0032\"") "\n" PUT(
    "3", "q") "\n"
              "[" PING("4") " , 7,{\"jsonrpc\":\"2.0\",\"method\":\"ping\"},\n"
                            "[ " PING("5") " , 7 ,{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}," PUT(
                                "6", "q") "\t]\n"
                                          "[]\n[{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]\n"
                                          "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"get\",\"params\":{"
                                          "\"queue\":\"q\",\"max\":10}}\n"
                                          "nonsense\n{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"queues\"}\n"
                                          "[{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"stats\",\"params\":{"
                                          "\"queue\":\"none\"}}," PING("10") "]\n" PING("11") "\n" PING("12");

static const char expected[] = PONG("1") "\n" PONG(
    "\"two\\u0032\"") "\n{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"id\":1}}\n"
                      "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"data\":{\"name\":"
                      "\"parse_error\",\"at\":80}}}\n"
                      "[" PONG("5") "," NO_REQUEST
                                    ",{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":{\"id\":2}}]\n" NO_REQUEST "\n"
                                    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"jobs\":[{\"id\":1,\"queue\":"
                                    "\"q\",\"priority\":0,\"delivery\":4294967297,"
                                    "\"attempt\":1,\"body\":[3]},{\"id\":2,\"queue\":\"q\",\"priority\":0,"
                                    "\"delivery\":4294967297,\"attempt\":1,\"body\":[6]}]}}\n"
                                    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"data\":{"
                                    "\"name\":\"parse_error\",\"at\":1}}}\n"
                                    "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"queues\":[{\"queue\":\"q\","
                                    "\"ready\":0,\"delayed\":0,\"reserved\":2,\"dead\":0,"
                                    "\"done\":0,\"waiters\":0,\"paused\":false,\"shut_down\":false,"
                                    "\"declared\":false,\"oldest\":null}],\"next\":null}}\n"
                                    "[{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32003,\"data\":{"
                                    "\"name\":\"not_found\"}}}," PONG("10") "]\n" PONG("11") "\n";

START_TEST(whole)
{
    peer_say(&peer, script);
    ck_assert_str_eq(peer_hear(&peer), expected);
    ck_assert_uint_eq(peer.unread.len, strlen(PING("12")));
}
END_TEST

START_TEST(split_at_every_byte)
{
    peer_say_bytes(&peer, script, (size_t)_i);
    peer_say(&peer, script + _i);
    ck_assert_str_eq(peer_hear(&peer), expected);
}
END_TEST

START_TEST(byte_by_byte)
{
    for (const char *p = script; *p; p++)
        peer_say_bytes(&peer, p, 1);
    ck_assert_str_eq(peer_hear(&peer), expected);
}
END_TEST

START_TEST(closed_at_every_byte)
{
    peer_say_bytes(&peer, script, (size_t)_i);
    peer_close(&peer);
    world_settle(&world);
    peer_open(&world, &peer);
    ck_assert_str_eq(peer_ask(&peer, PING("1")), PONG("1") "\n");
}
END_TEST

START_TEST(a_line_has_a_bound)
{
    char line[8192 + 64];
    for (int extra = -1; extra <= 1; extra++) {
        size_t len = world.rpc.max_request + (size_t)extra;
        memset(line, ' ', len);
        memcpy(line, PING("1"), strlen(PING("1")));
        line[len] = '\0';
        ck_assert_str_eq(peer_ask(&peer, line), extra <= 0 ? PONG("1") "\n" : TOO_LARGE);
        ck_assert_str_eq(peer_ask(&peer, PING("2")), PONG("2") "\n");
    }
}
END_TEST

START_TEST(what_is_too_long_is_skipped_unread_and_told_once)
{
    char part[3000];
    memset(part, '"', sizeof part);
    peer_say(&peer, "{");
    for (int i = 0; i < 20; i++)
        peer_say_bytes(&peer, part, sizeof part);
    ck_assert_uint_eq(peer.unread.len, 0);
    ck_assert_str_eq(peer_hear(&peer), TOO_LARGE);
    peer_say(&peer, "}\n" PING("1") "\n");
    ck_assert_str_eq(peer_hear(&peer), PONG("1") "\n");
}
END_TEST

START_TEST(white_space_alone_is_bounded_too)
{
    char part[3000];
    memset(part, ' ', sizeof part);
    for (int i = 0; i < 20; i++)
        peer_say_bytes(&peer, part, sizeof part);
    ck_assert_uint_le(peer.unread.len, world.rpc.max_request);
    ck_assert_str_eq(peer_hear(&peer), TOO_LARGE);
}
END_TEST

static const char *const openings[] = {"POST / HTTP/1.1\r\nHost: x\r\n\r\n" PING("1") "\n", "\r\n GET",
                                       "\x16\x03\x01", "\"x\"\n" PING("1") "\n", "7"};

START_TEST(what_does_not_begin_as_json_is_refused)
{
    peer_say(&peer, openings[_i]);
    ck_assert_str_eq(peer_hear(&peer), HTTP);
    ck_assert(peer.session.refused);
    peer_say(&peer, "\n" PING("1") "\n");
    ck_assert_str_eq(peer_hear(&peer), "");
}
END_TEST

START_TEST(a_batch_has_a_bound)
{
    for (int extra = 0; extra < 2; extra++) {
        struct buffer b = BUFFER_INIT;
        buffer_append_byte(&b, '[');
        for (int i = 0; i < BATCH_MAX + extra; i++)
            buffer_append(&b, i ? ",1" : "1", i ? 2 : 1);
        buffer_append(&b, "]\n", 2);
        world.rpc.max_request = b.len;
        world.rpc.output_limit = 1 << 24;
        peer_say_bytes(&peer, b.data, b.len);
        const char *heard = peer_hear(&peer);
        if (extra)
            ck_assert_str_eq(heard, TOO_LARGE);
        else
            ck_assert_uint_eq(strlen(heard), BATCH_MAX * (strlen(NO_REQUEST) + 1) + 2);
        buffer_release(&b);
    }
}
END_TEST

START_TEST(a_broken_batch_does_nothing)
{
    peer_say(&peer, "[" PUT("1", "q") ",}\n");
    ck_assert_ptr_nonnull(strstr(peer_hear(&peer), "parse_error"));
    ck_assert_ptr_nonnull(
        strstr(peer_ask(&peer, "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"queues\"}"), "\"queues\":[]"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/input");
    TCase *c = tcase_create("script");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, whole);
    tcase_add_loop_test(c, split_at_every_byte, 0, sizeof script);
    tcase_add_test(c, byte_by_byte);
    tcase_add_loop_test(c, closed_at_every_byte, 0, sizeof script);
    suite_add_tcase(s, c);
    c = tcase_create("bounds");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_line_has_a_bound);
    tcase_add_test(c, what_is_too_long_is_skipped_unread_and_told_once);
    tcase_add_test(c, white_space_alone_is_bounded_too);
    tcase_add_loop_test(c, what_does_not_begin_as_json_is_refused, 0, sizeof openings / sizeof *openings);
    tcase_add_test(c, a_batch_has_a_bound);
    tcase_add_test(c, a_broken_batch_does_nothing);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
