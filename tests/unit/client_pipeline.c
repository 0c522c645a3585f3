#include "client/taskq.h"
#include "tests/unit/client_server.h"

#define MANY 20000

static void answers_out_of_order(struct server *s)
{
    server_accept(s);
    unsigned long get = server_expect_method(s, "get");
    unsigned long put = server_expect_method(s, "put");
    unsigned long ack = server_expect_method(s, "ack");
    unsigned long ping = server_expect_method(s, "ping");
    server_result(s, put, "{\"id\":8}");
    server_result(s, ping, "{}");
    server_error(s, ack, -32004, "not yours");
    server_result(
        s, get,
        "{\"jobs\":[{\"id\":1,\"queue\":\"a\",\"priority\":-0.5,\"delivery\":2,\"attempt\":3,\"body\":[ 1]},"
        "{\"id\":4,\"queue\":\"\\u00e9\\\"\",\"priority\":0,\"delivery\":5,\"attempt\":1,\"body\":\"x\"}]}");
}

START_TEST(replies_find_their_requests)
{
    struct server *s = server_start(answers_out_of_order, NULL);
    struct taskq *q = server_client(s, NULL);
    const char *queues[] = {"a", "b"};
    uint64_t get, put, ack;
    struct taskq_reply reply;
    struct taskq_put_result result;
    struct taskq_jobs jobs;
    ck_assert_int_eq(taskq_get_send(q, queues, 2, 10, NULL, TASKQ_FOREVER, &get), TASKQ_OK);
    ck_assert_int_eq(taskq_put_send(q, "a", "1", 1, NULL, &put), TASKQ_OK);
    ck_assert_int_eq(taskq_ack_send(q, 3, 0, NULL, 0, &ack), TASKQ_OK);
    ck_assert_uint_eq(taskq_in_flight(q), 3);
    // A call that waits goes between them.
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);

    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
    ck_assert_uint_eq(reply.request, put);
    ck_assert_int_eq(taskq_reply_put(q, &reply, &result), TASKQ_OK);
    ck_assert_uint_eq(result.id, 8);
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
    ck_assert_uint_eq(reply.request, ack);
    ck_assert_int_eq(reply.error, TASKQ_NOT_RESERVED);
    ck_assert_str_eq(reply.message, "not yours");
    ck_assert_int_eq(taskq_reply_put(q, &reply, &result), TASKQ_NOT_RESERVED);
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
    ck_assert_uint_eq(reply.request, get);
    ck_assert_int_eq(taskq_reply_jobs(q, &reply, &jobs), TASKQ_OK);
    ck_assert_uint_eq(jobs.count, 2);
    ck_assert_double_eq(jobs.jobs[0].priority, -0.5);
    ck_assert_uint_eq(jobs.jobs[0].attempt, 3);
    ck_assert_str_eq(jobs.jobs[0].body, "[ 1]");
    ck_assert_uint_eq(jobs.jobs[0].body_len, 4);
    ck_assert_uint_eq(jobs.jobs[1].delivery, 5);
    ck_assert_str_eq(jobs.jobs[1].queue, "\xc3\xa9\"");
    taskq_jobs_release(&jobs);
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_NOTHING);
    ck_assert_int_eq(taskq_receive(q, 0, &reply), TASKQ_NOTHING);
    taskq_close(q);
    server_end(s);
}
END_TEST

// Reads only when told that all was sent, so its replies and the client's requests pile up in both
// directions.
static void answers_everything(struct server *s)
{
    server_accept(s);
    for (int i = 0; i < MANY; i++)
        server_result(s, server_expect_method(s, "put"), "{\"id\":9007199254740991}");
}

