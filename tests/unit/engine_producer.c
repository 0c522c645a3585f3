#include "tests/unit/engine_fixture.h"

static enum error put_now(const char *queue, struct put_options o)
{
    struct put_result out;
    struct job *j = job_prepare(&o, SLICE("1"));
    enum error error = engine_put(e, now, slice_of(queue), j, NULL, 0, NULL, &out);
    if (error)
        job_discard(j);
    return error;
}

START_TEST(a_full_queue_refuses_and_ready_and_delayed_fill_it)
{
    SET("q", maxsize, 2);
    put("q", 0);
    ck_assert_int_eq(put_now("q", (struct put_options){.delay = 1000}), ERROR_NONE);
    ck_assert_int_eq(put_now("q", (struct put_options){0}), ERROR_FULL);
    ck_assert_uint_eq(queue_of("q").counters.refused, 1);
    get_id("q"); // reserved ones do not count
    ck_assert_int_eq(put_now("q", (struct put_options){0}), ERROR_NONE);
    ck_assert_int_eq(put_now("q", (struct put_options){0}), ERROR_FULL);
}
END_TEST

START_TEST(what_comes_back_is_not_refused)
{
    SET("q", maxsize, 1);
    uint64_t id = put("q", 0);
    get_id("q");
    put("q", 0);
    ck_assert_int_eq(engine_release(e, now, client, id, 0, 0, NULL), ERROR_NONE);
    ck_assert_uint_eq(queue_of("q").gauges.ready, 2);
}
END_TEST

START_TEST(ids_grow_and_are_not_used_for_what_was_refused)
{
    SET("q", maxsize, 1);
    uint64_t a = put("q", 0);
    ck_assert_int_eq(put_now("q", (struct put_options){0}), ERROR_FULL);
    ck_assert_uint_eq(put("r", 0), a + 1);
}
END_TEST

