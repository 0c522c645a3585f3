#include "client/taskq.h"
#include "common/clock.h"
#include "tests/unit/client_server.h"

#include <poll.h>
#include <stdatomic.h>

static void give_job(struct server *s, unsigned long id, int job)
{
    server_say(s,
               "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":{\"id\":%d,\"queue\":\"q\",\"priority\":0,"
               "\"delivery\":%d,"
               "\"attempt\":1,\"body\":1}}\n",
               id, job, job + 1000);
}

// A byte through a pipe, for the test's two threads to take turns.
static int told[2];

static void setup(void)
{
    ck_assert_int_eq(pipe(told), 0);
}

static void teardown(void)
{
    close(told[0]);
    close(told[1]);
}

static void tell(void)
{
    ck_assert_int_eq(write(told[1], "x", 1), 1);
}

static void hear(void)
{
    char byte;
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
}

// Gets a job, of which only the lease is of interest.
static void get(struct taskq *q, const struct taskq_get_options *o, double timeout)
{
    struct taskq_job job;
    ck_assert_int_eq(taskq_get(q, "q", o, timeout, &job), TASKQ_OK);
    taskq_job_release(&job);
}

static void end(struct taskq *q, struct server *s)
{
    taskq_close(q);
    server_end(s);
}

static const char *touch =
    "{\"jsonrpc\":\"2.0\",\"method\":\"touch\",\"params\":{\"id\":5,\"delivery\":1005,\"lease\":0.09}}";

static void sees_a_lease_renewed(struct server *s)
{
    server_accept(s);
    unsigned long id = server_expect_method(s, "get");
    ck_assert_ptr_nonnull(strstr(s->line, "\"lease\":0.09"));
    int64_t start = clock_ns();
    give_job(s, id, 5);
    for (int i = 0; i < 3; i++)
        server_expect(s, touch);
    // Three thirds of the lease; only the lower bound holds on a busy machine.
    ck_assert_int_ge(clock_ns() - start, 90000000);
    tell();
    // Those that were under way when the ack was sent may come before it, none behind it.
    do
        ck_assert(server_read(s));
    while (strcmp(s->line, touch) == 0);
    ck_assert_int_eq(sscanf(s->line, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"method\":\"ack\"", &id), 1);
    server_result(s, id, "{}");
    ck_assert(!server_read(s));
}

START_TEST(a_lease_is_renewed_at_every_third_until_the_ack)
{
    struct server *s = server_start(sees_a_lease_renewed, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_job job;
    ck_assert_int_eq(taskq_get(q, "q", &(struct taskq_get_options){.lease = 0.09}, TASKQ_FOREVER, &job),
                     TASKQ_OK);
    hear(); // the caller works, and makes no call
    ck_assert_int_eq(taskq_ack(q, job.id, job.delivery, NULL, 0), TASKQ_OK);
    taskq_job_release(&job);
    // A later renewal would come within a third of the lease; the close comes after two.
    ck_assert_int_eq(poll(NULL, 0, 60), 0);
    end(q, s);
}
END_TEST

static void sees_no_touch(struct server *s)
{
    server_accept(s);
    give_job(s, server_expect_method(s, "get"), 1);
    give_job(s, server_expect_method(s, "get"), 2);
    give_job(s, server_expect_method(s, "get"), 3);
    ck_assert(!server_read(s));
}

START_TEST(nothing_is_renewed_that_should_not_be)
{
    struct server *s = server_start(sees_no_touch, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_job job;
    struct taskq_get_options off = {.lease = 0.03, .renew = TASKQ_RENEW_OFF};
    struct taskq_get_options auto_ack = {.lease = 0.03, .auto_ack = true};
    struct taskq_get_options renewed = {.lease = 0.3};
    get(q, &off, 0);
    get(q, &auto_ack, 0);
    ck_assert_int_eq(taskq_get(q, "q", &renewed, 0, &job), TASKQ_OK);
    taskq_renew_stop(q, job.id);
    taskq_job_release(&job);
    ck_assert_int_eq(poll(NULL, 0, 120), 0);
    end(q, s);
}
END_TEST

static void hangs_up_on_a_detached_job(struct server *s)
{
    server_accept(s);
    give_job(s, server_expect_method(s, "get"), 5);
    unsigned long id;
    do // on a slow machine a third of the first lease is over before
        ck_assert(server_read(s));
    while (strcmp(s->line, touch) == 0);
    ck_assert_int_eq(sscanf(s->line, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"method\":\"get\"", &id), 1);
    give_job(s, id, 6);
    server_hang_up(s);
    server_accept(s);
    server_expect(s, touch); // of the detached one, not of the other
    server_expect(s, touch);
    server_hang_up(s);
    server_accept(s);
    server_expect(s, touch);
    tell();
    while (server_read(s))
        ck_assert_str_eq(s->line, touch);
}

START_TEST(a_detached_lease_is_renewed_over_another_connection)
{
    struct server *s = server_start(hangs_up_on_a_detached_job, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_get_options detached = {.lease = 0.09, .detached = true};
    struct taskq_get_options bound = {.lease = 0.09};
    get(q, &detached, TASKQ_FOREVER);
    get(q, &bound, TASKQ_FOREVER);
    hear();
    end(q, s);
}
END_TEST

static void hears_who_renews(struct server *s)
{
    static const char auth[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"auth\",\"params\":{\"token\":\"taskq_of_a_test\"}}";
    server_accept(s);
    server_expect(s, auth);
    give_job(s, server_expect_method(s, "get"), 5);
    server_hang_up(s);
    server_accept(s);
    server_expect(s, auth);
    server_expect(s, touch);
    tell();
    while (server_read(s))
        ck_assert_str_eq(s->line, touch);
}

// Also where connecting has no bound in time.
START_TEST(another_connection_says_who_it_is_first)
{
    setenv("TASKQ_TOKEN", "taskq_of_a_test", 1);
    struct server *s = server_start(hears_who_renews, NULL);
    struct taskq *q = server_client(s, &(struct taskq_options){.connect_timeout = TASKQ_FOREVER});
    struct taskq_get_options detached = {.lease = 0.09, .detached = true};
    get(q, &detached, TASKQ_FOREVER);
    hear();
    end(q, s);
}
END_TEST

static void takes_a_job_back(struct server *s)
{
    server_accept(s);
    give_job(s, server_expect_method(s, "get"), 5);
    server_hang_up(s);
    server_accept(s);
    server_result(s, server_expect_method(s, "ping"), "{}");
    ck_assert_msg(!server_read(s), "%s", s->line);
}

START_TEST(what_a_lost_connection_held_is_not_renewed_on_the_next)
{
    struct server *s = server_start(takes_a_job_back, NULL);
    struct taskq *q = server_client(s, NULL);
    struct taskq_get_options o = {.lease = 0.15};
    get(q, &o, TASKQ_FOREVER);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    ck_assert_int_eq(poll(NULL, 0, 120), 0); // more than two thirds of the lease
    end(q, s);
}
END_TEST

#define JOBS 50

static void serves_a_busy_caller(struct server *s)
{
    server_accept(s);
    while (server_read(s)) {
        unsigned long id;
        if (sscanf(s->line, "{\"jsonrpc\":\"2.0\",\"id\":%lu,", &id) != 1) {
            atomic_fetch_add((atomic_int *)s->arg, 1);
            continue;
        }
        if (strstr(s->line, "\"get\"") != NULL)
            give_job(s, id, (int)id);
        else
            server_result(s, id, "{}");
    }
}

// Under the thread sanitizer: the two threads write to one connection, and no line of one cuts the other's.
START_TEST(renewing_and_calling_go_on_beside_each_other)
{
    atomic_int touches = 0;
    struct server *s = server_start(serves_a_busy_caller, &touches);
    struct taskq *q = server_client(s, NULL);
    struct taskq_job jobs[JOBS];
    struct taskq_get_options o = {.lease = 0.05};
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(taskq_get(q, "q", &o, TASKQ_FOREVER, &jobs[i]), TASKQ_OK);
    while (atomic_load(&touches) < 2 * JOBS)
        ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(taskq_ack(q, jobs[i].id, jobs[i].delivery, NULL, 0), TASKQ_OK);
        taskq_job_release(&jobs[i]);
    }
    end(q, s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/renew");
    TCase *c = tcase_create("renew");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_lease_is_renewed_at_every_third_until_the_ack);
    tcase_add_test(c, nothing_is_renewed_that_should_not_be);
    tcase_add_test(c, a_detached_lease_is_renewed_over_another_connection);
    tcase_add_test(c, another_connection_says_who_it_is_first);
    tcase_add_test(c, what_a_lost_connection_held_is_not_renewed_on_the_next);
    tcase_add_test(c, renewing_and_calling_go_on_beside_each_other);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
