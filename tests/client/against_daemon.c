// The library against a real daemon: what the scripted one of the unit tests cannot show.
#include "client/taskq.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct taskq *client(void)
{
    struct taskq *q;
    enum taskq_error e = taskq_open(&q, NULL, NULL);
    ck_assert_msg(e == TASKQ_OK, "%s", taskq_error_message(q));
    return q;
}

#define OK(q, call)                                                                                          \
    do {                                                                                                     \
        enum taskq_error e_ = (call);                                                                        \
        ck_assert_msg(e_ == TASKQ_OK, "%s: %s", #call, taskq_error_message(q));                              \
    } while (0)

START_TEST(bodies_and_results_come_back_byte_for_byte)
{
    static const char *const bodies[] = {"12345678901234567890", "0.1", "1e400", "\"\\u00e9\"",
                                         "{\"a\":1, \"a\" : 2}", "[ ]", "-0",    "null"};
    struct taskq *q = client();
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct taskq_put_result put;
        struct taskq_job job;
        struct taskq_text result;
        OK(q, taskq_submit(q, "bytes", bodies[i], TASKQ_NUL, NULL, &put));
        OK(q, taskq_get(q, "bytes", NULL, TASKQ_FOREVER, &job));
        ck_assert_uint_eq(job.id, put.id);
        ck_assert_str_eq(job.queue, "bytes");
        ck_assert_str_eq(job.body, bodies[i]);
        ck_assert_uint_eq(job.body_len, strlen(bodies[i]));
        ck_assert_uint_eq(job.attempt, 1);
        OK(q, taskq_ack(q, job.id, job.delivery, job.body, job.body_len));
        taskq_job_release(&job);
        OK(q, taskq_result(q, put.id, TASKQ_FOREVER, true, &result));
        ck_assert_str_eq(result.data, bodies[i]);
        taskq_text_release(&result);
    }
    taskq_close(q);
}
END_TEST

START_TEST(a_large_body_goes_both_ways)
{
    struct taskq *q = client();
    size_t len = 1000000;
    char *body = malloc(len);
    struct taskq_job job;
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', len);
    body[0] = body[len - 1] = '"';
    for (int i = 0; i < 5; i++)
        OK(q, taskq_put(q, "large", body, len, NULL, NULL));
    for (int i = 0; i < 5; i++) {
        OK(q, taskq_get(q, "large", NULL, 0, &job));
        ck_assert_uint_eq(job.body_len, len);
        ck_assert_mem_eq(job.body, body, len);
        OK(q, taskq_ack(q, job.id, job.delivery, NULL, 0));
        taskq_job_release(&job);
    }
    free(body);
    // Over the body's limit and over the line's.
    len = 1200000;
    body = malloc(len);
    ck_assert_ptr_nonnull(body);
    memset(body, '1', len);
    ck_assert_int_eq(taskq_put(q, "large", body, 1050000, NULL, NULL), TASKQ_TOO_LARGE);
    ck_assert_int_eq(taskq_put(q, "large", body, len, NULL, NULL), TASKQ_TOO_LARGE);
    free(body);
    OK(q, taskq_ping(q));
    taskq_close(q);
}
END_TEST

START_TEST(a_lease_holds_while_the_caller_works)
{
    struct taskq *q = client();
    struct taskq_job job;
    uint64_t delivery;
    struct taskq_get_options o = {.lease = 0.3};
    OK(q, taskq_put(q, "leases", "1", 1, NULL, NULL));
    OK(q, taskq_get(q, "leases", &o, 0, &job));
    // Four leases long nothing is called.
    ck_assert_int_eq(poll(NULL, 0, 1200), 0);
    delivery = job.delivery;
    OK(q, taskq_ack(q, job.id, delivery, NULL, 0));
    taskq_job_release(&job);

    // And without renewing it does not.
    o = (struct taskq_get_options){.lease = 0.05, .renew = TASKQ_RENEW_OFF};
    struct taskq_job again;
    OK(q, taskq_put(q, "leases", "1", 1, NULL, NULL));
    OK(q, taskq_get(q, "leases", &o, 0, &job));
    OK(q, taskq_get(q, "leases", NULL, TASKQ_FOREVER, &again));
    ck_assert_uint_eq(again.id, job.id);
    ck_assert_uint_eq(again.attempt, 2);
    ck_assert_int_eq(taskq_ack(q, job.id, job.delivery, NULL, 0), TASKQ_NOT_RESERVED);
    OK(q, taskq_ack(q, again.id, again.delivery, NULL, 0));
    taskq_job_release(&job);
    taskq_job_release(&again);
    taskq_close(q);
}
END_TEST

