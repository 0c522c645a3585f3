#include "server/pool/spawner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000 // how long a test waits for what must happen before it fails
#define ARGV(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script)  ARGV("sh", "-c", script)

static struct spawner *spawner;
static struct spawn_channel *channel;

struct outcome {
    struct spawn_exit exit;
    char *out, *err; // each ends with a NUL
    size_t out_size, err_size;
};

// --- Helpers ---

static void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
}

static struct spawn_exit wait_exit(struct spawn_channel *c)
{
    struct spawn_exit e;
    int n;
    while ((n = spawn_channel_read_exit(c, &e)) == 0)
        wait_readable(spawn_channel_fd(c));
    ck_assert_int_eq(n, 1);
    return e;
}

static struct spawn_child start(const struct spawn_spec *spec)
{
    struct spawn_child child;
    struct spawn_error error = {0};
    bool ok = spawn_channel_spawn(channel, spec, &child, &error);
    ck_assert_msg(ok, "%s: %s", spawn_step_text(error.step), strerror(error.error));
    return child;
}

static void signal_child(const struct spawn_child *child, int signo)
{
    ck_assert(spawn_channel_signal(channel, child, signo));
}

// Reads what is there; closes at the end.
static void gather(int *fd, char **text, size_t *size)
{
    char buffer[65536];
    ssize_t n = read(*fd, buffer, sizeof buffer);
    if (n < 0) {
        ck_assert_int_eq(errno, EAGAIN);
        return;
    }
    *text = realloc(*text, *size + (size_t)n + 1);
    ck_assert_ptr_nonnull(*text);
    memcpy(*text + *size, buffer, (size_t)n);
    *size += (size_t)n;
    (*text)[*size] = '\0';
    if (n == 0) {
        close(*fd);
        *fd = -1;
    }
}

static void feed(int *fd, const char *input, size_t size, size_t *fed)
{
    ssize_t n = size > *fed ? write(*fd, input + *fed, size - *fed) : 0;
    ck_assert(n >= 0 || errno == EAGAIN);
    if (n > 0)
        *fed += (size_t)n;
    if (*fed == size) {
        close(*fd);
        *fd = -1;
    }
}

// The whole life of a child, as a handler leads it.
static struct outcome run_with(const struct spawn_spec *spec, const char *input, size_t size)
{
    struct spawn_child child = start(spec);
    struct outcome o = {0};
    size_t fed = 0;
    while (child.in >= 0 || child.out >= 0 || child.err >= 0) {
        struct pollfd p[3] = {{child.in, POLLOUT, 0}, {child.out, POLLIN, 0}, {child.err, POLLIN, 0}};
        ck_assert_int_gt(poll(p, 3, PATIENCE_MS), 0);
        if (p[0].revents)
            feed(&child.in, input, size, &fed);
        if (p[1].revents)
            gather(&child.out, &o.out, &o.out_size);
        if (p[2].revents)
            gather(&child.err, &o.err, &o.err_size);
    }
    o.exit = wait_exit(channel);
    return o;
}

static struct outcome run(const struct spawn_spec *spec)
{
    return run_with(spec, "", 0);
}

static void outcome_release(struct outcome *o)
{
    free(o->out);
    free(o->err);
}

static void expect_out(const struct spawn_spec *spec, const char *out)
{
    struct outcome o = run(spec);
    ck_assert_str_eq(o.err, "");
    ck_assert_str_eq(o.out, out);
    ck_assert_int_eq(o.exit.status, 0);
    outcome_release(&o);
}

static void expect_true(void)
{
    expect_out(&(struct spawn_spec){.argv = ARGV("true")}, "");
}

static void expect_failure(const struct spawn_spec *spec, enum spawn_step step, int error)
{
    struct spawn_child child;
    struct spawn_error e = {0};
    ck_assert(!spawn_channel_spawn(channel, spec, &child, &e));
    ck_assert_msg(e.step == step && e.error == error, "%s: %s", spawn_step_text(e.step), strerror(e.error));
    expect_true(); // the channel is as good as before
}

static void read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    do {
        ck_assert_uint_lt(n, size - 1);
        wait_readable(fd);
        ck_assert_int_eq(read(fd, line + n, 1), 1);
    } while (line[n++] != '\n');
    line[n - 1] = '\0';
}

static void expect_line(int fd, const char *line)
{
    char got[256];
    read_line(fd, got, sizeof got);
    ck_assert_str_eq(got, line);
}

// All that hold the other end are gone.
static void expect_end(int fd)
{
    char c;
    wait_readable(fd);
    ck_assert_int_eq(read(fd, &c, 1), 0);
}

static size_t count_descriptors(pid_t pid)
{
    char path[64];
    size_t n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct stat st;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        n += lstat(path, &st) == 0;
    }
    return n;
}

