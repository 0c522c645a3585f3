#include "tests/unit/client_server.h"

#include <stdatomic.h>

static void says_pong(struct server *s)
{
    server_accept(s);
    server_expect(s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}}");
    server_result(s, 1ul, "{}");
}

START_TEST(a_request_is_one_line_of_json_rpc)
{
    struct server *s = server_start(says_pong, NULL);
    struct taskq *q = server_client(s, NULL);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void expects_everything(struct server *s)
{
    static const char *const requests[] = {
        "\"hello\",\"params\":{}}",
        "\"put\",\"params\":{\"queue\":\"q\",\"body\":1}}",
        "\"put\",\"params\":{\"queue\":\"q\\\"\",\"priority\":-1.5,\"delay\":2,\"lease\":0.5,\"max_"
        "attempts\":3,"
        "\"expires\":60,\"key\":\"k\",\"key_for\":10,\"timeout\":0,\"body\":[1, 2]}}",
        "\"submit\",\"params\":{\"queue\":\"q\",\"at\":1893456000.25,\"keep_result\":5,\"body\":1e400}}",
        "\"touch\",\"params\":{\"id\":7,\"delivery\":4294967297,\"lease\":30}}",
        "\"ack\",\"params\":{\"id\":7,\"delivery\":4294967297,\"result\":{\"a\":1}}}",
        "\"ack\",\"params\":{\"id\":7}}",
        "\"nack\",\"params\":{\"id\":7,\"delivery\":9,\"error\":\"x\",\"delay\":0}}",
        "\"nack\",\"params\":{\"id\":7,\"delivery\":9}}",
        "\"release\",\"params\":{\"id\":7,\"delivery\":9,\"delay\":1.5,\"priority\":4}}",
        "\"bury\",\"params\":{\"id\":7,\"delivery\":9,\"error\":null}}",
        "\"result\",\"params\":{\"id\":7,\"timeout\":1.5,\"forget\":true}}",
        "\"cancel\",\"params\":{\"id\":7}}",
        "\"cancel\",\"params\":{\"id\":7,\"running\":true}}",
        "\"call\",\"params\":{\"queue\":\"q\",\"at\":1893456000.25,\"keep_result\":5,\"body\":1e400}}",
        "\"progress\",\"params\":{\"id\":7,\"delivery\":9,\"done\":0,\"total\":2.5,\"message\":\"m\"}}",
        "\"progress\",\"params\":{\"id\":7,\"message\":\"m\"}}",
        "\"job\",\"params\":{\"id\":7}}",
        "\"jobs\",\"params\":{\"queue\":\"q\",\"state\":\"dead\",\"after\":\"x\",\"limit\":5,\"bodies\":true}"
        "}",
        "\"queues\",\"params\":{\"after\":\"a\",\"limit\":3}}",
        "\"stats\",\"params\":{}}",
        "\"stats\",\"params\":{\"queue\":\"q\"}}",
        "\"declare\",\"params\":{\"queue\":\"q\", \"maxsize\":3 }}",
        "\"declare\",\"params\":{\"queue\":\"q\"}}",
        "\"delete\",\"params\":{\"id\":7}}",
        "\"delete\",\"params\":{\"queue\":\"q\",\"state\":\"dead\",\"limit\":9}}",
        "\"kick\",\"params\":{\"id\":7}}",
        "\"kick\",\"params\":{\"queue\":\"q\"}}",
        "\"pause\",\"params\":{\"queue\":\"q\"}}",
        "\"resume\",\"params\":{\"queue\":\"q\"}}",
        "\"join\",\"params\":{\"queue\":\"q\",\"timeout\":2}}",
        "\"shutdown\",\"params\":{\"queue\":\"q\",\"immediate\":true}}",
        "\"drop\",\"params\":{\"queue\":\"q\"}}",
        "\"pool\",\"params\":{}}",
        "\"pool\",\"params\":{\"handler\":\"h\",\"workers\":3}}",
        "\"later\",\"params\":{ \"x\": 1}}",
        "\"later\",\"params\":{}}",
    };
    // One object that satisfies everybody.
    const char *result = "{\"id\":12,\"existing\":true,\"count\":3,\"cancelled\":true,\"lease\":29.5,"
                         "\"state\":\"delayed\",\"delay\":1.25,\"result\":[1, 2]}";
    server_accept(s);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char line[512];
        snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":%s", i + 1, requests[i]);
        server_expect(s, line);
        server_result(s, (unsigned long)i + 1, result);
    }
}

