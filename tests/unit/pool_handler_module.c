#include "server/pool/handler_module.h"

#include "common/clock.h"
#include "server/pool/module_host.h"
#include "tests/unit/pool_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct handler_settings *module_add(const char *name, const char *object, const char *function)
{
    struct handler_settings *s = handler_add(name, HANDLER_MODULE);
    ck_assert(handler_text_set(&s->module, object));
    ck_assert(handler_text_set(&s->function, function));
    s->grace = 300;
    return s;
}

static struct handler_settings *function_add(const char *function)
{
    return module_add("q", POOL_MODULE, function);
}

static void function_start(const char *function)
{
    function_add(function);
    handlers_start();
}

// The host's pid.
static int host(void)
{
    char path[64];
    int pid = 0, spawner_is = (int)spawner_pid(spawner);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", spawner_is, spawner_is);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    if (fscanf(f, "%d", &pid) != 1)
        pid = 0;
    fclose(f);
    return pid;
}

// ---- well

START_TEST(the_function_has_the_body_and_gives_the_result)
{
    function_start("echo");
    static const char *const bodies[] = {"1", "\"a \\u00e9\"", "{\"a\": [1, 2]}", "null"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_result(put("q", bodies[i]), bodies[i]);
    uint64_t id = put_size("q", 'x', 1 << 20);
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, 1 << 20);
    outcome_release(&o);
}
END_TEST

START_TEST(it_knows_all_about_the_job)
{
    struct handler_settings *s = function_add("info");
    ck_assert(handler_texts_add(&s->queues, "\xc3\xa9 q"));
    handlers_start();
    uint64_t id = put("\xc3\xa9 q", "[1]");
    char text[100];
    snprintf(text, sizeof text, "[%llu,1,\"\xc3\xa9 q\",3,1]", (unsigned long long)id);
    expect_result(id, text);
}
END_TEST

START_TEST(what_it_does_not_say)
{
    function_start("nothing");
    expect_result(put("q", "0"), "null");
    expect_failure(put("q", "7"), "{\"status\":7}");
}
END_TEST

START_TEST(errors)
{
    module_add("error", POOL_MODULE, "error");
    module_add("text", POOL_MODULE, "error_text");
    module_add("bury", POOL_MODULE, "bury");
    module_add("again", POOL_MODULE, "again");
    module_add("bad", POOL_MODULE, "not_json");
    module_add("lines", POOL_MODULE, "many_lines");
    handlers_start();
    declare_backoff("again", 3600000);
    expect_failure(put("error", "1"), "{\"code\": 7}");
    expect_failure(put("text", "1"), "\"a \\\"b\\\"\\n\xef\xbf\xbd\"");
    expect_buried(put_attempts("bury", "1", 20));
    expect_result(put_attempts("again", "1", 20), "3");
    expect_failure(put("bad", "1"), "{\"module\":\"the result is not JSON\"}");
    expect_result(put("lines", "1"), "[1, \"a\" ]");
}
END_TEST

START_TEST(its_result_may_be_so_long)
{
    function_add("long_result")->max_output = 100;
    handlers_start();
    struct outcome o = wait_outcome(put("q", "100"));
    ck_assert_int_eq(o.state, JOB_DONE);
    outcome_release(&o);
    expect_failure(put("q", "101"), "{\"output\":100}");
    expect_failure(put("q", "1000000"), "{\"output\":100}");
    o = wait_outcome(put("q", "99"));
    ck_assert_int_eq(o.state, JOB_DONE);
    outcome_release(&o);
}
END_TEST

START_TEST(progress_is_no_answer)
{
    function_start("progress");
    expect_result(put("q", "1"), "1");
}
END_TEST

START_TEST(workers_are_threads_of_one_host)
{
    function_add("meet")->workers = 2;
    handlers_start();
    uint64_t one = put("q", "1"), two = put("q", "2");
    expect_result(one, "1");
    expect_result(two, "2");
    int pid = host();
    one = put("q", "3"), two = put("q", "4");
    expect_result(one, "3");
    expect_result(two, "4");
    ck_assert_int_eq(host(), pid);
}
END_TEST

START_TEST(what_it_prints_is_logged_with_the_job)
{
    log_begin();
    function_start("say");
    uint64_t id = put("q", "1");
    expect_result(id, "1");
    pool_end();
    const char *text = log_end().data;
    ck_assert_ptr_nonnull(strstr(text, "handler=q text=\"this is printed\"\n"));
    ck_assert_ptr_nonnull(strstr(text, "handler=q text=\"and this said\"\n"));
}
END_TEST

START_TEST(no_line_is_logged_with_another_job)
{
    enum { JOBS = 90 }; // fewer lines than the log takes at once
    log_begin();
    function_start("say_id");
    uint64_t ids[JOBS];
    for (int i = 0; i < JOBS; i++)
        ids[i] = put("q", "1");
    for (int i = 0; i < JOBS; i++)
        expect_result(ids[i], "1");
    pool_end();
    const char *text = log_end().data;
    for (int i = 0; i < JOBS; i++) {
        char line[100];
        snprintf(line, sizeof line, "job=%llu handler=q text=%llu\n", (unsigned long long)ids[i],
                 (unsigned long long)ids[i]);
        ck_assert_msg(strstr(text, line), "no %s", line);
    }
}
END_TEST

