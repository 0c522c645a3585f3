#include "server/rpc/session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct session session;

static void setup(void)
{
    memset(&session, 0, sizeof session);
}

START_TEST(waits_are_found_by_their_exact_id)
{
    struct waiter waiters[3];
    struct slice ids[3] = {SLICE("1"), SLICE("\"1\""), {0}}, names[2] = {SLICE("a"), SLICE("longer")};
    struct wait *w[3];
    for (int i = 0; i < 3; i++) {
        w[i] = pending_new(&session, NULL, &waiters[i], ids[i], names, 2);
        ck_assert_ptr_eq(waiters[i].context, w[i]);
        ck_assert(slice_same(wait_id(w[i]), ids[i]));
        ck_assert(slice_equal(wait_name(w[i], 0), "a"));
        ck_assert(slice_equal(wait_name(w[i], 1), "longer"));
    }
    ck_assert_ptr_eq(wait_find(&session, SLICE("1")), w[0]);
    ck_assert_ptr_eq(wait_find(&session, SLICE("\"1\"")), w[1]);
    ck_assert_ptr_null(wait_find(&session, SLICE("1.0")));
    ck_assert_ptr_null(wait_find(&session, (struct slice){0})); // a notification cannot be named
    wait_unlink(w[1]);                                          // from the middle, the front and the end
    ck_assert_ptr_null(wait_find(&session, SLICE("\"1\"")));
    wait_unlink(w[2]);
    wait_unlink(w[0]);
    ck_assert_ptr_null(session.waits);
    for (int i = 0; i < 3; i++)
        free(w[i]);
}
END_TEST

START_TEST(a_batch_counts_its_waits)
{
    struct waiter waiter;
    struct batch *b = batch_new(&session);
    struct wait *w = pending_new(&session, b, &waiter, SLICE("1"), NULL, 0);
    ck_assert_uint_eq(b->waiting, 1);
    free(w);
    batch_free(b);
    batch_free(NULL);
}
END_TEST

START_TEST(what_was_kept_first_comes_first)
{
    struct waiter w[4];
    ck_assert_ptr_null(session_unkeep(&session));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++)
            session_keep(&session, &w[i]);
        ck_assert_ptr_eq(session_unkeep(&session), &w[0]);
        ck_assert_ptr_eq(session_unkeep(&session), &w[1]);
        session_keep(&session, &w[0]);
        ck_assert_ptr_eq(session_unkeep(&session), &w[2]);
        ck_assert_ptr_eq(session_unkeep(&session), &w[3]);
        ck_assert_ptr_eq(session_unkeep(&session), &w[0]);
        ck_assert_ptr_null(session_unkeep(&session));
    }
}
END_TEST

START_TEST(a_session_is_small)
{
    ck_assert_uint_le(sizeof session, 152); // an idle connection is mostly this
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/session");
    TCase *c = tcase_create("session");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, waits_are_found_by_their_exact_id);
    tcase_add_test(c, a_batch_counts_its_waits);
    tcase_add_test(c, what_was_kept_first_comes_first);
    tcase_add_test(c, a_session_is_small);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
