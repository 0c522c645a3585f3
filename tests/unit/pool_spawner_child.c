#include "tests/unit/pool_spawner_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_command_that_is_not_there)
{
    expect_failure(&(struct spawn_spec){.argv = ARGV("no-such-command")}, SPAWN_STEP_EXEC, ENOENT);
    expect_failure(&(struct spawn_spec){.argv = ARGV("/no/such/command")}, SPAWN_STEP_EXEC, ENOENT);
    expect_failure(&(struct spawn_spec){.argv = ARGV("")}, SPAWN_STEP_EXEC, ENOENT);
}
END_TEST

START_TEST(a_command_that_is_no_program)
{
    char dir[] = "/tmp/taskq-spawner-XXXXXX", file[64], path[80];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/taskq-script", dir);
    snprintf(path, sizeof path, "PATH=/nowhere:%s:/bin:/usr/bin", dir);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "echo no\n", 8), 8);
    close(fd);
    expect_failure(&(struct spawn_spec){.argv = ARGV(file)}, SPAWN_STEP_EXEC, EACCES);
    expect_failure(&(struct spawn_spec){.argv = ARGV("taskq-script"), .env = ARGV(path)}, SPAWN_STEP_EXEC,
                   EACCES);
    ck_assert_int_eq(chmod(file, 0755), 0);
    expect_failure(&(struct spawn_spec){.argv = ARGV(file)}, SPAWN_STEP_EXEC, ENOEXEC);
    expect_failure(&(struct spawn_spec){.argv = ARGV("./taskq-script")}, SPAWN_STEP_EXEC, ENOENT);
    expect_failure(&(struct spawn_spec){.argv = ARGV("./taskq-script"), .cwd = dir}, SPAWN_STEP_EXEC,
                   ENOEXEC);
    expect_failure(&(struct spawn_spec){.argv = ARGV(dir)}, SPAWN_STEP_EXEC, EACCES);
    unlink(file);
    rmdir(dir);
}
END_TEST

START_TEST(a_directory_that_is_not_there)
{
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .cwd = "/no/such"}, SPAWN_STEP_CWD, ENOENT);
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .cwd = "/dev/null"}, SPAWN_STEP_CWD, ENOTDIR);
}
END_TEST

START_TEST(a_limit_that_cannot_be_set)
{
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .files = UINT32_MAX}, SPAWN_STEP_RLIMIT_FILES,
                   EPERM);
}
END_TEST

START_TEST(no_process_to_be_had)
{
    spawner_teardown_test(); // the limit does not hold root, so both become somebody else
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(12345, 12345, 12345), 0);
    spawner_setup_test();
    struct rlimit before, one = {1, 1};
    ck_assert_int_eq(prlimit(spawner_pid(spawner), RLIMIT_NPROC, NULL, &before), 0);
    one.rlim_max = before.rlim_max;
    ck_assert_int_eq(prlimit(spawner_pid(spawner), RLIMIT_NPROC, &one, NULL), 0);
    struct spawn_child child;
    struct spawn_error e = {0};
    ck_assert(!spawn_channel_spawn(channel, &(struct spawn_spec){.argv = ARGV("true")}, &child, &e));
    ck_assert_int_eq(e.step, SPAWN_STEP_FORK);
    ck_assert_int_eq(e.error, EAGAIN);
    ck_assert_int_eq(prlimit(spawner_pid(spawner), RLIMIT_NPROC, &before, NULL), 0);
    expect_true();
}
END_TEST

START_TEST(a_user_that_the_daemon_may_not_become)
{
    static struct spawn_user root;
    ck_assert_int_eq(spawn_user_lookup("root", &root), 0);
    spawner_teardown_test();
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(12345, 12345, 12345), 0);
    spawner_setup_test();
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .user = &root}, SPAWN_STEP_USER, EPERM);
    root.uid = geteuid(); // the one it is already it may stay
    expect_out(&(struct spawn_spec){.argv = ARGV("true"), .user = &root}, "");
}
END_TEST

START_TEST(environment)
{
    const char *script = "echo ${TASKQ_KEPT-none} ${TASKQ_CHANGED-none} ${TASKQ_GONE-none} ${TASKQ_NEW-none}";
    spawner_teardown_test();
    setenv("TASKQ_KEPT", "kept", 1);
    setenv("TASKQ_CHANGED", "old", 1);
    setenv("TASKQ_GONE", "here", 1);
    spawner_setup_test();
    setenv("TASKQ_KEPT", "too late", 1);
    const char *const *env = ARGV("TASKQ_NEW=first", "TASKQ_CHANGED=new=", "TASKQ_GONE", "TASKQ_NEW=last");
    expect_out(&(struct spawn_spec){.argv = SH(script), .env = env}, "kept new= none last\n");
    expect_out(&(struct spawn_spec){.argv = SH(script)}, "kept old here none\n");
    script = "tr '\\0' '\\n' </proc/$$/environ | grep TASKQ_NEW"; // the shell would hide that there are two
    expect_out(&(struct spawn_spec){.argv = SH(script), .env = env}, "TASKQ_NEW=last\n");
}
END_TEST

START_TEST(path_is_the_childs)
{
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .env = ARGV("PATH=/nowhere:/no")},
                   SPAWN_STEP_EXEC, ENOENT);
    expect_out(&(struct spawn_spec){.argv = ARGV("true"), .env = ARGV("PATH")}, "");
    expect_out(&(struct spawn_spec){.argv = ARGV("./bin/sh", "-c", "echo ok"), .cwd = "/"}, "ok\n");
    expect_out(&(struct spawn_spec){.argv = ARGV("sh", "-c", "echo ok"),
                                    .env = ARGV("PATH=:/no"),
                                    .cwd = "/bin"},
               "ok\n");
}
END_TEST