START_TEST(a_handle_that_closes_gives_its_jobs_back_unless_they_are_detached)
{
    struct taskq *q = client(), *other = client();
    struct taskq_job bound, detached, job;
    struct taskq_get_options o = {.detached = true};
    OK(q, taskq_put(q, "closing", "1", 1, NULL, NULL));
    OK(q, taskq_get(q, "closing", NULL, 0, &bound));
    OK(q, taskq_put(q, "closing", "2", 1, NULL, NULL));
    OK(q, taskq_get(q, "closing", &o, 0, &detached));
    taskq_close(q);
    OK(other, taskq_get(other, "closing", NULL, TASKQ_FOREVER, &job));
    ck_assert_uint_eq(job.id, bound.id);
    OK(other, taskq_ack(other, detached.id, detached.delivery, NULL, 0));
    taskq_job_release(&job);
    taskq_job_release(&bound);
    taskq_job_release(&detached);
    taskq_close(other);
}
END_TEST

#define MANY 30000

START_TEST(many_are_put_taken_and_acknowledged)
{
    static struct taskq_item items[MANY];
    static uint64_t ids[MANY];
    static enum taskq_error errors[MANY];
    struct taskq *q = client();
    const char *queues[] = {"many", "empty"};
    for (size_t i = 0; i < MANY; i++)
        items[i] = (struct taskq_item){.body = "{\"x\": 1}", .body_len = 8};
    OK(q, taskq_put_many(q, "many", items, MANY, 0, NULL, NULL, NULL));
    size_t n = 0;
    while (n < MANY) {
        struct taskq_jobs jobs;
        OK(q, taskq_get_many(q, queues, 2, TASKQ_MAX_JOBS, NULL, TASKQ_FOREVER, &jobs));
        for (size_t i = 0; i < jobs.count; i++) {
            ck_assert_uint_eq(jobs.jobs[i].id, items[n].id); // in their order
            ids[n++] = jobs.jobs[i].id;
        }
        taskq_jobs_release(&jobs);
    }
    OK(q, taskq_ack_many(q, ids, MANY - 1, errors));
    ck_assert_int_eq(errors[MANY - 2], TASKQ_OK);
    // The first three are gone, the last is there.
    uint64_t some[] = {ids[0], ids[1], ids[MANY - 1], ids[2]};
    ck_assert_int_eq(taskq_ack_many(q, some, 4, errors), TASKQ_NOT_FOUND);
    ck_assert_int_eq(errors[0], TASKQ_NOT_FOUND);
    ck_assert_int_eq(errors[1], TASKQ_NOT_FOUND);
    ck_assert_int_eq(errors[2], TASKQ_OK);
    ck_assert_int_eq(errors[3], TASKQ_NOT_FOUND);
    OK(q, taskq_join(q, "many", 0));
    taskq_close(q);
}
END_TEST

static void *interrupt(void *arg)
{
    struct taskq *watcher = client();
    struct taskq_text stats;
    const char *gauges, *waiting = NULL;
    size_t len, waiting_len;
    for (bool waits = false; !waits; taskq_text_release(&stats)) {
        if (taskq_stats(watcher, "interrupted", &stats) != TASKQ_OK) {
            stats = (struct taskq_text){NULL, 0};
            continue;
        }
        ck_assert(taskq_json_member(stats.data, stats.len, "gauges", &gauges, &len));
        ck_assert(taskq_json_member(gauges, len, "waiting_gets", &waiting, &waiting_len));
        waits = *waiting == '1';
    }
    taskq_close(watcher);
    taskq_interrupt(arg);
    return NULL;
}

