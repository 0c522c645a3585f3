#include "server/pool/handler_exec.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1024 * 1024)

// ---- in and out

START_TEST(the_body_goes_in_and_the_result_comes_out_byte_for_byte)
{
    exec_add("q", ARGV("cat"));
    handlers_start();
    static const char *const bodies[] = {"12345678901234567890",    "0.1", "1e400", "\"\\u00e9\"",
                                         "{\"a\":1, \"a\" : [ ] }", "null"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_result(put("q", bodies[i]), bodies[i]);
    ck_assert_uint_eq(handler_look("q").done, sizeof bodies / sizeof *bodies);
}
END_TEST

START_TEST(what_is_no_json_is_a_string)
{
    RUN_SH("q", "printf 'a \"b\"\\n\\377\\n'");
    expect_result(put("q", "1"), "\"a \\\"b\\\"\\n\xef\xbf\xbd\"");
}
END_TEST

START_TEST(a_command_that_prints_nothing_has_an_empty_string)
{
    exec_add("q", ARGV("true"));
    handlers_start();
    expect_result(put("q", "1"), "\"\"");
}
END_TEST

START_TEST(the_job_is_in_the_environment)
{
    struct handler_settings *s =
        exec_add("h", SH("printf '%s|%s|%s|%s|%s|%s' \"$TASKQ_ID\" \"$TASKQ_QUEUE\" \"$TASKQ_ATTEMPT\" "
                         "\"${TASKQ_DELIVERY:+set}\" \"$EXTRA\" \"${UNWANTED-unset}\""));
    setenv("UNWANTED", "x", 1); // of the test's own process; the spawner has copied its environment already
    ck_assert(handler_texts_add(&s->queues, "first"));
    ck_assert(handler_texts_add(&s->queues, "a queue with \"quotes\" and $signs"));
    ck_assert(handler_texts_add(&s->env, "EXTRA=a=b c"));
    ck_assert(handler_texts_add(&s->env, "UNWANTED"));
    handlers_start();
    char expected[200];
    uint64_t id = put("a queue with \"quotes\" and $signs", "1");
    snprintf(expected, sizeof expected, "\"%llu|a queue with \\\"quotes\\\" and $signs|1|set|a=b c|unset\"",
             (unsigned long long)id);
    expect_result(id, expected);
    id = put("first", "1");
    snprintf(expected, sizeof expected, "\"%llu|first|1|set|a=b c|unset\"", (unsigned long long)id);
    expect_result(id, expected);
}
END_TEST

START_TEST(folder_and_limits_are_the_handlers)
{
    struct handler_settings *s = exec_add("q", SH("echo \"$PWD $(ulimit -n) $(ulimit -t)\""));
    ck_assert(handler_text_set(&s->cwd, "/usr"));
    s->limit_files = 17;
    s->limit_cpu = 33;
    handlers_start();
    expect_result(put("q", "1"), "\"/usr 17 33\"");
}
END_TEST

START_TEST(text_input_makes_any_path_usable_in_a_shell_command)
{
    struct handler_settings *s = exec_add("wordcount", SH("wc -w < \"$(cat)\""));
    s->input = HANDLER_INPUT_TEXT;
    handlers_start();
    const char *path = scratch("a 'b' \"c\" \\ $HOME `id` *\xc3\xa9\xf0\x9f\x98\x80");
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("three small words\n", f);
    fclose(f);

    char body[400];
    const char *slash = strrchr(path, '/');
    snprintf(body, sizeof body, "\"%.*s\\/a 'b' \\\"c\\\" \\\\ $HOME `id` *\\u00e9\\ud83d\\ude00\"",
             (int)(slash - path), path);
    expect_result(put("wordcount", body), "3");

    expect_failure_with(put("wordcount", "\"/no/such file\""), "/no/such file");
    expect_failure(put("wordcount", "\"\\udc00\""),
                   "{\"input\":\"an escaped surrogate in it lacks its other half\"}");
}
END_TEST

// ---- pipes

START_TEST(a_body_of_a_mebibyte_goes_through_both_pipes_at_once)
{
    exec_add("q", ARGV("cat"));
    handlers_start();
    struct outcome o = wait_outcome(put_size("q", 'x', MIB));
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, MIB);
    ck_assert_int_eq(o.result->data[MIB / 2], 'x');
    outcome_release(&o);
}
END_TEST

START_TEST(a_command_need_not_read_its_input)
{
    exec_add("exits", ARGV("true"));
    exec_add("closes", SH("exec <&-; printf 7"));
    exec_add("some", SH("head -c 10 >/dev/null; printf 8"));
    handlers_start();
    expect_result(put_size("exits", 'x', MIB), "\"\"");
    expect_result(put_size("closes", 'x', MIB), "7");
    expect_result(put_size("some", 'x', MIB), "8");
}
END_TEST

