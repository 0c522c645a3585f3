#include "server/metrics/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct figures f;
static struct metrics_options options;
static struct buffer out;

static bool pool(void *context, pool_visitor *visit, void *visit_context)
{
    struct pool_handler_info info = {
        .name = "thumb\"s", .state = "running", .workers = 4, .running = 3, .done = 10, .failed = 2};
    (void)context;
    visit(visit_context, &info);
    info.state = "draining"; // what it was before it was changed
    info.running = 1;
    visit(visit_context, &info);
    info = (struct pool_handler_info){.name = "b", .state = "running", .workers = 1, .running = 2};
    visit(visit_context, &info);
    return true;
}

static const char *requests(void *context, unsigned n, struct histogram *times)
{
    (void)context;
    if (n == 0)
        histogram_add(times, 5000, 3);
    return n == 0 ? "put" : n == 1 ? "never" : NULL;
}

static void setup(void)
{
    options = (struct metrics_options){.version = "1.2",
                                       .durability = "always",
                                       .pool = pool,
                                       .requests = requests};
    f = (struct figures){.options = &options, .by_queue = true, .queues.oldest = 1500};
    out = BUFFER_INIT;
}

static void teardown(void)
{
    buffer_release(&out);
}

static const char *text(void)
{
    buffer_clear(&out);
    text_write(&f, &out);
    buffer_append_byte(&out, '\0');
    ck_assert(!out.failed);
    return out.data;
}

static const char *json(void)
{
    buffer_clear(&out);
    report_write(&f, &out);
    buffer_append_byte(&out, '\0');
    ck_assert(!out.failed);
    return out.data;
}

#define HAS(text, part)   ck_assert_msg(strstr(text, part) != NULL, "no %s in %.3000s", part, text)
#define LACKS(text, part) ck_assert_msg(strstr(text, part) == NULL, "%s in %.3000s", part, text)

START_TEST(a_family_has_its_head_once_and_its_values_after_it)
{
    f.engine.counters = (struct queue_counters){.put = 7, .done = 5, .died = 2, .cancelled = 1};
    f.engine.more.dead_lost = 2;
    HAS(text(), "# HELP taskq_jobs_finished_total Jobs that were done, became dead or were cancelled.\n"
                "# TYPE taskq_jobs_finished_total counter\n"
                "taskq_jobs_finished_total{outcome=\"done\"} 5\n"
                "taskq_jobs_finished_total{outcome=\"dead\"} 2\n"
                "taskq_jobs_finished_total{outcome=\"cancelled\"} 1\n# HELP ");
    HAS(text(), "\ntaskq_jobs_enqueued_total 7\n");
    HAS(text(), "\ntaskq_jobs_dead_total{reason=\"lost\"} 2\n");
    HAS(text(), "taskq_build_info{version=\"1.2\",durability=\"always\"} 1\n");
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        char head[128];
        snprintf(head, sizeof head, "# TYPE %s ", metric_row((enum metric_id)id)->name);
        const char *first = strstr(text(), head);
        ck_assert(!first || !strstr(first + 1, head));
    }
}
END_TEST

START_TEST(names_are_escaped)
{
    struct queue_row row = {.name = "a\"b\\c\xc3\xa9",
                            .name_len = 7,
                            .oldest = 2500,
                            .paused = true,
                            .gauges = {.ready = 3, .bytes = 99}};
    f.queues.rows = &row;
    f.queues.count = 1;
    HAS(text(), "\ntaskq_jobs{queue=\"a\\\"b\\\\c\xc3\xa9\",state=\"ready\"} 3\n");
    HAS(text(), "\ntaskq_queue_oldest_age_seconds{queue=\"a\\\"b\\\\c\xc3\xa9\"} 2.5\n");
    HAS(text(), "\ntaskq_queue_bytes{queue=\"a\\\"b\\\\c\xc3\xa9\"} 99\n");
    HAS(text(), "\ntaskq_queue_paused{queue=\"a\\\"b\\\\c\xc3\xa9\"} 1\n");
    LACKS(text(), "queue=\"\"");
    f.queues.left_out = 4;
    f.queues.rest.gauges.delayed = 12;
    f.queues.rest.oldest = -1;
    HAS(text(), "\ntaskq_jobs{queue=\"\",state=\"delayed\"} 12\n");
    HAS(text(), "\ntaskq_queue_oldest_age_seconds{queue=\"\"} 0\n");
    HAS(text(), "\ntaskq_queues_together 4\n");
    HAS(text(), "\ntaskq_pool_workers{handler=\"thumb\\\"s\",state=\"idle\"} 1\n");
}
END_TEST

START_TEST(a_handler_is_shown_once)
{
    HAS(text(), "\ntaskq_pool_workers{handler=\"thumb\\\"s\",state=\"running\"} 3\n"
                "taskq_pool_workers{handler=\"thumb\\\"s\",state=\"idle\"} 1\n"
                "taskq_pool_workers{handler=\"b\",state=\"running\"} 2\n"
                "taskq_pool_workers{handler=\"b\",state=\"idle\"} 0\n#");
    HAS(text(), "taskq_pool_attempts_total{handler=\"thumb\\\"s\",outcome=\"failed\"} 2\n");
}
END_TEST