START_TEST(the_example_counts_primes)
{
    module_add("primes", PRIMES_MODULE, "primes");
    handlers_start();
    expect_result(put("primes", "10000"), "1229");
    expect_result(put("primes", "2"), "0");
    expect_result(put("primes", "3"), "1");
    expect_buried(put_attempts("primes", "\"x\"", 9));
}
END_TEST

// ---- badly

START_TEST(a_crash_costs_each_job_of_the_host_one_loss)
{
    function_add("crash")->workers = 2;
    handlers_start();
    expect_result(put("q", "1"), "1");
    int pid = host();
    uint64_t waits = put("q", "\"wait\"");
    wait_running("q", 1);
    uint64_t crashes = put("q", "\"crash\"");
    struct job_view v;
    WAIT_UNTIL(look(waits, &v) && v.lost >= 1);
    ck_assert_uint_eq(v.attempts, 0);
    WAIT_UNTIL(look(crashes, &v) && v.lost >= 1);
    ck_assert_uint_eq(v.attempts, 0);
    WAIT_UNTIL(!alive(pid));
    remove_job(waits);
    WAIT_UNTIL(look(crashes, &v) && v.state != JOB_RESERVED);
    remove_job(crashes);
    expect_result(put("q", "2"), "2");
}
END_TEST

START_TEST(exit_is_the_same)
{
    function_start("leave");
    expect_result(put("q", "1"), "1");
    uint64_t id = put("q", "\"leave\"");
    struct job_view v;
    WAIT_UNTIL(look(id, &v) && v.lost >= 1);
    WAIT_UNTIL(look(id, &v) && v.state != JOB_RESERVED);
    remove_job(id);
    expect_result(put("q", "2"), "2");
}
END_TEST

START_TEST(a_host_that_is_killed_between_jobs_costs_nothing)
{
    function_start("echo");
    for (int i = 0; i < 5; i++) {
        uint64_t id = put("q", "1");
        expect_result(id, "1");
        kill(host(), SIGKILL);
        id = put("q", "2"); // while it dies
        expect_result(id, "2");
        struct job_view v;
        ck_assert(look(id, &v));
        ck_assert_uint_eq(v.attempts, 0); // lost it may be: read, but not yet begun
    }
}
END_TEST

// All its threads.
static bool stopped(int pid)
{
    char path[300];
    bool all = true;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        char text[512] = "";
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, entry->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        const char *state = strrchr(text, ')');
        all = all && state && strncmp(state, ") T", 3) == 0;
    }
    closedir(d);
    return all;
}

START_TEST(its_end_is_seen_whoever_it_leaves_behind)
{
    function_add("fly")->workers = 2;
    handlers_start();
    char body[300];
    snprintf(body, sizeof body, "\"%s\"", scratch("waits"));
    uint64_t waits = put("q", body);
    struct job_view v;
    wait_pid_file(scratch("waits.begun"));
    expect_result(put("q", "\"fly\""), "\"fly\"");
    kill(host(), SIGKILL);
    WAIT_UNTIL(look(waits, &v) && v.lost >= 1);
    remove_job(waits);
    wait_running("q", 0);
}
END_TEST

START_TEST(a_job_that_the_host_has_not_read_is_not_lost)
{
    function_start("echo");
    expect_result(put("q", "1"), "1");
    int pid = host();
    kill(pid, SIGSTOP);
    WAIT_UNTIL(stopped(pid));
    uint64_t id = put("q", "2");
    wait_running("q", 1);
    kill(pid, SIGKILL);
    expect_result(id, "2");
    struct job_view v;
    ck_assert(look(id, &v));
    ck_assert_uint_eq(v.attempts + v.lost, 0);
}
END_TEST

START_TEST(one_that_hangs_is_killed)
{
    struct handler_settings *s = function_add("hang");
    s->timeout = 200;
    handlers_start();
    expect_result(put("q", "1"), "1");
    int pid = host();
    int64_t began = clock_now().mono;
    expect_failure(put("q", "\"hang\""), "{\"timeout\":0.2}");
    ck_assert_int_ge(clock_now().mono - began, 490);
    WAIT_UNTIL(!alive(pid)); // its streams end a moment before it does
    expect_result(put("q", "2"), "2");
}
END_TEST

START_TEST(one_that_listens_lives_on)
{
    struct handler_settings *s = function_add("wait_for_it");
    s->timeout = 100;
    s->grace = 60000;
    handlers_start();
    char body[300];
    snprintf(body, sizeof body, "\"%s\"", scratch("stopped"));
    expect_failure(put("q", body), "{\"timeout\":0.1}");
    int pid = wait_pid_file(scratch("stopped"));
    ck_assert(alive(pid));
    snprintf(body, sizeof body, "\"%s\"", scratch("stopped again"));
    uint64_t id = put("q", body);
    wait_pid_file(scratch("stopped again.begun"));
    remove_job(id);
    ck_assert_int_eq(wait_pid_file(scratch("stopped again")), pid);
}
END_TEST

