#include "tests/unit/engine_fixture.h"

static struct engine_client *other(void)
{
    struct engine_client *c = engine_client_new(e, NULL);
    ck_assert_ptr_nonnull(c);
    return c;
}

static void close_client(struct engine_client *c)
{
    while (!engine_client_close(e, now, c))
        ;
}

static struct waiter *get_waits_at(struct engine_client *c, const struct slice *names, unsigned count)
{
    struct get_options o = {.queues = names, .queue_count = count, .max = 1, .timeout = FOREVER};
    struct taken out;
    unsigned got;
    struct waiter *w;
    ck_assert_int_eq(engine_get(e, now, c, &o, &out, &got, &w), ERROR_NONE);
    ck_assert_ptr_nonnull(w);
    return w;
}

START_TEST(client_numbers_are_used_again)
{
    struct engine_client *c[100];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            c[i] = other();
        ck_assert_uint_eq(totals().clients, 101);
        for (int i = 0; i < 100; i++)
            close_client(c[(i * 37) % 100]);
        ck_assert_uint_eq(totals().clients, 1);
    }
    ck_assert_uint_le(e->client_slots, 256);
}
END_TEST

START_TEST(a_confirmed_job_is_lost_with_its_client_and_another_is_not)
{
    struct engine_client *c = other();
    struct slice q = SLICE("q");
    struct waiter *first = get_waits_at(c, &q, 1), *second = get_waits_at(c, &q, 1);
    uint64_t a = put("q", 0);
    ck_assert_ptr_eq(completed(), first);
    uint64_t b = put("q", 0);
    ck_assert_ptr_eq(completed(), second);
    confirm(first);
    close_client(c);
    ck_assert(second->orphan);
    ck_assert_int_eq(info_of(a).lost, 1);
    ck_assert_int_eq(info_of(b).lost, 0);
    ck_assert_int_eq(info_of(b).attempts, 0);
    ck_assert_int_eq(state_of(b), JOB_READY);
    confirm(second);
    ck_assert_int_eq(state_of(b), JOB_READY);
}
END_TEST

// It was never told the token, so it is nobody's.
START_TEST(a_detached_job_on_its_way_comes_back_too)
{
    struct engine_client *c = other();
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .timeout = FOREVER, .detached = true};
    struct taken out;
    unsigned got;
    struct waiter *w;
    ck_assert_int_eq(engine_get(e, now, c, &o, &out, &got, &w), ERROR_NONE);
    uint64_t id = put("q", 0);
    ck_assert(info_of(id).detached);
    close_client(c);
    ck_assert_int_eq(state_of(id), JOB_READY);
    ck_assert_int_eq(info_of(id).lost, 0);
    confirm(completed());
}
END_TEST

START_TEST(a_confirmation_that_comes_too_late_changes_nothing)
{
    struct slice q = SLICE("q");
    struct get_options o = {
        .queues = &q, .queue_count = 1, .max = 1, .lease = 100, .timeout = FOREVER, .auto_ack = true};
    struct taken out;
    unsigned got;
    struct waiter *w;
    ck_assert_int_eq(engine_get(e, now, client, &o, &out, &got, &w), ERROR_NONE);
    uint64_t id = put_with("q", (struct put_options){0}, "\"body\"");
    pass(100);
    ck_assert_int_eq(state_of(id), JOB_DELAYED);
    pass(2000);
    ck_assert_uint_eq(get_id("q"), id);
    ck_assert_int_eq(engine_delete(e, now, put("q", 0)), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert(slice_equal(w->taken.body, "\"body\""));
    confirm(w);
    ck_assert_int_eq(state_of(id), JOB_RESERVED);
    ck_assert_uint_eq(queue_of("q").counters.done, 0);
}
END_TEST

START_TEST(an_auto_acked_job_is_done_when_its_reply_is_on_its_way)
{
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .timeout = FOREVER, .auto_ack = true};
    struct taken out;
    unsigned got;
    struct waiter *w;
    ck_assert_int_eq(engine_get(e, now, client, &o, &out, &got, &w), ERROR_NONE);
    uint64_t id = put("q", 0);
    ck_assert_int_eq(state_of(id), JOB_RESERVED);
    confirm(completed());
    ck_assert_int_eq(state_of(id), -1);
    ck_assert_uint_eq(queue_of("q").counters.done, 1);
}
END_TEST

START_TEST(gets_are_served_in_the_order_in_which_they_came)
{
    struct waiter *w[3];
    for (int i = 0; i < 3; i++)
        w[i] = get_waits("q");
    ck_assert(engine_wait_cancel(e, w[1]));
    put("q", 0);
    ck_assert_ptr_eq(completed(), w[0]);
    put("q", 0);
    ck_assert_ptr_eq(completed(), w[2]);
    ck_assert(!engine_wait_cancel(e, w[2]));
    confirm(w[0]);
    confirm(w[2]);
}
END_TEST

