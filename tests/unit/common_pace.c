#include "common/pace.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

// Ten at once, and one each 100.
static const struct pace_rate ten = {.each = 100, .ahead = 1000};
static struct pace p;

static void setup(void)
{
    p = (struct pace){0};
}

static unsigned take_all(int64_t now)
{
    unsigned n = 0;
    while (pace_take(&p, &ten, now))
        n++;
    return n;
}

START_TEST(so_many_at_once_and_then_one_each_time)
{
    ck_assert_int_eq(pace_room(&p, &ten, 5000), 10);
    ck_assert_uint_eq(take_all(5000), 10);
    ck_assert_int_eq(pace_room(&p, &ten, 5000), 0);
    ck_assert_uint_eq(take_all(5099), 0);
    ck_assert_uint_eq(take_all(5100), 1);
    ck_assert_uint_eq(take_all(5399), 2);
    ck_assert_uint_eq(take_all(5400), 1);
    ck_assert_uint_eq(take_all(1000000), 10); // however long it was quiet
}
END_TEST

START_TEST(what_has_to_wait_has_its_turn)
{
    int64_t until = -1;
    ck_assert_int_eq(pace_room_or_turn(&p, &ten, 5000, &until), 10); // and takes none
    ck_assert_int_eq(pace_room_or_turn(&p, &ten, 5000, &until), 10);
    ck_assert_int_eq(until, -1);
    pace_move(&p, &ten, 10, 5000);
    ck_assert_int_eq(pace_room_or_turn(&p, &ten, 5000, &until), 0);
    ck_assert_int_eq(until, 5100);
    ck_assert_int_eq(pace_room_or_turn(&p, &ten, 5000, &until), 0);
    ck_assert_int_eq(until, 5200);
    pace_move(&p, &ten, -1, 5000); // who leaves without having had it leaves it to others
    ck_assert_int_eq(pace_room_or_turn(&p, &ten, 5000, &until), 0);
    ck_assert_int_eq(until, 5200);
    ck_assert_uint_eq(take_all(5200), 0);
    ck_assert_uint_eq(take_all(5300), 1);
}
END_TEST

START_TEST(what_is_used_is_told)
{
    ck_assert_int_eq(pace_used(&p, &ten, 5000), 0);
    pace_move(&p, &ten, 3, 5000);
    ck_assert_int_eq(pace_used(&p, &ten, 5000), 3);
    ck_assert_int_eq(pace_used(&p, &ten, 5001), 3); // one of them in part
    ck_assert_int_eq(pace_used(&p, &ten, 5100), 2);
    ck_assert_int_eq(pace_used(&p, &ten, 9000), 0);
    pace_move(&p, &ten, 15, 9000); // more than there was room for
    ck_assert_int_eq(pace_used(&p, &ten, 9000), 15);
    ck_assert_int_le(pace_room(&p, &ten, 9000), 0);
    ck_assert_uint_eq(take_all(9500), 0);
    ck_assert_uint_eq(take_all(9600), 1);
}
END_TEST

START_TEST(what_is_left_out_of_a_flood_is_counted)
{
    struct flood f = {0};
    uint64_t left_out = 99;
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(flood_pass(&f, &ten, 5000, &left_out));
        ck_assert_uint_eq(left_out, 0);
    }
    ck_assert(!flood_settle(&f, &ten, 5100, &left_out)); // there is nothing to tell, and nothing is taken
    for (unsigned i = 0; i < 7; i++)
        ck_assert(!flood_pass(&f, &ten, 5000, &left_out));
    ck_assert(!flood_settle(&f, &ten, 5099, &left_out)); // which is not one more
    ck_assert(flood_pass(&f, &ten, 5100, &left_out));
    ck_assert_uint_eq(left_out, 7);
    ck_assert(!flood_pass(&f, &ten, 5100, &left_out));
    ck_assert(flood_settle(&f, &ten, 5200, &left_out));
    ck_assert_uint_eq(left_out, 1);
    ck_assert(!flood_pass(&f, &ten, 5200, &left_out)); // to tell of it took one
    ck_assert_uint_eq(f.left_out, 1);
}
END_TEST

#define THREADS 4
#define EACH    20000

static struct flood shared;
static atomic_uint passed;
static _Atomic uint64_t told;

static void *pass_many(void *context)
{
    uint64_t left_out;
    (void)context;
    for (int64_t i = 0; i < EACH; i++)
        if (flood_pass(&shared, &ten, i, &left_out)) {
            passed++;
            told += left_out;
        }
    return NULL;
}

// As many as time has passed and no more, and each of the others is told of once.
START_TEST(threads_lose_nothing)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, pass_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_le(passed, 10 + EACH / 100);
    ck_assert_uint_ge(passed, EACH / 100);
    ck_assert_uint_eq(passed + told + shared.left_out, THREADS * EACH);
}
END_TEST

static void *take_many(void *context)
{
    static const struct pace_rate any = {.each = 1, .ahead = INT64_MAX / 2};
    int64_t until;
    for (int i = 0; i < EACH; i++) {
        ck_assert(pace_take(context, &any, 1));
        pace_move(context, &any, 1, 1);
        ck_assert_int_gt(pace_room_or_turn(context, &any, 1, &until), 0);
        ck_assert_int_eq(pace_room_or_turn(context, &(struct pace_rate){.each = 1}, 1, &until), 0);
    }
    return NULL;
}

START_TEST(threads_take_each_their_own)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &p), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(p.due, 1 + 3 * THREADS * EACH);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pace");
    TCase *c = tcase_create("pace");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, so_many_at_once_and_then_one_each_time);
    tcase_add_test(c, what_has_to_wait_has_its_turn);
    tcase_add_test(c, what_is_used_is_told);
    tcase_add_test(c, what_is_left_out_of_a_flood_is_counted);
    tcase_add_test(c, threads_lose_nothing);
    tcase_add_test(c, threads_take_each_their_own);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
