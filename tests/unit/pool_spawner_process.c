#include "tests/unit/pool_spawner_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_signal_reaches_the_whole_group)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH("sleep 1000 & echo ready; sleep 1000")});
    expect_line(child.out, "ready");
    signal_child(&child, SIGKILL);
    expect_end(child.out);
    ck_assert_int_eq(WTERMSIG(wait_exit(channel).status), SIGKILL);
    spawn_child_close(&child);
    expect_no_children();
}
END_TEST

START_TEST(who_ignores_term_is_killed)
{
    struct spawn_child child = start(
        &(struct spawn_spec){.argv = SH("trap 'echo term' TERM; echo ready; while :; do sleep 0.1; done")});
    expect_line(child.out, "ready");
    signal_child(&child, SIGTERM);
    expect_line(child.out, "term");
    signal_child(&child, SIGKILL);
    ck_assert_int_eq(WTERMSIG(wait_exit(channel).status), SIGKILL);
    spawn_child_close(&child);
}
END_TEST

// As /proc shows it: R, S, T for stopped, …
static char state_of(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
    fclose(f);
    return state;
}

START_TEST(a_stopped_child_hears_term)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("sleep", "1000")});
    signal_child(&child, SIGSTOP);
    while (state_of(child.pid) != 'T')
        sched_yield();
    signal_child(&child, SIGTERM);
    ck_assert_int_eq(WTERMSIG(wait_exit(channel).status), SIGTERM);
    spawn_child_close(&child);
}
END_TEST

START_TEST(what_outlives_the_leader_is_ended)
{
    struct spawn_child child =
        start(&(struct spawn_spec){.argv = SH("sleep 1000 & echo $!; exit 3"), .grace_ms = PATIENCE_MS});
    char pid[32];
    read_line(child.out, pid, sizeof pid);
    ck_assert_int_eq(WEXITSTATUS(wait_exit(channel).status), 3);
    ck_assert_int_eq(kill(atoi(pid), 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    expect_end(child.out);
    spawn_child_close(&child);
    expect_no_children();
}
END_TEST

START_TEST(what_outlives_the_leader_has_its_grace)
{
    const char *script =
        "(trap 'echo cleaned; exit' TERM; echo ready; while :; do sleep 0.1; done) & read go";
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH(script), .grace_ms = PATIENCE_MS});
    expect_line(child.out, "ready");
    ck_assert_int_eq(write(child.in, "go\n", 3), 3);
    expect_line(child.out, "cleaned");
    ck_assert_int_eq(wait_exit(channel).status, 0);
    spawn_child_close(&child);
    expect_no_children();
}
END_TEST

START_TEST(what_outlives_the_leader_and_ignores_term_is_killed)
{
    static const unsigned graces[] = {0, 50};
    for (size_t i = 0; i < 2; i++) {
        struct spawn_child child = start(
            &(struct spawn_spec){.argv = SH("trap '' TERM; sleep 1000 & echo $!"), .grace_ms = graces[i]});
        char pid[32];
        read_line(child.out, pid, sizeof pid);
        ck_assert_int_eq(wait_exit(channel).status, 0);
        ck_assert_int_eq(kill(atoi(pid), 0), -1);
        expect_end(child.out);
        spawn_child_close(&child);
        expect_no_children();
    }
}
END_TEST

START_TEST(a_zombie_that_nobody_reaps_does_not_hold_up_the_exit)
{
    const char *script = "(sleep 1000 & exec setsid sh -c 'echo away; exec sleep 1000') & read go";
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH(script), .grace_ms = 50});
    expect_line(child.out, "away");
    ck_assert_int_eq(write(child.in, "go\n", 3), 3);
    ck_assert_int_eq(wait_exit(channel).status, 0);
    spawn_child_close(&child);
    expect_true();
}
END_TEST

START_TEST(orphans_are_reaped)
{
    for (int i = 0; i < 50; i++) {
        struct outcome o =
            run(&(struct spawn_spec){.argv = SH("(true & true &) & true &"), .grace_ms = 1000});
        ck_assert_int_eq(o.exit.status, 0);
        outcome_release(&o);
    }
    expect_no_children();
}
END_TEST

START_TEST(closing_the_channel_kills_its_child)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH("sleep 1000 & echo ready; sleep 1000")});
    expect_line(child.out, "ready");
    spawn_channel_close(channel);
    expect_end(child.out);
    spawn_child_close(&child);
    channel = spawn_channel_open(spawner);
    ck_assert_ptr_nonnull(channel);
    expect_true();
}
END_TEST

START_TEST(closing_the_channel_ends_the_grace)
{
    const char *script = "trap '' TERM; (echo ready; sleep 1000) & read go";
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH(script), .grace_ms = 1000 * 1000});
    expect_line(child.out, "ready");
    close(child.in);
    child.in = -1;
    spawn_channel_close(channel);
    expect_end(child.out);
    spawn_child_close(&child);
    channel = spawn_channel_open(spawner);
}
END_TEST