// Whether the spawner has no child at all, neither living nor zombie.
static void expect_no_children(void)
{
    char path[64], pids[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)spawner_pid(spawner),
             (int)spawner_pid(spawner));
    FILE *f = fopen(path, "r");
    if (!f)
        return; // a kernel without CONFIG_PROC_CHILDREN
    pids[fread(pids, 1, sizeof pids - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(pids, "");
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    spawner = spawner_start();
    ck_assert_ptr_nonnull(spawner);
    channel = spawn_channel_open(spawner);
    ck_assert_ptr_nonnull(channel);
}

static void teardown(void)
{
    spawn_channel_close(channel);
    spawner_stop(spawner);
}

// --- A child's life ---

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

// --- What cannot be started ---

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

START_TEST(no_process_to_be_had)
{
    teardown(); // the limit does not hold root, so both become somebody else
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(12345, 12345, 12345), 0);
    setup();
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

START_TEST(every_step_has_a_text)
{
    for (int s = 0; s < SPAWN_STEP_COUNT; s++)
        ck_assert_str_ne(spawn_step_text((enum spawn_step)s), "");
}
END_TEST

// --- Signals and groups ---

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

START_TEST(a_stopped_child_hears_term)
{
    struct spawn_child child = start(&(struct spawn_spec){.argv = ARGV("sleep", "1000")});
    signal_child(&child, SIGSTOP);
    signal_child(&child, SIGTERM);
    ck_assert_int_eq(WTERMSIG(wait_exit(channel).status), SIGTERM);
    spawn_child_close(&child);
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

// --- What a child has ---

START_TEST(environment)
{
    const char *script = "echo ${TASKQ_KEPT-none} ${TASKQ_CHANGED-none} ${TASKQ_GONE-none} ${TASKQ_NEW-none}";
    teardown();
    setenv("TASKQ_KEPT", "kept", 1);
    setenv("TASKQ_CHANGED", "old", 1);
    setenv("TASKQ_GONE", "here", 1);
    setup();
    setenv("TASKQ_KEPT", "too late", 1);
    const char *const *env = ARGV("TASKQ_NEW=first", "TASKQ_CHANGED=new=", "TASKQ_GONE", "TASKQ_NEW=last");
    expect_out(&(struct spawn_spec){.argv = SH(script), .env = env}, "kept new= none last\n");
    expect_out(&(struct spawn_spec){.argv = SH(script)}, "kept old here none\n");
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
    teardown();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = 200;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
    setup();
    snprintf(expected, sizeof expected, "200\n%llu\n", (unsigned long long)l.rlim_max);
    expect_out(&(struct spawn_spec){.argv = SH("ulimit -n; ulimit -H -n")}, expected);
}
END_TEST

START_TEST(cpu_time_is_limited)
{
    struct outcome o = run(&(struct spawn_spec){.argv = SH("while :; do :; done"), .cpu_seconds = 1});
    ck_assert(WIFSIGNALED(o.exit.status));
    ck_assert_int_eq(WTERMSIG(o.exit.status), SIGXCPU);
    ck_assert_uint_gt(o.exit.user_us + o.exit.system_us, 900 * 1000);
    outcome_release(&o);
}
END_TEST

START_TEST(no_descriptor_but_three)
{
    teardown();
    ck_assert_int_ge(dup2(STDERR_FILENO, 77), 0);
    setup();
    ck_assert_int_ge(dup2(STDERR_FILENO, 78), 0);
    expect_out(&(struct spawn_spec){.argv = ARGV("ls", "/proc/self/fd")}, "0\n1\n2\n3\n"); // 3 is the folder
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/77", (int)spawner_pid(spawner));
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(no_signal_blocked_or_ignored)
{
    teardown();
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    signal(SIGHUP, SIG_IGN);
    setup();
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

START_TEST(a_user_that_the_daemon_may_not_become)
{
    static struct spawn_user root;
    ck_assert_int_eq(spawn_user_lookup("root", &root), 0);
    teardown();
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(12345, 12345, 12345), 0);
    setup();
    expect_failure(&(struct spawn_spec){.argv = ARGV("true"), .user = &root}, SPAWN_STEP_USER, EPERM);
    root.uid = geteuid(); // the one it is already it may stay
    expect_out(&(struct spawn_spec){.argv = ARGV("true"), .user = &root}, "");
}
END_TEST

// --- Many, and the end ---

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
    setup();
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

static Suite *suite(void)
{
    Suite *s = suite_create("pool/spawner");
    const struct {
        const char *name;
        const TTest *tests[16];
    } cases[] = {
        {"life",
         {what_goes_in_comes_out, out_and_err_are_two_pipes, the_exit_code_comes_back,
          the_signal_that_killed_it_comes_back, an_exit_is_not_reported_before_it_is}},
        {"failures",
         {a_command_that_is_not_there, a_command_that_is_no_program, a_directory_that_is_not_there,
          a_limit_that_cannot_be_set, a_spec_that_is_too_large, no_descriptors_in_the_spawner,
          no_descriptors_in_the_daemon, no_process_to_be_had, every_step_has_a_text,
          a_user_that_the_daemon_may_not_become}},
        {"groups",
         {a_signal_reaches_the_whole_group, who_ignores_term_is_killed, a_stopped_child_hears_term,
          a_late_signal_does_not_hit_the_next_child, what_outlives_the_leader_is_ended,
          what_outlives_the_leader_has_its_grace, what_outlives_the_leader_and_ignores_term_is_killed,
          orphans_are_reaped, closing_the_channel_kills_its_child, closing_the_channel_ends_the_grace}},
        {"surroundings",
         {environment, path_is_the_childs, directory, limits, without_limits_the_daemons_own_hold,
          cpu_time_is_limited, no_descriptor_but_three, no_signal_blocked_or_ignored, a_session_of_its_own,
          another_user}},
        {"many",
         {thousands_leave_nothing_behind, channels_come_and_go, each_thread_hears_of_its_own_children}},
        {"end",
         {when_the_daemon_is_killed_its_children_die, stop_kills_what_runs_and_waits_for_it,
          the_spawner_does_not_heed_signals, when_the_spawner_is_killed_the_daemon_knows_and_leaders_die,
          when_the_spawner_is_gone_a_spawn_says_so}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *c = tcase_create(cases[i].name);
        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        for (const TTest *const *t = cases[i].tests; *t; t++)
            tcase_add_test(c, *t);
        suite_add_tcase(s, c);
    }
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
