#include "server/pool/worker.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <stdio.h>
#include <time.h>

START_TEST(jobs_that_were_there_before_the_pool_are_run)
{
    uint64_t ids[100];
    for (int i = 0; i < 100; i++)
        ids[i] = put("q", "1");
    handler_add("q", HANDLER_ECHO)->workers = 3;
    handlers_start();
    for (int i = 0; i < 100; i++)
        expect_result(ids[i], "1");
}
END_TEST

START_TEST(as_many_run_at_a_time_as_there_are_workers)
{
    handler_add("q", HANDLER_SLEEP)->workers = 3;
    handlers_start();
    for (int i = 0; i < 10; i++)
        put("q", "1000");
    wait_running("q", 3);
    ck_assert_uint_eq(gauges("q").reserved, 3);
    ck_assert_uint_eq(gauges("q").ready, 7);
}
END_TEST

START_TEST(the_lease_of_a_running_job_is_renewed)
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    uint64_t id = put("q", "1000");
    wait_state(id, JOB_RESERVED);
    struct job_view v;
    int64_t lowest = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        WAIT_UNTIL(look(id, &v) && (lowest = v.left < lowest ? v.left : lowest) < v.left);
        ck_assert_int_eq(v.state, JOB_RESERVED);
        lowest = INT64_MAX;
    }
}
END_TEST

START_TEST(one_handler_serves_several_queues)
{
    struct handler_settings *s = handler_add("h", HANDLER_ECHO);
    ck_assert(handler_texts_add(&s->queues, "a"));
    ck_assert(handler_texts_add(&s->queues, "b"));
    handlers_start();
    expect_result(put("a", "1"), "1");
    expect_result(put("b", "2"), "2");
}
END_TEST

START_TEST(handlers_do_not_wait_for_each_other)
{
    handler_add("slow", HANDLER_SLEEP);
    handler_add("quick", HANDLER_ECHO);
    handlers_start();
    put("slow", "1000");
    put("slow", "1000");
    wait_running("slow", 1);
    expect_result(put("quick", "1"), "1");
}
END_TEST

START_TEST(a_shut_down_queue_is_emptied_and_left_alone)
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    uint64_t first = put("q", "0.1"), second = put("q", "0.1");
    shut_down("q");
    expect_result(first, NULL);
    expect_result(second, NULL);
    drop_queue("q");
    expect_result(put("q", "0"), NULL); // it is looked for again
}
END_TEST

// What cannot be had is asked for now and then, not in a circle.
START_TEST(a_queue_that_refuses_costs_next_to_nothing)
{
    handler_add("q", HANDLER_ECHO)->workers = 4;
    shut_down("q");
    handlers_start();
    int64_t start = clock_now().mono;
    clock_t cpu = clock();
    WAIT_UNTIL(clock_now().mono > start + 800);
    ck_assert_int_lt((clock() - cpu) * 1000 / CLOCKS_PER_SEC, 400);
}
END_TEST

// The bytes that a job is run on must not be those that go with it.
START_TEST(jobs_may_be_deleted_while_they_run)
{
    handler_add("q", HANDLER_ECHO)->workers = 3;
    handlers_start();
    for (int round = 0; round < 30; round++) {
        uint64_t ids[100];
        for (int i = 0; i < 100; i++)
            ids[i] = put("q", "\"a body that has some length, so that it is more than a word\"");
        for (int i = 0; i < 100; i++)
            remove_job(ids[i]);
    }
    expect_result(put("q", "3"), "3");
}
END_TEST

START_TEST(a_dropped_queue_is_served_when_it_is_back)
{
    handler_add("q", HANDLER_ECHO)->workers = 2;
    handlers_start();
    for (int i = 0; i < 20; i++) {
        expect_result(put("q", "1"), "1");
        drop_queue("q");
    }
    expect_result(put("q", "2"), "2");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        jobs_that_were_there_before_the_pool_are_run, as_many_run_at_a_time_as_there_are_workers,
        the_lease_of_a_running_job_is_renewed,        one_handler_serves_several_queues,
        handlers_do_not_wait_for_each_other,          a_shut_down_queue_is_emptied_and_left_alone,
        a_queue_that_refuses_costs_next_to_nothing,   jobs_may_be_deleted_while_they_run,
        a_dropped_queue_is_served_when_it_is_back,    NULL};
    return pool_test_main("pool/worker", tests);
}