START_TEST(a_get_of_several_queues_takes_the_most_urgent_and_leaves_all)
{
    struct slice names[] = {SLICE("a"), SLICE("b"), SLICE("c")};
    put_with("a", (struct put_options){.priority = 2, .delay = 10}, "1");
    uint64_t urgent = put_with("c", (struct put_options){.priority = 1, .delay = 10}, "1");
    struct waiter *w = get_waits_at(client, names, 3);
    ck_assert_uint_eq(totals().gauges.waiting_gets, 3);
    pass(10);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_uint_eq(w->taken.id, urgent);
    ck_assert_uint_eq(w->taken.queue_index, 2);
    ck_assert_uint_eq(totals().gauges.waiting_gets, 0);
    confirm(w);
}
END_TEST

START_TEST(a_get_of_several_queues_does_not_overtake_an_older_one)
{
    struct slice names[] = {SLICE("a"), SLICE("b")};
    struct waiter *older = get_waits("b"), *both = get_waits_at(client, names, 2);
    uint64_t low = put_with("a", (struct put_options){.priority = 2, .delay = 10}, "1");
    uint64_t urgent = put_with("b", (struct put_options){.priority = 1, .delay = 10}, "1");
    pass(10);
    ck_assert_uint_eq(older->taken.id, urgent);
    ck_assert_uint_eq(both->taken.id, low);
    ck_assert_uint_eq(confirm_all(), 2);
}
END_TEST

START_TEST(of_several_queues_one_may_be_dropped_or_shut_down)
{
    struct slice names[] = {SLICE("a"), SLICE("b"), SLICE("c")};
    uint64_t count;
    struct waiter *w = get_waits_at(client, names, 3);
    ck_assert_int_eq(engine_shutdown(e, now, names[0], false), ERROR_NONE);
    ck_assert_int_eq(engine_drop(e, now, names[1], &count), ERROR_NONE);
    ck_assert_ptr_null(completed());
    put("b", 0); // another queue of that name
    ck_assert_ptr_null(completed());
    ck_assert_int_eq(engine_drop(e, now, names[2], &count), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_SHUT_DOWN);
    confirm(w);

    w = get_waits_at(client, names + 2, 1);
    ck_assert_int_eq(engine_drop(e, now, names[2], &count), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_NOT_FOUND);
    confirm(w);
}
END_TEST

START_TEST(waits_run_out)
{
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .timeout = 100};
    struct taken out;
    struct outcome outcome;
    unsigned got;
    struct waiter *get_wait, *result_wait, *join_wait;
    struct put_result put_out;
    SET("q", maxsize, 1);
    uint64_t id = put_with("q", (struct put_options){.delay = 100000}, "1");
    ck_assert_int_eq(engine_get(e, now, client, &o, &out, &got, &get_wait), ERROR_NONE);
    ck_assert_int_eq(engine_result(e, now, id, false, client, 200, NULL, &outcome, &result_wait), ERROR_NONE);
    ck_assert_int_eq(engine_join(e, now, q, client, 300, NULL, &join_wait), ERROR_NONE);
    struct job *j = job_prepare(&(struct put_options){0}, SLICE("1"));
    ck_assert_int_eq(engine_put(e, now, q, j, client, 400, NULL, &put_out), ERROR_NONE);
    struct waiter *const waits[] = {get_wait, result_wait, join_wait, put_out.waiting};
    static const enum error errors[] = {ERROR_EMPTY, ERROR_TIMEOUT, ERROR_TIMEOUT, ERROR_FULL};
    for (int i = 0; i < 4; i++) {
        pass(99);
        ck_assert_ptr_null(completed());
        pass(1);
        ck_assert_ptr_eq(completed(), waits[i]);
        ck_assert_int_eq(waits[i]->error, errors[i]);
        confirm(waits[i]);
    }
    ck_assert_uint_eq(queue_of("q").counters.refused, 1);
    ck_assert_uint_eq(client->wait_count, 0);
}
END_TEST

START_TEST(a_client_may_have_so_many_waits_and_no_more)
{
    e->config.max_waits = 2;
    struct waiter *w = get_waits("a");
    get_waits("b");
    struct slice q = SLICE("c");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .timeout = FOREVER};
    struct taken out;
    unsigned got;
    struct waiter *more;
    ck_assert_int_eq(engine_get(e, now, client, &o, &out, &got, &more), ERROR_OVERLOADED);
    ck_assert(engine_wait_cancel(e, w));
    get_waits("c");
}
END_TEST

