#include "server/engine/blob.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

START_TEST(it_is_a_copy_of_its_bytes)
{
    char text[] = "[1, 2]";
    struct blob *b = blob_new(slice_of(text));
    text[1] = '7';
    ck_assert(slice_equal(blob_slice(b), "[1, 2]"));
    blob_unref(b);
    b = blob_new((struct slice){NULL, 0});
    ck_assert_uint_eq(blob_slice(b).len, 0);
    blob_unref(b);
}
END_TEST

START_TEST(it_lives_as_long_as_somebody_refers_to_it)
{
    struct blob *b = blob_new(SLICE("x"));
    ck_assert_ptr_eq(blob_ref(b), b);
    blob_unref(b);
    ck_assert(slice_equal(blob_slice(b), "x")); // under a sanitizer this is the test
    ck_assert_uint_eq(atomic_load(&b->refs), 1);
    blob_unref(b);
}
END_TEST

START_TEST(no_blob_is_a_blob_too)
{
    ck_assert_ptr_null(blob_ref(NULL));
    ck_assert_uint_eq(blob_slice(NULL).len, 0);
    blob_unref(NULL);
}
END_TEST

static void *ref_and_unref(void *b)
{
    for (int i = 0; i < 20000; i++)
        blob_unref(blob_ref(b));
    blob_unref(b);
    return NULL;
}

START_TEST(several_threads_may_hold_it)
{
    struct blob *b = blob_new(SLICE("shared"));
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, ref_and_unref, blob_ref(b)), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(atomic_load(&b->refs), 1);
    blob_unref(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/blob");
    TCase *c = tcase_create("blob");
    tcase_add_test(c, it_is_a_copy_of_its_bytes);
    tcase_add_test(c, it_lives_as_long_as_somebody_refers_to_it);
    tcase_add_test(c, no_blob_is_a_blob_too);
    tcase_add_test(c, several_threads_may_hold_it);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
