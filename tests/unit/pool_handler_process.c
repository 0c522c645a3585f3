#include "server/pool/handler_process.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct handler_settings *process_add(const char *name, const char *const *argv)
{
    struct handler_settings *s = handler_add(name, HANDLER_PROCESS);
    for (; *argv; argv++)
        ck_assert(handler_texts_add(&s->command, *argv));
    s->grace = 300;
    return s;
}

static struct handler_settings *child_add(void)
{
    return process_add("q", ARGV(POOL_CHILD));
}

static void child_start(void)
{
    child_add();
    handlers_start();
}

// The number that a child answers to this.
static int ask(const char *body)
{
    struct outcome o = wait_outcome(put("q", body));
    ck_assert_msg(o.state == JOB_DONE, "failed: %.*s", o.error ? (int)o.error->len : 0,
                  o.error ? o.error->data : "");
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)o.result->len, o.result->data);
    int n = atoi(text);
    outcome_release(&o);
    return n;
}

// ---- well

START_TEST(one_child_runs_all)
{
    child_start();
    int pid = ask("\"pid\"");
    expect_result(put("q", "\"a \\\"b\\\" \\u00e9\""), "\"a \\\"b\\\" \\u00e9\"");
    ck_assert_int_eq(ask("\"pid\""), pid);
    ck_assert_int_eq(ask("\"count\""), 4);
    ck_assert_uint_eq(handler_look("q").done, 4);
}
END_TEST

START_TEST(the_line_says_all_about_the_job)
{
    struct handler_settings *s =
        process_add("h", SH("read -r line; id=${line#*:}; id=${id%%,*};"
                            "printf '{\"id\":%s,\"result\":%s}\\n' \"$id\" \"$line\"; cat > /dev/null"));
    ck_assert(handler_texts_add(&s->queues, "a \"queue\""));
    handlers_start();
    uint64_t id = put("a \"queue\"", "{\"n\":[1, 2]}");
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DONE);
    char start[200];
    int n = snprintf(start, sizeof start,
                     "{\"id\":%llu,\"queue\":\"a \\\"queue\\\"\",\"attempt\":1,\"delivery\":",
                     (unsigned long long)id);
    const char *end = ",\"body\":{\"n\":[1, 2]}}";
    ck_assert_mem_eq(o.result->data, start, (size_t)n);
    ck_assert_mem_eq(o.result->data + o.result->len - strlen(end), end, strlen(end));
    outcome_release(&o);
}
END_TEST

START_TEST(large_bodies_and_results)
{
    child_start();
    uint64_t id = put_size("q", 'x', 1 << 20);
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DONE);
    ck_assert_uint_eq(o.result->len, 1 << 20);
    outcome_release(&o);
}
END_TEST

START_TEST(several_children_work_at_once)
{
    child_add()->workers = 3;
    handlers_start();
    uint64_t hanging[2] = {put("q", "\"hang\""), put("q", "\"hang\"")};
    wait_running("q", 2);
    ck_assert_int_gt(ask("\"pid\""), 0);
    remove_job(hanging[0]);
    remove_job(hanging[1]);
    wait_running("q", 0);
}
END_TEST

START_TEST(errors_are_the_jobs)
{
    child_start();
    int pid = ask("\"pid\"");
    expect_failure(put("q", "\"error\""), "{\"code\":7}");
    expect_buried(put_attempts("q", "\"bury\"", 20));
    ck_assert_int_eq(ask("\"pid\""), pid);
    ck_assert_uint_eq(handler_look("q").failed, 2);
}
END_TEST

START_TEST(an_error_may_say_when_to_try_again)
{
    declare_backoff("q", 3600000);
    child_start();
    expect_result(put_attempts("q", "\"error, again at once\"", 5), "3");
}
END_TEST

START_TEST(progress_is_seen_while_it_runs_and_a_cancel_ends_it)
{
    child_start();
    uint64_t id = put("q", "\"progress and no end\"");
    struct job_view v;
    WAIT_UNTIL(look(id, &v) &&
               strcmp(v.progress, "\"done\":1,\"total\":2,\"message\":\"half \xc3\xa9\"") == 0);
    cancel_running(id);
    expect_cancelled(id);
    ck_assert(look(id, &v) && v.progress[0] == '\0');
    expect_result(put("q", "\"count\""), "1"); // of another child
}
END_TEST

START_TEST(progress_is_no_answer)
{
    child_start();
    expect_result(put("q", "\"progress\""), "2");
}
END_TEST