START_TEST(delay_and_expiry_count_from_the_request)
{
    SET("q", maxsize, 1);
    uint64_t first = put("q", 0);
    struct waiter *w = put_waits("q", (struct put_options){.delay = 1000, .expires = 3000});
    pass(600);
    ck_assert_int_eq(engine_delete(e, now, first), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(info_of(w->id).left, 400);
    ck_assert_int_eq(info_of(w->id).expires, 2400);
    pass(400);
    ck_assert_int_eq(state_of(w->id), JOB_READY);
    pass(2000);
    ck_assert_int_eq(state_of(w->id), JOB_DEAD);
    confirm(w);
}
END_TEST

START_TEST(a_put_that_waited_out_its_own_expiry_dies_at_once)
{
    SET("q", maxsize, 1);
    uint64_t first = put("q", 0);
    struct waiter *w = put_waits("q", (struct put_options){.expires = 100});
    pass(500);
    ck_assert_int_eq(engine_delete(e, now, first), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    pass(0);
    ck_assert_int_eq(info_of(w->id).reason, DEAD_EXPIRED);
    confirm(w);
}
END_TEST

START_TEST(a_time_of_the_wall_clock_follows_its_jumps)
{
    uint64_t id = put_with("q", (struct put_options){.at = now.wall + 10000}, "1");
    uint64_t past = put_with("q", (struct put_options){.at = now.wall - 1}, "1");
    uint64_t relative = put_with("q", (struct put_options){.delay = 10000}, "1");
    ck_assert_int_eq(state_of(past), JOB_READY);
    ck_assert_int_eq(info_of(id).left, 10000);
    now.wall -= 5000;
    pass(10000);
    ck_assert_int_eq(state_of(relative), JOB_READY);
    ck_assert_int_eq(state_of(id), JOB_DELAYED);
    ck_assert_int_eq(info_of(id).left, 5000);
    ck_assert_int_le(engine_next_due(e, now), now.mono + 1000); // looks at the clock now and then
    now.wall += 100000;
    pass(0);
    ck_assert_int_eq(state_of(id), JOB_READY);
    now.wall -= 100000;
    pass(0);
    ck_assert_int_eq(state_of(id), JOB_READY);
}
END_TEST

START_TEST(two_waiting_puts_of_one_key_make_one_job)
{
    SET("q", maxsize, 1);
    put("q", 0);
    struct waiter *w[2];
    for (int i = 0; i < 2; i++)
        w[i] = put_waits("q", (struct put_options){.key = SLICE("k")});
    get_id("q");
    ck_assert_ptr_eq(completed(), w[0]);
    ck_assert(!w[0]->existing);
    get_id("q");
    ck_assert_ptr_eq(completed(), w[1]);
    ck_assert(w[1]->existing);
    ck_assert_uint_eq(w[1]->id, w[0]->id);
    confirm(w[0]);
    confirm(w[1]);
}
END_TEST

START_TEST(a_key_that_is_taken_answers_also_when_the_queue_is_full)
{
    SET("q", maxsize, 1);
    uint64_t id = put_with("q", (struct put_options){.key = SLICE("k")}, "1");
    ck_assert_uint_eq(put_with("q", (struct put_options){.key = SLICE("k")}, "2"), id);
}
END_TEST

START_TEST(only_what_has_not_begun_is_cancelled)
{
    bool yes;
    uint64_t a = put("q", 0),
             b = put_with("q", (struct put_options){.delay = 100, .submit = true, .keep_result = 1000}, "1");
    get_id("q");
    ck_assert_int_eq(engine_cancel(e, now, a, false, &yes), ERROR_NONE);
    ck_assert(!yes);
    ck_assert_int_eq(engine_cancel(e, now, b, false, &yes), ERROR_NONE);
    ck_assert(yes);
    ck_assert_int_eq(state_of(b), JOB_CANCELLED);
    ck_assert_int_eq(engine_cancel(e, now, b, false, &yes), ERROR_NONE);
    ck_assert(!yes);
    pass(1000);
    ck_assert_int_eq(state_of(b), -1);
    ck_assert_int_eq(engine_cancel(e, now, b, false, &yes), ERROR_NOT_FOUND);
    ck_assert_uint_eq(queue_of("q").counters.cancelled, 1);
}
END_TEST

START_TEST(an_outcome_is_forgotten_once_it_is_given_and_not_before)
{
    struct outcome out;
    struct waiter *w;
    uint64_t id = put_with("q", (struct put_options){.submit = true, .keep_result = -1}, "1");
    struct engine_client *c = engine_client_new(e, NULL);
    ck_assert_int_eq(engine_result(e, now, id, true, c, FOREVER, NULL, &out, &w), ERROR_NONE);
    struct blob *b = blob_new(SLICE("5"));
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, b), ERROR_NONE);
    blob_unref(b);
    ck_assert(engine_client_close(e, now, c)); // before the reply was on its way
    ck_assert_ptr_eq(completed(), w);
    ck_assert(w->orphan);
    confirm(w);
    ck_assert_int_eq(engine_result(e, now, id, false, client, 0, NULL, &out, &w), ERROR_NONE);
    ck_assert(slice_equal(blob_slice(out.result), "5"));
    blob_unref(out.result);
    ck_assert_int_eq(engine_result(e, now, id, true, client, 0, NULL, &out, &w), ERROR_NONE);
    blob_unref(out.result);
    ck_assert_int_eq(engine_result(e, now, id, true, client, 0, NULL, &out, &w), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(a_plain_put_keeps_no_outcome_but_tells_who_waits)
{
    struct outcome out;
    struct waiter *w;
    uint64_t id = put("q", 0);
    ck_assert_int_eq(engine_result(e, now, id, false, client, FOREVER, NULL, &out, &w), ERROR_NONE);
    struct blob *b = blob_new(SLICE("5"));
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, b), ERROR_NONE);
    blob_unref(b);
    ck_assert_ptr_eq(completed(), w);
    ck_assert(slice_equal(blob_slice(w->outcome.result), "5"));
    confirm(w);
    ck_assert_int_eq(engine_result(e, now, id, false, client, 0, NULL, &out, &w), ERROR_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/producer");
    TCase *c = tcase_create("producer");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, a_full_queue_refuses_and_ready_and_delayed_fill_it);
    tcase_add_test(c, what_comes_back_is_not_refused);
    tcase_add_test(c, ids_grow_and_are_not_used_for_what_was_refused);
    tcase_add_test(c, delay_and_expiry_count_from_the_request);
    tcase_add_test(c, a_put_that_waited_out_its_own_expiry_dies_at_once);
    tcase_add_test(c, a_time_of_the_wall_clock_follows_its_jumps);
    tcase_add_test(c, two_waiting_puts_of_one_key_make_one_job);
    tcase_add_test(c, a_key_that_is_taken_answers_also_when_the_queue_is_full);
    tcase_add_test(c, only_what_has_not_begun_is_cancelled);
    tcase_add_test(c, an_outcome_is_forgotten_once_it_is_given_and_not_before);
    tcase_add_test(c, a_plain_put_keeps_no_outcome_but_tells_who_waits);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
