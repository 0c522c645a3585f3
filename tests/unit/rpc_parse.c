#include "server/rpc/parse.h"

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

#define OK(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}\n"
#define WRONG(id, code, d)                                                                                   \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"data\":{\"name\":" d "}}}\n"
#define INVALID(id, member) WRONG(id, "-32600", "\"invalid_request\",\"param\":\"" member "\"")
#define PLAIN_INVALID(id)   WRONG(id, "-32600", "\"invalid_request\"")
#define BROKEN(at)          WRONG("null", "-32700", "\"parse_error\",\"at\":" at)

static const struct {
    const char *line, *reply;
} lines[] = {
    // ids come back byte for byte
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", OK("1")},
    {"{\"jsonrpc\":\"2.0\",\"id\":-1.50e+3,\"method\":\"ping\"}", OK("-1.50e+3")},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"\\u0031 \\\"\",\"method\":\"ping\"}", OK("\"\\u0031 \\\"\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", OK("null")},
    {" { \"method\" : \"ping\" , \"id\" : 12345678901234567890 , \"jsonrpc\" : \"2.0\" } \r",
     OK("12345678901234567890")},
    // escapes in what is looked for
    {"{\"\\u006asonrpc\":\"2\\u002e0\",\"\\u0069d\":1,\"meth\\u006fd\":\"p\\u0069ng\",\"p\\u0061rams\":{}}",
     OK("1")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{},\"method\":\"ping\"}", OK("1")},
    // notifications
    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}", ""},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}", ""},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"x\":1}}", ""},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":[]}", ""},
    // not a request
    {"{}", INVALID("null", "jsonrpc")},
    {"7", PLAIN_INVALID("null")},
    {"\"x\"", PLAIN_INVALID("null")},
    {"{\"jsonrpc\":\"2.0\"}", INVALID("null", "method")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1}", INVALID("1", "method")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", INVALID("1", "method")},
    {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", INVALID("1", "jsonrpc")},
    {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", INVALID("1", "jsonrpc")},
    {"{\"id\":1,\"method\":\"ping\"}", INVALID("1", "jsonrpc")},
    {"{\"method\":\"ping\"}", INVALID("null", "jsonrpc")},
    {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", INVALID("null", "id")},
    {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", INVALID("null", "id")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", INVALID("2", "id")},
    {"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", INVALID("1", "jsonrpc")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"ping\"}", INVALID("1", "method")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{},\"params\":{}}",
     INVALID("1", "params")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"parms\":{}}", INVALID("1", "parms")},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"result\":{},\"id\":4}", INVALID("4", "result")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"a\\\"b\":1}", INVALID("1", "a\\\"b")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"\":1}", PLAIN_INVALID("1")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":7}", INVALID("1", "params")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":null}", INVALID("1", "params")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":\"x\",\"method\":\"nonsense\"}", INVALID("1", "params")},
    // a request, but not one of ours
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nonsense\"}", WRONG("1", "-32601", "\"method_not_found\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}", WRONG("1", "-32601", "\"method_not_found\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pin\\ud800\"}",
     WRONG("1", "-32601", "\"method_not_found\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}",
     WRONG("1", "-32602", "\"invalid_params\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":[1],\"method\":\"ping\"}",
     WRONG("1", "-32602", "\"invalid_params\"")},
    // a syntax error wins over everything
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", BROKEN("39")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":1}]", BROKEN("56")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":01}}",
     BROKEN("69")},
    {"{} {}", BROKEN("3")},
    {"{\"id\":\x01}", BROKEN("6")},
    {"{\"id\":\"\xff\"}", BROKEN("7")},
};

