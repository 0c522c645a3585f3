#include "common/slice.h"

#include <check.h>
#include <stdlib.h>

START_TEST(slices_are_compared_by_their_bytes)
{
    struct slice none = {0};
    ck_assert(slice_equal(none, ""));
    ck_assert(slice_same(none, SLICE("")));
    ck_assert(!slice_equal(none, "a"));
    ck_assert(slice_equal(SLICE("put"), "put"));
    ck_assert(!slice_equal(SLICE("put"), "pu"));
    ck_assert(!slice_equal(SLICE("put"), "puts"));
    ck_assert(!slice_equal(SLICE("put"), "puT"));
    ck_assert(!slice_equal(SLICE("a\0b"), "a"));
    ck_assert(slice_same(SLICE("a\0b"), SLICE("a\0b")));
    ck_assert(!slice_same(SLICE("a\0b"), SLICE("a\0c")));
    ck_assert(slice_same(slice_of("abc"), (struct slice){"abcdef", 3}));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/slice");
    TCase *c = tcase_create("slice");
    tcase_add_test(c, slices_are_compared_by_their_bytes);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
