#include "client/lease_table.h"

#include <check.h>
#include <stdlib.h>

#define IDS 4000

static bool has(const struct lease_table *t, uint64_t id, uint64_t delivery)
{
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].id == id)
            return t->slots[i].delivery == delivery;
    return false;
}

START_TEST(a_random_walk_agrees_with_an_array)
{
    struct lease_table t = {0};
    uint64_t deliveries[IDS] = {0}; // 0: not there
    size_t count = 0;
    srand(2);
    for (int step = 0; step < 40000; step++) {
        uint64_t id = 1 + (uint64_t)rand() % (IDS - 1);
        if (rand() % 2 == 0) {
            count += deliveries[id] == 0;
            deliveries[id] = (uint64_t)step + 1;
            ck_assert_int_eq(lease_table_put(&t, (struct lease){.id = id, .delivery = deliveries[id]}),
                             TASKQ_OK);
        } else {
            ck_assert(lease_table_remove(&t, id) == (deliveries[id] != 0));
            count -= deliveries[id] != 0;
            deliveries[id] = 0;
        }
        ck_assert_uint_eq(t.count, count);
    }
    for (uint64_t id = 1; id < IDS; id++) {
        if (deliveries[id] != 0)
            ck_assert(has(&t, id, deliveries[id]));
        ck_assert(lease_table_remove(&t, id) == (deliveries[id] != 0));
    }
    ck_assert(!lease_table_remove(&t, 0));
    lease_table_release(&t);
}
END_TEST

START_TEST(a_lost_connection_leaves_exactly_the_detached)
{
    for (uint64_t n = 1; n < 300; n++) {
        struct lease_table t = {0};
        for (uint64_t id = 1; id <= n; id++)
            lease_table_put(&t, (struct lease){.id = id * 7919, .delivery = id, .detached = id % 3 == 0});
        lease_table_remove_bound(&t);
        ck_assert_uint_eq(t.count, n / 3);
        for (uint64_t id = 1; id <= n; id++)
            ck_assert(lease_table_remove(&t, id * 7919) == (id % 3 == 0));
        lease_table_release(&t);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/lease_table");
    TCase *c = tcase_create("table");
    tcase_add_test(c, a_random_walk_agrees_with_an_array);
    tcase_add_test(c, a_lost_connection_leaves_exactly_the_detached);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
