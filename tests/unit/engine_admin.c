#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <string.h>

static void cancel_one(uint64_t id)
{
    bool yes;
    ck_assert_int_eq(engine_cancel(e, now, id, false, &yes), ERROR_NONE);
    ck_assert(yes);
}

START_TEST(a_declare_changes_only_what_it_names)
{
    struct queue_settings s = queue_settings_default;
    s.maxsize = 7, s.lease = 5, s.concurrency = 3;
    declare("q", &s, 1u << QUEUE_SETTING_maxsize | 1u << QUEUE_SETTING_lease);
    struct queue_info info = queue_of("q");
    ck_assert(info.declared);
    ck_assert_uint_eq(info.settings.maxsize, 7);
    ck_assert_int_eq(info.settings.lease, 5);
    ck_assert_uint_eq(info.settings.concurrency, 0);
    s.maxsize = 9;
    declare("q", &s, 1u << QUEUE_SETTING_concurrency);
    info = queue_of("q");
    ck_assert_uint_eq(info.settings.maxsize, 7);
    ck_assert_uint_eq(info.settings.concurrency, 3);
}
END_TEST

START_TEST(a_declare_that_fails_leaves_all_as_it_was)
{
    struct queue_settings s = queue_settings_default, out;
    const char *why = NULL;
    snprintf(s.dead_letter, sizeof s.dead_letter, "q");
    s.durable = false;
    ck_assert_int_eq(engine_declare(e, now, SLICE("q"), &s, 1u << QUEUE_SETTING_dead_letter, &out, &why),
                     ERROR_INVALID_PARAMS);
    ck_assert_ptr_nonnull(why);
    ck_assert_uint_eq(totals().queues, 0);
    put("q", 0);
    ck_assert_int_eq(engine_declare(e, now, SLICE("q"), &s, 1u << QUEUE_SETTING_durable, &out, &why),
                     ERROR_INVALID_PARAMS);
    ck_assert_ptr_nonnull(strstr(why, "durable"));
    ck_assert(!queue_of("q").declared);
    s.durable = true; // no change
    declare("q", &s, 1u << QUEUE_SETTING_durable);
}
END_TEST

START_TEST(more_room_lets_waiting_puts_in)
{
    SET("q", maxsize, 1);
    put("q", 0);
    for (int i = 0; i < 3; i++)
        put_waits("q", (struct put_options){0});
    SET("q", maxsize, 3);
    ck_assert_uint_eq(confirm_all(), 2);
    ck_assert_uint_eq(queue_of("q").gauges.ready, 3);
    ck_assert_uint_eq(queue_of("q").gauges.waiting_puts, 1);
}
END_TEST

START_TEST(a_graceful_shutdown_lets_gets_go_on_until_nothing_can_come_back)
{
    uint64_t id = put("q", 0);
    struct taken t = get("q"), none;
    SET("q", maxsize, 1);
    put("q", 0);
    struct waiter *w = put_waits("q", (struct put_options){0});
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), false), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_SHUT_DOWN);
    confirm(w);
    struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
    struct put_result out;
    ck_assert_int_eq(engine_put(e, now, SLICE("q"), j, NULL, 0, NULL, &out), ERROR_SHUT_DOWN);
    job_discard(j);
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_int_eq(try_get("q", &none), ERROR_EMPTY); // one is reserved
    w = get_waits("q");
    ck_assert_int_eq(engine_release(e, now, client, id, t.delivery, 0, NULL), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_NONE);
    confirm(w);
    w = get_waits("q");
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_SHUT_DOWN);
    confirm(w);
    ck_assert_int_eq(try_get("q", &none), ERROR_SHUT_DOWN);
}
END_TEST

START_TEST(a_kick_begins_anew_or_hurries)
{
    bool kicked;
    uint64_t a = put_with("q", (struct put_options){.max_attempts = 1}, "1"),
             b = put_with("q", (struct put_options){.delay = 9999}, "1");
    struct nack_result out;
    struct blob *error = blob_new(SLICE("\"no\""));
    ck_assert_int_eq(engine_nack(e, now, client, get_id("q"), 0, error, -1, &out), ERROR_NONE);
    blob_unref(error);
    ck_assert_int_eq(engine_kick(e, now, a, &kicked), ERROR_NONE);
    ck_assert(kicked);
    struct job_info info = info_of(a);
    ck_assert(info.state == JOB_READY && info.attempts == 0 && info.error.len == 0);
    ck_assert_int_eq(engine_kick(e, now, a, &kicked), ERROR_NONE);
    ck_assert(!kicked);
    ck_assert_int_eq(engine_kick(e, now, b, &kicked), ERROR_NONE);
    ck_assert(kicked);
    pass(10000);
    ck_assert_int_eq(state_of(b), JOB_READY);
    ck_assert_int_eq(engine_kick(e, now, 99, &kicked), ERROR_NOT_FOUND);
    ck_assert_uint_eq(queue_of("q").counters.kicked, 2);
}
END_TEST

