#include "common/histogram.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_bucket_goes_up_to_its_power_of_two)
{
    ck_assert_uint_eq(histogram_bucket(0), 0);
    ck_assert_uint_eq(histogram_bucket(1), 0);
    for (unsigned n = 1; n < HISTOGRAM_BUCKETS - 1; n++) {
        ck_assert_uint_eq(histogram_bucket((uint64_t)1 << n), n);
        ck_assert_uint_eq(histogram_bucket(((uint64_t)1 << n) + 1), n + 1);
    }
    ck_assert_uint_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(values_are_counted_and_summed)
{
    struct histogram h = {0}, sum = {0};
    histogram_add(&h, 3, 1);
    histogram_add(&h, 4, 2);
    histogram_add(&h, 100, 1);
    ck_assert_uint_eq(h.buckets[2], 3);
    ck_assert_uint_eq(h.buckets[7], 1);
    ck_assert_uint_eq(h.sum, 111);
    ck_assert_uint_eq(histogram_count(&h), 4);
    histogram_merge(&sum, &h);
    histogram_merge(&sum, &h);
    ck_assert_uint_eq(sum.buckets[2], 6);
    ck_assert_uint_eq(sum.sum, 222);
    ck_assert_uint_eq(histogram_count(&sum), 8);
}
END_TEST

START_TEST(a_quantile_lies_in_its_bucket)
{
    struct histogram h = {0};
    ck_assert_double_eq(histogram_quantile(&h, 0.5), 0);
    histogram_add(&h, 10, 50);  // 8 to 16
    histogram_add(&h, 100, 50); // 64 to 128
    ck_assert_double_eq(histogram_quantile(&h, 0.25), 12);
    ck_assert_double_eq(histogram_quantile(&h, 0.5), 16);
    ck_assert_double_eq(histogram_quantile(&h, 0.75), 96);
    ck_assert_double_eq(histogram_quantile(&h, 1), 128);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/histogram");
    TCase *c = tcase_create("histogram");
    tcase_add_test(c, a_bucket_goes_up_to_its_power_of_two);
    tcase_add_test(c, values_are_counted_and_summed);
    tcase_add_test(c, a_quantile_lies_in_its_bucket);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