START_TEST(waiting_puts_are_let_in_in_their_order_and_a_join_waits_for_them)
{
    SET("q", maxsize, 1);
    uint64_t first = put("q", 0);
    struct waiter *w[2] = {put_waits("q", (struct put_options){0}),
                           put_waits("q", (struct put_options){.priority = -9})};
    struct waiter *join;
    ck_assert_int_eq(engine_join(e, now, SLICE("q"), client, FOREVER, NULL, &join), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w[0]);
    ck_assert_uint_eq(w[0]->id, first + 1);
    confirm(w[0]);
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w[1]);
    confirm(w[1]);
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_ptr_eq(completed(), join);
    ck_assert_int_eq(join->error, ERROR_NONE);
    confirm(join);
}
END_TEST

START_TEST(concurrency_and_pause_hold_waiters_back)
{
    SET("q", concurrency, 1);
    struct waiter *w[2] = {get_waits("q"), get_waits("q")};
    uint64_t a = put("q", 0), b = put("q", 0);
    ck_assert_ptr_eq(completed(), w[0]);
    confirm(w[0]);
    ck_assert_int_eq(engine_pause(e, now, SLICE("q")), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, client, a, 0, NULL), ERROR_NONE);
    ck_assert_ptr_null(completed());
    ck_assert_int_eq(engine_resume(e, now, SLICE("q")), ERROR_NONE);
    ck_assert_ptr_eq(completed(), w[1]);
    ck_assert_uint_eq(w[1]->taken.id, b);
    confirm(w[1]);
}
END_TEST

// The queues that a wait depends on, with a comma behind each.
static void expect_queues(const struct waiter *w, const char *expected)
{
    char text[100] = "";
    struct slice name;
    unsigned at = 0;
    while (engine_wait_queue(w, &at, &name)) {
        strncat(text, name.data, name.len);
        strcat(text, ",");
    }
    ck_assert_str_eq(text, expected);
}

START_TEST(a_wait_names_its_queues_and_can_be_ended_with_an_error)
{
    struct waiter *w = get_waits("q");
    expect_queues(w, "q,");
    engine_wait_end(e, w, ERROR_FORBIDDEN);
    expect_queues(w, "");
    engine_wait_end(e, w, ERROR_TIMEOUT); // too late
    put("q", 0);
    ck_assert_ptr_eq(completed(), w);
    ck_assert_int_eq(w->error, ERROR_FORBIDDEN);
    confirm(w);
    ck_assert_uint_eq(queue_of("q").gauges.ready, 1);
    SET("q", maxsize, 1);
    w = put_waits("q", (struct put_options){0});
    expect_queues(w, "q,");
    engine_wait_end(e, w, ERROR_FORBIDDEN);
    ck_assert_ptr_eq(completed(), w);
    confirm(w);
    get_id("q");
    ck_assert_uint_eq(queue_of("q").gauges.ready, 0);
}
END_TEST

START_TEST(an_outcome_that_was_not_given_out_is_not_forgotten)
{
    static const enum error ends[] = {ERROR_FORBIDDEN, ERROR_TIMEOUT, ERROR_DRAINING};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        uint64_t id = put_with("q", (struct put_options){.submit = true, .keep_result = -1}, "1");
        struct outcome outcome;
        struct waiter *w;
        ck_assert_int_eq(engine_result(e, now, id, OUTCOME_FORGET, client, FOREVER, NULL, &outcome, &w),
                         ERROR_NONE);
        expect_queues(w, "q,");
        engine_wait_end(e, w, ends[i]);
        ck_assert_uint_eq(get_id("q"), id);
        ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
        ck_assert_ptr_eq(completed(), w);
        confirm(w);
        ck_assert_int_eq(state_of(id), JOB_DONE);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/waiter");
    TCase *c = tcase_create("waiter");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, client_numbers_are_used_again);
    tcase_add_test(c, a_confirmed_job_is_lost_with_its_client_and_another_is_not);
    tcase_add_test(c, a_detached_job_on_its_way_comes_back_too);
    tcase_add_test(c, a_confirmation_that_comes_too_late_changes_nothing);
    tcase_add_test(c, an_auto_acked_job_is_done_when_its_reply_is_on_its_way);
    tcase_add_test(c, gets_are_served_in_the_order_in_which_they_came);
    tcase_add_test(c, a_get_of_several_queues_takes_the_most_urgent_and_leaves_all);
    tcase_add_test(c, a_get_of_several_queues_does_not_overtake_an_older_one);
    tcase_add_test(c, of_several_queues_one_may_be_dropped_or_shut_down);
    tcase_add_test(c, waits_run_out);
    tcase_add_test(c, a_client_may_have_so_many_waits_and_no_more);
    tcase_add_test(c, waiting_puts_are_let_in_in_their_order_and_a_join_waits_for_them);
    tcase_add_test(c, concurrency_and_pause_hold_waiters_back);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_wait_names_its_queues_and_can_be_ended_with_an_error);
    tcase_add_test(c, an_outcome_that_was_not_given_out_is_not_forgotten);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