START_TEST(an_interrupted_get_takes_no_job)
{
    struct taskq *q = client();
    struct taskq_job job;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt, q), 0);
    ck_assert_int_eq(taskq_get(q, "interrupted", NULL, TASKQ_FOREVER, &job), TASKQ_REQUEST_CANCELLED);
    pthread_join(thread, NULL);
    OK(q, taskq_put(q, "interrupted", "1", 1, NULL, NULL));
    OK(q, taskq_get(q, "interrupted", NULL, 0, &job));
    OK(q, taskq_ack(q, job.id, 0, NULL, 0));
    taskq_job_release(&job);
    taskq_close(q);
}
END_TEST

START_TEST(every_call_agrees_with_the_daemon)
{
    struct taskq *q = client();
    struct taskq_put_result put;
    struct taskq_text text;
    struct taskq_job job;
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    const char *state, *value;
    size_t len;
    double seconds;
    uint64_t count;
    bool cancelled;
    OK(q, taskq_hello(q, &text));
    ck_assert(taskq_json_member(text.data, text.len, "protocol", &value, &len));
    taskq_text_release(&text);
    OK(q, taskq_declare(q, "calls", "{\"backoff\":{\"base\":100,\"jitter\":0}}", TASKQ_NUL, &text));
    ck_assert(taskq_json_member(text.data, text.len, "declared", &value, &len));
    taskq_text_release(&text);
    o.key = "k", o.priority = 2, o.lease = 20, o.max_attempts = 3, o.expires = 1000, o.key_for = 10,
    o.timeout = 1;
    OK(q, taskq_put(q, "calls", "1", 1, &o, &put));
    ck_assert(!put.existing);
    uint64_t id = put.id;
    OK(q, taskq_put(q, "calls", "1", 1, &o, &put));
    ck_assert(put.existing && put.id == id);
    OK(q, taskq_get(q, "calls", NULL, 0, &job));
    ck_assert_double_eq(job.priority, 2);
    OK(q, taskq_touch(q, id, job.delivery, 50, &seconds));
    ck_assert_double_eq_tol(seconds, 50, 1);
    OK(q, taskq_nack(q, id, job.delivery, "{\"e\":1}", TASKQ_NUL, TASKQ_FOREVER, &state, &seconds));
    ck_assert_str_eq(state, "delayed");
    ck_assert_double_eq_tol(seconds, 100, 1);
    taskq_job_release(&job);
    OK(q, taskq_kick(q, id, &count));
    ck_assert_uint_eq(count, 1);
    OK(q, taskq_get(q, "calls", NULL, 0, &job));
    double priority = 9;
    OK(q, taskq_release(q, id, job.delivery, 0, &priority));
    taskq_job_release(&job);
    OK(q, taskq_get(q, "calls", NULL, 0, &job));
    ck_assert_double_eq(job.priority, 9);
    OK(q, taskq_bury(q, id, job.delivery, "\"enough\"", TASKQ_NUL));
    taskq_job_release(&job);
    OK(q, taskq_job_info(q, id, &text));
    ck_assert(taskq_json_member(text.data, text.len, "reason", &value, &len) &&
              strncmp(value, "\"buried\"", len) == 0);
    taskq_text_release(&text);
    OK(q, taskq_jobs_page(q, "calls", "dead", NULL, 10, true, &text));
    taskq_text_release(&text);
    OK(q, taskq_queues_page(q, NULL, 10, &text));
    taskq_text_release(&text);
    OK(q, taskq_stats(q, "calls", &text));
    taskq_text_release(&text);
    OK(q, taskq_stats(q, NULL, &text));
    taskq_text_release(&text);
    OK(q, taskq_pool(q, &text));
    taskq_text_release(&text);
    ck_assert_int_eq(taskq_pool_resize(q, "no such handler", 1, &text), TASKQ_NOT_FOUND);
    ck_assert_int_eq(taskq_pool_resize(q, "h", 1025, NULL), TASKQ_INVALID_PARAMS);
    OK(q, taskq_kick_many(q, "calls", "dead", 5, &count));
    ck_assert_uint_eq(count, 1);
    OK(q, taskq_pause(q, "calls"));
    ck_assert_int_eq(taskq_get(q, "calls", NULL, 0, &job), TASKQ_EMPTY);
    OK(q, taskq_resume(q, "calls"));
    ck_assert_int_eq(taskq_join(q, "calls", 0), TASKQ_TIMEOUT);
    OK(q, taskq_delete(q, id));
    ck_assert_int_eq(taskq_delete(q, id), TASKQ_NOT_FOUND);
    OK(q, taskq_submit(q, "calls", "2", 1, NULL, &put));
    ck_assert_int_eq(taskq_result(q, put.id, 0, false, NULL), TASKQ_TIMEOUT);
    OK(q, taskq_cancel(q, put.id, &cancelled));
    ck_assert(cancelled);
    ck_assert_int_eq(taskq_result(q, put.id, 0, false, NULL), TASKQ_CANCELLED);
    OK(q, taskq_put(q, "calls", "3", 1, NULL, NULL));
    OK(q, taskq_delete_many(q, "calls", "ready", 0, &count));
    ck_assert_uint_eq(count, 1);
    OK(q, taskq_shutdown(q, "calls", false));
    ck_assert_int_eq(taskq_put(q, "calls", "4", 1, NULL, NULL), TASKQ_SHUT_DOWN);
    ck_assert_int_eq(taskq_get(q, "calls", NULL, TASKQ_FOREVER, &job), TASKQ_SHUT_DOWN);
    OK(q, taskq_drop(q, "calls", NULL));
    OK(q, taskq_call_raw(q, "ping", "{}", NULL));
    ck_assert_int_eq(taskq_call_raw(q, "nonsense", NULL, NULL), TASKQ_METHOD_NOT_FOUND);
    ck_assert_int_eq(taskq_put(q, "", "4", 1, NULL, NULL), TASKQ_INVALID_PARAMS);
    taskq_close(q);
}
END_TEST

