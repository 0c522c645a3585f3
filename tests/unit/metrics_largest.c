#include "server/metrics/largest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct largest l;

static void offer(const char *name, uint64_t ready, uint64_t put, int64_t oldest)
{
    largest_offer(&l, &(struct queue_row){.name = name,
                                          .name_len = strlen(name),
                                          .gauges = {.ready = ready, .dead = 1},
                                          .counters = {.put = put},
                                          .oldest = oldest});
}

static void is(unsigned i, const char *name)
{
    ck_assert_uint_lt(i, l.count);
    ck_assert(slice_equal(queue_row_name(&l.rows[i]), name));
}

START_TEST(the_largest_stay_and_the_others_are_summed)
{
    ck_assert(largest_init(&l, 2));
    offer("a", 5, 0, 100);
    offer("b", 50, 0, 10);
    offer("c", 1, 0, 900);
    offer("d", 20, 0, -1);
    offer("e", 3, 0, 7);
    largest_sort(&l);
    ck_assert_uint_eq(l.count, 2);
    is(0, "b");
    is(1, "d");
    ck_assert_uint_eq(l.left_out, 3);
    ck_assert_uint_eq(l.rest.gauges.ready, 9);
    ck_assert_uint_eq(l.rest.gauges.dead, 3);
    ck_assert_int_eq(l.rest.oldest, 900);
    ck_assert_int_eq(l.oldest, 900);
    largest_release(&l);
}
END_TEST

START_TEST(among_equals_the_busier_stays)
{
    ck_assert(largest_init(&l, 1));
    offer("a", 5, 7, -1);
    offer("b", 5, 9, -1);
    offer("c", 5, 8, -1);
    is(0, "b");
    ck_assert_int_eq(l.oldest, -1);
    largest_release(&l);
}
END_TEST

START_TEST(none_may_have_values_of_their_own)
{
    ck_assert(largest_init(&l, 0));
    offer("a", 5, 0, 3);
    ck_assert_uint_eq(l.count, 0);
    ck_assert_uint_eq(l.left_out, 1);
    ck_assert_uint_eq(l.rest.gauges.ready, 5);
    largest_release(&l);
}
END_TEST

START_TEST(any_order_gives_the_same)
{
    char name[16];
    for (unsigned seed = 1; seed < 20; seed++) {
        uint64_t sum = 0;
        ck_assert(largest_init(&l, 10));
        for (unsigned i = 0; i < 101; i++) {
            unsigned size = (i * seed * 37) % 101; // each from 0 to 100, once
            snprintf(name, sizeof name, "%u", size);
            offer(name, size, 0, -1);
            sum += size;
        }
        largest_sort(&l);
        for (unsigned i = 0; i < 10; i++) {
            snprintf(name, sizeof name, "%u", 100 - i);
            is(i, name);
            sum -= 100 - i;
        }
        ck_assert_uint_eq(l.rest.gauges.ready, sum);
        largest_release(&l);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/largest");
    TCase *c = tcase_create("largest");
    tcase_add_test(c, the_largest_stay_and_the_others_are_summed);
    tcase_add_test(c, among_equals_the_busier_stays);
    tcase_add_test(c, none_may_have_values_of_their_own);
    tcase_add_test(c, any_order_gives_the_same);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
