#include "tests/unit/engine_fixture.h"

static const struct queue_settings pauses = {.backoff_base = 1000, .backoff_cap = 60000};

START_TEST(the_pause_doubles_up_to_the_cap)
{
    static const int64_t wanted[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (uint32_t n = 1; n <= 8; n++)
        ck_assert_int_eq(backoff(e, &pauses, n), wanted[n - 1]);
    ck_assert_int_eq(backoff(e, &pauses, UINT32_MAX), 60000);
}
END_TEST

START_TEST(the_largest_settings_do_not_overflow)
{
    struct queue_settings s = {.backoff_base = SETTING_SECONDS_MAX, .backoff_cap = SETTING_SECONDS_MAX};
    for (uint32_t n = 1; n < 70000; n += n < 100 ? 1 : 997)
        ck_assert_int_eq(backoff(e, &s, n), SETTING_SECONDS_MAX);
    s.backoff_base = SETTING_SECONDS_MAX - 1;
    ck_assert_int_eq(backoff(e, &s, 2), SETTING_SECONDS_MAX);
    s.backoff_base = 1;
    ck_assert_int_eq(backoff(e, &s, 31), INT64_C(1) << 30);
    s.backoff_base = 0;
    ck_assert_int_eq(backoff(e, &s, UINT32_MAX), 0);
    s = (struct queue_settings){.backoff_base = 500, .backoff_cap = 0};
    ck_assert_int_eq(backoff(e, &s, 1), 0);
}
END_TEST

START_TEST(chance_spreads_the_pause_around_its_middle)
{
    struct queue_settings s = {.backoff_base = 1000, .backoff_cap = 100000, .backoff_jitter = 0.2};
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t pause = backoff(e, &s, 3);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    ck_assert_int_ge(least, 3200);
    ck_assert_int_lt(least, 3250);
    ck_assert_int_le(most, 4800);
    ck_assert_int_gt(most, 4750);
    s.backoff_cap = 4000;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_le(backoff(e, &s, 3), 4000);
}
END_TEST

static enum job_state nack(uint64_t id, const char *text)
{
    struct nack_result out;
    struct blob *b = text ? blob_new(slice_of(text)) : NULL;
    ck_assert_int_eq(engine_nack(e, now, client, id, 0, b, -1, &out), ERROR_NONE);
    blob_unref(b);
    return out.state;
}

START_TEST(a_failing_job_is_dead_in_the_end_with_its_last_error)
{
    uint64_t id = put_with("q", (struct put_options){.max_attempts = 3}, "1");
    for (uint32_t i = 1; i <= 3; i++) {
        struct taken t = get("q");
        ck_assert_uint_eq(t.attempt, i);
        ck_assert_int_eq(nack(t.id, i == 2   ? "\"second\""
                                    : i == 1 ? "\"first\""
                                             : NULL),
                         i < 3 ? JOB_DELAYED : JOB_DEAD);
        pass(3600000);
    }
    struct job_info info = info_of(id);
    ck_assert_int_eq(info.state, JOB_DEAD);
    ck_assert_int_eq(info.reason, DEAD_ATTEMPTS);
    ck_assert_uint_eq(info.attempts, 3);
    ck_assert(slice_equal(info.error, "\"second\""));
    ck_assert_uint_eq(queue_of("q").counters.retried, 2);
    ck_assert_uint_eq(queue_of("q").counters.died, 1);
}
END_TEST

START_TEST(a_lost_consumer_counts_apart_and_costs_a_pause_from_the_second_time)
{
    struct queue_settings s = queue_settings_default;
    s.max_lost = 3, s.backoff_jitter = 0;
    declare("q", &s, 1u << QUEUE_SETTING_max_lost | 1u << QUEUE_SETTING_backoff_jitter);
    uint64_t id = put("q", 0);
    static const int states[] = {JOB_READY, JOB_DELAYED, JOB_DEAD};
    for (int i = 0; i < 3; i++) {
        get_id("q");
        while (!engine_client_close(e, now, client))
            ;
        client = engine_client_new(e, NULL);
        ck_assert_int_eq(state_of(id), states[i]);
        ck_assert_int_eq(info_of(id).lost, i + 1);
        ck_assert_int_eq(info_of(id).attempts, 0);
        pass(i == 1 ? 999 : 0);
        ck_assert_int_eq(state_of(id), states[i]);
        pass(1);
    }
    ck_assert_int_eq(info_of(id).reason, DEAD_LOST);
}
END_TEST

START_TEST(an_expired_job_is_let_finish_and_dies_if_it_comes_back)
{
    uint64_t a = put_with("q", (struct put_options){.expires = 100}, "1");
    uint64_t b = put_with("q", (struct put_options){.expires = 100}, "1");
    uint64_t c = put_with("q", (struct put_options){.expires = 100, .delay = 50}, "1");
    ck_assert_uint_eq(get_id("q"), a);
    ck_assert_uint_eq(get_id("q"), b);
    pass(99);
    ck_assert_int_eq(state_of(c), JOB_READY);
    pass(1);
    ck_assert_int_eq(state_of(c), JOB_DEAD);
    ck_assert_int_eq(info_of(c).reason, DEAD_EXPIRED);
    ck_assert_int_eq(engine_ack(e, now, client, a, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_release(e, now, client, b, 0, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(info_of(b).reason, DEAD_EXPIRED);
    bool kicked;
    ck_assert_int_eq(engine_kick(e, now, b, &kicked), ERROR_NONE);
    pass(1000);
    ck_assert_uint_eq(get_id("q"), b);
    ck_assert_int_eq(engine_release(e, now, client, b, 0, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(state_of(b), JOB_READY); // a new start has no end
}
END_TEST

static struct outcome outcome_of(uint64_t id, enum error want)
{
    struct outcome out = {0};
    struct waiter *w;
    ck_assert_int_eq(engine_result(e, now, id, false, client, 0, NULL, &out, &w), want);
    return out;
}

START_TEST(a_dying_job_moves_once_and_its_first_death_decides)
{
    set_dead_letter("work", "letters");
    set_dead_letter("letters", "work"); // a ring is none, as a job moves once
    SET("letters", maxsize, 1);
    put("letters", 0);
    uint64_t id =
        put_with("work", (struct put_options){.max_attempts = 1, .priority = -3, .key = SLICE("k")}, "1");
    nack(get_id("work"), "\"work\"");
    struct job_info info = info_of(id);
    ck_assert(slice_equal(info.queue, "letters") && slice_equal(info.origin, "work"));
    ck_assert_int_eq(info.state, JOB_READY);
    ck_assert_uint_eq(info.attempts, 0);
    ck_assert_uint_eq(info.key.len, 0);
    ck_assert_uint_eq(queue_of("work").counters.moved, 1);
    ck_assert_uint_eq(queue_of("work").counters.died, 0);
    struct outcome out = outcome_of(id, ERROR_FAILED);
    ck_assert_int_eq(out.reason, DEAD_ATTEMPTS);
    ck_assert_uint_eq(out.attempts, 1);
    blob_unref(out.error);

    ck_assert_uint_eq(get_id("letters"), id);
    ck_assert_int_eq(engine_bury(e, now, client, id, 0, NULL), ERROR_NONE);
    info = info_of(id);
    ck_assert_int_eq(info.state, JOB_DEAD);
    ck_assert_int_eq(info.reason, DEAD_BURIED);
    ck_assert(slice_equal(info.queue, "letters"));
    ck_assert_uint_eq(queue_of("letters").counters.died, 1);
    out = outcome_of(id, ERROR_FAILED);
    ck_assert_int_eq(out.reason, DEAD_ATTEMPTS);
    ck_assert_uint_eq(out.attempts, 1);
    blob_unref(out.error);
    bool kicked;
    ck_assert_int_eq(engine_kick(e, now, id, &kicked), ERROR_NONE);
    outcome_of(id, ERROR_TIMEOUT);
}
END_TEST

START_TEST(a_dead_letter_queue_that_is_shut_down_takes_none)
{
    set_dead_letter("work", "letters");
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("letters"), _i), ERROR_NONE);
    uint64_t id = put_with("work", (struct put_options){.max_attempts = 1}, "1");
    nack(get_id("work"), NULL);
    ck_assert_int_eq(state_of(id), JOB_DEAD);
    ck_assert(slice_equal(info_of(id).queue, "work"));
}
END_TEST

START_TEST(what_is_kept_stays_within_its_bytes_and_the_oldest_go)
{
    uint64_t id[20];
    for (int i = 0; i < 20; i++)
        id[i] = put_with("q", (struct put_options){.max_attempts = 1}, "\"0123456789\"");
    uint64_t each = queue_of("q").gauges.bytes / 20 + sizeof(struct extra) + 16;
    SET("q", keep_dead_bytes, 10 * each);
    for (int i = 0; i < 20; i++)
        nack(get_id("q"), NULL);
    ck_assert_uint_le(queue_of("q").gauges.bytes, 10 * each);
    uint64_t dead = queue_of("q").gauges.dead;
    ck_assert_uint_ge(dead, 9);
    ck_assert_uint_eq(queue_of("q").counters.dead_dropped, 20 - dead);
    ck_assert_int_eq(state_of(id[0]), -1);
    ck_assert_int_eq(state_of(id[19]), JOB_DEAD);
    SET("q", keep_dead_bytes, 3 * each); // at once
    ck_assert_uint_le(queue_of("q").gauges.bytes, 3 * each);
    ck_assert_int_eq(state_of(id[19]), JOB_DEAD);
}
END_TEST

static const struct engine_times *times(void)
{
    static struct engine_times t;
    engine_times(e, &t);
    return &t;
}

START_TEST(how_long_jobs_wait_and_run_is_counted)
{
    put("q", 0);
    pass(300);
    uint64_t id = get_id("q");
    ck_assert_uint_eq(times()->wait.sum, 300);
    ck_assert_uint_eq(histogram_count(&times()->wait), 1);
    pass(70);
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
    ck_assert_uint_eq(times()->run.sum, 70);
    ck_assert_uint_eq(histogram_count(&times()->run), 1);
    put_with("q", (struct put_options){.delay = 5000}, "1"); // the delay is no wait
    pass(5010);
    id = get_id("q");
    ck_assert_uint_le(times()->wait.sum, 310);
    ck_assert_uint_ge(times()->wait.sum, 300);
    pass(10);
    ck_assert_int_eq(engine_release(e, now, client, id, 0, 0, NULL), ERROR_NONE);
    ck_assert_uint_eq(histogram_count(&times()->run), 1); // nobody was through with it
    uint64_t before = times()->wait.sum;
    pass(40);
    id = get_id("q");
    ck_assert_uint_eq(times()->wait.sum, before + 40); // since it was given back
    ck_assert_int_eq(engine_bury(e, now, client, id, 0, NULL), ERROR_NONE);
    ck_assert_uint_eq(times()->run.sum, 70);
    ck_assert_uint_eq(histogram_count(&times()->run), 2);
}
END_TEST

START_TEST(a_renewed_lease_does_not_shorten_the_run)
{
    int64_t left;
    uint64_t id = put("q", 0);
    get_id("q");
    for (int i = 0; i < 5; i++) {
        pass(20000);
        ck_assert_int_eq(engine_touch(e, now, client, id, 0, i == 3 ? 40000 : 0, &left), ERROR_NONE);
    }
    pass(1000);
    ck_assert_int_eq(nack(id, NULL), JOB_DELAYED);
    ck_assert_uint_eq(times()->run.sum, 101000);
    pass(10000);
    get_id("q"); // of which nothing is left in the next
    pass(60000); // when its lease is over
    ck_assert_uint_eq(times()->run.sum, 161000);
    ck_assert_uint_eq(histogram_count(&times()->run), 2);
}
END_TEST

START_TEST(why_attempts_fail_and_jobs_die_is_counted)
{
    uint64_t failing = put_with("q", (struct put_options){.max_attempts = 2}, "1");
    get_id("q");
    nack(failing, NULL);
    pass(10000);
    get_id("q");
    pass(60000);
    ck_assert_int_eq(state_of(failing), JOB_DEAD);
    ck_assert_uint_eq(totals().more.retried_failed, 1);
    ck_assert_uint_eq(totals().more.retried_lease, 0); // that one was the last
    ck_assert_uint_eq(totals().more.dead_attempts, 1);
    put("q", 0);
    get_id("q");
    pass(60000);
    ck_assert_uint_eq(totals().more.retried_lease, 1);
    pass(10000);
    get_id("q");
    while (!engine_client_close(e, now, client))
        ;
    client = engine_client_new(e, NULL);
    ck_assert_uint_eq(totals().more.retried_lost, 1);
    uint64_t id = get_id("q");
    ck_assert_int_eq(engine_bury(e, now, client, id, 0, NULL), ERROR_NONE);
    ck_assert_uint_eq(totals().more.dead_buried, 1);
    put_with("q", (struct put_options){.expires = 10}, "1");
    pass(20);
    ck_assert_uint_eq(totals().more.dead_expired, 1);
    put("q", 0);
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    pass(1);
    ck_assert_uint_eq(totals().more.dead_shut_down, 1);
    ck_assert_uint_eq(totals().more.dead_lost, 0);
    ck_assert_uint_eq(totals().counters.died, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/retry");
    TCase *c = tcase_create("retry");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, the_pause_doubles_up_to_the_cap);
    tcase_add_test(c, the_largest_settings_do_not_overflow);
    tcase_add_test(c, chance_spreads_the_pause_around_its_middle);
    tcase_add_test(c, a_failing_job_is_dead_in_the_end_with_its_last_error);
    tcase_add_test(c, a_lost_consumer_counts_apart_and_costs_a_pause_from_the_second_time);
    tcase_add_test(c, an_expired_job_is_let_finish_and_dies_if_it_comes_back);
    tcase_add_test(c, a_dying_job_moves_once_and_its_first_death_decides);
    tcase_add_loop_test(c, a_dead_letter_queue_that_is_shut_down_takes_none, 0, 2);
    tcase_add_test(c, what_is_kept_stays_within_its_bytes_and_the_oldest_go);
    tcase_add_test(c, how_long_jobs_wait_and_run_is_counted);
    tcase_add_test(c, a_renewed_lease_does_not_shorten_the_run);
    tcase_add_test(c, why_attempts_fail_and_jobs_die_is_counted);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
