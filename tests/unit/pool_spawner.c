#include "tests/unit/pool_spawner_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(what_goes_in_comes_out)
{
    size_t size = 1000 * 1000;
    char *input = malloc(size);
    ck_assert_ptr_nonnull(input);
    for (size_t i = 0; i < size; i++)
        input[i] = (char)(i * 7 >> 3);
    struct outcome o = run_with(&(struct spawn_spec){.argv = ARGV("cat")}, input, size);
    ck_assert_uint_eq(o.out_size, size);
    ck_assert_int_eq(memcmp(o.out, input, size), 0);
    ck_assert_int_eq(o.exit.status, 0);
    outcome_release(&o);
    free(input);
}
END_TEST

START_TEST(out_and_err_are_two_pipes)
{
    struct outcome o = run(&(struct spawn_spec){.argv = SH("echo one; echo two >&2")});
    ck_assert_str_eq(o.out, "one\n");
    ck_assert_str_eq(o.err, "two\n");
    outcome_release(&o);
}
END_TEST

START_TEST(the_input_can_be_a_socket_that_speaks_too)
{
    struct spawn_spec spec = {.argv = SH("echo heard >&0; read -r _; exit 7"), .socket_in = true};
    struct spawn_child child = start(&spec);
    char text[16] = "";
    wait_readable(child.in);
    ck_assert_int_eq(read(child.in, text, sizeof text), 6);
    ck_assert_str_eq(text, "heard\n");
    close(child.in);
    child.in = -1;
    struct spawn_exit exit = wait_exit(channel);
    ck_assert(WIFEXITED(exit.status) && WEXITSTATUS(exit.status) == 7);
    spawn_child_close(&child);
}
END_TEST

START_TEST(the_exit_code_comes_back)
{
    struct outcome o = run(&(struct spawn_spec){.argv = SH("exit 42")});
    ck_assert(WIFEXITED(o.exit.status));
    ck_assert_int_eq(WEXITSTATUS(o.exit.status), 42);
    ck_assert_uint_gt(o.exit.max_rss_kb, 0);
    outcome_release(&o);
}
END_TEST

START_TEST(the_signal_that_killed_it_comes_back)
{
    struct outcome o = run(&(struct spawn_spec){.argv = SH("kill -SEGV $$")});
    ck_assert(WIFSIGNALED(o.exit.status));
    ck_assert_int_eq(WTERMSIG(o.exit.status), SIGSEGV);
    outcome_release(&o);
}
END_TEST

START_TEST(an_exit_is_not_reported_before_it_is)
{
    struct spawn_exit e;
    struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("cat")});
    ck_assert_int_eq(spawn_channel_read_exit(channel, &e), 0);
    spawn_child_close(&child);
    ck_assert_int_eq(child.in, -1);
    ck_assert_int_eq(child.out, -1);
    ck_assert_int_eq(child.err, -1);
    ck_assert_int_eq(wait_exit(channel).status, 0);
}
END_TEST

START_TEST(a_spec_that_is_too_large)
{
    static char large[SPAWN_SPEC_MAX + 1], fits[SPAWN_SPEC_MAX - 8192];
    memset(large, 'x', sizeof large - 1);
    memset(fits, 'x', sizeof fits - 1);
    const char *many[1026] = {NULL};
    for (size_t i = 0; i < 1025; i++)
        many[i] = "A=1";
    expect_failure(&(struct spawn_spec){.argv = ARGV("true", large)}, SPAWN_STEP_SPEC, E2BIG);
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .env = ARGV(large)}, SPAWN_STEP_SPEC, E2BIG);
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .cwd = large}, SPAWN_STEP_SPEC, E2BIG);
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .env = many}, SPAWN_STEP_SPEC, E2BIG);
    char length[32];
    snprintf(length, sizeof length, "%zu\n", sizeof fits - 1);
    expect_out(&(struct spawn_spec){.argv = ARGV("sh", "-c", "echo ${#1}", "sh", fits)}, length);
}
END_TEST

START_TEST(no_descriptors_in_the_daemon)
{
    struct rlimit before, none = {0, 0};
    size_t held = count_descriptors(getpid());
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    struct spawn_child child;
    struct spawn_error e = {0};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert(!spawn_channel_spawn(channel, &(struct spawn_spec){.argv = ARGV("true")}, &child, &e));
    ck_assert_ptr_null(spawn_channel_open(spawner));
    ck_assert_ptr_null(spawner_start());
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(e.step, SPAWN_STEP_PIPE);
    ck_assert_int_eq(e.error, EMFILE);
    ck_assert_uint_eq(count_descriptors(getpid()), held);
    expect_true();
}
END_TEST

START_TEST(every_step_has_a_text)
{
    for (int s = 0; s < SPAWN_STEP_COUNT; s++)
        ck_assert_str_ne(spawn_step_text((enum spawn_step)s), "");
}
END_TEST

