#include "server/access/quota.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define S  (1000 * MS)

START_TEST(connections_are_bounded_and_come_back)
{
    struct quota_use u = {0};
    struct quotas q = {.connections = 2};
    ck_assert(quota_connect(&u, &q, false) && quota_connect(&u, &q, false));
    ck_assert(!quota_connect(&u, &q, false));
    ck_assert_uint_eq(u.connections, 2);
    ck_assert_uint_eq(u.refused, 1);
    ck_assert(quota_connect(&u, &q, true)); // one that is there already
    quota_disconnect(&u);
    ck_assert(!quota_connect(&u, &q, false));
    quota_disconnect(&u);
    ck_assert(quota_connect(&u, &q, false));
    q.connections = 0;
    ck_assert(quota_connect(&u, &q, false));
}
END_TEST

START_TEST(a_seconds_worth_comes_at_once_and_then_the_rate)
{
    struct quota_use u = {0};
    const struct quotas q = {.requests_per_second = 10};
    int64_t now = 77 * S, until;
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now, &until), 10);
    ck_assert_uint_eq(quota_allow(&u, &q, 3, now, &until), 3);
    quota_take(&u, &q, 10, now);
    ck_assert_uint_eq(quota_rate_used(&u, &q, now), 10);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now, &until), 0);
    ck_assert_int_eq(until, now + 100 * MS);
    // Who comes later has a later turn.
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now, &until), 0);
    ck_assert_int_eq(until, now + 200 * MS);
    ck_assert_uint_eq(u.slowed, 2);
    // And who leaves without having had it leaves it to others.
    quota_take(&u, &q, -1, now);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now, &until), 0);
    ck_assert_int_eq(until, now + 200 * MS);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now + 250 * MS, &until), 0);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now + 500 * MS, &until), 2);
    ck_assert_uint_eq(quota_rate_used(&u, &q, now + 900 * MS), 4);
    ck_assert_uint_eq(quota_rate_used(&u, &q, now + 10 * S), 0);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, now + 100 * S, &until), 10);
}
END_TEST

START_TEST(over_a_long_time_no_more_than_the_rate)
{
    static const uint64_t rates[] = {1, 7, 1000, 1000000};
    for (unsigned r = 0; r < sizeof rates / sizeof *rates; r++) {
        struct quota_use u = {0};
        const struct quotas q = {.requests_per_second = rates[r]};
        uint64_t taken = 0;
        int64_t begin = 3 * S, now = begin, until = 0;
        for (; now < begin + 20 * S; now += MS) {
            if (now < until)
                continue; // paused, as a session is
            taken += until > 0;
            until = 0;
            for (unsigned n; (n = quota_allow(&u, &q, 64, now, &until)) > 0;) {
                quota_take(&u, &q, n, now);
                taken += n;
            }
        }
        ck_assert_uint_le(taken, 21 * rates[r] + 1);
        ck_assert_uint_ge(taken, 20 * rates[r]);
    }
}
END_TEST

START_TEST(no_rate_is_no_bound)
{
    struct quota_use u = {0};
    const struct quotas q = {.connections = 1};
    int64_t until;
    quota_take(&u, &q, 1000000, S);
    ck_assert_uint_eq(quota_allow(&u, &q, 64, S, &until), 64);
    ck_assert_uint_eq(quota_rate_used(&u, &q, S), 0);
    ck_assert(quotas_any(&q) && !quotas_any(&(struct quotas){0}));
    ck_assert(!quotas_equal(&q, &(struct quotas){.connections = 2}) && quotas_equal(&q, &q));
}
END_TEST

#define THREADS 4
#define EACH    20000

static void *take_many(void *context)
{
    struct quota_use *u = context;
    const struct quotas q = {.connections = 3, .requests_per_second = 1000};
    int64_t until;
    for (int i = 0; i < EACH; i++) {
        if (quota_connect(u, &q, false))
            quota_disconnect(u);
        if (quota_allow(u, &q, 1, S, &until) > 0)
            quota_take(u, &q, 1, S);
    }
    return NULL;
}

START_TEST(threads_lose_nothing)
{
    struct quota_use u = {0};
    const struct quotas q = {.requests_per_second = 1000};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &u), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(u.connections, 0);
    ck_assert_int_eq(u.pace.due, S + THREADS * EACH * (S / 1000));
    ck_assert_uint_eq(quota_rate_used(&u, &q, S), 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access/quota");
    TCase *c = tcase_create("quota");
    tcase_add_test(c, connections_are_bounded_and_come_back);
    tcase_add_test(c, a_seconds_worth_comes_at_once_and_then_the_rate);
    tcase_add_test(c, over_a_long_time_no_more_than_the_rate);
    tcase_add_test(c, no_rate_is_no_bound);
    tcase_add_test(c, threads_lose_nothing);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