START_TEST(a_child_has_its_environment_folder_and_files)
{
    struct handler_settings *s =
        process_add("q", SH("read -r line; id=${line#*:}; id=${id%%,*};"
                            "printf '{\"id\":%s,\"result\":\"%s %s %s\"}\\n' \"$id\" \"$EXTRA\" \"$PWD\" "
                            "\"$(ulimit -n)\"; cat > /dev/null"));
    ck_assert(handler_texts_add(&s->env, "EXTRA=a b"));
    ck_assert(handler_text_set(&s->cwd, "/"));
    s->limit_files = 77;
    handlers_start();
    expect_result(put("q", "1"), "\"a b / 77\"");
}
END_TEST

// ---- replaced

START_TEST(after_max_jobs_there_is_a_new_child)
{
    child_add()->max_jobs = 2;
    handlers_start();
    int first = ask("\"pid\"");
    ck_assert_int_eq(ask("\"pid\""), first);
    WAIT_UNTIL(!alive(first)); // without a job that would need a new one
    int second = ask("\"pid\"");
    ck_assert_int_ne(second, first);
    ck_assert_int_eq(ask("\"count\""), 2);
    ck_assert_int_eq(ask("\"count\""), 1);
}
END_TEST

START_TEST(a_retired_child_that_stays_is_ended)
{
    process_add("q", ARGV(POOL_CHILD, "does not end"))->max_jobs = 1;
    handlers_start();
    int first = ask("\"pid\"");
    int second = ask("\"pid\""); // waits for the first one's end
    ck_assert_int_ne(first, second);
    ck_assert(!alive(first));
    WAIT_UNTIL(!alive(second));
}
END_TEST

START_TEST(a_child_that_ends_between_jobs_costs_nothing)
{
    child_start();
    for (int i = 0; i < 20; i++) {
        uint64_t id = put("q", "\"answer and exit\""), next = put("q", "\"count\"");
        expect_result(id, "\"last\"");
        expect_result(next, "1");
    }
    ck_assert_uint_eq(handler_look("q").failed, 0);
}
END_TEST

START_TEST(a_child_that_is_killed_between_jobs_is_noticed)
{
    child_start();
    int pid = ask("\"pid\"");
    kill(pid, SIGKILL);
    WAIT_UNTIL(!alive(pid));
    expect_no_children_of_spawner();
    ck_assert_int_ne(ask("\"pid\""), pid);
}
END_TEST

// ---- badly

START_TEST(it_ends_with_a_job)
{
    child_start();
    ask("\"pid\"");
    expect_failure(put("q", "\"exit 3\""), "{\"exit\":3,\"stderr\":\"\"}");
    ck_assert_int_eq(ask("\"count\""), 1);
    expect_failure(put("q", "\"exit 0\""), "{\"exit\":0,\"stderr\":\"\"}");
    ask("\"pid\"");
    expect_failure(put("q", "\"signal 9\""), "{\"signal\":\"SIGKILL\",\"stderr\":\"\"}");
    ask("\"pid\"");
    expect_failure(put("q", "\"no newline and exit\""), "{\"exit\":0,\"stderr\":\"\"}");
}
END_TEST

START_TEST(there_is_no_such_command)
{
    process_add("q", ARGV("/nonexistent/command"));
    handlers_start();
    expect_failure(put("q", "1"), "{\"spawn\":\"cannot run the command: No such file or directory\"}");
}
END_TEST

START_TEST(it_cannot_be_run)
{
    const char *path = scratch("plain");
    close(open(path, O_CREAT | O_WRONLY, 0644));
    process_add("q", ARGV(path));
    handlers_start();
    expect_failure(put("q", "1"), "{\"spawn\":\"cannot run the command: Permission denied\"}");
}
END_TEST

START_TEST(one_that_ends_at_once_is_started_ever_less_often)
{
    process_add("q", ARGV(POOL_CHILD, "ends at once"));
    handlers_start();
    int64_t began = clock_now().mono;
    expect_failure(put("q", "1"), "{\"exit\":4,\"stderr\":\"\"}");
    ck_assert_int_lt(clock_now().mono - began, 900 + PATIENCE_MS * SANITIZED);
    expect_failure(put("q", "1"), "{\"exit\":4,\"stderr\":\"\"}"); // 1 s later
    ck_assert_int_ge(clock_now().mono - began, 950);
}
END_TEST