START_TEST(nothing_comes_back_in_a_queue_that_was_shut_down_at_once)
{
    bool kicked = true;
    uint64_t id = put("q", 0);
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    pass(0);
    ck_assert_int_eq(engine_kick(e, now, id, &kicked), ERROR_NONE);
    ck_assert(!kicked);
    struct sweep s = {.kind = SWEEP_KICK,
                      .queue = SLICE("q"),
                      .states = JOB_STATE_BIT(JOB_DEAD),
                      .limit = UINT64_MAX};
    ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NONE);
    ck_assert(s.done && s.count == 0);
    ck_assert_int_eq(state_of(id), JOB_DEAD);
}
END_TEST

START_TEST(a_deleted_job_is_gone_whoever_holds_it)
{
    uint64_t id = put("q", 0);
    struct outcome out;
    struct waiter *w;
    get_id("q");
    ck_assert_int_eq(engine_result(e, now, id, false, client, FOREVER, NULL, &out, &w), ERROR_NONE);
    ck_assert_int_eq(engine_delete(e, now, id), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_NOT_FOUND);
    confirm(w);
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NOT_FOUND);
    ck_assert_int_eq(engine_delete(e, now, id), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(a_sweep_takes_no_more_than_was_there_and_was_asked_for)
{
    for (int i = 0; i < 2500; i++)
        put("q", i % 3);
    struct sweep s = {.kind = SWEEP_DELETE,
                      .queue = SLICE("q"),
                      .states = JOB_STATE_BIT(JOB_READY),
                      .limit = UINT64_MAX};
    unsigned calls = 0;
    for (; !s.done; calls++) {
        ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NONE);
        for (int i = 0; i < 1500; i++)
            put("q", 0); // a busy producer cannot keep it going
        ck_assert_uint_lt(calls, 10);
    }
    ck_assert_uint_eq(s.count, 2500);
    uint64_t left = queue_of("q").gauges.ready;
    s = (struct sweep){.kind = SWEEP_DELETE,
                       .queue = SLICE("q"),
                       .states = JOB_STATE_BIT(JOB_READY),
                       .limit = 10};
    ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NONE);
    ck_assert(s.done && s.count == 10);
    ck_assert_uint_eq(queue_of("q").gauges.ready, left - 10);
    s = (struct sweep){.queue = SLICE("nowhere")};
    ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NOT_FOUND);
    ck_assert(s.done);
}
END_TEST

START_TEST(a_sweep_finds_the_cancelled_among_the_done)
{
    struct put_options keep = {.submit = true, .keep_result = 100000};
    for (int i = 0; i < 3000; i++) {
        uint64_t id = put_with("q", keep, "1");
        if (i % 1000 == 999)
            cancel_one(id);
        else
            ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    }
    struct sweep s = {.kind = SWEEP_DELETE,
                      .queue = SLICE("q"),
                      .states = JOB_STATE_BIT(JOB_CANCELLED),
                      .limit = UINT64_MAX};
    for (int calls = 0; !s.done; calls++) {
        ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NONE);
        ck_assert_int_lt(calls, 10);
    }
    ck_assert_uint_eq(s.count, 3);
    ck_assert_uint_eq(queue_of("q").gauges.finished, 2997);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/admin");
    TCase *c = tcase_create("admin");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, a_declare_changes_only_what_it_names);
    tcase_add_test(c, a_declare_that_fails_leaves_all_as_it_was);
    tcase_add_test(c, more_room_lets_waiting_puts_in);
    tcase_add_test(c, a_graceful_shutdown_lets_gets_go_on_until_nothing_can_come_back);
    tcase_add_test(c, a_kick_begins_anew_or_hurries);
    tcase_add_test(c, nothing_comes_back_in_a_queue_that_was_shut_down_at_once);
    tcase_add_test(c, a_deleted_job_is_gone_whoever_holds_it);
    tcase_add_test(c, a_sweep_takes_no_more_than_was_there_and_was_asked_for);
    tcase_add_test(c, a_sweep_finds_the_cancelled_among_the_done);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
