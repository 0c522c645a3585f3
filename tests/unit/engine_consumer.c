#include "tests/unit/engine_fixture.h"

static enum error get_some(const struct slice *names, unsigned names_count, unsigned max, struct taken *out,
                           unsigned *count)
{
    struct get_options o = {.queues = names, .queue_count = names_count, .max = max};
    struct waiter *w;
    return engine_get(e, now, client, &o, out, count, &w);
}

START_TEST(several_queues_give_the_most_urgent_over_all)
{
    struct slice names[] = {SLICE("a"), SLICE("b"), SLICE("nowhere")};
    static const double a[] = {1, 3, 5}, b[] = {0, 3, 4};
    struct taken out[10];
    unsigned count;
    for (int i = 0; i < 3; i++) {
        put("a", a[i]);
        put("b", b[i]);
    }
    ck_assert_int_eq(get_some(names, 3, 10, out, &count), ERROR_NONE);
    ck_assert_uint_eq(count, 6);
    for (unsigned i = 1; i < count; i++) {
        ck_assert(out[i - 1].priority <= out[i].priority);
        ck_assert(out[i - 1].priority < out[i].priority || out[i - 1].id < out[i].id);
        ck_assert_uint_eq(out[i].queue_index, out[i].id % 2 ? 0 : 1);
    }
    ck_assert_int_eq(get_some(names, 3, 10, out, &count), ERROR_EMPTY);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(concurrency_bounds_also_a_get_of_many)
{
    SET("q", concurrency, 2);
    struct slice q = SLICE("q");
    struct taken out[10];
    unsigned count;
    for (int i = 0; i < 5; i++)
        put("q", 0);
    ck_assert_int_eq(get_some(&q, 1, 10, out, &count), ERROR_NONE);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(get_some(&q, 1, 10, out, &count), ERROR_EMPTY);
}
END_TEST

START_TEST(the_token_is_heard_from_anywhere_and_a_stale_one_nowhere)
{
    struct engine_client *other = engine_client_new(e, NULL);
    uint64_t id = put("q", 0);
    struct taken first = get("q");
    ck_assert_uint_eq(first.delivery >> 32, 3);
    ck_assert_int_eq(engine_ack(e, now, other, id, 0, NULL), ERROR_NOT_RESERVED);
    ck_assert_int_eq(engine_release(e, now, other, id, first.delivery, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, client, id, first.delivery, NULL), ERROR_NOT_RESERVED);
    struct taken second = get("q");
    ck_assert_uint_gt(second.delivery, first.delivery);
    ck_assert_int_eq(engine_ack(e, now, client, id, first.delivery, NULL), ERROR_NOT_RESERVED);
    ck_assert_int_eq(engine_ack(e, now, NULL, id, 0, NULL), ERROR_NOT_RESERVED);
    ck_assert_int_eq(engine_ack(e, now, NULL, id, second.delivery, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, NULL, id, second.delivery, NULL), ERROR_NOT_FOUND);
    ck_assert(engine_client_close(e, now, other));
}
END_TEST

START_TEST(a_detached_lease_outlives_its_client_and_is_nobodys_without_its_token)
{
    struct engine_client *other = engine_client_new(e, NULL);
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .detached = true, .lease = 500};
    struct taken t;
    unsigned count;
    struct waiter *w;
    uint64_t id = put("q", 0);
    ck_assert_int_eq(engine_get(e, now, other, &o, &t, &count, &w), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, other, id, 0, NULL), ERROR_NOT_RESERVED);
    ck_assert(engine_client_close(e, now, other));
    ck_assert_int_eq(state_of(id), JOB_RESERVED);
    pass(500);
    ck_assert_int_eq(state_of(id), JOB_DELAYED);
    ck_assert_uint_eq(info_of(id).attempts, 1);
}
END_TEST

START_TEST(a_lease_is_the_gets_else_the_jobs_else_the_queues)
{
    SET("q", lease, 7000);
    uint64_t plain = put("q", 0), own = put_with("q", (struct put_options){.lease = 300}, "1");
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .lease = 20};
    struct taken t;
    unsigned count;
    struct waiter *w;
    get_id("q");
    get_id("q");
    ck_assert_int_eq(info_of(plain).left, 7000);
    ck_assert_int_eq(info_of(own).left, 300);
    ck_assert_int_eq(engine_release(e, now, client, own, 0, 0, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_get(e, now, client, &o, &t, &count, &w), ERROR_NONE);
    ck_assert_int_eq(info_of(own).left, 20);
    ck_assert_int_eq(engine_release(e, now, client, own, 0, 0, NULL), ERROR_NONE);
    get_id("q");
    ck_assert_int_eq(info_of(own).left, 300); // not what the last one had asked for
}
END_TEST