START_TEST(a_command_may_write_much_before_it_reads)
{
    RUN_SH("q", "head -c 500000 /dev/zero | tr '\\0' 1; wc -c | tr -d ' \\n'");
    struct outcome o = wait_outcome(put_size("q", 'x', MIB));
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, 500000 + 7);
    ck_assert_mem_eq(o.result->data + 500000, "1048576", 7);
    outcome_release(&o);
}
END_TEST

START_TEST(stderr_of_any_size_is_taken_and_its_end_kept)
{
    RUN_SH("q", "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo the end >&2; exit 1");
    struct outcome o = wait_outcome(put("q", "1"));
    ck_assert_int_eq(o.state, JOB_DEAD);
    struct slice error = blob_slice(o.error), head = SLICE("{\"exit\":1,\"stderr\":\"eee"),
                 tail = SLICE("eeethe end\\n\"}");
    ck_assert_uint_eq(error.len, strlen("{\"exit\":1,\"stderr\":\"\"}") + 4096 + 1); // the newline takes two
    ck_assert_mem_eq(error.data, head.data, head.len);
    ck_assert_mem_eq(error.data + error.len - tail.len, tail.data, tail.len);
    outcome_release(&o);
}
END_TEST

START_TEST(max_output_may_be_reached_and_not_passed)
{
    exec_add("fits", SH("head -c 1000 /dev/zero | tr '\\0' a"))->max_output = 1000;
    exec_add("more", SH("head -c 1001 /dev/zero | tr '\\0' a; echo oh >&2"))->max_output = 1000;
    exec_add("endless", SH("yes; echo survived >&2"))->max_output = 100000;
    handlers_start();
    struct outcome o = wait_outcome(put("fits", "1"));
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, 1000 + 2);
    outcome_release(&o);
    o = wait_outcome(put("more", "1"));
    ck_assert_int_eq(o.state, JOB_DEAD);
    ck_assert_mem_eq(o.error->data, "{\"output\":1000,", 15);
    outcome_release(&o);
    expect_failure(put("endless", "1"), "{\"output\":100000,\"stderr\":\"\"}");
}
END_TEST

// ---- failures

START_TEST(the_exit_status_and_stderr_are_the_error)
{
    RUN_SH("q", "echo result; echo why >&2; exit 3");
    expect_failure(put("q", "1"), "{\"exit\":3,\"stderr\":\"why\\n\"}");
    expect_failure(put("q", "1"), "{\"exit\":3,\"stderr\":\"why\\n\"}"); // and nothing of the one before
    ck_assert_uint_eq(handler_look("q").failed, 2);
    ck_assert_uint_eq(handler_look("q").done, 0);
}
END_TEST

START_TEST(the_signal_that_ended_it_is_the_error)
{
    RUN_SH("q", "echo bye >&2; kill -SEGV $$");
    expect_failure(put("q", "1"), "{\"signal\":\"SIGSEGV\",\"stderr\":\"bye\\n\"}");
}
END_TEST

START_TEST(a_command_that_cannot_be_run_is_the_error)
{
    exec_add("absent", ARGV("/no/such/command"));
    exec_add("unfound", ARGV("no-such-command-in-the-path"));
    exec_add("data", ARGV("/etc/passwd"));
    ck_assert(handler_text_set(&exec_add("nowhere", ARGV("true"))->cwd, "/no/such/folder"));
    handlers_start();
    expect_failure(put("absent", "1"), "{\"spawn\":\"cannot run the command: No such file or directory\"}");
    expect_failure(put("unfound", "1"), "{\"spawn\":\"cannot run the command: No such file or directory\"}");
    expect_failure(put("data", "1"), "{\"spawn\":\"cannot run the command: Permission denied\"}");
    expect_failure(put("nowhere", "1"),
                   "{\"spawn\":\"cannot enter the command's working directory: No such file or directory\"}");
}
END_TEST

START_TEST(a_failed_job_is_tried_again_after_the_queues_backoff)
{
    declare_backoff("q", 20);
    RUN_SH("q", "echo $TASKQ_ATTEMPT; test $TASKQ_ATTEMPT = 4");
    int64_t start = clock_now().mono;
    expect_result(put_attempts("q", "1", 10), "4");
    ck_assert_int_ge(clock_now().mono - start, (20 + 40 + 80) * 8 / 10); // jitter is 10 %
    ck_assert_uint_eq(handler_look("q").failed, 3);
    uint64_t id = put_attempts("q", "1", 3);
    expect_failure(id, "{\"exit\":1,\"stderr\":\"\"}");
    struct job_view v;
    ck_assert(look(id, &v));
    ck_assert_uint_eq(v.attempts, 3);
}
END_TEST

// ---- time

