#include "server/pool/pool.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static bool is_untouched(uint64_t id)
{
    struct job_view v;
    return look(id, &v) && v.state == JOB_READY && v.attempts == 0 && v.lost == 0;
}

static bool fd_is_readable(void)
{
    struct pollfd fd = {.fd = pool_fd(pool), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

START_TEST(an_idle_pool_drains_at_once)
{
    handler_add("a", HANDLER_NOOP)->workers = 5;
    exec_add("b", ARGV("true"))->workers = 5;
    handlers_start();
    expect_result(put("a", "1"), NULL);
    ck_assert(!fd_is_readable());
    ck_assert(!pool_drained(pool));
    pool_drain(pool, 1000000);
    wait_drained();
    uint64_t id = put("a", "1");
    pool_end();
    ck_assert(is_untouched(id));
}
END_TEST

START_TEST(a_pool_without_handlers_is_drained_when_asked)
{
    handlers_start();
    ck_assert(!fd_is_readable());
    pool_drain(pool, 1000);
    wait_drained();
}
END_TEST

START_TEST(what_runs_may_finish_and_nothing_new_begins)
{
    exec_add("exec", SH("sleep 0.3; echo 1"));
    handler_add("sleep", HANDLER_SLEEP);
    handlers_start();
    uint64_t a = put("exec", "1"), b = put("sleep", "0.3");
    wait_running("exec", 1);
    wait_running("sleep", 1);
    uint64_t c = put("exec", "1"), d = put("sleep", "0.3");
    pool_drain(pool, PATIENCE_MS);
    ck_assert(!pool_drained(pool));
    wait_drained();
    expect_result(a, "1");
    expect_result(b, NULL);
    ck_assert(is_untouched(c));
    ck_assert(is_untouched(d));
}
END_TEST

START_TEST(what_does_not_finish_in_time_is_killed_and_released_uncounted)
{
    char script[400];
    snprintf(script, sizeof script, "trap '' TERM; echo $$ > '%s'; while :; do sleep 1000; done",
             scratch("pid"));
    exec_add("exec", SH(script));
    handler_add("sleep", HANDLER_SLEEP);
    handlers_start();
    uint64_t a = put("exec", "1"), b = put("sleep", "1000");
    int pid = wait_pid_file(scratch("pid"));
    wait_running("sleep", 1);
    int64_t start = clock_now().mono;
    pool_drain(pool, 300);
    ck_assert(alive(pid));
    wait_drained();
    ck_assert_int_ge(clock_now().mono - start, 300);
    ck_assert(!alive(pid));
    ck_assert(is_untouched(a));
    ck_assert(is_untouched(b));
}
END_TEST

START_TEST(a_second_call_hurries_the_first)
{
    exec_add("exec", ARGV("sleep", "1000"));
    handlers_start();
    uint64_t id = put("exec", "1");
    wait_running("exec", 1);
    pool_drain(pool, 1000000);
    ck_assert(!pool_drained(pool));
    pool_hurry(pool);
    wait_drained();
    ck_assert(is_untouched(id));
}
END_TEST

START_TEST(a_second_call_does_not_lengthen_the_first)
{
    exec_add("exec", ARGV("sleep", "1000"));
    handlers_start();
    uint64_t id = put("exec", "1");
    wait_running("exec", 1);
    pool_drain(pool, 200);
    pool_drain(pool, 1000000);
    wait_drained();
    ck_assert(is_untouched(id));
}
END_TEST

START_TEST(daemon_handlers_are_not_waited_for)
{
    exec_add("exec", ARGV("sleep", "1000"))->daemon = true;
    handler_add("sleep", HANDLER_SLEEP)->daemon = true;
    handler_add("other", HANDLER_SLEEP);
    handlers_start();
    uint64_t a = put("exec", "1"), b = put("sleep", "1000"), c = put("other", "0.5");
    wait_running("exec", 1);
    wait_running("sleep", 1);
    wait_running("other", 1);
    ck_assert(handler_look("sleep").daemon);
    ck_assert(!handler_look("other").daemon);
    pool_drain(pool, 1000000);
    wait_drained();
    ck_assert(is_untouched(a));
    ck_assert(is_untouched(b));
    expect_result(c, NULL);
}
END_TEST

START_TEST(a_stop_ends_what_runs)
{
    exec_add("exec", ARGV("sleep", "1000"))->workers = 3;
    handler_add("sleep", HANDLER_SLEEP)->workers = 3;
    size_t before = count_descriptors(getpid());
    handlers_start();
    uint64_t ids[6];
    for (int i = 0; i < 6; i++)
        ids[i] = put(i % 2 ? "exec" : "sleep", "1000");
    wait_running("exec", 3);
    wait_running("sleep", 3);
    pool_end();
    for (int i = 0; i < 6; i++)
        ck_assert(is_untouched(ids[i]));
    ck_assert_uint_eq(count_descriptors(getpid()), before); // no pipe of those that were killed is left
    expect_no_children_of_spawner();
}
END_TEST

// Jobs are handed to waiting workers in the moment of the drain: each is done or back as it was.
START_TEST(no_job_is_lost_between_a_put_and_a_drain)
{
    enum { JOBS = 50 };
    handler_add("q", HANDLER_SLEEP)->workers = 8;
    handlers_start();
    uint64_t ids[JOBS];
    for (int i = 0; i < JOBS; i++) {
        ids[i] = put("q", "0");
        if (i == JOBS / 2)
            pool_drain(pool, PATIENCE_MS);
    }
    wait_drained();
    unsigned done = 0;
    for (int i = 0; i < JOBS; i++) {
        struct job_view v;
        ck_assert(look(ids[i], &v));
        done += v.state == JOB_DONE;
        ck_assert(v.state == JOB_DONE || is_untouched(ids[i]));
    }
    ck_assert_uint_eq(done, handler_look("q").done);
}
END_TEST

START_TEST(pools_come_and_go_and_leave_nothing)
{
    handler_add("a", HANDLER_ECHO)->workers = 4;
    exec_add("b", ARGV("cat"))->workers = 4;
    size_t before = count_descriptors(getpid());
    for (int i = 0; i < 20; i++) {
        handlers_start();
        expect_result(put("a", "1"), "1");
        expect_result(put("b", "2"), "2");
        pool_end();
        ck_assert_uint_eq(count_descriptors(getpid()), before);
    }
}
END_TEST

START_TEST(the_pool_says_what_runs)
{
    struct handler_settings *s = handler_add("h", HANDLER_SLEEP);
    s->workers = 2;
    ck_assert(handler_texts_add(&s->queues, "q"));
    handlers_start();
    struct handler_view v = handler_look("h");
    ck_assert_uint_eq(v.workers, 2);
    ck_assert_uint_eq(v.running, 0);
    ck_assert_str_eq(v.kind, "sleep");
    uint64_t id = put("q", "1000");
    wait_running("h", 1);
    ck_assert_uint_eq(handler_look("h").first_job, id);
    WAIT_UNTIL(handler_look("h").first_running_ms >= 50);
    ck_assert_int_lt(handler_look("h").first_running_ms, PATIENCE_MS);
}
END_TEST

START_TEST(looking_while_jobs_fly_sees_only_jobs)
{
    handler_add("q", HANDLER_ECHO)->workers = 4;
    handlers_start();
    uint64_t last = 0;
    for (int i = 0; i < 2000; i++) {
        last = put("q", "1");
        struct handler_view v = handler_look("q");
        ck_assert_uint_le(v.running, 4);
        ck_assert_uint_le(v.first_job, last);
        ck_assert_int_lt(v.first_running_ms, PATIENCE_MS);
    }
    expect_result(last, "1");
}
END_TEST

// Too many workers for the descriptors there are: nothing runs, and nothing is left.
START_TEST(a_pool_that_cannot_start_says_why)
{
    struct rlimit was, low;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    size_t before = count_descriptors(getpid());
    struct handler_settings s;
    char why[HANDLER_WHY_MAX] = "";
    ck_assert(handler_settings_init(&s, "big"));
    s.kind = HANDLER_NOOP;
    s.workers = 500;
    ck_assert(handler_settings_check(&s, 1, why));
    low = was;
    low.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    ck_assert_ptr_null(pool_start(hub, spawner, &s, 1, why));
    ck_assert_str_eq(why, "handler \"big\": cannot make its 500 workers: Too many open files");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    ck_assert_uint_eq(count_descriptors(getpid()), before);
    handler_settings_release(&s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_idle_pool_drains_at_once,
                                  a_pool_without_handlers_is_drained_when_asked,
                                  what_runs_may_finish_and_nothing_new_begins,
                                  what_does_not_finish_in_time_is_killed_and_released_uncounted,
                                  a_second_call_hurries_the_first,
                                  a_second_call_does_not_lengthen_the_first,
                                  daemon_handlers_are_not_waited_for,
                                  a_stop_ends_what_runs,
                                  no_job_is_lost_between_a_put_and_a_drain,
                                  pools_come_and_go_and_leave_nothing,
                                  the_pool_says_what_runs,
                                  looking_while_jobs_fly_sees_only_jobs,
                                  a_pool_that_cannot_start_says_why,
                                  NULL};
    return pool_test_main("pool/pool", tests);
}