START_TEST(any_number_may_be_in_flight_before_the_first_is_received)
{
    struct server *s = server_start(answers_everything, NULL);
    struct taskq *q = server_client(s, NULL);
    static char body[1000];
    uint64_t request;
    struct taskq_reply reply;
    memset(body, '1', sizeof(body));
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(taskq_put_send(q, "q", body, sizeof(body), NULL, &request), TASKQ_OK);
    ck_assert_int_eq(taskq_flush(q), TASKQ_OK);
    for (uint64_t i = 1; i <= MANY; i++) {
        ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
        ck_assert_uint_eq(reply.request, i);
        ck_assert_int_eq(reply.error, TASKQ_OK);
    }
    ck_assert_uint_eq(taskq_in_flight(q), 0);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void answers_two_of_four(struct server *s)
{
    server_accept(s);
    for (int i = 0; i < 2; i++)
        server_result(s, server_expect_method(s, "put"), "{\"id\":1}");
    server_expect_method(s, "put");
    server_expect_method(s, "put");
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "ping"), "{}");
}

START_TEST(a_loss_is_told_for_each_request_and_does_not_take_what_came)
{
    struct server *s = server_start(answers_two_of_four, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_reply reply;
    uint64_t request;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(taskq_put_send(q, "q", "1", 1, NULL, &request), TASKQ_OK);
    for (uint64_t i = 1; i <= 4; i++) {
        ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
        ck_assert_uint_eq(reply.request, i);
        ck_assert_int_eq(reply.error, i <= 2 ? TASKQ_OK : TASKQ_LOST);
    }
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_NOTHING);
    ck_assert_int_eq(taskq_fd(q), -1);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

START_TEST(a_loss_is_told_also_when_the_next_call_comes_first)
{
    struct server *s = server_start(answers_two_of_four, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_reply reply;
    uint64_t request;
    int ok = 0, lost = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(taskq_put_send(q, "q", "1", 1, NULL, &request), TASKQ_OK);
    ck_assert_int_eq(taskq_flush(q), TASKQ_OK);
    // The ping finds the connection closed, and is said on a new one.
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    while (taskq_receive(q, TASKQ_FOREVER, &reply) == TASKQ_OK) {
        ok += reply.error == TASKQ_OK;
        lost += reply.error == TASKQ_LOST;
    }
    ck_assert_int_eq(ok, 2);
    ck_assert_int_eq(lost, 2);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void answers_three_and_reads_no_more(struct server *s)
{
    server_accept(s);
    for (int i = 0; i < 3; i++)
        server_result(s, server_expect_method(s, "put"), "{\"id\":1}");
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "put"), "{\"id\":2}");
}

START_TEST(replies_that_came_before_a_loss_outlive_the_next_connection)
{
    struct server *s = server_start(answers_three_and_reads_no_more, NULL);
    struct taskq *q = server_client(s, NULL);
    static char body[100000];
    struct taskq_reply reply;
    uint64_t request;
    int ok = 0;
    memset(body, '1', sizeof(body));
    // Until the connection breaks while this end still writes, and has read what the other said.
    for (int i = 0; i < 10000 && taskq_fd(q) >= 0; i++)
        ck_assert_int_eq(taskq_put_send(q, "q", body, sizeof(body), NULL, &request), TASKQ_OK);
    ck_assert_int_eq(taskq_fd(q), -1);
    ck_assert_int_eq(taskq_put_send(q, "q", "1", 1, NULL, &request), TASKQ_OK);
    ck_assert_int_ge(taskq_fd(q), 0);
    while (taskq_receive(q, TASKQ_FOREVER, &reply) == TASKQ_OK)
        ok += reply.error == TASKQ_OK;
    ck_assert_int_eq(ok, 4);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void takes_a_refusal_back(struct server *s)
{
    server_accept(s);
    server_expect_method(s, "put");
    unsigned long longer = server_expect_method(s, "put");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32009,\"message\":\"too long\"}}\n");
    server_result(s, longer, "{\"id\":3}");
    ck_assert(!server_read(s));
}

START_TEST(a_second_answer_to_one_request_ends_the_connection)
{
    struct server *s = server_start(takes_a_refusal_back, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_reply reply;
    uint64_t shorter, longer;
    taskq_put_send(q, "q", "1", 1, NULL, &shorter);
    taskq_put_send(q, "q", "\"long\"", 6, NULL, &longer);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
        ck_assert_int_eq(reply.error, reply.request == longer ? TASKQ_TOO_LARGE : TASKQ_LOST);
    }
    ck_assert_int_eq(taskq_fd(q), -1);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void refuses_the_long_one(struct server *s)
{
    server_accept(s);
    unsigned long first = server_expect_method(s, "put");
    server_expect_method(s, "put"); // a daemon would not even read its id
    unsigned long third = server_expect_method(s, "put");
    server_result(s, first, "{\"id\":1}");
    server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32009,\"message\":\"too long\"}}\n");
    server_result(s, third, "{\"id\":3}");
}

START_TEST(a_line_that_was_too_long_is_told_as_too_large)
{
    struct server *s = server_start(refuses_the_long_one, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_reply reply;
    uint64_t requests[3];
    enum taskq_error errors[3] = {TASKQ_NOTHING, TASKQ_NOTHING, TASKQ_NOTHING};
    taskq_put_send(q, "q", "1", 1, NULL, &requests[0]);
    taskq_put_send(q, "q", "\"long\"", 6, NULL, &requests[1]);
    taskq_put_send(q, "q", "3", 1, NULL, &requests[2]);
    while (taskq_receive(q, TASKQ_FOREVER, &reply) == TASKQ_OK)
        for (int i = 0; i < 3; i++)
            if (reply.request == requests[i])
                errors[i] = reply.error;
    ck_assert_int_eq(errors[0], TASKQ_OK);
    ck_assert_int_eq(errors[1], TASKQ_TOO_LARGE);
    ck_assert_int_eq(errors[2], TASKQ_OK);
    ck_assert_int_ge(taskq_fd(q), 0);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void says_nothing(struct server *s)
{
    server_accept(s);
    while (server_read(s))
        ;
}

START_TEST(receiving_ends_in_time_or_when_interrupted)
{
    struct server *s = server_start(says_nothing, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_reply reply;
    ck_assert_int_eq(taskq_send(q, "join", "{\"queue\":\"q\"}", TASKQ_NUL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_receive(q, 0.02, &reply), TASKQ_TIMEOUT);
    taskq_interrupt(q);
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_REQUEST_CANCELLED);
    ck_assert_uint_eq(taskq_in_flight(q), 1);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void floods(struct server *s)
{
    static char much[100000];
    server_accept(s);
    server_expect_method(s, "ping");
    memset(much, ' ', sizeof(much));
    for (;;) // until the client hangs up
        if (server_send_some(s, much, sizeof(much)) <= 0)
            break;
}

START_TEST(a_reply_without_an_end_is_given_up)
{
    struct server *s = server_start(floods, NULL);
    struct taskq *q = server_client(s, &(struct taskq_options){.max_reply = 1000000});
    struct taskq_reply reply;
    ck_assert_int_eq(taskq_send(q, "ping", NULL, 0, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_receive(q, TASKQ_FOREVER, &reply), TASKQ_OK);
    ck_assert_int_eq(reply.error, TASKQ_LOST);
    ck_assert_ptr_nonnull(strstr(reply.message, "longer than"));
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/pipeline");
    TCase *c = tcase_create("pipeline");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, replies_find_their_requests);
    tcase_add_test(c, any_number_may_be_in_flight_before_the_first_is_received);
    tcase_add_test(c, a_loss_is_told_for_each_request_and_does_not_take_what_came);
    tcase_add_test(c, a_loss_is_told_also_when_the_next_call_comes_first);
    tcase_add_test(c, replies_that_came_before_a_loss_outlive_the_next_connection);
    tcase_add_test(c, a_second_answer_to_one_request_ends_the_connection);
    tcase_add_test(c, a_line_that_was_too_long_is_told_as_too_large);
    tcase_add_test(c, receiving_ends_in_time_or_when_interrupted);
    tcase_add_test(c, a_reply_without_an_end_is_given_up);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
