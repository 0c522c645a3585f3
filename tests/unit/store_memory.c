#include "tests/crash/owner.h"

#include <check.h>
#include <stdlib.h>

START_TEST(it_takes_every_call_and_keeps_nothing)
{
    struct store *store;
    struct owner owner, again;
    struct store_snapshot *snapshot;
    uint64_t left;
    ck_assert_int_eq(store_open_memory(&store), STORE_OK);
    ck_assert(!store_keeps(store));
    owner_init(&owner, 100);
    owner_init(&again, 100);
    ck_assert_int_eq(owner_load(&owner, store), STORE_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        owner_put(&owner, i % 100, 4 + i);
        owner_delete(&owner, (i + 50) % 100);
        ck_assert_int_eq(owner_commit(&owner, false), STORE_OK);
        ck_assert_int_eq(owner_clean(&owner), STORE_OK);
    }
    ck_assert(!store_clean_wanted(store));
    ck_assert_int_eq(store_space(store, &left), STORE_SPACE_OK);
    ck_assert_uint_gt(left, 1u << 30);
    store_prepare(store);
    ck_assert_int_eq(store_snapshot_begin(store, &snapshot), STORE_OPTION);
    ck_assert_str_ne(store_message(store), "");
    ck_assert_uint_eq(store_stats(store).commits, 0);
    ck_assert_int_eq(owner_load(&again, store), STORE_OK);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_uint_eq(again.entries[i].version, 0);
    uint32_t segment;
    ck_assert_int_eq(store_batch_begin(store, store_batch_max(store) + 1, &segment), STORE_TOO_LARGE);
    owner_release(&owner);
    owner_release(&again);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store/memory");
    TCase *c = tcase_create("memory");
    tcase_add_test(c, it_takes_every_call_and_keeps_nothing);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
