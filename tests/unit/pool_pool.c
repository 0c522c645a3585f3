#include "server/pool/pool.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

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
    expect_untouched(id);
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
    expect_untouched(c);
    expect_untouched(d);
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
    expect_untouched(a);
    expect_untouched(b);
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
    expect_untouched(id);
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
    expect_untouched(id);
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
    expect_untouched(a);
    expect_untouched(b);
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
        expect_untouched(ids[i]);
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
        if (v.state == JOB_DONE)
            done++;
        else
            expect_untouched(ids[i]);
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

// ---- changing handlers

START_TEST(what_is_the_same_goes_on_and_the_rest_is_exchanged)
{
    handler_add("same", HANDLER_ECHO)->workers = 2;
    handler_add("more", HANDLER_ECHO);
    handler_add("less", HANDLER_ECHO)->workers = 3;
    handler_add("changes", HANDLER_FAIL);
    handler_add("goes", HANDLER_ECHO);
    handlers_start();
    expect_result(put("same", "1"), "1");
    expect_result(put("more", "1"), "1");
    expect_failure(put("changes", "1"), "1");
    handlers_forget();
    handler_add("changes", HANDLER_ECHO);
    handler_add("comes", HANDLER_ECHO);
    handler_add("more", HANDLER_ECHO)->workers = 4;
    handler_add("less", HANDLER_ECHO);
    handler_add("same", HANDLER_ECHO)->workers = 2;
    struct pool_changes c = handlers_apply();
    ck_assert_uint_eq(c.added, 2);
    ck_assert_uint_eq(c.removed, 2);
    ck_assert_uint_eq(c.resized, 2);
    ck_assert_uint_eq(c.kept, 1);
    expect_result(put("changes", "2"), "2");
    expect_result(put("comes", "3"), "3");
    ck_assert_uint_eq(handler_look("same").done, 1);
    ck_assert_uint_eq(handler_look("more").done, 1);
    ck_assert_uint_eq(handler_look("more").workers, 4);
    ck_assert_uint_eq(handler_look("less").workers, 1);
    ck_assert_uint_eq(handler_look("changes").failed, 0);
    struct handler_view v;
    WAIT_UNTIL(!handler_find("goes", true, &v) && !handler_find("changes", true, &v));
    ck_assert(!handler_find("goes", false, &v));
    uint64_t waits = put("goes", "1");
    handlers_forget();
    handler_add("goes", HANDLER_NOOP);
    handlers_apply();
    expect_result(waits, NULL);
}
END_TEST

START_TEST(every_setting_makes_it_another_handler)
{
    struct handler_settings *a = exec_add("h", ARGV("true")), b;
    ck_assert(handler_settings_copy(&b, a));
    ck_assert(handler_settings_equal(a, &b));
    b.workers = 7;
    ck_assert(handler_settings_equal(a, &b));
    b.grace++;
    ck_assert(!handler_settings_equal(a, &b));
    b.grace = a->grace;
    b.kind = HANDLER_ECHO;
    ck_assert(!handler_settings_equal(a, &b));
    b.kind = a->kind;
    b.input = HANDLER_INPUT_TEXT;
    ck_assert(!handler_settings_equal(a, &b));
    b.input = a->input;
    b.daemon = !a->daemon;
    ck_assert(!handler_settings_equal(a, &b));
    b.daemon = a->daemon;
    b.max_output++;
    ck_assert(!handler_settings_equal(a, &b));
    b.max_output = a->max_output;
    ck_assert(handler_text_set(&b.cwd, "/"));
    ck_assert(!handler_settings_equal(a, &b));
    ck_assert(handler_text_set(&a->cwd, "/"));
    ck_assert(handler_settings_equal(a, &b));
    ck_assert(handler_texts_add(&b.env, "A=1"));
    ck_assert(!handler_settings_equal(a, &b));
    ck_assert(handler_texts_add(&a->env, "A=2"));
    ck_assert(!handler_settings_equal(a, &b));
    handler_settings_release(&b);
}
END_TEST

START_TEST(what_cannot_be_made_changes_nothing)
{
    handler_add("h", HANDLER_ECHO)->workers = 2;
    handlers_start();
    struct rlimit was, low;
    size_t before = count_descriptors(getpid());
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    low = was;
    low.rlim_cur = before + 20;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);

    handlers_forget();
    handler_add("h", HANDLER_ECHO)->workers = 10;
    struct handler_settings *big = handler_add("big", HANDLER_NOOP);
    big->workers = 100;
    char why[HANDLER_WHY_MAX] = "";
    struct pool_changes c;
    ck_assert(handler_settings_check(big - 1, 2, why));
    ck_assert(!pool_apply(pool, big - 1, 2, &c, why));
    ck_assert_str_eq(why, "handler \"big\": cannot make its 100 workers: Too many open files");
    ck_assert_uint_eq(count_descriptors(getpid()), before);
    ck_assert_uint_eq(handler_look("h").workers, 2);
    struct handler_view v;
    ck_assert(!handler_find("big", false, &v) && !handler_find("big", true, &v));
    expect_result(put("h", "1"), "1");

    bool done = false;
    enum error e = ERROR_NONE;
    while (e == ERROR_NONE && !done)
        e = pool_resize(pool, SLICE("h"), 100, &done, why);
    ck_assert_int_eq(e, ERROR_OVERLOADED);
    unsigned workers = handler_look("h").workers;
    ck_assert_uint_gt(workers, 2);
    ck_assert_uint_lt(workers, 100);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    resize("h", 100);
    ck_assert_uint_eq(handler_look("h").workers, 100);
}
END_TEST