START_TEST(every_method_is_a_call)
{
    struct server *s = server_start(expects_everything, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_text text = {NULL, 0};
    struct taskq_put_result put;
    uint64_t count;
    bool cancelled;
    double seconds, priority = 4;
    const char *state;

    ck_assert_int_eq(taskq_hello(q, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_OK);
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    o.priority = -1.5, o.delay = 2, o.lease = 0.5, o.max_attempts = 3, o.expires = 60;
    o.key = "k", o.key_for = 10, o.timeout = 0, o.keep_result = 77;
    ck_assert_int_eq(taskq_put(q, "q\"", "[1,\n2]", TASKQ_NUL, &o, &put), TASKQ_OK);
    ck_assert_uint_eq(put.id, 12);
    ck_assert(put.existing);
    struct taskq_put_options p = TASKQ_PUT_OPTIONS_INIT;
    p.at = 1893456000.25, p.keep_result = 5;
    ck_assert_int_eq(taskq_submit(q, "q", "1e400", TASKQ_NUL, &p, &put), TASKQ_OK);
    ck_assert_int_eq(taskq_touch(q, 7, 4294967297, 30, &seconds), TASKQ_OK);
    ck_assert_double_eq(seconds, 29.5);
    ck_assert_int_eq(taskq_ack(q, 7, 4294967297, "{\"a\":1}", TASKQ_NUL), TASKQ_OK);
    ck_assert_int_eq(taskq_ack(q, 7, 0, NULL, 0), TASKQ_OK);
    ck_assert_int_eq(taskq_nack(q, 7, 9, "\"x\"", 3, 0, &state, &seconds), TASKQ_OK);
    ck_assert_str_eq(state, "delayed");
    ck_assert_double_eq(seconds, 1.25);
    ck_assert_int_eq(taskq_nack(q, 7, 9, NULL, 0, TASKQ_FOREVER, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_release(q, 7, 9, 1.5, &priority), TASKQ_OK);
    ck_assert_int_eq(taskq_bury(q, 7, 9, "null", 4), TASKQ_OK);
    ck_assert_int_eq(taskq_result(q, 7, 1.5, true, &text), TASKQ_OK);
    ck_assert_str_eq(text.data, "[1, 2]");
    ck_assert_uint_eq(text.len, 6);
    taskq_text_release(&text);
    ck_assert_int_eq(taskq_cancel(q, 7, &cancelled), TASKQ_OK);
    ck_assert(cancelled);
    ck_assert_int_eq(taskq_cancel_running(q, 7, &cancelled), TASKQ_OK);
    ck_assert_int_eq(taskq_call(q, "q", "1e400", TASKQ_NUL, &p, &text), TASKQ_OK);
    ck_assert_str_eq(text.data, "[1, 2]");
    taskq_text_release(&text);
    struct taskq_report report = {.done = 0, .total = 2.5, .message = "m"};
    ck_assert_int_eq(taskq_progress(q, 7, 9, &report), TASKQ_OK);
    report.done = report.total = -1;
    ck_assert_int_eq(taskq_progress(q, 7, 0, &report), TASKQ_OK);
    ck_assert_int_eq(taskq_job_info(q, 7, &text), TASKQ_OK);
    ck_assert_int_eq(strncmp(text.data, "{\"id\":12,", 9), 0);
    taskq_text_release(&text);
    ck_assert_int_eq(taskq_jobs_page(q, "q", "dead", "x", 5, true, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_queues_page(q, "a", 3, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_stats(q, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_stats(q, "q", NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_declare(q, "q", " { \"maxsize\":3\n} ", TASKQ_NUL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_declare(q, "q", "{ }", TASKQ_NUL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_delete(q, 7), TASKQ_OK);
    ck_assert_int_eq(taskq_delete_many(q, "q", "dead", 9, &count), TASKQ_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(taskq_kick(q, 7, &count), TASKQ_OK);
    ck_assert_int_eq(taskq_kick_many(q, "q", NULL, 0, &count), TASKQ_OK);
    ck_assert_int_eq(taskq_pause(q, "q"), TASKQ_OK);
    ck_assert_int_eq(taskq_resume(q, "q"), TASKQ_OK);
    ck_assert_int_eq(taskq_join(q, "q", 2), TASKQ_OK);
    ck_assert_int_eq(taskq_shutdown(q, "q", true), TASKQ_OK);
    ck_assert_int_eq(taskq_drop(q, "q", &count), TASKQ_OK);
    ck_assert_int_eq(taskq_pool(q, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_pool_resize(q, "h", 3, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_call_raw(q, "later", "{ \"x\": 1}", &text), TASKQ_OK);
    taskq_text_release(&text);
    ck_assert_int_eq(taskq_call_raw(q, "later", NULL, NULL), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void sees_nothing(struct server *s)
{
    server_accept(s);
    ck_assert(!server_read(s));
}

START_TEST(what_is_not_json_is_refused_before_it_is_sent)
{
    struct server *s = server_start(sees_nothing, NULL);
    struct taskq *q = server_client(s, NULL);
    const char *bodies[] = {"", "nope", "1}", "1,\"queue\":\"other\"", "\"a", "1 2", "{\"a\":1}}\n{"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ck_assert_int_eq(taskq_put(q, "q", bodies[i], TASKQ_NUL, NULL, NULL), TASKQ_USAGE);
        ck_assert_int_eq(taskq_ack(q, 1, 0, bodies[i], TASKQ_NUL), TASKQ_USAGE);
        ck_assert_int_eq(taskq_declare(q, "q", bodies[i], TASKQ_NUL, NULL), TASKQ_USAGE);
        ck_assert_int_eq(taskq_call_raw(q, "put", bodies[i], NULL), TASKQ_USAGE);
    }
    ck_assert_int_eq(taskq_put(q, "q", NULL, 0, NULL, NULL), TASKQ_USAGE);
    ck_assert_int_eq(taskq_call_raw(q, "put", "[]", NULL), TASKQ_USAGE);
    ck_assert_int_eq(taskq_put(q, NULL, "1", 1, NULL, NULL), TASKQ_USAGE);
    ck_assert_int_eq(taskq_put(q, "\xff", "1", 1, NULL, NULL), TASKQ_USAGE);
    ck_assert_int_eq(taskq_join(q, "q", 0.0 / 0.0), TASKQ_USAGE);
    char deep[2 * 127];
    memset(deep, '[', 127);
    memset(deep + 127, ']', 127);
    ck_assert_int_eq(taskq_put(q, "q", deep, sizeof(deep), NULL, NULL), TASKQ_USAGE);
    ck_assert_str_eq(taskq_error_message(q), "the JSON is nested deeper than 126");
    taskq_close(q);
    server_end(s);
}
END_TEST

static void fails_a_job(struct server *s)
{
    server_accept(s);
    unsigned long id = server_expect_method(s, "result");
    server_say(
        s,
        "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":-32007,\"message\":\"it \\u201cdied\\u201d\","
        "\"data\":{\"name\":\"failed\",\"error\":{ \"exit\":1}}}}\n",
        id);
    server_error(s, server_expect_method(s, "ping"), -31000, "new here");
    server_error(s, server_expect_method(s, "ping"), -32010, "busy");
}

START_TEST(errors_come_with_the_daemons_words_and_data)
{
    struct server *s = server_start(fails_a_job, NULL);
    struct taskq *q = server_client(s, NULL);
    size_t len;
    ck_assert_int_eq(taskq_result(q, 3, TASKQ_FOREVER, false, NULL), TASKQ_FAILED);
    ck_assert_str_eq(taskq_error_message(q), "it \xe2\x80\x9c"
                                             "died\xe2\x80\x9d");
    ck_assert_int_eq(taskq_error_code(q), -32007);
    ck_assert_str_eq(taskq_error_data(q, &len), "{\"name\":\"failed\",\"error\":{ \"exit\":1}}");
    ck_assert_uint_eq(len, strlen(taskq_error_data(q, NULL)));
    ck_assert_int_eq(taskq_ping(q), TASKQ_UNKNOWN);
    ck_assert_int_eq(taskq_error_code(q), -31000);
    ck_assert_str_eq(taskq_error_message(q), "new here");
    ck_assert_ptr_null(taskq_error_data(q, NULL));
    ck_assert_int_eq(taskq_ping(q), TASKQ_OVERLOADED);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void loses_every_first_reply(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "put");
    server_hang_up(s);
    server_accept(s);
    server_expect_method(s, "put"); // the one with a key
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "put"), "{\"id\":5,\"existing\":true}");
    server_expect_method(s, "call");
    server_hang_up(s);
    server_accept(s);
    server_expect_method(s, "call"); // the one with a key
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "call"), "{\"id\":5,\"state\":\"done\",\"result\":1}");
    server_expect_method(s, "ack");
    server_hang_up(s);
    server_accept(s);
    server_expect_method(s, "stats");
    server_hang_up(s);
    server_accept(s);
    server_expect_method(s, "stats");
}

START_TEST(a_lost_reply_is_said_or_the_request_repeated)
{
    struct server *s = server_start(loses_every_first_reply, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    struct taskq_put_result put;
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_LOST);
    ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "the daemon closed it"));
    o.key = "k";
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, &o, &put), TASKQ_OK);
    ck_assert_uint_eq(put.id, 5);
    ck_assert_int_eq(taskq_call(q, "q", "1", 1, NULL, NULL), TASKQ_LOST);
    ck_assert_int_eq(taskq_call(q, "q", "1", 1, &o, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_ack(q, 5, 0, NULL, 0), TASKQ_LOST);
    ck_assert_int_eq(taskq_stats(q, NULL, NULL), TASKQ_LOST); // not a third time
    taskq_close(q);
    server_end(s);
}
END_TEST

static void closes_while_idle(struct server *s)
{
    int *closed = s->arg;
    server_accept(s);
    server_result(s, server_expect_method(s, "ping"), "{}");
    server_hang_up(s);
    ck_assert_int_eq(write(closed[1], "x", 1), 1);
    server_accept(s);
    server_result(s, server_expect_method(s, "put"), "{\"id\":1}");
}

START_TEST(a_connection_that_was_closed_while_idle_costs_nothing)
{
    int closed[2];
    char byte;
    ck_assert_int_eq(pipe(closed), 0);
    struct server *s = server_start(closes_while_idle, closed);
    struct taskq *q = server_client(s, NULL);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(read(closed[0], &byte, 1), 1);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_OK);
    taskq_close(q);
    server_end(s);
    close(closed[0]);
    close(closed[1]);
}
END_TEST

static void never_answers(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "put");
    ck_assert(!server_read(s));
}

START_TEST(a_reply_that_does_not_come_in_time_is_lost)
{
    struct server *s = server_start(never_answers, NULL);
    struct taskq *q = server_client(s, &(struct taskq_options){.reply_timeout = 0.05});
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    o.timeout = 0.01;
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, &o, NULL), TASKQ_LOST);
    ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "no reply came in time"));
    taskq_close(q);
    server_end(s);
}
END_TEST

// Each of these once: garbage to the first request, the repeated one is lost for good.
static const char *const garbage[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "{}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":1}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{}}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}\n",
    "[]\n",
    "\n",
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":5}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"full house\"}}\n",
};