START_TEST(a_late_signal_does_not_hit_the_next_child)
{
    struct spawn_child first = start(&(struct spawn_spec){.argv = ARGV("true")});
    wait_exit(channel);
    signal_child(&first, SIGKILL);
    struct spawn_child second = start(&(struct spawn_spec){.argv = ARGV("cat")});
    signal_child(&first, SIGKILL);
    ck_assert_int_eq(write(second.in, "here\n", 5), 5);
    expect_line(second.out, "here");
    spawn_child_close(&first);
    spawn_child_close(&second);
    ck_assert_int_eq(wait_exit(channel).status, 0);
}
END_TEST

START_TEST(thousands_leave_nothing_behind)
{
    expect_true();
    size_t ours = count_descriptors(getpid()), its = count_descriptors(spawner_pid(spawner));
    for (int i = 0; i < 2000; i++) {
        struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("/bin/true")});
        ck_assert_int_eq(wait_exit(channel).status, 0);
        spawn_child_close(&child);
    }
    ck_assert_uint_eq(count_descriptors(getpid()), ours);
    ck_assert_uint_eq(count_descriptors(spawner_pid(spawner)), its);
    expect_no_children();
}
END_TEST

START_TEST(channels_come_and_go)
{
    size_t its = count_descriptors(spawner_pid(spawner));
    for (int i = 0; i < 500; i++) {
        struct spawn_channel *c = spawn_channel_open(spawner);
        ck_assert_ptr_nonnull(c);
        spawn_channel_close(c);
    }
    expect_true();
    // The spawner takes what came first first: these closes are done when a channel opened later answers.
    struct spawn_channel *last = spawn_channel_open(spawner);
    ck_assert_ptr_nonnull(last);
    ck_assert_uint_le(count_descriptors(spawner_pid(spawner)), its + 1);
    spawn_channel_close(last);
}
END_TEST

static void *worker(void *number)
{
    struct spawn_channel *c = spawn_channel_open(spawner);
    ck_assert_ptr_nonnull(c);
    for (int i = 0; i < 100; i++) {
        char script[32], code = (char)(((size_t)number * 31 + (size_t)i) % 200);
        snprintf(script, sizeof script, "exit %d", (unsigned char)code);
        struct spawn_child child;
        struct spawn_error e;
        ck_assert(spawn_channel_spawn(c, &(struct spawn_spec){.argv = SH(script)}, &child, &e));
        ck_assert_int_eq(WEXITSTATUS(wait_exit(c).status), (unsigned char)code);
        spawn_child_close(&child);
    }
    spawn_channel_close(c);
    return NULL;
}

START_TEST(each_thread_hears_of_its_own_children)
{
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    expect_no_children();
}
END_TEST

START_TEST(when_the_spawner_is_killed_the_daemon_knows_and_leaders_die)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("sleep", "1000")});
    struct pollfd p = {.fd = spawner_fd(spawner), .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    kill(spawner_pid(spawner), SIGKILL);
    wait_readable(spawner_fd(spawner));
    expect_end(child.out);
    struct spawn_exit exit;
    wait_readable(spawn_channel_fd(channel));
    ck_assert_int_eq(spawn_channel_read_exit(channel, &exit), -1);
    ck_assert(!spawn_channel_signal(channel, &child, SIGTERM));
    ck_assert_ptr_null(spawn_channel_open(spawner));
    ck_assert_int_eq(errno, EPIPE);
    spawn_child_close(&child);
    // A worker whose child went with the spawner may come for its next job before the daemon stops.
    struct spawn_error e = {0};
    ck_assert(!spawn_channel_spawn(channel, &(struct spawn_spec){.argv = ARGV("true")}, &child, &e));
    ck_assert_int_eq(e.step, SPAWN_STEP_SPAWNER);
}
END_TEST

START_TEST(when_the_spawner_is_gone_a_spawn_says_so)
{
    struct spawn_child child;
    struct spawn_error e = {0};
    kill(spawner_pid(spawner), SIGKILL);
    wait_readable(spawner_fd(spawner));
    ck_assert(!spawn_channel_spawn(channel, &(struct spawn_spec){.argv = ARGV("true")}, &child, &e));
    ck_assert_int_eq(e.step, SPAWN_STEP_SPAWNER);
    ck_assert_int_eq(e.error, EPIPE);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_goes_in_comes_out,
                                  out_and_err_are_two_pipes,
                                  the_input_can_be_a_socket_that_speaks_too,
                                  the_exit_code_comes_back,
                                  the_signal_that_killed_it_comes_back,
                                  an_exit_is_not_reported_before_it_is,
                                  a_spec_that_is_too_large,
                                  no_descriptors_in_the_daemon,
                                  every_step_has_a_text,
                                  a_late_signal_does_not_hit_the_next_child,
                                  thousands_leave_nothing_behind,
                                  channels_come_and_go,
                                  each_thread_hears_of_its_own_children,
                                  when_the_spawner_is_killed_the_daemon_knows_and_leaders_die,
                                  when_the_spawner_is_gone_a_spawn_says_so,
                                  NULL};
    return spawner_test_main("pool/spawner", tests);
}