START_TEST(processor_time_is_limited_for_each_job)
{
    function_add("burn")->limit_cpu = 1;
    handlers_start();
    expect_result(put("q", "1"), "1");
    expect_failure(put("q", "\"burn\""), "{\"cpu\":1}");
    expect_result(put("q", "2"), "2");
}
END_TEST

START_TEST(there_is_no_such_file)
{
    module_add("q", "/nonexistent/module.so", "echo");
    handlers_start();
    expect_failure_with(put("q", "1"), "{\"module\":\"cannot load the module: /nonexistent/module.so: ");
}
END_TEST

START_TEST(it_is_no_module)
{
    module_add("text", "/etc/passwd", "echo");
    module_add("none", POOL_MODULE_SILENT, "echo");
    module_add("old", POOL_MODULE_OLD, "echo");
    module_add("function", POOL_MODULE, "no_such_function");
    handlers_start();
    expect_failure_with(put("text", "1"), "{\"module\":\"cannot load the module: /etc/passwd: ");
    expect_failure_with(put("none", "1"), "TASKQ_MODULE is missing");
    expect_failure_with(put("old", "1"), "the module was built for version: 999, and this is 1");
    expect_failure_with(put("function", "1"), "the module has no function: no_such_function");
}
END_TEST

START_TEST(it_cannot_be_started)
{
    struct handler_settings *s = function_add("echo");
    ck_assert(handler_text_set(&s->cwd, "/nonexistent"));
    handlers_start();
    expect_failure_with(
        put("q", "1"),
        "{\"module\":\"cannot enter the command's working directory: No such file or directory\"}");
}
END_TEST

START_TEST(a_new_one_comes_ever_later)
{
    module_add("q", POOL_MODULE_OLD, "echo");
    handlers_start();
    int64_t began = clock_now().mono;
    expect_failure_with(put("q", "1"), "version");
    expect_failure_with(put("q", "1"), "version"); // 1 s later
    ck_assert_int_ge(clock_now().mono - began, 950);
}
END_TEST

// ---- the end

START_TEST(a_drain_waits_for_the_job_and_the_host)
{
    function_add("hang")->workers = 3;
    handlers_start();
    expect_result(put("q", "1"), "1");
    int pid = host();
    pool_drain(pool, 60000);
    wait_drained();
    ck_assert(!alive(pid));
    expect_no_children_of_spawner();
}
END_TEST

START_TEST(a_hurry_puts_the_job_back)
{
    function_start("hang");
    uint64_t id = put("q", "\"hang\"");
    wait_running("q", 1);
    WAIT_UNTIL(host() > 0);
    int pid = host();
    pool_hurry(pool);
    wait_drained();
    WAIT_UNTIL(!alive(pid));
    expect_untouched(id);
}
END_TEST

START_TEST(no_descriptor_is_lost)
{
    size_t spawners = count_descriptors((int)spawner_pid(spawner)); // which closes its own somewhat later
    function_add("leave")->workers = 2;
    handlers_start();
    expect_result(put("q", "1"), "1");
    pool_end();
    size_t before = count_descriptors(getpid());
    handlers_start();
    for (int i = 0; i < 6; i++) {
        expect_result(put("q", "1"), "1");
        kill(host(), SIGKILL);
        expect_result(put("q", "2"), "2");
    }
    pool_end();
    ck_assert_uint_eq(count_descriptors(getpid()), before);
    WAIT_UNTIL(count_descriptors((int)spawner_pid(spawner)) == spawners);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], MODULE_HOST_OPTION) == 0)
        return module_host_main(argc, argv);
    const TTest *const tests[] = {the_function_has_the_body_and_gives_the_result,
                                  it_knows_all_about_the_job,
                                  what_it_does_not_say,
                                  errors,
                                  its_result_may_be_so_long,
                                  progress_is_no_answer,
                                  workers_are_threads_of_one_host,
                                  what_it_prints_is_logged_with_the_job,
                                  no_line_is_logged_with_another_job,
                                  the_example_counts_primes,
                                  a_crash_costs_each_job_of_the_host_one_loss,
                                  exit_is_the_same,
                                  a_host_that_is_killed_between_jobs_costs_nothing,
                                  its_end_is_seen_whoever_it_leaves_behind,
                                  a_job_that_the_host_has_not_read_is_not_lost,
                                  one_that_hangs_is_killed,
                                  one_that_listens_lives_on,
                                  processor_time_is_limited_for_each_job,
                                  there_is_no_such_file,
                                  it_is_no_module,
                                  it_cannot_be_started,
                                  a_new_one_comes_ever_later,
                                  a_drain_waits_for_the_job_and_the_host,
                                  a_hurry_puts_the_job_back,
                                  no_descriptor_is_lost,
                                  NULL};
    return pool_test_main("handler_module", tests);
}