START_TEST(directory)
{
    expect_out(&(struct spawn_spec){.argv = ARGV("pwd"), .cwd = "/proc"}, "/proc\n");
}
END_TEST

START_TEST(limits)
{
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -n; ulimit -H -n"), .files = 64}, "64\n64\n");
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -t; ulimit -H -t"), .cpu_seconds = 7}, "7\n8\n");
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -v"), .memory_bytes = 512 << 20}, "524288\n");
}
END_TEST

START_TEST(without_limits_the_daemons_own_hold)
{
    struct rlimit l;
    char expected[64];
    spawner_teardown_test();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = 200;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
    spawner_setup_test();
    snprintf(expected, sizeof expected, "200\n%llu\n", (unsigned long long)l.rlim_max);
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -n; ulimit -H -n")}, expected);
}
END_TEST

START_TEST(a_limit_may_reach_the_hard_one_without_privilege)
{
    struct rlimit l = {100, 100};
    spawner_teardown_test();
    ck_assert_int_eq(setrlimit(RLIMIT_CPU, &l), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(12345, 12345, 12345), 0);
    spawner_setup_test();
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -t; ulimit -H -t"), .cpu_seconds = 100}, "100\n100\n");
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .cpu_seconds = 101}, SPAWN_STEP_RLIMIT_CPU,
                   EPERM);
}
END_TEST

START_TEST(cpu_time_is_limited)
{
    struct outcome o = run(&(struct spawn_spec){.argv = SH("while :; do :; done"), .cpu_seconds = 1});
    ck_assert(WIFSIGNALED(o.exit.status));
    ck_assert_int_eq(WTERMSIG(o.exit.status), SIGXCPU);
    ck_assert_uint_gt(o.exit.user_us + o.exit.system_us, 500 * 1000);
    outcome_release(&o);
}
END_TEST

START_TEST(no_descriptor_but_three)
{
    spawner_teardown_test();
    ck_assert_int_ge(dup2(STDERR_FILENO, 77), 0);
    spawner_setup_test();
    ck_assert_int_ge(dup2(STDERR_FILENO, 78), 0);
    expect_out(&(struct spawn_spec){.argv = ARGV("ls", "/proc/self/fd")}, "0\n1\n2\n3\n"); // 3 is the folder
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/77", (int)spawner_pid(spawner));
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(no_signal_blocked_or_ignored)
{
    spawner_teardown_test();
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    signal(SIGHUP, SIG_IGN);
    spawner_setup_test();
    expect_out(&(struct spawn_spec){.argv = ARGV("sed", "-n", "s/^Sig\\(Blk\\|Ign\\):\\t//p",
                                                 "/proc/self/status")},
               "0000000000000000\n0000000000000000\n");
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 1); // the daemon's own are as they were
    ck_assert_int_eq(sigismember(&now, SIGTERM), 0);
}
END_TEST

START_TEST(a_session_of_its_own)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("sleep", "1000")});
    ck_assert_int_eq(getsid(child.pid), child.pid);
    ck_assert_int_eq(getpgid(child.pid), child.pid);
    signal_child(&child, SIGTERM);
    wait_exit(channel);
    spawn_child_close(&child);
}
END_TEST

START_TEST(another_user)
{
    if (geteuid() != 0)
        return;
    static struct spawn_user user;
    char expected[700];
    ck_assert_int_eq(spawn_user_lookup("nobody", &user), 0);
    snprintf(expected, sizeof expected, "%u %u nobody nobody %s\n", user.uid, user.gid, user.home);
    struct spawn_spec spec = {.argv = SH("echo $(id -u) $(id -g) $USER $LOGNAME $HOME"), .user = &user};
    expect_out(&spec, expected);
    spec.env = ARGV("HOME=/elsewhere");
    spec.argv = SH("echo $HOME; grep -c \"^Uid:.*$(id -u).*$(id -u).*$(id -u).*$(id -u)\" /proc/self/status");
    expect_out(&spec, "/elsewhere\n1\n");
    user.ngroups = 2;
    user.groups[0] = 4321;
    user.groups[1] = 1234;
    spec.argv = ARGV("sed", "-n", "s/^Groups:[\\t ]*\\(.*[0-9]\\).*/\\1/p", "/proc/self/status");
    expect_out(&spec, "1234 4321\n");

    char dir[] = "/tmp/taskq-spawner-XXXXXX"; // 0700, root's
    ck_assert_ptr_nonnull(mkdtemp(dir));
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .user = &user, .cwd = dir}, SPAWN_STEP_CWD,
                   EACCES);
    rmdir(dir);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_command_that_is_not_there,
                                  a_command_that_is_no_program,
                                  a_directory_that_is_not_there,
                                  a_limit_that_cannot_be_set,
                                  no_process_to_be_had,
                                  a_user_that_the_daemon_may_not_become,
                                  environment,
                                  path_is_the_childs,
                                  directory,
                                  limits,
                                  without_limits_the_daemons_own_hold,
                                  a_limit_may_reach_the_hard_one_without_privilege,
                                  cpu_time_is_limited,
                                  no_descriptor_but_three,
                                  no_signal_blocked_or_ignored,
                                  a_session_of_its_own,
                                  another_user,
                                  NULL};
    return spawner_test_main("pool/spawner_child", tests);
}
