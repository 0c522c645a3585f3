#include "server/pool/crew.h"

#include "common/clock.h"
#include "tests/unit/pool_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static unsigned count_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(d);
    unsigned n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static uint64_t clients(void)
{
    struct engine_info info;
    hub_lock(hub);
    engine_info(hub_engine(hub), &info);
    hub_unlock(hub);
    return info.clients;
}

// One ended worker may wait to be joined: it has its descriptor and, until the kernel is through, its thread.
static void expect_workers(unsigned workers, size_t descriptors, unsigned threads)
{
    WAIT_UNTIL(clients() == workers + 1); // and the test's own
    WAIT_UNTIL(count_threads() <= threads + workers + 1);
    WAIT_UNTIL(count_descriptors(getpid()) <= descriptors + workers + 1);
}

START_TEST(workers_come_and_go_and_leave_nothing)
{
    handler_add("h", HANDLER_NOOP);
    unsigned threads = count_threads();
    handlers_start();
    size_t descriptors = count_descriptors(getpid()) - 1; // without its worker's
    for (int i = 0; i < 20; i++) {
        resize("h", 40);
        expect_workers(40, descriptors, threads);
        expect_result(put("h", "1"), NULL);
        resize("h", 1);
        expect_workers(1, descriptors, threads);
        expect_result(put("h", "1"), NULL);
    }
}
END_TEST

START_TEST(a_worker_that_is_taken_away_finishes_its_job)
{
    handler_add("h", HANDLER_SLEEP)->workers = 3;
    handlers_start();
    uint64_t a = put("h", "2"), b = put("h", "2"), c = put("h", "2");
    wait_running("h", 3);
    resize("h", 1);
    ck_assert_uint_eq(handler_look("h").workers, 1);
    ck_assert_uint_eq(handler_look("h").running, 3);
    expect_result(a, NULL);
    expect_result(b, NULL);
    expect_result(c, NULL);
    WAIT_UNTIL(clients() == 2);
    ck_assert_uint_eq(handler_look("h").done, 3);
}
END_TEST

START_TEST(idle_workers_go_first)
{
    handler_add("h", HANDLER_SLEEP)->workers = 4;
    handlers_start();
    put("h", "1000");
    wait_running("h", 1);
    uint64_t id = handler_look("h").first_job;
    resize("h", 1);
    WAIT_UNTIL(clients() == 2); // only the busy one is left, and stays
    ck_assert_uint_eq(handler_look("h").first_job, id);
    ck_assert_uint_eq(handler_look("h").workers, 1);
    put("h", "1000");
    resize("h", 2);
    wait_running("h", 2);
}
END_TEST

// So that going up and down again and again with long jobs does not gather threads.
START_TEST(who_is_still_leaving_is_called_back)
{
    handler_add("h", HANDLER_SLEEP)->workers = 8;
    handlers_start();
    for (int i = 0; i < 8; i++)
        put("h", "1000");
    wait_running("h", 8);
    for (int i = 0; i < 10; i++) {
        resize("h", 1);
        resize("h", 8);
    }
    ck_assert_uint_eq(clients(), 9);
    ck_assert_uint_eq(handler_look("h").running, 8);
    resize("h", 9);
    put("h", "1000");
    wait_running("h", 9);
}
END_TEST

// A child that does not end by itself, and would be given an hour.
static void start_with_a_child_that_stays(void)
{
    struct handler_settings *s = handler_add("h", HANDLER_PROCESS);
    static const char script[] = "read -r line; id=${line#*:}; id=${id%%,*};"
                                 "echo \"{\\\"id\\\":$id,\\\"result\\\":$$}\"; trap '' TERM; sleep 1000";
    static const char *const stays[] = {"sh", "-c", script};
    for (int i = 0; i < 3; i++)
        ck_assert(handler_texts_add(&s->command, stays[i]));
    s->workers = 2;
    s->grace = 3600000;
    handlers_start();
    struct outcome o = wait_outcome(put("h", "1"));
    ck_assert_int_eq(o.state, JOB_DONE);
    outcome_release(&o);
}

static void expect_a_hurried_end(void)
{
    pool_drain(pool, 1000000);
    ck_assert(!pool_drained(pool));
    pool_hurry(pool);
    wait_drained();
    pool_end();
    expect_no_children_of_spawner();
}

START_TEST(a_stop_hurries_those_who_wait_for_their_childs_end)
{
    start_with_a_child_that_stays();
    expect_a_hurried_end();
}
END_TEST

START_TEST(a_stop_hurries_those_of_a_retired_handler)
{
    start_with_a_child_that_stays();
    handlers_forget();
    handlers_apply();
    WAIT_UNTIL(clients() < 3); // the one without a child
    expect_a_hurried_end();
}
END_TEST

// ---- jobs while everything about the pool changes