START_TEST(every_kind_of_line)
{
    const char *line = lines[_i].line, *reply = lines[_i].reply;
    (void)peer_ask(&peer, "{}"); // what begins a connection may not be a string; later lines may
    ck_assert_str_eq(peer_ask(&peer, line), reply);
    ck_assert_str_eq(peer_ask(&peer, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}"), OK("7"));
}
END_TEST

// The members that most clients send are compared, not read: with a space before the first they are read.
START_TEST(the_usual_members_are_no_special_case)
{
    char spaced[512], usual[512];
    const char *line = lines[_i].line;
    if (strncmp(line, "{\"jsonrpc\"", 10) != 0)
        return;
    snprintf(spaced, sizeof spaced, "{ %s", line + 1);
    snprintf(usual, sizeof usual, "%s", peer_ask(&peer, line));
    const char *other = peer_ask(&peer, spaced);
    if (!strstr(usual, "\"at\"")) // which counts the space
        ck_assert_str_eq(usual, other);
    else
        ck_assert_ptr_nonnull(strstr(other, "parse_error"));
}
END_TEST

START_TEST(every_order_of_members_and_every_end)
{
    static const char *const heads[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{},\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{},\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1,\"params\":{}}",
        "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{}}",
    };
    const char *line = heads[_i];
    ck_assert_str_eq(peer_ask(&peer, line), OK("1"));
    for (size_t len = 1; len < strlen(line); len++) {
        char end[32];
        snprintf(end, sizeof end, "\"at\":%zu}}}\n", len);
        peer_say_bytes(&peer, line, len);
        peer_say(&peer, "\n");
        ck_assert_ptr_nonnull(strstr(peer_hear(&peer), end));
    }
}
END_TEST

START_TEST(a_nul_is_an_error)
{
    peer_say_bytes(&peer, "{\"id\":\"\0\"}\n", 11);
    ck_assert_str_eq(peer_hear(&peer), BROKEN("7"));
}
END_TEST

START_TEST(depth_is_counted_from_the_outermost)
{
    static const char head[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":";
    for (int extra = 0; extra < 2; extra++) { // the body is at depth 2, so it may be 126 deep
        char line[1024], *p = stpcpy(line, head);
        for (int i = 0; i < 126 + extra; i++)
            *p++ = '[';
        for (int i = 0; i < 126 + extra; i++)
            *p++ = ']';
        strcpy(p, "}}");
        const char *heard = peer_ask(&peer, line);
        ck_assert_int_eq(strstr(heard, "parse_error") != NULL, extra);
    }
}
END_TEST

START_TEST(an_id_has_at_most_1024_bytes)
{
    for (int extra = 0; extra < 2; extra++) {
        char line[2048], id[REQUEST_ID_MAX + 2];
        memset(id, '1', sizeof id);
        id[REQUEST_ID_MAX + extra] = '\0';
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", id);
        const char *heard = peer_ask(&peer, line);
        if (extra)
            ck_assert_str_eq(heard, INVALID("null", "id"));
        else
            ck_assert_ptr_nonnull(strstr(heard, "\"result\":{}"));
    }
}
END_TEST

START_TEST(a_long_wrong_name_is_not_repeated)
{
    char line[1024], name[PARAM_ECHO_MAX + 2];
    memset(name, 'x', sizeof name);
    for (int extra = 0; extra < 2; extra++) {
        name[PARAM_ECHO_MAX + extra] = '\0';
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"%s\":1}", name);
        ck_assert_int_eq(strstr(peer_ask(&peer, line), "\"param\":\"xxx") != NULL, !extra);
        snprintf(line, sizeof line,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"%s\":1}}", name);
        ck_assert_int_eq(strstr(peer_ask(&peer, line), "\"param\":\"xxx") != NULL, !extra);
        name[PARAM_ECHO_MAX] = 'x';
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/parse");
    TCase *c = tcase_create("lines");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, every_kind_of_line, 0, sizeof lines / sizeof *lines);
    tcase_add_loop_test(c, the_usual_members_are_no_special_case, 0, sizeof lines / sizeof *lines);
    tcase_add_loop_test(c, every_order_of_members_and_every_end, 0, 5);
    tcase_add_test(c, a_nul_is_an_error);
    tcase_add_test(c, depth_is_counted_from_the_outermost);
    tcase_add_test(c, an_id_has_at_most_1024_bytes);
    tcase_add_test(c, a_long_wrong_name_is_not_repeated);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