START_TEST(it_takes_too_long)
{
    child_add()->timeout = 200;
    handlers_start();
    expect_failure(put("q", "\"hang\""), "{\"timeout\":0.2,\"stderr\":\"\"}");
    int64_t began = clock_now().mono;
    expect_failure(put("q", "\"deaf\""), "{\"timeout\":0.2,\"stderr\":\"\"}");
    ck_assert_int_ge(clock_now().mono - began, 490);
    expect_failure(put("q", "\"late\""), "{\"timeout\":0.2,\"stderr\":\"\"}");
    expect_failure(put("q", "\"no newline\""), "{\"timeout\":0.2,\"stderr\":\"\"}");
    ck_assert_int_eq(ask("\"count\""), 1);
}
END_TEST

START_TEST(it_answers_something_else)
{
    child_add();
    handlers_start();
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"\"rubbish\"",
         "{\"answer\":\"the child's answer is not a JSON object in one line\",\"stderr\":\"on the "
         "last leg\\n\"}"},
        {"\"wrong id\"", "{\"answer\":\"the child's answer has the id of another job\""},
        {"\"not UTF-8\"", "{\"answer\":\"the child's answer is not a JSON object in one line\""},
        {"\"close output\"", "{\"answer\":\"the child's answer cannot come: it closed its output\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int pid = ask("\"pid\"");
        expect_failure_with(put("q", cases[i].body), cases[i].text);
        ck_assert_int_ne(ask("\"pid\""), pid);
        ck_assert(!alive(pid));
    }
}
END_TEST

START_TEST(it_answers_twice)
{
    child_start();
    int pid = ask("\"pid\"");
    expect_result(put("q", "\"twice\""), "1");
    ck_assert_int_ne(ask("\"pid\""), pid);
    pid = ask("\"pid\"");
    expect_result(put("q", "\"twice, later\""), "1");
    WAIT_UNTIL(!alive(pid)); // nobody needs to ask
    ck_assert_int_eq(ask("\"count\""), 1);
    ck_assert_uint_eq(handler_look("q").failed, 0);
}
END_TEST

START_TEST(its_answer_is_too_long)
{
    child_add()->max_output = 40;
    handlers_start();
    ask("\"pid\"");
    expect_failure(put("q", "\"long\""), "{\"output\":40,\"stderr\":\"\"}"); // with its quotes it has 42
    struct outcome o = wait_outcome(put("q", "\"0123456789012345678901234567890123456\""));
    ck_assert_int_eq(o.state, JOB_DONE);
    outcome_release(&o);
}
END_TEST

START_TEST(it_writes_a_gigabyte)
{
    child_start();
    ask("\"pid\"");
    expect_failure(put("q", "\"flood output\""), "{\"output\":1048576,\"stderr\":\"\"}");
    ck_assert_int_eq(ask("\"count\""), 1);
}
END_TEST

START_TEST(it_writes_a_gigabyte_of_errors)
{
    log_begin();
    child_start();
    expect_result(put("q", "\"flood errors\""), "\"flooded\"");
    pool_end();
    size_t size = log_end().len;
    ck_assert_uint_gt(size, 100 * 80);
    ck_assert_uint_lt(size, 2 << 20);
}
END_TEST

START_TEST(it_closes_its_input)
{
    child_start();
    int pid = ask("\"pid\"");
    expect_result(put("q", "\"close input\""), "\"closed\"");
    ck_assert_int_eq(ask("\"count\""), 1); // by another, and not counted as an attempt
    ck_assert(!alive(pid));
}
END_TEST

START_TEST(it_does_not_read_its_input)
{
    struct handler_settings *s = process_add("q", SH("exec sleep 100 < /dev/null"));
    s->timeout = 200;
    handlers_start();
    struct outcome o = wait_outcome(put_size("q", 'x', 1 << 20));
    ck_assert_int_eq(o.state, JOB_DEAD);
    outcome_release(&o);
}
END_TEST

START_TEST(it_leaves_somebody_behind_who_keeps_its_pipes)
{
    child_start();
    ask("\"pid\"");
    expect_failure(put("q", "\"grandchild\""),
                   "{\"exit\":3,\"stderr\":\"\"}"); // who is killed after the grace
    ck_assert_int_eq(ask("\"count\""), 1);
    expect_failure(put("q", "\"fugitive\""), "{\"exit\":3,\"stderr\":\"\"}");
    ck_assert_int_eq(ask("\"count\""), 1);
    pool_end();
    spawner_stop(spawner); // which ends the fugitive
    spawner = spawner_start();
}
END_TEST

START_TEST(processor_time_is_limited_for_each_job)
{
    child_add()->limit_cpu = 1;
    handlers_start();
    for (int i = 1; i <= 2; i++)
        ck_assert_int_eq(ask("\"burn a little\""), i); // more than 1 s in all
    expect_failure(put("q", "\"burn\""), "{\"signal\":\"SIGXCPU\",\"stderr\":\"\"}");
}
END_TEST