START_TEST(a_resize_that_cannot_be_is_refused)
{
    char why[HANDLER_WHY_MAX];
    bool done;
    for (char name[] = "a"; name[0] <= 'e'; name[0]++)
        handler_add(name, HANDLER_NOOP);
    handlers_start();
    ck_assert_int_eq(pool_resize(pool, SLICE("x"), 1, &done, why), ERROR_NOT_FOUND);
    if (!SANITIZED) { // thousands of threads take it long
        for (char name[] = "a"; name[0] <= 'c'; name[0]++)
            resize(name, 1024);
        ck_assert_int_eq(pool_resize(pool, SLICE("d"), 1024, &done, why), ERROR_INVALID_PARAMS);
        ck_assert_str_eq(why, "all handlers together would have more than 4096 workers");
        resize("a", 1);
        resize("d", 1022);
    }
    pool_drain(pool, PATIENCE_MS);
    ck_assert_int_eq(pool_resize(pool, SLICE("a"), 2, &done, why), ERROR_DRAINING);
    wait_drained();
    pool_stop(pool);
    ck_assert_uint_eq(handler_look("a").running, 0); // may still be asked
    ck_assert_int_eq(pool_resize(pool, SLICE("a"), 2, &done, why), ERROR_DRAINING);
}
END_TEST

START_TEST(a_stop_waits_for_who_leaves_already)
{
    handler_add("goes", HANDLER_SLEEP);
    handler_add("background", HANDLER_SLEEP)->daemon = true;
    handlers_start();
    uint64_t a = put("goes", "2"), b = put("background", "1000");
    wait_running("goes", 1);
    wait_running("background", 1);
    handlers_forget();
    handlers_apply();
    struct handler_view v;
    ck_assert(handler_find("goes", true, &v) && v.running == 1);
    pool_drain(pool, PATIENCE_MS);
    ck_assert(!pool_drained(pool));
    wait_drained();
    expect_result(a, NULL);
    expect_untouched(b);
}
END_TEST

// ---- fairness

static void put_plain(const char *queue, const char *body, double priority)
{
    struct put_options options = {.priority = priority};
    struct put_result result;
    struct job *j = job_prepare(&options, slice_of(body));
    ck_assert_ptr_nonnull(j);
    struct moment now = hub_lock(hub);
    enum error e = engine_put(hub_engine(hub), now, slice_of(queue), j, NULL, 0, NULL, &result);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
}

START_TEST(the_most_urgent_of_all_queues_is_run_first_and_of_equals_the_oldest)
{
    static const struct {
        const char *queue, *body;
        double priority;
    } jobs[] = {{"c", "5", 0},  {"a", "6", 0}, {"b", "7", 0},  {"a", "8", 0},    {"c", "3", -1},
                {"b", "4", -1}, {"a", "9", 2}, {"b", "1", -7}, {"c", "2", -6.5}, {"a", "10", 2}};
    char script[300], line[100] = "";
    snprintf(script, sizeof script, "printf '%%s ' \"$(cat)\" >> '%s'", scratch("order"));
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        put_plain(jobs[i].queue, jobs[i].body, jobs[i].priority);
    struct handler_settings *s = exec_add("h", SH(script));
    ck_assert(handler_texts_add(&s->queues, "a"));
    ck_assert(handler_texts_add(&s->queues, "b"));
    ck_assert(handler_texts_add(&s->queues, "c"));
    handlers_start();
    WAIT_UNTIL(handler_look("h").done == sizeof jobs / sizeof *jobs);
    FILE *f = fopen(scratch("order"), "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    fclose(f);
    ck_assert_str_eq(line, "1 2 3 4 5 6 7 8 9 10 ");
}
END_TEST

START_TEST(a_queue_with_a_million_jobs_holds_up_nobody)
{
    enum { JOBS = SANITIZED ? 200000 : 1000000 };
    for (unsigned i = 0; i < JOBS; i++)
        put_plain("big", "1", 0);
    handler_add("big", HANDLER_NOOP)->workers = 4;
    handler_add("other", HANDLER_ECHO);
    handlers_start();
    for (int i = 0; i < 10; i++)
        expect_result(put("other", "2"), "2");
    ck_assert_uint_gt(gauges("big").ready, 0); // or they had waited for it
}
END_TEST

START_TEST(an_urgent_job_of_one_queue_does_not_wait_for_the_others_backlog)
{
    enum { JOBS = 50000 };
    for (unsigned i = 0; i < JOBS; i++)
        put_plain("long", "1", 0);
    struct handler_settings *both = handler_add("h", HANDLER_ECHO);
    ck_assert(handler_texts_add(&both->queues, "long"));
    ck_assert(handler_texts_add(&both->queues, "urgent"));
    put_plain("urgent", "1", -1);
    handlers_start();
    WAIT_UNTIL(gauges("urgent").ready + gauges("urgent").reserved == 0);
    uint64_t before = gauges("long").ready;
    ck_assert_uint_gt(before, 0);
    WAIT_UNTIL(gauges("long").ready == 0);
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
                                  what_is_the_same_goes_on_and_the_rest_is_exchanged,
                                  every_setting_makes_it_another_handler,
                                  what_cannot_be_made_changes_nothing,
                                  a_resize_that_cannot_be_is_refused,
                                  a_stop_waits_for_who_leaves_already,
                                  the_most_urgent_of_all_queues_is_run_first_and_of_equals_the_oldest,
                                  a_queue_with_a_million_jobs_holds_up_nobody,
                                  an_urgent_job_of_one_queue_does_not_wait_for_the_others_backlog,
                                  a_pool_that_cannot_start_says_why,
                                  NULL};
    return pool_test_main("pool/pool", tests);
}