START_TEST(a_timeout_ends_the_command_and_is_the_error)
{
    struct handler_settings *s = exec_add("q", SH("echo started >&2; exec sleep 1000"));
    s->timeout = 200;
    handlers_start();
    int64_t start = clock_now().mono;
    expect_failure(put("q", "1"), "{\"timeout\":0.2,\"stderr\":\"started\\n\"}");
    ck_assert_int_ge(clock_now().mono - start, 200);
    ck_assert_int_lt(clock_now().mono - start, 4000); // TERM was enough: long before the grace is over
}
END_TEST

START_TEST(a_command_that_ignores_term_is_killed_after_the_grace)
{
    struct handler_settings *s =
        exec_add("q", SH("trap '' TERM; echo $$ > \"$PIDFILE\"; while :; do sleep 1000; done"));
    const char *path = scratch("pid");
    char env[300];
    snprintf(env, sizeof env, "PIDFILE=%s", path);
    ck_assert(handler_texts_add(&s->env, env));
    s->timeout = 300;
    s->grace = 300;
    handlers_start();
    int64_t start = clock_now().mono;
    uint64_t id = put("q", "1");
    int pid = wait_pid_file(path);
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DEAD);
    ck_assert_mem_eq(o.error->data, "{\"timeout\":0.3,", 15);
    outcome_release(&o);
    ck_assert_int_ge(clock_now().mono - start, 600);
    ck_assert(!alive(pid));
}
END_TEST

START_TEST(a_command_that_heeds_term_has_still_timed_out)
{
    struct handler_settings *s =
        exec_add("q", SH("exec 2>/dev/null; trap 'exit 0' TERM; while :; do sleep 0.02; done"));
    s->timeout = 200;
    handlers_start();
    expect_failure(put("q", "1"), "{\"timeout\":0.2,\"stderr\":\"\"}");
}
END_TEST

// ---- what a command leaves behind

START_TEST(a_grandchild_in_the_group_is_ended_with_the_command)
{
    char script[400];
    snprintf(script, sizeof script, "sleep 1000 & echo $! > '%s'; echo 5", scratch("pid"));
    RUN_SH("q", script);
    expect_result(put("q", "1"), "5");
    ck_assert(!alive(wait_pid_file(scratch("pid"))));
}
END_TEST

START_TEST(a_grandchild_has_the_grace_to_end_well)
{
    char script[600];
    snprintf(script, sizeof script,
             "(trap 'echo 1 > \"%s\"; exit' TERM; echo x > '%s'; while :; do sleep 0.02; done) 2>/dev/null & "
             "while ! test -s '%s'; do sleep 0.01; done; echo 5",
             scratch("ended-well"), scratch("ready"), scratch("ready"));
    RUN_SH("q", script);
    expect_result(put("q", "1"), "5");
    ck_assert_int_eq(access(scratch("ended-well"), F_OK), 0);
}
END_TEST

START_TEST(a_grandchild_that_ignores_term_is_killed_after_the_grace)
{
    char script[400];
    snprintf(script, sizeof script,
             "(trap '' TERM; echo x > '%s'; while :; do sleep 1000; done) & echo $! > '%s'; "
             "while ! test -s '%s'; do sleep 0.01; done; echo 5",
             scratch("ready"), scratch("pid"), scratch("ready"));
    exec_add("q", SH(script))->grace = 200;
    handlers_start();
    expect_result(put("q", "1"), "5");
    ck_assert(!alive(wait_pid_file(scratch("pid"))));
}
END_TEST

START_TEST(one_that_left_the_group_and_keeps_the_pipe_open_is_not_waited_for)
{
    char script[400];
    snprintf(script, sizeof script,
             "setsid sh -c 'echo $$ > %s; exec sleep 1000' & "
             "while ! test -s '%s'; do sleep 0.01; done; echo 6",
             scratch("pid"), scratch("pid"));
    RUN_SH("q", script);
    size_t before = count_descriptors(getpid());
    int64_t start = clock_now().mono;
    expect_result(put("q", "1"), "6");
    ck_assert_int_lt(clock_now().mono - start, 10000);
    ck_assert(alive(wait_pid_file(scratch("pid")))); // it is the spawner's to end
    ck_assert_uint_eq(count_descriptors(getpid()), before);
}
END_TEST

// ---- jobs that are taken away

static void running_job_goes(void (*take_away)(uint64_t))
{
    char script[400];
    snprintf(script, sizeof script, "echo $$ > '%s'; exec sleep 1000", scratch("pid"));
    RUN_SH("q", script);
    uint64_t id = put("q", "1");
    int pid = wait_pid_file(scratch("pid"));
    take_away(id);
    WAIT_UNTIL(!alive(pid));
    wait_running("q", 0);
    struct job_view v;
    ck_assert(!look(id, &v));
    ck_assert_uint_eq(handler_look("q").failed, 0);
    uint64_t next = put("q", "2"); // the worker is as good as before
    wait_running("q", 1);
    ck_assert_uint_eq(handler_look("q").first_job, next);
}

