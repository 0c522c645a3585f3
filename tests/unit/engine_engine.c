#include "tests/unit/engine_fixture.h"

#include <stdio.h>

START_TEST(it_says_when_it_wants_to_be_called)
{
    ck_assert_int_eq(engine_next_due(e, now), INT64_MAX);
    ck_assert_int_eq(engine_tick(e, now), INT64_MAX);
    put_with("q", (struct put_options){.delay = 5000}, "1");
    // Early is allowed, late is not; and it gets there.
    for (int calls = 0; state_of(1) == JOB_DELAYED; calls++) {
        int64_t due = engine_next_due(e, now);
        ck_assert_int_gt(due, now.mono);
        ck_assert_int_le(due, 6000);
        now.mono = due;
        engine_tick(e, now);
        ck_assert_int_lt(calls, 10);
    }
    ck_assert_int_eq(now.mono, 6000);
    put_with("q", (struct put_options){.delay = 30}, "1");
    ck_assert_int_le(engine_next_due(e, now), 6030);
}
END_TEST

START_TEST(chance_is_even_and_told_by_the_seed)
{
    double sum = 0, first[10];
    for (int i = 0; i < 100000; i++) {
        double x = engine_chance(e);
        ck_assert(x >= 0 && x < 1);
        sum += x;
        if (i < 10)
            first[i] = x;
    }
    ck_assert(sum > 49000 && sum < 51000);
    engine_teardown();
    engine_setup();
    for (int i = 0; i < 10; i++)
        ck_assert(engine_chance(e) == first[i]);
    engine_teardown();
    struct engine_config other = engine_config_usual;
    other.seed = 8;
    engine_setup_with(other);
    ck_assert(engine_chance(e) != first[0]);
    engine_teardown();
    other.seed = 0;
    engine_setup_with(other);
    ck_assert(engine_chance(e) != engine_chance(e));
}
END_TEST

START_TEST(a_drain_ends_all_waits_and_takes_acks)
{
    struct waiter *w, *result;
    struct outcome out;
    struct taken t;
    uint64_t id = put("q", 0);
    get_id("q");
    get_waits("q");
    ck_assert_int_eq(engine_join(e, now, SLICE("q"), client, FOREVER, NULL, &w), ERROR_NONE);
    ck_assert_int_eq(engine_result(e, now, id, false, client, FOREVER, NULL, &out, &result), ERROR_NONE);
    engine_drain(e);
    unsigned ended = 0;
    for (struct waiter *c = engine_take_completed(e), *next; c; c = next, ended++) {
        next = c->next;
        ck_assert_int_eq(c->error, ERROR_DRAINING);
        confirm(c);
    }
    ck_assert_uint_eq(ended, 3);
    struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
    struct put_result put_out;
    ck_assert_int_eq(engine_put(e, now, SLICE("q"), j, NULL, 0, NULL, &put_out), ERROR_DRAINING);
    job_discard(j);
    ck_assert_int_eq(try_get("q", &t), ERROR_DRAINING);
    ck_assert_int_eq(engine_result(e, now, id, false, client, FOREVER, NULL, &out, &result), ERROR_DRAINING);
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
}
END_TEST

START_TEST(removed_jobs_are_the_callers_to_free)
{
    put_with("q", (struct put_options){0}, "\"body\"");
    struct taken t = get("q");
    ck_assert_int_eq(engine_ack(e, now, client, t.id, 0, NULL), ERROR_NONE);
    ck_assert(slice_equal(t.body, "\"body\"")); // a reply may still point into it
    struct job *removed = engine_take_removed(e);
    ck_assert_ptr_nonnull(removed);
    ck_assert_ptr_null(engine_take_removed(e));
    jobs_free(removed);
}
END_TEST

