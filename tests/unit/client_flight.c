#include "client/flight.h"

#include <check.h>
#include <stdlib.h>

static struct flight_entry *add(struct flight *f, uint64_t request)
{
    ck_assert_int_eq(flight_reserve(f), TASKQ_OK);
    return flight_add(f, request);
}

START_TEST(what_was_added_is_found_until_it_is_removed)
{
    struct flight f = {0};
    bool there[5000] = {false};
    srand(1);
    // Requests are added in order and answered out of order.
    for (size_t next = 1; next < 5000; next++) {
        add(&f, next);
        there[next] = true;
        for (int i = 0; i < 2; i++) {
            size_t n = 1 + (size_t)rand() % next;
            struct flight_entry *e = flight_find(&f, n);
            ck_assert((e != NULL) == there[n]);
            if (e != NULL && rand() % 4 != 0) {
                ck_assert_uint_eq(e->request, n);
                flight_remove(&f, e);
                there[n] = false;
            }
        }
    }
    size_t live = 0;
    for (size_t n = 0; n < 5000; n++) {
        ck_assert((flight_find(&f, n) != NULL) == there[n]);
        live += there[n];
    }
    ck_assert_uint_eq(f.live, live);
    flight_release(&f);
}
END_TEST

START_TEST(one_that_waits_does_not_make_the_rest_grow)
{
    struct flight f = {0};
    add(&f, 1);
    for (uint64_t n = 2; n < 100000; n++) {
        add(&f, n);
        flight_remove(&f, flight_find(&f, n));
    }
    ck_assert_uint_le(f.cap, 64);
    ck_assert_ptr_nonnull(flight_find(&f, 1));
    flight_release(&f);
}
END_TEST

START_TEST(a_loss_tells_what_was_sent_from_what_was_not)
{
    struct flight f = {0};
    add(&f, 1)->end = 10;
    add(&f, 2)->end = 20;
    add(&f, 3)->end = 30;
    flight_remove(&f, flight_find(&f, 1));
    flight_doom_all(&f, 29);
    ck_assert_int_eq(flight_find(&f, 2)->fate, TASKQ_LOST);
    ck_assert_int_eq(flight_find(&f, 3)->fate, TASKQ_UNSENT);
    add(&f, 4);
    ck_assert_uint_eq(f.fated, 2);
    ck_assert_uint_eq(flight_first_fated(&f, false)->request, 2);
    flight_remove(&f, flight_first_fated(&f, false));
    flight_remove(&f, flight_first_fated(&f, false));
    ck_assert_ptr_null(flight_first_fated(&f, false));
    ck_assert_int_eq(flight_find(&f, 4)->fate, TASKQ_OK);
    flight_release(&f);
}
END_TEST

START_TEST(what_is_a_futures_is_counted_apart)
{
    struct flight f = {0};
    struct taskq_future *nobody = NULL;
    for (uint64_t i = 1; i <= 4; i++)
        add(&f, i)->end = i * 10;
    flight_own(&f, flight_find(&f, 2), nobody);
    flight_own(&f, flight_find(&f, 3), nobody);
    flight_own(&f, flight_find(&f, 4), nobody);
    flight_remove(&f, flight_find(&f, 4));
    ck_assert_uint_eq(f.live, 3);
    ck_assert_uint_eq(f.owned, 2);
    ck_assert_ptr_null(flight_first_fated(&f, true));
    flight_doom_all(&f, 20);
    ck_assert_uint_eq(f.owned_fated, 2);
    ck_assert_uint_eq(flight_first_fated(&f, false)->request, 1);
    ck_assert_uint_eq(flight_first_fated(&f, true)->request, 2);
    flight_remove(&f, flight_first_fated(&f, true));
    ck_assert_int_eq(flight_first_fated(&f, true)->fate, TASKQ_UNSENT);
    flight_remove(&f, flight_first_fated(&f, true));
    ck_assert_ptr_null(flight_first_fated(&f, true));
    ck_assert_uint_eq(f.fated, 1);
    ck_assert_uint_eq(f.owned, 0);
    flight_remove(&f, flight_first_fated(&f, false));
    ck_assert_ptr_null(flight_first_fated(&f, false));
    flight_release(&f);
}
END_TEST

START_TEST(the_longest_line_is_found)
{
    struct flight f = {0};
    ck_assert_ptr_null(flight_largest(&f));
    add(&f, 1)->line_len = 5;
    add(&f, 2)->line_len = 50;
    add(&f, 3)->line_len = 20;
    ck_assert_uint_eq(flight_largest(&f)->request, 2);
    flight_doom(&f, flight_find(&f, 2), TASKQ_TOO_LARGE);
    ck_assert_uint_eq(flight_largest(&f)->request, 3);
    flight_release(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/flight");
    TCase *c = tcase_create("flight");
    tcase_add_test(c, what_was_added_is_found_until_it_is_removed);
    tcase_add_test(c, one_that_waits_does_not_make_the_rest_grow);
    tcase_add_test(c, a_loss_tells_what_was_sent_from_what_was_not);
    tcase_add_test(c, what_is_a_futures_is_counted_apart);
    tcase_add_test(c, the_longest_line_is_found);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