START_TEST(a_call_brings_its_result_and_leaves_nothing)
{
    struct taskq *q = client(), *other = client();
    struct taskq_put_options o = TASKQ_PUT_OPTIONS_INIT;
    struct taskq_text result;
    struct taskq_job job;
    uint64_t id;
    const char *value;
    size_t len;
    o.timeout = 0;
    ck_assert_int_eq(taskq_call(q, "called", "1", 1, &o, &result), TASKQ_TIMEOUT);
    ck_assert(taskq_json_member(taskq_error_data(q, NULL), TASKQ_NUL, "id", &value, &len) &&
              taskq_json_uint(value, len, &id));
    OK(other, taskq_get(other, "called", NULL, 0, &job));
    ck_assert_uint_eq(job.id, id); // it went on
    OK(other, taskq_bury(other, id, job.delivery, NULL, 0));
    taskq_job_release(&job);
    // One that is answered: the consumer waits already.
    struct taskq_future *f;
    uint64_t get;
    const char *queues[] = {"called"};
    struct taskq_reply reply;
    struct taskq_jobs jobs;
    OK(other, taskq_get_send(other, queues, 1, 0, NULL, TASKQ_FOREVER, &get));
    OK(other, taskq_flush(other));
    OK(q, taskq_send(q, "call", "{\"queue\":\"called\",\"body\":[ 5]}", TASKQ_NUL, NULL));
    OK(q, taskq_flush(q));
    OK(other, taskq_receive(other, TASKQ_FOREVER, &reply));
    OK(other, taskq_reply_jobs(other, &reply, &jobs));
    OK(other, taskq_ack(other, jobs.jobs[0].id, 0, "[ 6]", 4));
    OK(q, taskq_receive(q, TASKQ_FOREVER, &reply));
    ck_assert(taskq_json_member(reply.result, reply.result_len, "result", &value, &len) && len == 4);
    OK(q, taskq_future_of(q, jobs.jobs[0].id, NULL, &f));
    OK(q, taskq_future_wait(f, TASKQ_FOREVER));
    ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_NOT_FOUND);
    taskq_future_free(f);
    taskq_jobs_release(&jobs);
    taskq_close(q);
    taskq_close(other);
}
END_TEST