// In whatever state a job is, and whatever stands beside it.
START_TEST(a_look_ahead_changes_nothing)
{
    enum { JOBS = 300 };
    static uint64_t ids[JOBS + 4];
    unsigned n = 0;
    engine_prefetch(e, ids, 4); // of none
    SET("q", keep_result, 60000);
    for (unsigned i = 0; i < JOBS / 3; i++) {
        ids[n++] = put("q", i % 5);
        ids[n++] = put_with("q", (struct put_options){.delay = 1000 * (i % 7)}, "1");
        ids[n++] = put_with("q", (struct put_options){.submit = true, .keep_result = 5000, .at = i}, "2");
    }
    for (unsigned i = 0; i < JOBS / 3; i++) {
        struct taken t = get("q");
        if (i % 3 == 0)
            ck_assert_int_eq(engine_ack(e, now, client, t.id, 0, NULL), ERROR_NONE);
        if (i % 3 == 1)
            ck_assert_int_eq(engine_bury(e, now, client, t.id, 0, NULL), ERROR_NONE);
    }
    ids[n++] = 1000000;
    ids[n++] = UINT64_MAX;
    static int states[JOBS + 4];
    for (unsigned i = 0; i < n; i++)
        states[i] = state_of(ids[i]);
    for (unsigned count = 0; count <= n; count += count < 5 ? 1 : 31)
        engine_prefetch(e, ids, count);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(state_of(ids[i]), states[i]);
    unsigned deleted = 0;
    for (unsigned i = 0; i < n; i++)
        deleted += engine_delete(e, now, ids[i]) == ERROR_NONE;
    ck_assert_uint_ge(deleted, 200);
    engine_prefetch(e, ids, n);
}
END_TEST

// By names of queues that are there, and of others that are not, where few are and where many.
START_TEST(a_look_ahead_at_queues_makes_none)
{
    enum { QUEUES = 6000, NAMED = 200 };
    static char texts[NAMED][16];
    static struct slice names[NAMED];
    engine_prefetch_queues(e, &SLICE("none"), 1);
    for (unsigned i = 0; i < QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%u", i);
        put(name, i % 3);
        if (i % 1000 > 1)
            continue;
        for (unsigned n = 0; n < NAMED; n++) {
            int len = snprintf(texts[n], sizeof texts[n], "q%u", n * 61);
            names[n] = (struct slice){texts[n], (size_t)len};
        }
        names[7].len = 0;
        engine_prefetch_queues(e, names, NAMED);
        ck_assert_uint_eq(totals().queues, i + 1);
    }
    struct taken t = get("q4999");
    ck_assert(slice_equal(t.body, "1"));
    engine_prefetch_queues(e, names, 0);
}
END_TEST

START_TEST(limits_may_change_and_what_is_over_them_stays)
{
    struct engine_config c = engine_config_usual;
    struct put_result out;
    uint64_t first = put("a", 0);
    get_waits("empty");
    engine_set_limits(e, 1, c.max_queues, 1, 1);
    struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
    ck_assert_int_eq(engine_put(e, now, SLICE("a"), j, NULL, 0, NULL, &out), ERROR_OVERLOADED);
    struct slice queue = SLICE("empty");
    struct get_options get_options = {.queues = &queue, .queue_count = 1, .max = 1, .timeout = FOREVER};
    struct taken t;
    struct waiter *w;
    unsigned count;
    ck_assert_int_eq(engine_get(e, now, client, &get_options, &t, &count, &w), ERROR_OVERLOADED);
    ck_assert_int_eq(state_of(first), JOB_READY);
    ck_assert_uint_eq(totals().max_bytes, 1);
    engine_set_limits(e, c.max_bytes, 2, 2, 2);
    ck_assert_int_eq(engine_put(e, now, SLICE("b"), j, NULL, 0, NULL, &out), ERROR_OVERLOADED);
    ck_assert_int_eq(engine_get(e, now, client, &get_options, &t, &count, &w), ERROR_NONE);
    engine_set_limits(e, c.max_bytes, 3, 2, 2);
    ck_assert_int_eq(engine_put(e, now, SLICE("b"), j, NULL, 0, NULL, &out), ERROR_NONE);
    ck_assert_int_eq(get_id("a"), first);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/engine");
    TCase *c = tcase_create("engine");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, it_says_when_it_wants_to_be_called);
    tcase_add_test(c, chance_is_even_and_told_by_the_seed);
    tcase_add_test(c, a_drain_ends_all_waits_and_takes_acks);
    tcase_add_test(c, a_look_ahead_changes_nothing);
    tcase_add_test(c, a_look_ahead_at_queues_makes_none);
    tcase_add_test(c, removed_jobs_are_the_callers_to_free);
    tcase_add_test(c, limits_may_change_and_what_is_over_them_stays);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