START_TEST(a_histogram_adds_up)
{
    histogram_add(&f.times.wait, 1, 4);    // ms
    histogram_add(&f.times.wait, 4000, 2); // up to 4.096 s
    histogram_add(&f.times.wait, (uint64_t)1 << 30, 1);
    const char *t = strstr(text(), "# TYPE taskq_job_wait_seconds histogram\n");
    ck_assert_ptr_nonnull(t);
    HAS(t, "taskq_job_wait_seconds_bucket{le=\"0.001\"} 4\n"
           "taskq_job_wait_seconds_bucket{le=\"0.002\"} 4\n");
    HAS(t, "{le=\"2.048\"} 4\n");
    HAS(t, "{le=\"4.096\"} 6\n");
    HAS(t, "{le=\"16777.216\"} 6\ntaskq_job_wait_seconds_bucket{le=\"+Inf\"} 7\n"
           "taskq_job_wait_seconds_sum 1073749.828\ntaskq_job_wait_seconds_count 7\n");
    HAS(t, "taskq_request_seconds_bucket{method=\"put\",le=\"4.096e-6\"} 0\n"
           "taskq_request_seconds_bucket{method=\"put\",le=\"0.000016384\"} 3\n");
    HAS(t, "taskq_request_seconds_sum{method=\"put\"} 0.000015\n"
           "taskq_request_seconds_count{method=\"put\"} 3\n");
    LACKS(t, "never");
}
END_TEST

START_TEST(what_there_is_not_is_not_shown)
{
    LACKS(text(), "TYPE taskq_store_");
    LACKS(text(), "taskq_tls_");
    LACKS(text(), "process_");
    f.outside = (struct metrics_outside){.stores = true,
                                         .tls = true,
                                         .revoked_end = INT64_MAX,
                                         .handshakes_failed = 3,
                                         .live_bytes = 1,
                                         .log_bytes = 2,
                                         .disk_bytes = 3,
                                         .certificate_end = 1800000000};
    f.process_known = true;
    f.process = (struct process_figures){.descriptors = -1, .address_space_max = -1, .cpu_seconds = 1.5};
    HAS(text(), "\ntaskq_store_bytes{kind=\"live\"} 1\ntaskq_store_bytes{kind=\"log\"} 2\n"
                "taskq_store_bytes{kind=\"disk\"} 3\n");
    HAS(text(), "\ntaskq_store_commit_seconds_count 0\n");
    HAS(text(), "\ntaskq_tls_certificate_not_after_seconds 1800000000\n");
    HAS(text(), "\ntaskq_tls_handshakes_total{outcome=\"failed\"} 3\n");
    LACKS(text(), "TYPE taskq_tls_crl");
    HAS(text(), "\nprocess_cpu_seconds_total 1.5\n");
    HAS(text(), "\nprocess_virtual_memory_max_bytes -1\n");
    LACKS(text(), "process_open_fds");
}
END_TEST

START_TEST(as_json_the_same_stands_without_queues)
{
    f.by_queue = false;
    f.engine.gauges = (struct queue_gauges){.ready = 8, .waiting_gets = 2, .bytes = 70};
    histogram_add(&f.times.run, 8, 100);
    HAS(json(), "{\"taskq_build_info\":{\"1.2\":{\"always\":1}},"
                "\"taskq_jobs\":{\"ready\":8,\"delayed\":0,");
    HAS(json(), ",\"taskq_queue_oldest_age_seconds\":1.5,\"taskq_queue_bytes\":70,\"taskq_queues\":0,");
    HAS(json(), ",\"taskq_pool_workers\":{\"thumb\\\"s\":{\"running\":3,\"idle\":1},"
                "\"b\":{\"running\":2,\"idle\":0}},\"taskq_pool_attempts_total\":{\"thumb");
    HAS(json(), "\"taskq_job_run_seconds\":{\"count\":100,\"sum\":0.8,\"p50\":0.006,\"p90\":0.008,");
    HAS(json(), "\"taskq_request_seconds\":{\"put\":{\"count\":3,\"sum\":0.000015,");
    HAS(json(), "\"taskq_waiters\":{\"get\":2,\"put\":0,\"join\":0}");
    size_t len = strlen(json());
    ck_assert_int_eq(json()[len - 1], '}');
    ck_assert_int_ne(json()[len - 2], '}'); // the last is a number: all that was opened is closed once
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/text");
    TCase *c = tcase_create("text");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_family_has_its_head_once_and_its_values_after_it);
    tcase_add_test(c, names_are_escaped);
    tcase_add_test(c, a_handler_is_shown_once);
    tcase_add_test(c, a_histogram_adds_up);
    tcase_add_test(c, what_there_is_not_is_not_shown);
    tcase_add_test(c, as_json_the_same_stands_without_queues);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