START_TEST(futures_end_in_every_way)
{
    enum { DONE, DEAD, CANCELLED, DELETED, RUNNING, FUTURES };
    static const enum taskq_error errors[] = {TASKQ_OK, TASKQ_FAILED, TASKQ_CANCELLED, TASKQ_NOT_FOUND,
                                              TASKQ_CANCELLED};
    struct taskq *q = client(), *worker = client();
    struct taskq_future *f[FUTURES];
    struct taskq_job jobs[2], held;
    struct taskq_report report = {.done = 1, .total = 3, .message = "so far"};
    bool cancelled;
    for (int i = 0; i < FUTURES; i++)
        OK(q, taskq_future_submit(q, "ways", "0", 1, NULL, &(struct taskq_future_options){.progress = true},
                                  &f[i]));
    ck_assert_int_eq(taskq_future_wait(f[DONE], 0.001), TASKQ_TIMEOUT);
    OK(q, taskq_ping(q)); // they are all put
    OK(worker, taskq_get(worker, "ways", NULL, 0, &jobs[DONE]));
    OK(worker, taskq_get(worker, "ways", NULL, 0, &jobs[DEAD]));
    ck_assert_uint_eq(jobs[DEAD].id, taskq_future_id(f[DEAD]));
    OK(worker, taskq_progress(worker, jobs[DONE].id, jobs[DONE].delivery, &report));
    OK(worker, taskq_ack(worker, jobs[DONE].id, 0, "[1, 2]", 6));
    OK(worker, taskq_bury(worker, jobs[DEAD].id, 0, "\"why\"", TASKQ_NUL));
    OK(q, taskq_future_cancel(f[CANCELLED], false, &cancelled));
    ck_assert(cancelled);
    OK(worker, taskq_delete(worker, taskq_future_id(f[DELETED])));
    OK(worker, taskq_get(worker, "ways", NULL, 0, &held));
    ck_assert_uint_eq(held.id, taskq_future_id(f[RUNNING]));
    OK(q, taskq_future_cancel(f[RUNNING], false, &cancelled));
    ck_assert(!cancelled);
    OK(q, taskq_future_cancel(f[RUNNING], true, &cancelled));
    ck_assert(cancelled);
    ck_assert_int_eq(taskq_touch(worker, held.id, held.delivery, 0, NULL), TASKQ_CANCELLED);
    ck_assert_int_eq(taskq_progress(worker, held.id, held.delivery, &report), TASKQ_CANCELLED);
    enum taskq_error error;
    ck_assert_int_eq(taskq_ack_many(worker, &held.id, 1, &error), TASKQ_CANCELLED);
    ck_assert_int_eq(error, TASKQ_CANCELLED);
    for (int i = 0; i < FUTURES; i++) {
        OK(q, taskq_future_wait(f[i], TASKQ_FOREVER));
        ck_assert_int_eq(taskq_future_outcome(f[i])->error, errors[i]);
    }
    ck_assert_str_eq(taskq_future_outcome(f[DONE])->result, "[1, 2]");
    ck_assert_str_eq(taskq_future_outcome(f[DEAD])->job_error, "\"why\"");
    ck_assert(taskq_future_report(f[DONE], &report));
    ck_assert_double_eq(report.total, 3);
    ck_assert_str_eq(report.message, "so far");
    for (int i = 0; i < FUTURES; i++)
        taskq_future_free(f[i]);
    taskq_job_release(&jobs[DONE]);
    taskq_job_release(&jobs[DEAD]);
    taskq_job_release(&held);
    taskq_close(q);
    taskq_close(worker);
}
END_TEST

// Takes as many jobs as it is told to, and acknowledges them in another order.
static void *serve(void *arg)
{
    struct taskq *q = client();
    const char *queues[] = {"many futures"};
    for (size_t left = *(size_t *)arg; left > 0;) {
        struct taskq_jobs jobs;
        OK(q, taskq_get_many(q, queues, 1, TASKQ_MAX_JOBS, NULL, TASKQ_FOREVER, &jobs));
        for (size_t i = jobs.count; i-- > 0;)
            OK(q, taskq_ack_send(q, jobs.jobs[i].id, 0, jobs.jobs[i].body, jobs.jobs[i].body_len, NULL));
        left -= jobs.count;
        taskq_jobs_release(&jobs);
        struct taskq_reply reply;
        while (taskq_in_flight(q) > 0)
            OK(q, taskq_receive(q, TASKQ_FOREVER, &reply));
    }
    taskq_close(q);
    return NULL;
}

