#include "server/engine/wheel.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static uint64_t chance;
static uint64_t below(uint64_t n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (chance >> 20) % n;
}

static struct timer *pop(struct wheel *w, int64_t now)
{
    int budget = 1 << 20;
    return wheel_pop(w, now, &budget);
}

// What wheel_next says may be early, never late.
static void check_next(const struct wheel *w, const struct timer *timers, int count)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < count; i++)
        if (wheel_waiting(&timers[i]) && (int64_t)timers[i].when < first)
            first = (int64_t)timers[i].when;
    ck_assert_int_le(wheel_next(w), first);
}

#define TIMERS 200

START_TEST(it_does_what_a_list_would_do)
{
    static struct timer timers[TIMERS];
    struct wheel w;
    memset(timers, 0, sizeof timers);
    chance = (uint64_t)_i;
    int64_t now = (int64_t)below(1u << 30);
    wheel_init(&w, now);
    for (int step = 0; step < 4000; step++) {
        struct timer *t = &timers[below(TIMERS)];
        if (wheel_waiting(t))
            wheel_remove(&w, t);
        else
            wheel_add(&w, t, now + (int64_t)below((uint64_t)1 << below(36)) - 2);
        if (below(3))
            continue;
        now += (int64_t)below((uint64_t)1 << below(30));
        int64_t last = 0;
        bool right = true;
        for (struct timer *due; (due = pop(&w, now));) {
            right &= !wheel_waiting(due) && (int64_t)due->when <= now && (int64_t)due->when >= last - 2;
            last = (int64_t)due->when;
        }
        for (int i = 0; i < TIMERS; i++)
            right &= !wheel_waiting(&timers[i]) || (int64_t)timers[i].when > now;
        ck_assert(right);
        check_next(&w, timers, TIMERS);
    }
}
END_TEST

// Just before, at and just after each border between levels, from just before and at one.
START_TEST(none_is_early_or_late_at_the_borders_of_levels)
{
    int64_t border = (int64_t)1 << (6 * (_i / 2 + 1));
    int64_t start = _i % 2 ? border - 1 : 0;
    for (int64_t off = -1; off <= 65; off += off == 1 ? 61 : 1) {
        struct wheel w;
        struct timer t = {0};
        wheel_init(&w, start);
        wheel_add(&w, &t, border + off);
        while (wheel_next(&w) < border + off) {
            int64_t at = wheel_next(&w);
            ck_assert_ptr_null(pop(&w, at));
            ck_assert_int_gt(wheel_next(&w), at);
        }
        if (border + off > start)
            ck_assert_ptr_null(pop(&w, border + off - 1));
        ck_assert_ptr_eq(pop(&w, border + off), &t);
        ck_assert_int_eq(wheel_next(&w), INT64_MAX);
    }
}
END_TEST

START_TEST(what_is_past_is_due_at_once_and_what_is_too_far_at_the_end)
{
    struct wheel w;
    struct timer past = {0}, far = {0};
    wheel_init(&w, 5000);
    wheel_add(&w, &past, -7);
    wheel_add(&w, &far, INT64_MAX);
    ck_assert_int_eq(wheel_next(&w), 5000);
    ck_assert_ptr_eq(pop(&w, 5000), &past);
    ck_assert_ptr_null(pop(&w, WHEEL_END - 2));
    ck_assert_ptr_eq(pop(&w, WHEEL_END), &far);
}
END_TEST

START_TEST(one_may_be_stopped_while_its_slot_is_being_emptied)
{
    struct wheel w;
    struct timer t[4] = {{0}};
    wheel_init(&w, 0);
    for (int i = 0; i < 4; i++)
        wheel_add(&w, &t[i], 100);
    struct timer *first = pop(&w, 200);
    ck_assert_ptr_nonnull(first);
    struct timer *gone = first == &t[2] ? &t[1] : &t[2];
    wheel_remove(&w, gone);
    wheel_remove(&w, gone); // twice does no harm
    int rest = 0;
    for (struct timer *due; (due = pop(&w, 200)); rest++)
        ck_assert_ptr_ne(due, gone);
    ck_assert_int_eq(rest, 2);
    ck_assert_int_eq(wheel_next(&w), INT64_MAX);
}
END_TEST

START_TEST(a_budget_bounds_the_work_and_nothing_is_lost)
{
    static struct timer t[3000];
    struct wheel w;
    memset(t, 0, sizeof t);
    wheel_init(&w, 0);
    for (int i = 0; i < 3000; i++)
        wheel_add(&w, &t[i], 70 + i % 3);
    int got = 0, calls = 0;
    for (; got < 3000; calls++) {
        ck_assert_int_lt(calls, 100);
        int budget = 100, before = got;
        while (wheel_pop(&w, 72, &budget))
            got++;
        ck_assert_int_ge(budget, 0);
        ck_assert_int_le(got - before, 100);
        if (got < 3000)
            ck_assert_int_le(wheel_next(&w), 72);
    }
    ck_assert_int_ge(calls, 30);
    ck_assert_int_eq(wheel_next(&w), INT64_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/wheel");
    TCase *c = tcase_create("wheel");
    tcase_add_loop_test(c, it_does_what_a_list_would_do, 0, 30);
    tcase_add_loop_test(c, none_is_early_or_late_at_the_borders_of_levels, 0, 14);
    tcase_add_test(c, what_is_past_is_due_at_once_and_what_is_too_far_at_the_end);
    tcase_add_test(c, one_may_be_stopped_while_its_slot_is_being_emptied);
    tcase_add_test(c, a_budget_bounds_the_work_and_nothing_is_lost);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
