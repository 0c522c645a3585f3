#include "server/metrics/metrics.h"
#include "tests/unit/metrics_fixture.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics *m;
static struct buffer out;

static void look(void *context, struct metrics_outside *outside)
{
    ck_assert_ptr_null(context);
    outside->connections = 42;
}

static void setup(void)
{
    hub_setup();
    m = metrics_new(&(struct metrics_options){
        .hub = hub, .version = "1", .durability = "memory", .queues = 3, .look = look});
    ck_assert_ptr_nonnull(m);
    out = BUFFER_INIT;
}

static void teardown(void)
{
    buffer_release(&out);
    metrics_free(m);
    hub_teardown();
}

static const char *text(void)
{
    buffer_clear(&out);
    ck_assert(metrics_text(m, &out));
    buffer_append_byte(&out, '\0');
    return out.data;
}

static unsigned times(const char *part)
{
    unsigned n = 0;
    for (const char *t = text(); (t = strstr(t, part)); t++)
        n++;
    return n;
}

#define HAS(part) ck_assert_msg(strstr(text(), part) != NULL, "no %s", part)

START_TEST(labels_are_bounded_and_nothing_is_left_out_of_the_sum)
{
    char name[16];
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "q%d", i);
        put(name);
    }
    for (int i = 0; i < 4; i++) {
        put("q7");
        put("q1999");
        put("q2400");
    }
    HAS("\ntaskq_jobs{queue=\"q7\",state=\"ready\"} 5\n");
    HAS("\ntaskq_jobs{queue=\"q1999\",state=\"ready\"} 5\n");
    HAS("\ntaskq_jobs{queue=\"q2400\",state=\"ready\"} 5\n");
    HAS("\ntaskq_jobs{queue=\"\",state=\"ready\"} 2497\n");
    HAS("\ntaskq_queues_together 2497\n");
    HAS("\ntaskq_queues 2500\n");
    ck_assert_uint_eq(times("state=\"ready\""), 4);
    metrics_set_queues(m, 0);
    ck_assert_uint_eq(times("state=\"ready\""), 1);
    HAS("\ntaskq_jobs{queue=\"\",state=\"ready\"} 2512\n");
    metrics_set_queues(m, METRICS_QUEUES_MAX + 1);
    ck_assert_uint_eq(times("state=\"ready\""), 2500);
    HAS("\ntaskq_queues_together 0\n");
}
END_TEST

START_TEST(counters_do_not_fall_when_a_queue_is_dropped)
{
    uint64_t count;
    put("q");
    put("q");
    struct moment now = hub_lock(hub);
    ck_assert_int_eq(engine_drop(hub_engine(hub), now, SLICE("q"), &count), ERROR_NONE);
    hub_unlock(hub);
    HAS("\ntaskq_jobs_enqueued_total 2\n");
    HAS("\ntaskq_queues 0\n");
    ck_assert_uint_eq(times("queue=\"q\""), 0);
}
END_TEST

START_TEST(the_report_is_of_all_queues)
{
    metrics_note_oldest(m, 12500);
    metrics_report(m, &out);
    buffer_append_byte(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.data, "\"taskq_queue_oldest_age_seconds\":0,")); // nothing is ready
    buffer_clear(&out);
    put("a");
    put("b");
    metrics_report(m, &out);
    buffer_append_byte(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.data, "\"taskq_jobs\":{\"ready\":2,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"taskq_queue_oldest_age_seconds\":12.5,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"taskq_connections\":42,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"process_start_time_seconds\":"));
}
END_TEST

static atomic_bool enough;

static void *put_on(void *arg)
{
    char name[16];
    for (unsigned i = 0; !enough; i++) {
        snprintf(name, sizeof name, "q%u", i % 5000);
        put(name);
    }
    return arg;
}

START_TEST(others_put_meanwhile)
{
    pthread_t thread;
    enough = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, put_on, NULL), 0);
    for (int i = 0; i < 30; i++) {
        buffer_clear(&out);
        ck_assert(metrics_text(m, &out));
        buffer_clear(&out);
        metrics_report(m, &out);
        ck_assert(!out.failed);
        metrics_set_queues(m, (uint64_t)i % 10);
    }
    enough = true;
    pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/metrics");
    TCase *c = tcase_create("metrics");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, labels_are_bounded_and_nothing_is_left_out_of_the_sum);
    tcase_add_test(c, counters_do_not_fall_when_a_queue_is_dropped);
    tcase_add_test(c, the_report_is_of_all_queues);
    tcase_add_test(c, others_put_meanwhile);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