static void give_up(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
    data[capability / 32].effective &= ~(1u << capability % 32);
    data[capability / 32].permitted &= ~(1u << capability % 32);
    ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

// Also where root may not change what belongs to others, as in many containers.
START_TEST(so_it_is_for_a_child_of_another_user)
{
    if (geteuid() != 0)
        return;
    spawner_stop(spawner);
    give_up(CAP_SYS_RESOURCE);
    spawner = spawner_start();
    ck_assert_ptr_nonnull(spawner);
    struct handler_settings *s =
        process_add("q", SH("while read -r line; do id=${line#*:};"
                            "printf '{\"id\":%s,\"result\":%s}\\n' \"${id%%,*}\" \"$(ulimit -S -t)\"; done"));
    s->limit_cpu = 1;
    s->cwd = strdup("/");
    ck_assert(s->cwd && handler_text_set(&s->user, "nobody"));
    handlers_start();
    ck_assert_int_eq(ask("1"), 1);
    WAIT_UNTIL(ask("1") > 1);
}
END_TEST

// ---- the end

START_TEST(a_deleted_job_ends_its_child)
{
    child_start();
    int pid = ask("\"pid\"");
    uint64_t id = put("q", "\"deaf\"");
    wait_running("q", 1);
    remove_job(id);
    WAIT_UNTIL(!alive(pid));
    ck_assert_int_eq(ask("\"count\""), 1);
}
END_TEST

START_TEST(a_drain_waits_for_the_job_and_then_for_the_child)
{
    process_add("q", ARGV(POOL_CHILD, "does not end"))->workers = 2;
    handlers_start();
    int pid = ask("\"pid\"");
    pool_drain(pool, 60000);
    wait_drained();
    ck_assert(!alive(pid));
    expect_no_children_of_spawner();
}
END_TEST

START_TEST(a_hurry_puts_the_job_back)
{
    child_start();
    int pid = ask("\"pid\"");
    uint64_t id = put("q", "\"deaf\"");
    wait_running("q", 1);
    pool_hurry(pool);
    wait_drained();
    WAIT_UNTIL(!alive(pid));
    expect_untouched(id);
}
END_TEST

START_TEST(no_descriptor_is_lost)
{
    child_add();
    handlers_start();
    ask("\"pid\"");
    WAIT_UNTIL(handler_look("q").running == 0);
    size_t before = count_descriptors(getpid()), spawners = count_descriptors((int)spawner_pid(spawner));
    static const char *const bodies[] = {"\"exit 1\"", "\"rubbish\"", "\"twice\"", "\"answer and exit\"",
                                         "\"signal 11\""};
    for (int i = 0; i < 20; i++) {
        struct outcome o = wait_outcome(put("q", bodies[i % 5]));
        outcome_release(&o);
        ask("\"pid\"");
    }
    WAIT_UNTIL(handler_look("q").running == 0);
    ck_assert_uint_eq(count_descriptors(getpid()), before);
    ck_assert_uint_eq(count_descriptors((int)spawner_pid(spawner)), spawners);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one_child_runs_all,
                                  the_line_says_all_about_the_job,
                                  large_bodies_and_results,
                                  several_children_work_at_once,
                                  errors_are_the_jobs,
                                  an_error_may_say_when_to_try_again,
                                  progress_is_no_answer,
                                  progress_is_seen_while_it_runs_and_a_cancel_ends_it,
                                  a_child_has_its_environment_folder_and_files,
                                  after_max_jobs_there_is_a_new_child,
                                  a_retired_child_that_stays_is_ended,
                                  a_child_that_ends_between_jobs_costs_nothing,
                                  a_child_that_is_killed_between_jobs_is_noticed,
                                  it_ends_with_a_job,
                                  there_is_no_such_command,
                                  it_cannot_be_run,
                                  one_that_ends_at_once_is_started_ever_less_often,
                                  it_takes_too_long,
                                  it_answers_something_else,
                                  it_answers_twice,
                                  its_answer_is_too_long,
                                  it_writes_a_gigabyte,
                                  it_writes_a_gigabyte_of_errors,
                                  it_closes_its_input,
                                  it_does_not_read_its_input,
                                  it_leaves_somebody_behind_who_keeps_its_pipes,
                                  processor_time_is_limited_for_each_job,
                                  so_it_is_for_a_child_of_another_user,
                                  a_deleted_job_ends_its_child,
                                  a_drain_waits_for_the_job_and_then_for_the_child,
                                  a_hurry_puts_the_job_back,
                                  no_descriptor_is_lost,
                                  NULL};
    return pool_test_main("handler_process", tests);
}
