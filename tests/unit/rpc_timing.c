#include "server/rpc/timing.h"

#include "common/clock.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdlib.h>

static struct world w;
static struct peer p;

static void setup(void)
{
    world_init(&w);
    peer_open(&w, &p);
}

static void teardown(void)
{
    world_release(&w);
}

static const struct histogram *of(const char *method)
{
    uint8_t number;
    ck_assert_ptr_nonnull(method_find_numbered(slice_of(method), &number));
    ck_assert_ptr_eq(method_at(number), method_find(slice_of(method)));
    return &w.dispatch.timing.methods[number];
}

START_TEST(there_are_not_too_many_methods)
{
    ck_assert_ptr_null(method_at(METHODS_MAX));
}
END_TEST

START_TEST(what_is_answered_is_counted_with_its_turn)
{
    peer_say(&p, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":1}}\n"
                 "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":1}}\n"
                 "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"get\",\"params\":{\"queue\":\"q\"}}\n");
    ck_assert_uint_eq(histogram_count(of("put")), 2);
    ck_assert_uint_eq(histogram_count(of("get")), 1);
    ck_assert_uint_eq(of("put")->sum, 2 * of("get")->sum); // the same turn
    ck_assert_uint_gt(of("get")->sum, 0);
    ck_assert_uint_lt(of("get")->sum, UINT64_C(100000000000));
    ck_assert_uint_eq(histogram_count(of("ack")), 0);
}
END_TEST

START_TEST(what_comes_too_soon_is_counted_with_the_next)
{
    struct timing *t = &w.dispatch.timing;
    int64_t now = clock_mono_ns();
    t->read = now;
    timing_begin(t, now + TIMING_PACE - 1);
    timing_answered(t, 3);
    timing_end(t);
    ck_assert_uint_eq(histogram_count(&t->methods[3]), 0);
    timing_begin(t, now + TIMING_PACE);
    timing_begin(t, now + 2 * TIMING_PACE); // its second round
    timing_answered(t, 3);
    timing_answered(t, 4);
    timing_end(t);
    ck_assert_uint_eq(histogram_count(&t->methods[3]), 2);
    ck_assert_uint_eq(histogram_count(&t->methods[4]), 1);
    timing_end(t); // a turn without requests
    ck_assert_uint_eq(histogram_count(&t->methods[3]), 2);
}
END_TEST

START_TEST(a_wait_counts)
{
    static struct peer producer; // outlives the test's function
    peer_open(&w, &producer);
    peer_say(&p, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"get\",\"params\":{\"queue\":\"q\"}}\n");
    ck_assert_uint_eq(histogram_count(of("get")), 0);
    int64_t before = clock_mono_ns();
    while (clock_mono_ns() - before < 20000000)
        ;
    peer_say(&producer,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":1}}\n");
    ck_assert_uint_eq(histogram_count(of("get")), 1);
    ck_assert_uint_ge(of("get")->sum, 20000000);
}
END_TEST

START_TEST(slow_requests_count)
{
    peer_say(&p, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"queues\"}\n");
    ck_assert_uint_eq(histogram_count(of("queues")), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/timing");
    TCase *c = tcase_create("timing");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, there_are_not_too_many_methods);
    tcase_add_test(c, what_is_answered_is_counted_with_its_turn);
    tcase_add_test(c, what_comes_too_soon_is_counted_with_the_next);
    tcase_add_test(c, a_wait_counts);
    tcase_add_test(c, slow_requests_count);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