static void talks_garbage(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "put");
    server_say(s, "%s", (const char *)s->arg);
    server_end_speech(s);
    while (server_read(s))
        ;
}

START_TEST(garbage_from_the_other_side_ends_the_connection)
{
    struct server *s = server_start(talks_garbage, (void *)garbage[_i]);
    struct taskq *q = server_client(s, NULL);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_LOST);
    ck_assert_int_eq(taskq_fd(q), -1);
    if (strstr(garbage[_i], "full house") != NULL)
        ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "full house"));
    taskq_close(q);
    server_end(s);
}
END_TEST

static void turns_away(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "put");
    server_say(s,
               "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32010,\"message\":\"full house\"}}\n");
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "ping"), "{}");
    server_expect_method(s, "put");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32011,\"message\":\"closing\"}}\n");
}

START_TEST(a_connection_that_is_turned_away_has_lost_nothing)
{
    struct server *s = server_start(turns_away, NULL);
    struct taskq *q = server_client(s, NULL);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_OVERLOADED);
    ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "full house"));
    // Where it has answered before, nobody knows how far it came.
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_LOST);
    ck_assert_ptr_nonnull(strstr(taskq_error_message(q), "closing"));
    taskq_close(q);
    server_end(s);
}
END_TEST

static void sends_an_error_that_is_none(struct server *s)
{
    server_accept(s);
    unsigned long id = server_expect_method(s, "ping");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":[]}\n", id);
    id = server_expect_method(s, "put");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":3}}\n");
    server_result(s, id, "{\"id\":-1}");
    server_result(s, server_expect_method(s, "kick"), "[]");
    server_result(s, server_expect_method(s, "get"), "{\"jobs\":[]}");
    server_result(s, server_expect_method(s, "get"), "{\"jobs\":[{\"id\":1,\"queue\":\"q\"}]}");
}