START_TEST(no_descriptors_in_the_spawner)
{
    struct rlimit before;
    pid_t pid = spawner_pid(spawner);
    size_t held = count_descriptors(pid);
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
    for (size_t room = 0; room < 5; room++) { // three for the pipes' ends, two for the report
        struct rlimit l = {.rlim_cur = held + room, .rlim_max = before.rlim_max};
        struct spawn_child child;
        struct spawn_error e = {0};
        ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &l, NULL), 0);
        ck_assert(!spawn_channel_spawn(channel, &(struct spawn_spec){.argv = ARGV("true")}, &child, &e));
        ck_assert_int_eq(e.step, SPAWN_STEP_DESCRIPTORS);
        ck_assert_int_eq(e.error, EMFILE);
        if (room == 0) {
            ck_assert_ptr_null(spawn_channel_open(spawner));
            ck_assert_int_eq(errno, EMFILE);
        }
        ck_assert_uint_eq(count_descriptors(pid), held);
    }
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &(struct rlimit){held + 5, before.rlim_max}, NULL), 0);
    expect_true();
}
END_TEST

START_TEST(the_spawner_does_not_heed_signals)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        ck_assert_int_eq(kill(spawner_pid(spawner), signals[i]), 0);
    expect_true();
}
END_TEST

// A fifo that commands write to, so that its end tells the test that all of them are gone.
static int fifo_open(char *dir, char *variable, size_t size)
{
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/fifo", dir);
    snprintf(variable, size, "FIFO=%s", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void fifo_remove(const char *dir)
{
    char path[64];
    snprintf(path, sizeof path, "%s/fifo", dir);
    unlink(path);
    rmdir(dir);
}

static const char family[] = "exec >$FIFO; trap '' TERM HUP INT\n"
                             "sleep 1000 &\n"
                             "(setsid sh -c 'echo $$; echo away; exec sleep 1000' &) &\n"
                             "sleep 1000";

static _Noreturn void be_daemon(const char *variable)
{
    struct spawn_child child;
    struct spawn_error e;
    spawner = spawner_start();
    channel = spawner ? spawn_channel_open(spawner) : NULL;
    if (!channel ||
        !spawn_channel_spawn(channel, &(struct spawn_spec){.argv = SH(family), .env = ARGV(variable)}, &child,
                             &e))
        _exit(1);
    for (;;)
        pause();
}

START_TEST(when_the_daemon_is_killed_its_children_die)
{
    char dir[] = "/tmp/taskq-spawner-XXXXXX", variable[80], pid[32];
    int fd = fifo_open(dir, variable, sizeof variable);
    pid_t daemon_pid = fork();
    ck_assert_int_ge(daemon_pid, 0);
    if (daemon_pid == 0)
        be_daemon(variable);
    read_line(fd, pid, sizeof pid);
    expect_line(fd, "away");
    ck_assert_int_eq(getsid(atoi(pid)), atoi(pid)); // it left the group, and is found all the same
    kill(daemon_pid, SIGKILL);
    expect_end(fd);
    ck_assert_int_eq(waitpid(daemon_pid, NULL, 0), daemon_pid);
    close(fd);
    fifo_remove(dir);
}
END_TEST

START_TEST(stop_kills_what_runs_and_waits_for_it)
{
    char dir[] = "/tmp/taskq-spawner-XXXXXX", variable[80], pid[32];
    int fd = fifo_open(dir, variable, sizeof variable);
    struct spawn_child child = start(&(struct spawn_spec){.argv = SH(family), .env = ARGV(variable)});
    read_line(fd, pid, sizeof pid);
    expect_line(fd, "away");
    pid_t former = spawner_pid(spawner);
    spawner_stop(spawner);
    ck_assert_int_eq(kill(child.pid, 0), -1);
    ck_assert_int_eq(kill(former, 0), -1);
    struct spawn_exit e;
    ck_assert_int_eq(spawn_channel_read_exit(channel, &e), -1);
    expect_end(fd);
    close(fd);
    fifo_remove(dir);
    spawn_child_close(&child);
    spawn_channel_close(channel);
    spawner_setup_test();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_signal_reaches_the_whole_group,
                                  who_ignores_term_is_killed,
                                  a_stopped_child_hears_term,
                                  what_outlives_the_leader_is_ended,
                                  what_outlives_the_leader_has_its_grace,
                                  what_outlives_the_leader_and_ignores_term_is_killed,
                                  a_zombie_that_nobody_reaps_does_not_hold_up_the_exit,
                                  orphans_are_reaped,
                                  closing_the_channel_kills_its_child,
                                  closing_the_channel_ends_the_grace,
                                  no_descriptors_in_the_spawner,
                                  the_spawner_does_not_heed_signals,
                                  when_the_daemon_is_killed_its_children_die,
                                  stop_kills_what_runs_and_waits_for_it,
                                  NULL};
    return spawner_test_main("pool/spawner_process", tests);
}