START_TEST(a_touch_begins_the_lease_anew)
{
    uint64_t id = put_with("q", (struct put_options){.lease = 300}, "1");
    int64_t left;
    ck_assert_int_eq(engine_touch(e, now, client, id, 0, 0, &left), ERROR_NOT_RESERVED);
    get_id("q");
    pass(299);
    ck_assert_int_eq(engine_touch(e, now, client, id, 0, 0, &left), ERROR_NONE);
    ck_assert_int_eq(left, 300);
    pass(299);
    ck_assert_int_eq(engine_touch(e, now, client, id, 0, 5000, &left), ERROR_NONE);
    ck_assert_int_eq(left, 5000);
    pass(4999);
    ck_assert_int_eq(state_of(id), JOB_RESERVED);
    pass(1);
    ck_assert_int_eq(state_of(id), JOB_DELAYED);
}
END_TEST

START_TEST(a_release_counts_nothing_and_may_change_the_place)
{
    uint64_t a = put("q", 0), b = put("q", 0);
    double later = 9;
    get_id("q");
    ck_assert_int_eq(engine_release(e, now, client, a, 0, 0, &later), ERROR_NONE);
    ck_assert_uint_eq(get_id("q"), b);
    struct taken t = get("q");
    ck_assert_uint_eq(t.id, a);
    ck_assert(t.priority == 9);
    ck_assert_uint_eq(t.attempt, 1);
    ck_assert_int_eq(engine_release(e, now, client, a, 0, 250, NULL), ERROR_NONE);
    ck_assert_int_eq(info_of(a).left, 250);
    ck_assert_uint_eq(info_of(a).attempts + info_of(a).lost, 0);
}
END_TEST

START_TEST(a_lost_job_comes_back_and_is_dead_after_the_last_time)
{
    uint64_t id = put("q", 0);
    struct taken t = get("q");
    ck_assert_int_eq(engine_lost(e, now, client, id, t.delivery), ERROR_NONE);
    ck_assert_int_eq(engine_lost(e, now, client, id, t.delivery), ERROR_NOT_RESERVED);
    ck_assert_int_eq(state_of(id), JOB_READY); // at once, the first time
    ck_assert_uint_eq(info_of(id).lost, 1);
    ck_assert_uint_eq(info_of(id).attempts, 0);
    for (unsigned n = 2; n <= 10; n++) {
        get_id("q");
        ck_assert_int_eq(engine_lost(e, now, client, id, 0), ERROR_NONE);
        ck_assert_uint_eq(info_of(id).lost, n);
        ck_assert_int_eq(state_of(id), n < 10 ? JOB_DELAYED : JOB_DEAD);
        pass(3600000);
    }
    ck_assert_int_eq(info_of(id).reason, DEAD_LOST);
}
END_TEST

START_TEST(a_nack_may_say_its_pause)
{
    uint64_t id = put("q", 0);
    struct nack_result out;
    get_id("q");
    ck_assert_int_eq(engine_nack(e, now, client, id, 0, NULL, 0, &out), ERROR_NONE);
    ck_assert(out.state == JOB_READY && out.delay == 0);
    get_id("q");
    ck_assert_int_eq(engine_nack(e, now, client, id, 0, NULL, 77, &out), ERROR_NONE);
    ck_assert(out.state == JOB_DELAYED && out.delay == 77);
    ck_assert_int_eq(engine_nack(e, now, client, id, 0, NULL, 77, &out), ERROR_NOT_RESERVED);
    ck_assert_int_eq(engine_bury(e, now, client, 999, 0, NULL), ERROR_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/consumer");
    TCase *c = tcase_create("consumer");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, several_queues_give_the_most_urgent_over_all);
    tcase_add_test(c, concurrency_bounds_also_a_get_of_many);
    tcase_add_test(c, the_token_is_heard_from_anywhere_and_a_stale_one_nowhere);
    tcase_add_test(c, a_detached_lease_outlives_its_client_and_is_nobodys_without_its_token);
    tcase_add_test(c, a_lease_is_the_gets_else_the_jobs_else_the_queues);
    tcase_add_test(c, a_touch_begins_the_lease_anew);
    tcase_add_test(c, a_release_counts_nothing_and_may_change_the_place);
    tcase_add_test(c, a_lost_job_comes_back_and_is_dead_after_the_last_time);
    tcase_add_test(c, a_nack_may_say_its_pause);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
