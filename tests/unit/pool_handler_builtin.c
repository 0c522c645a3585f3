#include "server/pool/handler_builtin.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <stdio.h>
#include <string.h>

START_TEST(echo_gives_the_body_back)
{
    handler_add("q", HANDLER_ECHO);
    handlers_start();
    expect_result(put("q", "{\"a\" : 1e400}"), "{\"a\" : 1e400}");
    struct outcome o = wait_outcome(put_size("q", 'x', 1 << 20));
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, 1 << 20);
    ck_assert_int_eq(o.result->data[1 << 19], 'x');
    outcome_release(&o);
}
END_TEST

START_TEST(noop_has_no_result)
{
    handler_add("q", HANDLER_NOOP);
    handlers_start();
    expect_result(put("q", "{}"), NULL);
}
END_TEST

START_TEST(fail_fails_with_the_body)
{
    handler_add("q", HANDLER_FAIL);
    declare_backoff("q", 1);
    handlers_start();
    expect_failure(put("q", "\"because\""), "\"because\"");
    expect_failure(put_attempts("q", "[1]", 3), "[1]");
    ck_assert_uint_eq(handler_look("q").failed, 4);
}
END_TEST

static int64_t time_of(const char *body)
{
    int64_t start = clock_now().mono;
    expect_result(put("q", body), NULL);
    return clock_now().mono - start;
}

START_TEST(sleep_sleeps)
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    ck_assert_int_ge(time_of("0.3"), 300);
    ck_assert_int_ge(time_of("{\"other\":[9],\"seconds\":0.2}"), 200);
    ck_assert_int_ge(time_of("1e-1"), 100);
    ck_assert_int_lt(time_of("0"), 5000);
}
END_TEST

START_TEST(sleep_wants_seconds)
{
    handler_add("q", HANDLER_SLEEP);
    handlers_start();
    static const char *const bad[] = {"\"1\"", "-1",  "1e400", "1e10",
                                      "null",  "[1]", "{}",    "{\"seconds\":\"1\"}",
                                      "true"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct outcome o = wait_outcome(put("q", bad[i]));
        ck_assert_msg(o.state == JOB_DEAD, "%s", bad[i]);
        ck_assert_mem_eq(o.error->data, "{\"sleep\":\"the body must be seconds", 34);
        outcome_release(&o);
    }
}
END_TEST

START_TEST(sleep_has_a_timeout)
{
    handler_add("q", HANDLER_SLEEP)->timeout = 100;
    handlers_start();
    expect_failure(put("q", "1000"), "{\"timeout\":0.1}");
    expect_result(put("q", "0.01"), NULL);
}
END_TEST

// Not a test of correctness alone: what it prints is the cost of a job that does nothing, put and settled.
START_TEST(many_noops_are_all_done)
{
    const unsigned jobs = SANITIZED ? 20000 : 200000;
    handler_add("q", HANDLER_NOOP)->workers = 2;
    handlers_start();
    int64_t start = clock_ns();
    for (unsigned i = 0; i < jobs; i++)
        put("q", "1");
    WAIT_UNTIL(handler_look("q").done == jobs);
    double seconds = (double)(clock_ns() - start) / 1e9;
    printf("noop: %.0f jobs a second, put and run by 2 workers\n", jobs / seconds);
    fflush(stdout);
    ck_assert_uint_eq(gauges("q").ready + gauges("q").reserved, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {echo_gives_the_body_back, noop_has_no_result,
                                  fail_fails_with_the_body, sleep_sleeps,
                                  sleep_wants_seconds,      sleep_has_a_timeout,
                                  many_noops_are_all_done,  NULL};
    return pool_test_main("pool/handler_builtin", tests);
}
