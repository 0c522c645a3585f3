#include "server/metrics/track.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct track_set set;
static struct largest l;

static void setup(void)
{
    set = (struct track_set){0};
    ck_assert(largest_init(&l, 10));
}

static void teardown(void)
{
    largest_release(&l);
    track_set_release(&set);
}

static void offer(const char *name, uint64_t ready, uint64_t put)
{
    largest_offer(&l, &(struct queue_row){.name = name,
                                          .name_len = strlen(name),
                                          .gauges = {.ready = ready},
                                          .counters = {.put = put, .retried = put / 2, .died = 1}});
}

// What was offered is taken at `now` ms.
static void take(int64_t now)
{
    track_set_take(&set, &l, now);
    largest_release(&l);
    ck_assert(largest_init(&l, 10));
}

static const struct track_sample *at(const char *name, unsigned ring, int64_t step)
{
    const struct track *t = track_set_find(&set, slice_of(name));
    ck_assert_ptr_nonnull(t);
    ck_assert_int_ge(step, t->rings[ring].first);
    ck_assert_int_lt(step, set.next[ring]);
    return &t->rings[ring].samples[step % TRACK_STEPS];
}

START_TEST(counts_belong_to_the_step_that_is_over)
{
    offer("q", 5, 100);
    take(60000);
    ck_assert_int_eq(track_set_find(&set, SLICE("q"))->rings[TRACK_SHORT].first, set.next[TRACK_SHORT]);
    offer("q", 7, 104);
    take(65000);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 12)->put, 4);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 12)->failed, 2);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 12)->unfinished, 7);
    offer("q", 8, 110);
    take(67000); // the same step: nothing is over
    offer("q", 1, 111);
    take(70001);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 13)->put, 7);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 13)->unfinished, 1);
    offer("q", 3, 211);
    take(120000);
    ck_assert_uint_eq(at("q", TRACK_LONG, 1)->put, 111);
    ck_assert_uint_eq(at("q", TRACK_LONG, 1)->unfinished, 3);
}
END_TEST

START_TEST(what_was_not_looked_at_for_some_steps_is_spread_over_them)
{
    offer("q", 0, 0);
    take(0);
    offer("q", 4, 32);
    take(15000);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 0)->put, 10);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 1)->put, 11);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 2)->put, 11);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 0)->unfinished, 4);
}
END_TEST

START_TEST(it_is_bounded_and_a_long_sleep_does_no_harm)
{
    offer("q", 0, 0);
    take(5000);
    for (int64_t step = 2; step < 200; step++) {
        offer("q", 1, (uint64_t)step);
        take(step * 5000);
    }
    ck_assert_int_eq(track_set_find(&set, SLICE("q"))->rings[TRACK_SHORT].first, 199 - TRACK_STEPS);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 199 - TRACK_STEPS)->put, 1);
    offer("q", 2, 1000);
    take((int64_t)1000000 * 5000);
    ck_assert_int_eq(track_set_find(&set, SLICE("q"))->rings[TRACK_SHORT].first, 1000000 - TRACK_STEPS);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 999999)->unfinished, 2);
}
END_TEST

START_TEST(queues_come_and_go)
{
    offer("b", 1, 1);
    offer("d", 1, 1);
    take(5000);
    offer("c", 1, 10);
    offer("d", 1, 3);
    offer("a", 1, 10);
    take(10000);
    ck_assert_uint_eq(set.count, 3);
    ck_assert_ptr_null(track_set_find(&set, SLICE("b")));
    ck_assert_ptr_null(track_set_find(&set, SLICE("")));
    ck_assert_ptr_null(track_set_find(&set, SLICE("dd")));
    ck_assert_int_eq(track_set_find(&set, SLICE("a"))->rings[TRACK_SHORT].first, 2);
    ck_assert_uint_eq(at("d", TRACK_SHORT, 1)->put, 2);
    take(15000);
    ck_assert_uint_eq(set.count, 0);
    ck_assert_ptr_null(track_set_find(&set, SLICE("a")));
}
END_TEST

START_TEST(a_queue_that_was_made_again_counts_from_nothing)
{
    offer("q", 1, 100);
    take(0);
    offer("q", 1, 3);
    take(5000);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 0)->put, 3);
}
END_TEST

START_TEST(what_is_too_large_stays_at_the_most)
{
    offer("q", 1, 0);
    take(0);
    offer("q", UINT64_MAX / 2, UINT64_MAX / 2);
    take(5000);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 0)->put, UINT32_MAX);
    ck_assert_uint_eq(at("q", TRACK_SHORT, 0)->unfinished, UINT32_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/track");
    TCase *c = tcase_create("track");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, counts_belong_to_the_step_that_is_over);
    tcase_add_test(c, what_was_not_looked_at_for_some_steps_is_spread_over_them);
    tcase_add_test(c, it_is_bounded_and_a_long_sleep_does_no_harm);
    tcase_add_test(c, queues_come_and_go);
    tcase_add_test(c, a_queue_that_was_made_again_counts_from_nothing);
    tcase_add_test(c, what_is_too_large_stays_at_the_most);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