START_TEST(a_deleted_job_is_ended)
{
    running_job_goes(remove_job);
}
END_TEST

static void drop_q(uint64_t id)
{
    (void)id;
    drop_queue("q");
}

// It stays reserved until its processes are gone, so that nobody works beside them.
START_TEST(a_cancelled_job_is_ended_and_reserved_until_it_is)
{
    const char *path = scratch("pid");
    char script[600];
    snprintf(script, sizeof script, "trap '' TERM; echo $$ > '%s'; while :; do sleep 0.01; done", path);
    exec_add("q", SH(script))->grace = 300;
    handlers_start();
    uint64_t id = put("q", "1");
    int pid = wait_pid_file(path);
    struct job_view v;
    cancel_running(id);
    ck_assert(look(id, &v) && v.state == JOB_RESERVED && v.cancelling);
    WAIT_UNTIL(look(id, &v) && v.state != JOB_RESERVED);
    ck_assert(!alive(pid));
    expect_cancelled(id);
    ck_assert_uint_eq(handler_look("q").failed, 0);
}
END_TEST

START_TEST(a_dropped_queues_job_is_ended)
{
    running_job_goes(drop_q);
}
END_TEST

START_TEST(when_the_spawner_is_gone_jobs_go_back_uncounted)
{
    exec_add("q", ARGV("sleep", "1000"));
    handlers_start();
    uint64_t running = put("q", "1"), waiting = put("q", "2");
    wait_running("q", 1);
    kill(spawner_pid(spawner), SIGKILL);
    wait_running("q", 0);
    wait_state(running, JOB_READY);
    expect_untouched(running);
    struct job_view v;
    ck_assert(look(waiting, &v));
    ck_assert_uint_eq(v.attempts, 0);
}
END_TEST

// ---- many

START_TEST(ten_thousand_jobs_leave_no_descriptor_and_no_process)
{
    const unsigned jobs = SANITIZED ? 1000 : 10000;
    exec_add("q", ARGV("/bin/true"))->workers = 4;
    handlers_start();
    expect_result(put("q", "0"), "\"\"");
    WAIT_UNTIL(handler_look("q").running == 0);
    size_t before = count_descriptors(getpid()), spawners = count_descriptors((int)spawner_pid(spawner));
    for (unsigned i = 0; i < jobs; i++)
        put("q", "1");
    WAIT_UNTIL(gauges("q").ready == 0 && gauges("q").reserved == 0);
    ck_assert_uint_eq(handler_look("q").done, jobs + 1);
    ck_assert_uint_eq(handler_look("q").failed, 0);
    WAIT_UNTIL(handler_look("q").running == 0);
    ck_assert_uint_eq(count_descriptors(getpid()), before);
    ck_assert_uint_eq(count_descriptors((int)spawner_pid(spawner)), spawners);
    expect_no_children_of_spawner();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_body_goes_in_and_the_result_comes_out_byte_for_byte,
                                  what_is_no_json_is_a_string,
                                  a_command_that_prints_nothing_has_an_empty_string,
                                  the_job_is_in_the_environment,
                                  folder_and_limits_are_the_handlers,
                                  text_input_makes_any_path_usable_in_a_shell_command,
                                  a_body_of_a_mebibyte_goes_through_both_pipes_at_once,
                                  a_command_need_not_read_its_input,
                                  a_command_may_write_much_before_it_reads,
                                  stderr_of_any_size_is_taken_and_its_end_kept,
                                  max_output_may_be_reached_and_not_passed,
                                  the_exit_status_and_stderr_are_the_error,
                                  the_signal_that_ended_it_is_the_error,
                                  a_command_that_cannot_be_run_is_the_error,
                                  a_failed_job_is_tried_again_after_the_queues_backoff,
                                  a_timeout_ends_the_command_and_is_the_error,
                                  a_command_that_ignores_term_is_killed_after_the_grace,
                                  a_command_that_heeds_term_has_still_timed_out,
                                  a_grandchild_in_the_group_is_ended_with_the_command,
                                  a_grandchild_has_the_grace_to_end_well,
                                  a_grandchild_that_ignores_term_is_killed_after_the_grace,
                                  one_that_left_the_group_and_keeps_the_pipe_open_is_not_waited_for,
                                  a_deleted_job_is_ended,
                                  a_cancelled_job_is_ended_and_reserved_until_it_is,
                                  a_dropped_queues_job_is_ended,
                                  when_the_spawner_is_gone_jobs_go_back_uncounted,
                                  ten_thousand_jobs_leave_no_descriptor_and_no_process,
                                  NULL};
    return pool_test_main("pool/handler_exec", tests);
}