enum { PUTTERS = 2, EACH = SANITIZED ? 3000 : 10000, CHANGES = SANITIZED ? 200 : 400 };
static uint64_t ids[PUTTERS][EACH];
static atomic_uint putting;

static void *put_all(void *arg)
{
    uint64_t *mine = arg;
    for (int i = 0; i < EACH; i++) {
        // A few commands, some sleeps, and much that is over at once.
        const char *queue = i % 100 == 1 ? "exec" : i % 20 == 2 ? "process" : i % 10 == 3 ? "sleep" : "echo";
        mine[i] = put_attempts(queue, "0.001", 3);
        // As fast as they are run, more or less, so that the changes meet jobs from the first to the last.
        while (gauges(queue).ready > 50)
            look_away();
    }
    atomic_fetch_sub(&putting, 1);
    return NULL;
}

static void describe(unsigned turn)
{
    handlers_forget();
    if (turn % 7 != 3) { // sometimes there is nobody for this queue
        struct handler_settings *echo = handler_add("one", HANDLER_ECHO);
        ck_assert(handler_texts_add(&echo->queues, "echo"));
        echo->workers = 1 + turn % 3;
        echo->daemon = turn % 4 == 0; // changed, and so replaced
    }
    // The queue moves from one handler to another.
    struct handler_settings *sleep = handler_add(turn % 3 ? "two" : "three", HANDLER_SLEEP);
    ck_assert(handler_texts_add(&sleep->queues, "sleep"));
    sleep->workers = 1 + turn % 5;
    struct handler_settings *exec = exec_add("four", ARGV("cat"));
    ck_assert(handler_texts_add(&exec->queues, "exec"));
    exec->workers = 1 + turn % 2;
    exec->grace = turn % 5 ? 1000 : 2000;
    struct handler_settings *process = handler_add("five", HANDLER_PROCESS);
    static const char *const answers[] = {"sed", "-u",
                                          "s/^{\"id\":\\([0-9]*\\),.*/{\"id\":\\1,\"result\":0}/"};
    for (int i = 0; i < 3; i++)
        ck_assert(handler_texts_add(&process->command, answers[i]));
    ck_assert(handler_texts_add(&process->queues, "process"));
    process->workers = 1 + turn % 2;
    process->max_jobs = turn % 8 ? 0 : 5;
}

START_TEST(each_job_ends_once_whatever_is_changed_meanwhile)
{
    unsigned threads = count_threads();
    pthread_t putters[PUTTERS];
    describe(0);
    handlers_start();
    size_t descriptors = count_descriptors(getpid());
    atomic_store(&putting, PUTTERS);
    for (int i = 0; i < PUTTERS; i++)
        ck_assert_int_eq(pthread_create(&putters[i], NULL, put_all, ids[i]), 0);
    unsigned turns = 0;
    for (; turns < CHANGES || atomic_load(&putting) > 0; turns++) {
        describe(turns);
        handlers_apply();
        resize("four", 1 + turns % 3);
        look_away();
    }
    describe(1);
    handlers_apply();
    for (int i = 0; i < PUTTERS; i++)
        pthread_join(putters[i], NULL);
    for (int i = 0; i < PUTTERS; i++)
        for (int j = 0; j < EACH; j++) {
            struct outcome o = wait_outcome(ids[i][j]);
            ck_assert_int_eq(o.state, JOB_DONE);
            outcome_release(&o);
        }
    // Each was done once, and came to nobody twice.
    struct engine_info info;
    hub_lock(hub);
    engine_info(hub_engine(hub), &info);
    hub_unlock(hub);
    ck_assert_uint_eq(info.counters.done, PUTTERS * EACH);
    ck_assert_uint_eq(info.counters.taken - info.counters.released, PUTTERS * EACH);
    ck_assert_uint_eq(info.counters.retried + info.counters.lost + info.counters.lease_expired, 0);
    ck_assert_uint_eq(info.gauges.reserved, 0);
    WAIT_UNTIL(clients() == 1 + 2 + 2 + 2 + 2);
    WAIT_UNTIL(count_threads() <= threads + 8 + 1);
    WAIT_UNTIL(count_descriptors(getpid()) <= descriptors + 30); // a few workers and children more
    pool_end();
    ck_assert_uint_eq(clients(), 1);
    WAIT_UNTIL(count_threads() == threads);
    expect_no_children_of_spawner();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {workers_come_and_go_and_leave_nothing,
                                  a_worker_that_is_taken_away_finishes_its_job,
                                  idle_workers_go_first,
                                  who_is_still_leaving_is_called_back,
                                  a_stop_hurries_those_who_wait_for_their_childs_end,
                                  a_stop_hurries_those_of_a_retired_handler,
                                  each_job_ends_once_whatever_is_changed_meanwhile,
                                  NULL};
    return pool_test_main("pool/crew", tests);
}
