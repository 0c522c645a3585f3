#include "client/taskq.h"
#include "tests/unit/client_server.h"

#define SUBMIT(n)                                                                                            \
    "{\"jsonrpc\":\"2.0\",\"id\":" n                                                                         \
    ",\"method\":\"submit\",\"params\":{\"queue\":\"q\",\"body\":1,\"notify\":true}}"

static struct taskq_future *submit(struct taskq *q, const struct taskq_put_options *options,
                                   const struct taskq_future_options *future_options)
{
    struct taskq_future *f;
    ck_assert_int_eq(taskq_future_submit(q, "q", "1", 1, options, future_options, &f), TASKQ_OK);
    return f;
}

static void finish(struct server *s, unsigned id, const char *result)
{
    server_say(s,
               "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":%u,\"state\":\"done\","
               "\"result\":%s}}\n",
               id, result);
}

static void ends_in_another_order(struct server *s)
{
    server_accept(s);
    server_expect(s, SUBMIT("1"));
    server_expect(s, SUBMIT("2"));
    server_expect(s, SUBMIT("3"));
    server_result(s, 1UL, "{\"id\":7}");
    server_result(s, 2UL, "{\"id\":9}");
    server_result(s, 3UL, "{\"id\":71}");
    finish(s, 71, "\"third\"");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":7,\"state\":\"dead\","
                  "\"reason\":\"attempts\",\"attempts\":2,\"error\":{\"exit\":1}}}\n");
    server_say(
        s, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":999,\"state\":\"cancelled\"}}\n");
    unsigned long ping = server_expect_method(s, "ping");
    finish(s, 9, "[2]");
    server_result(s, ping, "{}");
}

START_TEST(futures_get_their_outcomes)
{
    struct server *s = server_start(ends_in_another_order, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *f[3], *next;
    struct taskq_reply reply;
    for (int i = 0; i < 3; i++) {
        f[i] = submit(q, NULL, NULL);
        ck_assert_uint_eq(taskq_future_id(f[i]), 0);
        ck_assert_ptr_null(taskq_future_outcome(f[i]));
    }
    ck_assert_uint_eq(taskq_in_flight(q), 0); // they are nobody else's to receive
    ck_assert_int_eq(taskq_receive(q, 0, &reply), TASKQ_NOTHING);
    ck_assert_int_eq(taskq_future_next(q, TASKQ_FOREVER, &next), TASKQ_OK);
    ck_assert_ptr_eq(next, f[2]);
    ck_assert_str_eq(taskq_future_outcome(next)->result, "\"third\"");
    ck_assert_uint_eq(taskq_future_outcome(next)->id, 71);
    ck_assert_int_eq(taskq_future_wait(f[0], TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(f[0])->error, TASKQ_FAILED);
    ck_assert_str_eq(taskq_future_outcome(f[0])->job_error, "{\"exit\":1}");
    ck_assert_uint_eq(taskq_future_id(f[1]), 9);
    ck_assert_int_eq(taskq_future_wait(f[1], 0), TASKQ_TIMEOUT);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK); // what waits for its reply takes what comes before it
    ck_assert_ptr_nonnull(taskq_future_outcome(f[1]));
    ck_assert_int_eq(taskq_future_next(q, 0, &next), TASKQ_OK); // not the one that was waited for
    ck_assert_ptr_eq(next, f[1]);
    ck_assert_int_eq(taskq_future_next(q, TASKQ_FOREVER, &next), TASKQ_NOTHING);
    ck_assert_uint_eq(taskq_in_flight(q), 0);
    taskq_future_free(f[0]);
    taskq_close(q);
    taskq_future_free(f[1]);
    ck_assert_int_eq(taskq_future_wait(f[2], 0), TASKQ_OK); // a closed handle takes no outcome away
    taskq_future_free(f[2]);
    taskq_future_free(NULL);
    server_end(s);
}
END_TEST

static void hangs_up_twice(struct server *s)
{
    server_accept(s);
    server_result(s, server_expect_method(s, "submit"), "{\"id\":5}");
    server_result(s, server_expect_method(s, "submit"), "{\"id\":6}");
    server_result(s, server_expect_method(s, "submit"), "{\"id\":7}");
    finish(s, 5, "5");
    server_hang_up(s);
    server_accept(s);
    server_expect_method(s, "result");
    server_expect_method(s, "result");
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "result"), "{\"id\":6,\"state\":\"done\",\"result\":66}");
    ck_assert_ptr_nonnull(strstr(s->line, "\"id\":6,"));
    unsigned long second = server_expect_method(s, "result");
    server_say(
        s,
        "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":-32007,\"message\":\"m\",\"data\":{\"name\":"
        "\"failed\",\"id\":7,\"state\":\"dead\",\"reason\":\"lost\",\"attempts\":0,\"error\":null}}}\n",
        second);
}