START_TEST(tens_of_thousands_of_futures_are_open_on_one_handle)
{
    size_t count = 20000;
    struct taskq *q = client();
    struct taskq_future *f;
    pthread_t thread;
    for (size_t i = 0; i < count; i++) {
        char body[32];
        snprintf(body, sizeof(body), "%zu", i);
        OK(q, taskq_future_submit(q, "many futures", body, TASKQ_NUL, NULL, NULL, &f));
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, &count), 0);
    size_t n = 0;
    double sum = 0;
    while (taskq_future_next(q, TASKQ_FOREVER, &f) == TASKQ_OK) {
        ck_assert_int_eq(taskq_future_outcome(f)->error, TASKQ_OK);
        sum += strtod(taskq_future_outcome(f)->result, NULL);
        taskq_future_free(f);
        n++;
    }
    ck_assert_uint_eq(n, count);
    ck_assert_double_eq(sum, (double)count * (double)(count - 1) / 2);
    pthread_join(thread, NULL);
    taskq_close(q);
}
END_TEST

static unsigned heard_count;

static bool hear(const char *event, size_t len, void *arg)
{
    const char *state;
    size_t state_len;
    ck_assert(taskq_json_member(event, len, "state", &state, &state_len));
    ck_assert_ptr_eq(arg, &heard_count);
    ck_assert_int_eq(strncmp(state, heard_count == 0 ? "\"ready\"" : "\"reserved\"", state_len), 0);
    return ++heard_count < 2;
}

static void *put_and_get(void *arg)
{
    struct taskq *q = client(), *listener = arg;
    struct taskq_job job;
    // Whoever listens has its request there before it hears: until then nothing is put.
    for (struct taskq_text who;; taskq_text_release(&who)) {
        OK(q, taskq_call_raw(q, "who", NULL, &who));
        bool there = strstr(who.data, "\"waits\":1") != NULL;
        if (there) {
            taskq_text_release(&who);
            break;
        }
    }
    OK(q, taskq_put(q, "heard", "1", TASKQ_NUL, NULL, NULL));
    OK(q, taskq_get(q, "heard", NULL, 0, &job));
    OK(q, taskq_ack(q, job.id, job.delivery, NULL, 0));
    taskq_job_release(&job);
    taskq_close(q);
    (void)listener;
    return NULL;
}

START_TEST(events_are_heard_until_it_is_enough)
{
    const char *queues[] = {"hea*"}, *states[] = {"ready", "reserved", "done"};
    struct taskq *q = client();
    pthread_t thread;
    heard_count = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, put_and_get, q), 0);
    OK(q, taskq_events(q, queues, 1, states, 3, hear, &heard_count));
    ck_assert_uint_eq(heard_count, 2);
    OK(q, taskq_ping(q)); // and the handle is as before
    pthread_join(thread, NULL);
    taskq_interrupt(q);
    ck_assert_int_eq(taskq_events(q, NULL, 0, NULL, 0, hear, NULL), TASKQ_REQUEST_CANCELLED);
    ck_assert_int_eq(taskq_events(q, NULL, 0, &queues[0], 1, hear, NULL), TASKQ_INVALID_PARAMS);
    taskq_close(q);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client against a daemon");
    TCase *c = tcase_create("calls");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, bodies_and_results_come_back_byte_for_byte);
    tcase_add_test(c, a_large_body_goes_both_ways);
    tcase_add_test(c, a_lease_holds_while_the_caller_works);
    tcase_add_test(c, a_handle_that_closes_gives_its_jobs_back_unless_they_are_detached);
    tcase_add_test(c, many_are_put_taken_and_acknowledged);
    tcase_add_test(c, an_interrupted_get_takes_no_job);
    tcase_add_test(c, every_call_agrees_with_the_daemon);
    tcase_add_test(c, a_call_brings_its_result_and_leaves_nothing);
    tcase_add_test(c, events_are_heard_until_it_is_enough);
    tcase_add_test(c, futures_end_in_every_way);
    tcase_add_test(c, tens_of_thousands_of_futures_are_open_on_one_handle);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