START_TEST(results_of_another_shape_are_refused)
{
    struct server *s = server_start(sends_an_error_that_is_none, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_job job;
    struct taskq_jobs jobs;
    const char *queues[] = {"q"};
    ck_assert_int_eq(taskq_ping(q), TASKQ_PROTOCOL);
    ck_assert_int_eq(taskq_put(q, "q", "1", 1, NULL, NULL), TASKQ_PROTOCOL);
    ck_assert_int_eq(taskq_kick(q, 1, NULL), TASKQ_PROTOCOL);
    ck_assert_int_eq(taskq_get(q, "q", NULL, 0, &job), TASKQ_PROTOCOL);
    ck_assert_int_eq(taskq_get_many(q, queues, 1, 5, NULL, 0, &jobs), TASKQ_PROTOCOL);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void sends_a_byte_at_a_time(struct server *s)
{
    char line[256];
    server_accept(s);
    unsigned long id = server_expect_method(s, "hello");
    int len =
        snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":{\"name\":\"x\"}}\r\n", id);
    for (int i = 0; i < len; i++)
        server_send(s, line + i, 1);
}

START_TEST(a_reply_may_come_in_pieces)
{
    struct server *s = server_start(sends_a_byte_at_a_time, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_text text;
    ck_assert_int_eq(taskq_hello(q, &text), TASKQ_OK);
    ck_assert_str_eq(text.data, "{\"name\":\"x\"}");
    taskq_text_release(&text);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void waits_for_a_cancel(struct server *s)
{
    server_accept(s);
    unsigned long id = server_expect_method(s, "get");
    taskq_interrupt(atomic_load((_Atomic(struct taskq *) *)s->arg));
    char line[128];
    snprintf(line, sizeof(line),
             "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":%lu}}", id);
    server_expect(s, line);
    server_error(s, id, -32800, "taken back");
    id = server_expect_method(s, "get");
    taskq_interrupt(atomic_load((_Atomic(struct taskq *) *)s->arg));
    snprintf(line, sizeof(line),
             "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":%lu}}", id);
    server_expect(s, line);
    server_result(s, id,
                  "{\"id\":4,\"queue\":\"q\",\"priority\":0,\"delivery\":1,\"attempt\":1,\"body\":{}}");
}

START_TEST(a_wait_can_be_interrupted_and_no_job_is_lost_by_it)
{
    _Atomic(struct taskq *) shared = NULL;
    struct taskq_job job;
    struct server *s = server_start(waits_for_a_cancel, &shared);
    struct taskq *q = server_client(s, NULL);
    atomic_store(&shared, q);
    ck_assert_int_eq(taskq_get(q, "q", NULL, TASKQ_FOREVER, &job), TASKQ_REQUEST_CANCELLED);
    ck_assert_int_eq(taskq_get(q, "q", NULL, TASKQ_FOREVER, &job), TASKQ_OK);
    ck_assert_uint_eq(job.id, 4);
    taskq_job_release(&job);
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/call");
    TCase *c = tcase_create("call");
    tcase_add_test(c, a_request_is_one_line_of_json_rpc);
    tcase_add_test(c, every_method_is_a_call);
    tcase_add_test(c, what_is_not_json_is_refused_before_it_is_sent);
    tcase_add_test(c, errors_come_with_the_daemons_words_and_data);
    tcase_add_test(c, results_of_another_shape_are_refused);
    tcase_add_test(c, a_reply_may_come_in_pieces);
    tcase_add_test(c, a_wait_can_be_interrupted_and_no_job_is_lost_by_it);
    suite_add_tcase(s, c);
    TCase *l = tcase_create("loss");
    tcase_add_test(l, a_lost_reply_is_said_or_the_request_repeated);
    tcase_add_test(l, a_connection_that_is_turned_away_has_lost_nothing);
    tcase_add_test(l, a_connection_that_was_closed_while_idle_costs_nothing);
    tcase_add_test(l, a_reply_that_does_not_come_in_time_is_lost);
    tcase_add_loop_test(l, garbage_from_the_other_side_ends_the_connection, 0,
                        (int)(sizeof(garbage) / sizeof(garbage[0])));
    suite_add_tcase(s, l);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
