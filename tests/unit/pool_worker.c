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

// The lease is renewed every two seconds; what a worker hears at once takes much less, be it once in a while
// on a machine that has much else to do.
#define SOON_MS 1000

static void running_job_is_given_up_at_once(void (*end)(uint64_t id))
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    int64_t quickest = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t id = put("q", "1000");
        wait_running("q", 1);
        int64_t start = clock_now().mono;
        end(id);
        int64_t took = clock_now().mono - start;
        quickest = took < quickest ? took : quickest;
    }
    ck_assert_int_lt(quickest, SOON_MS);
    struct handler_view v = handler_look("q");
    ck_assert_uint_eq(v.done + v.failed, 0);
    expect_result(put("q", "0"), NULL);
}

static void cancel_it(uint64_t id)
{
    cancel_running(id);
    expect_cancelled(id);
}

static void delete_it(uint64_t id)
{
    remove_job(id);
    wait_running("q", 0);
}

START_TEST(a_job_that_is_cancelled_while_it_runs_is_given_up_at_once)
{
    running_job_is_given_up_at_once(cancel_it);
}
END_TEST

START_TEST(a_job_that_is_deleted_while_it_runs_is_given_up_at_once)
{
    running_job_is_given_up_at_once(delete_it);
}
END_TEST

// What it is woken for comes before the job that it is about, or together with it.
START_TEST(a_job_may_be_cancelled_on_its_way_to_a_worker)
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    int64_t quickest = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        WAIT_UNTIL(gauges("q").waiting_gets == 1);
        struct put_options o = {.submit = true, .keep_result = -1};
        struct job *j = job_prepare(&o, SLICE("1000"));
        struct put_result put;
        bool yes = false;
        struct moment now = hub_lock(hub);
        enum error e = engine_put(hub_engine(hub), now, SLICE("q"), j, NULL, 0, NULL, &put);
        if (e == ERROR_NONE)
            e = engine_cancel(hub_engine(hub), now, put.id, true, &yes);
        hub_unlock(hub);
        ck_assert_int_eq(e, ERROR_NONE);
        ck_assert(yes);
        expect_cancelled(put.id);
        int64_t took = clock_now().mono - now.mono;
        quickest = took < quickest ? took : quickest;
    }
    ck_assert_int_lt(quickest, SOON_MS);
}
END_TEST

START_TEST(a_job_that_is_over_when_it_is_cancelled_may_be_either)
{
    handler_add("q", HANDLER_ECHO)->workers = 2;
    handlers_start();
    for (int i = 0; i < 300; i++) {
        uint64_t id = put("q", "1");
        bool yes;
        struct moment now = hub_lock(hub);
        enum error e = engine_cancel(hub_engine(hub), now, id, true, &yes);
        hub_unlock(hub);
        ck_assert_int_eq(e, ERROR_NONE);
        struct outcome o = wait_outcome(id);
        ck_assert_int_eq(o.state, yes ? JOB_CANCELLED : JOB_DONE);
        outcome_release(&o);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {jobs_that_were_there_before_the_pool_are_run,
                                  as_many_run_at_a_time_as_there_are_workers,
                                  the_lease_of_a_running_job_is_renewed,
                                  one_handler_serves_several_queues,
                                  handlers_do_not_wait_for_each_other,
                                  a_shut_down_queue_is_emptied_and_left_alone,
                                  a_queue_that_refuses_costs_next_to_nothing,
                                  jobs_may_be_deleted_while_they_run,
                                  a_dropped_queue_is_served_when_it_is_back,
                                  a_job_that_is_cancelled_while_it_runs_is_given_up_at_once,
                                  a_job_that_is_deleted_while_it_runs_is_given_up_at_once,
                                  a_job_may_be_cancelled_on_its_way_to_a_worker,
                                  a_job_that_is_over_when_it_is_cancelled_may_be_either,
                                  NULL};
    return pool_test_main("pool/worker", tests);
}
