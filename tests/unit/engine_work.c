#include "tests/unit/engine_fixture.h"

// More than a tick does, so that there is a meanwhile.
#define MANY 2500

static void put_many(struct put_options o)
{
    for (int i = 0; i < MANY; i++)
        put_with("q", o, "1");
}

START_TEST(nothing_can_be_taken_while_a_queue_is_being_emptied)
{
    struct taken t;
    struct waiter *join;
    put_many((struct put_options){0});
    struct waiter *w = NULL;
    ck_assert_int_eq(engine_join(e, now, SLICE("q"), client, FOREVER, NULL, &join), ERROR_NONE);
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    ck_assert_int_eq(try_get("q", &t), ERROR_SHUT_DOWN);
    ck_assert_int_eq(engine_next_due(e, now), now.mono);
    engine_tick(e, now);
    ck_assert_uint_gt(queue_of("q").gauges.ready, 0);
    ck_assert_int_eq(try_get("q", &t), ERROR_SHUT_DOWN);
    ck_assert_ptr_null(completed());
    pass(0);
    ck_assert_uint_eq(queue_of("q").gauges.dead, MANY);
    w = completed();
    ck_assert_ptr_eq(w, join);
    confirm(w);
}
END_TEST

START_TEST(what_falls_due_or_comes_back_meanwhile_dies_as_well)
{
    uint64_t held = put("q", -1), late = put_with("q", (struct put_options){.delay = 5}, "1");
    ck_assert_uint_eq(get_id("q"), held);
    put_many((struct put_options){0});
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    engine_tick(e, now);
    ck_assert_int_eq(engine_release(e, now, client, held, 0, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(info_of(held).reason, DEAD_SHUT_DOWN);
    pass(5);
    ck_assert_int_eq(state_of(late), JOB_DEAD);
    ck_assert_uint_eq(queue_of("q").gauges.dead, MANY + 2);
}
END_TEST

START_TEST(a_name_is_free_while_its_old_queue_is_being_cleared_away)
{
    uint64_t count, old = put_with("q", (struct put_options){.key = SLICE("k")}, "1");
    put_many((struct put_options){0});
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_eq(count, MANY + 1);
    ck_assert_int_eq(state_of(old), -1);
    ck_assert_uint_eq(totals().queues, 0);
    uint64_t id = put_with("q", (struct put_options){.key = SLICE("k")}, "1");
    ck_assert_uint_ne(id, old);
    ck_assert_uint_eq(queue_of("q").gauges.ready, 1);
    pass(0);
    ck_assert_uint_eq(get_id("q"), id);
    ck_assert_uint_eq(totals().gauges.ready, 0);
}
END_TEST

START_TEST(the_keys_that_a_dropped_queue_kept_go_with_it)
{
    uint64_t count;
    put_with("q", (struct put_options){.key = SLICE("k"), .key_for = 1000000}, "1");
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_eq(count, 0);
    pass(0);
    ck_assert_uint_eq(totals().bytes, 0);
    ck_assert_int_eq(engine_next_due(e, now), INT64_MAX);
}
END_TEST

START_TEST(a_dropped_job_does_not_die_into_the_dead_letter_queue)
{
    uint64_t count;
    set_dead_letter("q", "letters");
    put_many((struct put_options){.expires = 10, .delay = 1000});
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    pass(10);
    ck_assert_uint_eq(totals().gauges.ready, 0);
    ck_assert_uint_eq(totals().counters.moved + totals().counters.died, 0);
    ck_assert_uint_eq(totals().bytes, 0);
}
END_TEST

START_TEST(a_held_job_of_a_dropped_queue_goes_with_its_lease_or_its_holder)
{
    uint64_t count;
    struct outcome out;
    struct waiter *w;
    struct put_options o = {.key = SLICE("k"), .lease = 500};
    uint64_t id = put_with("q", o, "1");
    get_id("q");
    ck_assert_int_eq(engine_result(e, now, id, false, client, FOREVER, NULL, &out, &w), ERROR_NONE);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_eq(completed(), w); // at once, though the lease runs
    ck_assert_int_eq(w->error, ERROR_NOT_FOUND);
    confirm(w);
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NOT_FOUND);
    ck_assert_uint_eq(totals().gauges.reserved, 0);
    pass(500);
    ck_assert_uint_eq(totals().bytes, 0);

    put_with("q", o, "1");
    get_id("q");
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    pass(0);
    ck_assert(engine_client_close(e, now, client));
    ck_assert_uint_eq(totals().bytes, 0);
    client = engine_client_new(e, NULL);
}
END_TEST

START_TEST(a_queue_may_be_dropped_while_it_is_being_emptied)
{
    uint64_t count;
    put_many((struct put_options){0});
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    engine_tick(e, now);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_eq(count, MANY);
    pass(0);
    ck_assert_uint_eq(totals().bytes, 0);
}
END_TEST

START_TEST(an_engine_may_be_freed_with_all_of_this_under_way)
{
    uint64_t count;
    put_with("q", (struct put_options){.key = SLICE("k"), .priority = 3}, "1");
    get_id("q");
    put_many((struct put_options){.priority = 7});
    put_with("q", (struct put_options){.key = SLICE("l"), .key_for = 1000}, "1");
    ck_assert_int_eq(engine_delete(e, now, 1 + MANY), ERROR_NONE);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    put_many((struct put_options){.delay = 100, .expires = 1000});
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/work");
    TCase *c = tcase_create("work");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, nothing_can_be_taken_while_a_queue_is_being_emptied);
    tcase_add_test(c, what_falls_due_or_comes_back_meanwhile_dies_as_well);
    tcase_add_test(c, a_name_is_free_while_its_old_queue_is_being_cleared_away);
    tcase_add_test(c, the_keys_that_a_dropped_queue_kept_go_with_it);
    tcase_add_test(c, a_dropped_job_does_not_die_into_the_dead_letter_queue);
    tcase_add_test(c, a_held_job_of_a_dropped_queue_goes_with_its_lease_or_its_holder);
    tcase_add_test(c, a_queue_may_be_dropped_while_it_is_being_emptied);
    tcase_add_test(c, an_engine_may_be_freed_with_all_of_this_under_way);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
