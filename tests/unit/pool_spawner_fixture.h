// What the tests of the spawner have in common: a spawner, a channel, and commands run on it.
#ifndef TESTS_UNIT_POOL_SPAWNER_FIXTURE_H
#define TESTS_UNIT_POOL_SPAWNER_FIXTURE_H

#include "server/pool/spawner.h"

#include <check.h>

#define PATIENCE_MS 30000 // how long a test waits for what must happen before it fails
#define ARGV(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script)  ARGV("sh", "-c", script)

// Made anew for each test, in a process of its own.
extern struct spawner *spawner;
extern struct spawn_channel *channel;
void spawner_setup_test(void);
void spawner_teardown_test(void);

struct outcome {
    struct spawn_exit exit;
    char *out, *err; // each ends with a NUL
    size_t out_size, err_size;
};

// Each of these fails the test if what it waits for does not come.
void wait_readable(int fd);
struct spawn_exit wait_exit(struct spawn_channel *c);
struct spawn_child start(const struct spawn_spec *spec);
void signal_child(const struct spawn_child *child, int signo);

// The whole life of a child, as a handler leads it.
struct outcome run_with(const struct spawn_spec *spec, const char *input, size_t size);
struct outcome run(const struct spawn_spec *spec);
void outcome_release(struct outcome *o);
void expect_out(const struct spawn_spec *spec, const char *out);

// `true` runs on the channel: it is in order.
void expect_true(void);

// The spawn fails just so, leaves nothing behind, and the channel is as good as before.
void expect_failure(const struct spawn_spec *spec, enum spawn_step step, int error);
void read_line(int fd, char *line, size_t size);
void expect_line(int fd, const char *line);

// All that hold the other end are gone.
void expect_end(int fd);
size_t count_descriptors(pid_t pid);

// The spawner has no child at all, neither living nor zombie (if the kernel has CONFIG_PROC_CHILDREN).
void expect_no_children(void);

// Runs the tests (the list ends with NULL); what main returns.
int spawner_test_main(const char *name, const TTest *const *tests);

#endif