START_TEST(after_a_loss_the_results_are_asked_for)
{
    struct server *s = server_start(hangs_up_twice, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = submit(q, NULL, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(taskq_future_wait(f[2 - i], TASKQ_FOREVER), TASKQ_OK);
    ck_assert_str_eq(taskq_future_outcome(f[0])->result, "5"); // it came before the loss
    ck_assert_str_eq(taskq_future_outcome(f[1])->result, "66");
    ck_assert_str_eq(taskq_future_outcome(f[2])->reason, "lost");
    for (int i = 0; i < 3; i++)
        taskq_future_free(f[i]);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void loses_two_submits(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "submit");
    server_expect_method(s, "submit");
    ck_assert_ptr_nonnull(strstr(s->line, "\"key\":\"k\""));
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "submit"), "{\"id\":4,\"existing\":true}");
    ck_assert_ptr_nonnull(strstr(s->line, "\"key\":\"k\""));
    finish(s, 4, "4");
    ck_assert(!server_read(s));
}

START_TEST(a_lost_submit_is_sent_again_if_it_has_a_key)
{
    struct server *s = server_start(loses_two_submits, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    struct taskq_future *without = submit(q, NULL, NULL);
    o.key = "k";
    struct taskq_future *with = submit(q, &o, NULL);
    ck_assert_int_eq(taskq_future_wait(without, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(without)->error, TASKQ_LOST);
    ck_assert_uint_eq(taskq_future_outcome(without)->id, 0);
    ck_assert_int_eq(taskq_future_wait(with, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_str_eq(taskq_future_outcome(with)->result, "4");
    taskq_future_free(with);
    taskq_future_free(without);
    taskq_close(q);
    server_end(s);
}
END_TEST

#define BOUND 400 // how many submits may be unanswered
#define OVER  10

static void loses_the_first_lot(struct server *s)
{
    char text[64];
    server_accept(s);
    for (int i = 0; i < BOUND; i++)
        server_expect_method(s, "submit");
    server_hang_up(s);
    server_accept(s);
    for (int i = 0; i < BOUND + OVER; i++) {
        unsigned long request = server_expect_method(s, "submit");
        snprintf(text, sizeof(text), "\"body\":%d,", i);
        ck_assert_msg(strstr(s->line, text) != NULL, "%s comes as number %d", s->line, i);
        snprintf(text, sizeof(text), "{\"id\":%d}", i + 1);
        server_result(s, request, text);
        finish(s, (unsigned)i + 1, "0");
    }
}

START_TEST(what_is_sent_again_goes_before_what_was_not_sent)
{
    struct server *s = server_start(loses_the_first_lot, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    struct taskq_future *f;
    o.key = "k";
    for (int i = 0; i < BOUND + OVER; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        ck_assert_int_eq(taskq_future_submit(q, "q", body, TASKQ_NUL, &o, NULL, &f), TASKQ_OK);
    }
    for (int i = 0; i < BOUND + OVER; i++) {
        ck_assert_int_eq(taskq_future_next(q, TASKQ_FOREVER, &f), TASKQ_OK);
        ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_OK);
        taskq_future_free(f);
    }
    taskq_close(q);
    server_end(s);
}
END_TEST

#define MANY 1000

// Answers each question for a job only the second time it is asked, and counts how many wait.
static void answers_late(struct server *s)
{
    static bool asked[MANY + 1];
    unsigned open = 0;
    server_accept(s);
    for (unsigned i = 1; i <= MANY; i++) {
        char result[32];
        snprintf(result, sizeof(result), "{\"id\":%u}", i);
        server_result(s, server_expect_method(s, "submit"), result);
    }
    server_hang_up(s);
    server_accept(s);
    for (unsigned done = 0; done < MANY;) {
        unsigned id;
        unsigned long requests[400];
        unsigned ids[400];
        // All that may be asked at once are, before the first is answered.
        for (open = 0; open < 400 && open < MANY - done; open++) {
            requests[open] = server_expect_method(s, "result");
            const char *timeout = strstr(s->line, "\"timeout\":");
            ck_assert_int_eq(sscanf(strstr(s->line, "\"params\":"), "\"params\":{\"id\":%u", &id), 1);
            ck_assert_ptr_nonnull(timeout);
            // Nobody keeps a place for long while others wait for one.
            ck_assert_double_le(atof(timeout + strlen("\"timeout\":")), MANY - done > BOUND ? 2 : 10);
            ids[open] = id;
        }
        for (unsigned i = 0; i < open; i++) {
            char result[64];
            snprintf(result, sizeof(result), "{\"id\":%u,\"state\":\"done\",\"result\":%u}", ids[i], ids[i]);
            if (asked[ids[i]]) {
                server_result(s, requests[i], result);
                done++;
            } else {
                server_error(s, requests[i], -32006, "not yet");
            }
            asked[ids[i]] = true;
        }
    }
}

START_TEST(many_are_asked_for_in_turns)
{
    struct server *s = server_start(answers_late, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *f;
    uint64_t sum = 0;
    for (int i = 0; i < MANY; i++)
        submit(q, NULL, NULL);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(taskq_future_next(q, TASKQ_FOREVER, &f), TASKQ_OK);
        ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_OK);
        ck_assert_uint_eq(strtoul(taskq_future_outcome(f)->result, NULL, 10), taskq_future_id(f));
        sum += taskq_future_id(f);
        taskq_future_free(f);
    }
    ck_assert_uint_eq(sum, MANY * (MANY + 1) / 2);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void is_overloaded_once(struct server *s)
{
    server_accept(s);
    server_error(s, server_expect_method(s, "submit"), -32010, "not now");
    server_result(s, server_expect_method(s, "submit"), "{\"id\":3}");
    finish(s, 3, "true");
    server_error(s, server_expect_method(s, "result"), -32010, "not now");
    server_result(s, server_expect_method(s, "result"), "{\"id\":5,\"state\":\"done\",\"result\":5}");
}

START_TEST(what_is_refused_for_now_is_tried_again)
{
    struct server *s = server_start(is_overloaded_once, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *f = submit(q, NULL, NULL);
    ck_assert_int_eq(taskq_future_wait(f, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_OK);
    taskq_future_free(f);
    ck_assert_int_eq(taskq_future_of(q, 5, NULL, &f), TASKQ_OK);
    ck_assert_int_eq(taskq_future_wait(f, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_str_eq(taskq_future_outcome(f)->result, "5");
    taskq_future_free(f);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void refuses(struct server *s)
{
    server_accept(s);
    server_error(s, server_expect_method(s, "submit"), -32002, "no room");
    server_result(s, server_expect_method(s, "submit"), "{\"id\":3}");
    ck_assert(server_read(s)); // the test is done with it
}

START_TEST(patience_has_an_end_and_a_future_outlives_it)
{
    struct server *s = server_start(refuses, NULL);
    struct taskq *q = server_client(s, &(struct taskq_options){.patience = 0.2});
    struct taskq_future *refused = submit(q, NULL, NULL), *open = submit(q, NULL, NULL);
    ck_assert_int_eq(taskq_future_wait(refused, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(refused)->error, TASKQ_FULL);
    ck_assert_str_eq(taskq_future_outcome(refused)->message, "no room");
    ck_assert_int_eq(taskq_future_wait(open, 0.01), TASKQ_TIMEOUT);
    ck_assert_int_eq(taskq_send(q, "ping", NULL, 0, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_flush(q), TASKQ_OK);
    server_end(s); // nobody listens there any more
    ck_assert_int_eq(taskq_future_wait(open, TASKQ_FOREVER), TASKQ_NO_DAEMON);
    ck_assert_ptr_null(taskq_future_outcome(open));
    ck_assert_int_eq(taskq_future_wait(open, 0.01), TASKQ_TIMEOUT); // it may be tried again
    taskq_close(q);
    ck_assert_int_eq(taskq_future_wait(open, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(open)->error, TASKQ_LOST);
    ck_assert_uint_eq(taskq_future_outcome(open)->id, 3);
    taskq_future_free(open);
    taskq_future_free(refused);
}
END_TEST

static void reports(struct server *s)
{
    server_accept(s);
    unsigned long submit = server_expect_method(s, "submit");
    ck_assert_ptr_nonnull(strstr(s->line, "\"notify\":true,\"progress\":true"));
    server_result(s, submit, "{\"id\":3}");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":3,\"done\":1,\"total\":4,"
                  "\"message\":\"a\\nb\"}}\n");
    server_result(s, server_expect_method(s, "ping"), "{}");
    server_expect_method(s, "ping");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":3,\"message\":\"c\"}}\n");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":3,\"done\":2.5}}\n");
    finish(s, 3, "0");
    server_result(s, 3UL, "{}");
}

struct calls {
    int reports, ends;
    struct taskq_report last;
    char message[16];
};

static void on_report(struct taskq_future *f, const struct taskq_report *report, void *arg)
{
    struct calls *c = arg;
    ck_assert_ptr_null(taskq_future_outcome(f));
    c->reports++;
    c->last = *report;
    snprintf(c->message, sizeof(c->message), "%s", report->message != NULL ? report->message : "-");
}

static void on_end(struct taskq_future *f, void *arg)
{
    struct calls *c = arg;
    c->ends++;
    ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_OK);
    taskq_future_free(f);
}

START_TEST(callbacks_are_called_by_dispatch_alone)
{
    struct server *s = server_start(reports, NULL);
    struct taskq *q = server_client(s, NULL);
    struct calls c = {0};
    struct taskq_report report;
    struct taskq_future *f =
        submit(q, NULL, &(struct taskq_future_options){.ended = on_end, .progressed = on_report, .arg = &c});
    ck_assert(!taskq_future_report(f, &report));
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(c.reports, 0);
    ck_assert(taskq_future_report(f, &report));
    ck_assert_double_eq(report.total, 4);
    ck_assert_int_eq(taskq_dispatch(q, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(c.reports, 1);
    ck_assert_double_eq(c.last.done, 1);
    ck_assert_double_eq(c.last.total, 4);
    ck_assert_str_eq(c.message, "a\nb");
    ck_assert_int_eq(taskq_dispatch(q, 0), TASKQ_TIMEOUT);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(taskq_dispatch(q, 0), TASKQ_OK);
    ck_assert_int_eq(c.reports, 1); // none after the end
    ck_assert_int_eq(c.ends, 1);
    ck_assert_int_eq(taskq_dispatch(q, TASKQ_FOREVER), TASKQ_NOTHING);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void cancels(struct server *s)
{
    server_accept(s);
    unsigned long first = server_expect_method(s, "submit"); // it waits for room
    unsigned long second = server_expect_method(s, "submit");
    server_result(s, second, "{\"id\":3}");
    ck_assert(server_read(s));
    ck_assert_ptr_nonnull(strstr(s->line, "\"$/cancelRequest\",\"params\":{\"id\":1}"));
    server_error(s, first, -32800, "taken back");
    unsigned long cancel = server_expect_method(s, "cancel");
    ck_assert_ptr_nonnull(strstr(s->line, "{\"id\":3,\"running\":true}"));
    server_result(s, cancel, "{\"cancelled\":true}");
    server_say(
        s, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":3,\"state\":\"cancelled\"}}\n");
}

START_TEST(a_future_can_be_cancelled_wherever_it_is)
{
    struct server *s = server_start(cancels, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *waits = submit(q, NULL, NULL), *put = submit(q, NULL, NULL);
    bool cancelled = false;
    ck_assert_int_eq(taskq_future_cancel(waits, false, &cancelled), TASKQ_OK);
    ck_assert(cancelled);
    ck_assert_int_eq(taskq_future_outcome(waits)->error, TASKQ_CANCELLED);
    cancelled = false;
    ck_assert_int_eq(taskq_future_cancel(put, true, &cancelled), TASKQ_OK);
    ck_assert(cancelled);
    ck_assert_int_eq(taskq_future_wait(put, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_outcome(put)->error, TASKQ_CANCELLED);
    ck_assert_int_eq(taskq_future_cancel(put, true, &cancelled), TASKQ_OK);
    ck_assert(!cancelled);
    taskq_future_free(waits);
    taskq_future_free(put);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void answers_a_question_late(struct server *s)
{
    server_accept(s);
    server_result(s, server_expect_method(s, "submit"), "{\"id\":3}");
    unsigned long result = server_expect_method(s, "result");
    finish(s, 3, "1");
    ck_assert(server_read(s));
    ck_assert_ptr_nonnull(strstr(s->line, "$/cancelRequest"));
    server_result(s, result, "{\"id\":3,\"state\":\"done\",\"result\":1}");
    server_result(s, server_expect_method(s, "ping"), "{}");
}

START_TEST(one_notification_ends_all_futures_of_a_job)
{
    struct server *s = server_start(answers_a_question_late, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *told = submit(q, NULL, NULL), *asked;
    while (taskq_future_id(told) == 0)
        ck_assert_int_eq(taskq_future_wait(told, 0.001), TASKQ_TIMEOUT);
    ck_assert_int_eq(taskq_future_of(q, 3, NULL, &asked), TASKQ_OK);
    ck_assert_int_eq(taskq_future_wait(asked, TASKQ_FOREVER), TASKQ_OK);
    ck_assert_int_eq(taskq_future_wait(told, 0), TASKQ_OK);
    taskq_future_free(asked);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK); // and what comes late for one that is gone is passed over
    taskq_future_free(told);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void answers_what_nobody_wants(struct server *s)
{
    server_accept(s);
    unsigned long submit = server_expect_method(s, "submit");
    unsigned long result = server_expect_method(s, "result");
    ck_assert(server_read(s));
    ck_assert_ptr_nonnull(strstr(s->line, "\"$/cancelRequest\",\"params\":{\"id\":2}"));
    unsigned long ping = server_expect_method(s, "ping");
    server_result(s, submit, "{\"id\":3}");
    server_error(s, result, -32800, "taken back");
    finish(s, 3, "1");
    server_result(s, ping, "{}");
    ck_assert(!server_read(s));
}

START_TEST(what_comes_for_a_freed_future_is_passed_over)
{
    struct server *s = server_start(answers_what_nobody_wants, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_future *of, *next;
    struct taskq_future *f = submit(q, NULL, NULL);
    ck_assert_int_eq(taskq_future_of(q, 17, NULL, &of), TASKQ_OK);
    ck_assert_uint_eq(taskq_future_id(of), 17);
    taskq_future_free(f);
    taskq_future_free(of);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(taskq_future_next(q, TASKQ_FOREVER, &next), TASKQ_NOTHING);
    ck_assert_int_eq(taskq_future_of(q, 0, NULL, &of), TASKQ_USAGE);
    ck_assert_int_eq(taskq_future_submit(q, "q", "[", 1, NULL, NULL, &f), TASKQ_USAGE);
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/futures");
    TCase *c = tcase_create("all");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, futures_get_their_outcomes);
    tcase_add_test(c, after_a_loss_the_results_are_asked_for);
    tcase_add_test(c, a_lost_submit_is_sent_again_if_it_has_a_key);
    tcase_add_test(c, what_is_sent_again_goes_before_what_was_not_sent);
    tcase_add_test(c, many_are_asked_for_in_turns);
    tcase_add_test(c, what_is_refused_for_now_is_tried_again);
    tcase_add_test(c, patience_has_an_end_and_a_future_outlives_it);
    tcase_add_test(c, callbacks_are_called_by_dispatch_alone);
    tcase_add_test(c, a_future_can_be_cancelled_wherever_it_is);
    tcase_add_test(c, one_notification_ends_all_futures_of_a_job);
    tcase_add_test(c, what_comes_for_a_freed_future_is_passed_over);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
