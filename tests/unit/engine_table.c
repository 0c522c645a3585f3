#include "server/engine/table.h"

#include "server/engine/job.h"

#include <check.h>
#include <stdlib.h>

struct item {
    struct table_node node;
    uint64_t id;
};

static uint64_t hash(const struct table_node *n)
{
    return job_id_hash(((const struct item *)n)->id);
}

static bool found(const struct table *t, uint64_t id)
{
    for (struct table_node *n = table_chain(t, job_id_hash(id)); n; n = n->next)
        if (((struct item *)n)->id == id)
            return true;
    return false;
}

#define MANY 20000
static struct item items[MANY];

static size_t longest(const struct table *t)
{
    size_t most = 0;
    for (size_t i = 0; i < t->buckets; i++) {
        size_t n = 0;
        for (struct table_node *at = table_chain(t, i); at; at = at->next)
            n++;
        most = n > most ? n : most;
    }
    return most;
}

START_TEST(what_is_in_is_found_while_it_grows_and_shrinks)
{
    struct table t;
    ck_assert(table_init(&t, hash));
    for (int round = 0; round < 3; round++) {
        bool right = true; // Check writes each of its assertions to a pipe
        for (size_t i = 0; i < MANY; i++) {
            items[i] = (struct item){.id = 7 + 3 * i};
            table_insert(&t, &items[i].node);
            right &= found(&t, items[i / 2].id) && !found(&t, items[i].id + 1);
        }
        ck_assert_uint_eq(t.count, MANY);
        ck_assert_uint_ge(t.buckets, MANY);
        size_t left = (size_t)round * 10;
        for (size_t i = MANY; i-- > left;) {
            table_remove(&t, &items[i].node);
            right &= !found(&t, items[i].id) && (i == 0 || found(&t, items[i / 2].id));
        }
        ck_assert(right);
        ck_assert_uint_eq(t.count, left);
        ck_assert_uint_le(t.buckets, 4 * left + 4);
        ck_assert_uint_le(t.segment_count, 2);
        while (left)
            table_remove(&t, &items[--left].node);
    }
    table_release(&t);
}
END_TEST

START_TEST(ids_at_regular_distances_make_no_long_chains)
{
    static const uint64_t distances[] = {1, 2, 7, 8, 64, 1000, 1024, 4096, 65536, 1u << 20, 1u << 30};
    struct table t;
    ck_assert(table_init(&t, hash));
    for (size_t i = 0; i < MANY; i++) {
        items[i] = (struct item){.id = 1 + i * distances[_i]};
        table_insert(&t, &items[i].node);
    }
    ck_assert_uint_le(longest(&t), 16);
    table_release(&t);
}
END_TEST

START_TEST(it_can_be_emptied_bucket_by_bucket)
{
    struct table t;
    ck_assert(table_init(&t, hash));
    for (size_t i = 0; i < 1000; i++) {
        items[i] = (struct item){.id = i};
        table_insert(&t, &items[i].node);
    }
    size_t taken = 0;
    for (size_t i = 0; i < t.buckets; i++)
        for (; table_chain(&t, i); taken++)
            table_remove_first(&t, i);
    ck_assert_uint_eq(taken, 1000);
    ck_assert_uint_eq(t.count, 0);
    table_release(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/table");
    TCase *c = tcase_create("table");
    tcase_add_test(c, what_is_in_is_found_while_it_grows_and_shrinks);
    tcase_add_loop_test(c, ids_at_regular_distances_make_no_long_chains, 0, 11);
    tcase_add_test(c, it_can_be_emptied_bucket_by_bucket);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
