#include "tests/unit/pool_spawner_fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct spawner *spawner;
struct spawn_channel *channel;

void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
}

struct spawn_exit wait_exit(struct spawn_channel *c)
{
    struct spawn_exit e;
    int n;
    while ((n = spawn_channel_read_exit(c, &e)) == 0)
        wait_readable(spawn_channel_fd(c));
    ck_assert_int_eq(n, 1);
    return e;
}

struct spawn_child start(const struct spawn_spec *spec)
{
    struct spawn_child child;
    struct spawn_error error = {0};
    bool ok = spawn_channel_spawn(channel, spec, &child, &error);
    ck_assert_msg(ok, "%s: %s", spawn_step_text(error.step), strerror(error.error));
    return child;
}

void signal_child(const struct spawn_child *child, int signo)
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
struct outcome run_with(const struct spawn_spec *spec, const char *input, size_t size)
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

struct outcome run(const struct spawn_spec *spec)
{
    return run_with(spec, "", 0);
}

void outcome_release(struct outcome *o)
{
    free(o->out);
    free(o->err);
}

void expect_out(const struct spawn_spec *spec, const char *out)
{
    struct outcome o = run(spec);
    ck_assert_str_eq(o.err, "");
    ck_assert_str_eq(o.out, out);
    ck_assert_int_eq(o.exit.status, 0);
    outcome_release(&o);
}

void expect_true(void)
{
    expect_out(&(struct spawn_spec){.argv = ARGV("true")}, "");
}

size_t count_descriptors(pid_t pid)
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
void expect_no_children(void)
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

void expect_failure(const struct spawn_spec *spec, enum spawn_step step, int error)
{
    struct spawn_child child;
    struct spawn_error e = {0};
    size_t ours = count_descriptors(getpid()), its = count_descriptors(spawner_pid(spawner));
    ck_assert(!spawn_channel_spawn(channel, spec, &child, &e));
    ck_assert_msg(e.step == step && e.error == error, "%s: %s", spawn_step_text(e.step), strerror(e.error));
    ck_assert_uint_eq(count_descriptors(getpid()), ours);
    ck_assert_uint_eq(count_descriptors(spawner_pid(spawner)), its);
    expect_no_children();
    expect_true();
}

void read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    do {
        ck_assert_uint_lt(n, size - 1);
        wait_readable(fd);
        ck_assert_int_eq(read(fd, line + n, 1), 1);
    } while (line[n++] != '\n');
    line[n - 1] = '\0';
}

void expect_line(int fd, const char *line)
{
    char got[256];
    read_line(fd, got, sizeof got);
    ck_assert_str_eq(got, line);
}

// All that hold the other end are gone.
void expect_end(int fd)
{
    char c;
    wait_readable(fd);
    ck_assert_int_eq(read(fd, &c, 1), 0);
}

void spawner_setup_test(void)
{
    signal(SIGPIPE, SIG_IGN);
    spawner = spawner_start();
    ck_assert_ptr_nonnull(spawner);
    channel = spawn_channel_open(spawner);
    ck_assert_ptr_nonnull(channel);
}

void spawner_teardown_test(void)
{
    spawn_channel_close(channel);
    spawner_stop(spawner);
}

int spawner_test_main(const char *name, const TTest *const *tests)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, spawner_setup_test, spawner_teardown_test);
    tcase_set_timeout(c, 60);
    for (; *tests; tests++)
        tcase_add_test(c, *tests);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
