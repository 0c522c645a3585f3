#include "server/engine/id_map.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// As ck_assert, for what is done very often.
#define MUST(condition) ((condition) ? (void)0 : ck_abort_msg("not so: %s", #condition))

static struct id_map map;

static void setup(void)
{
    ck_assert(id_map_init(&map));
}

static void teardown(void)
{
    id_map_release(&map);
}

// The map does not look into jobs: any pointer will do.
static struct job *job(uint64_t id)
{
    return (struct job *)(uintptr_t)(id * 8 + 8);
}

static void insert(uint64_t id)
{
    ck_assert(id_map_ready(&map));
    id_map_insert(&map, id, job(id));
}

START_TEST(what_is_in_is_found)
{
    static const uint64_t ids[] = {1, 2, 15, 16, 17, 1u << 20, UINT64_C(1) << 40, (UINT64_C(1) << 53) - 1};
    enum { N = sizeof ids / sizeof *ids };
    for (int i = 0; i < N; i++)
        insert(ids[i]);
    ck_assert_uint_eq(map.count, N);
    for (int i = 0; i < N; i++)
        ck_assert_ptr_eq(id_map_find(&map, ids[i]), job(ids[i]));
    ck_assert_ptr_null(id_map_find(&map, 0));
    ck_assert_ptr_null(id_map_find(&map, 3));
    ck_assert_ptr_null(id_map_find(&map, UINT64_MAX));
    for (int i = 0; i < N; i++) {
        id_map_remove(&map, ids[i]);
        ck_assert_ptr_null(id_map_find(&map, ids[i]));
    }
    ck_assert_uint_eq(map.count, 0);
    ck_assert_uint_eq(map.pages.count, 0);
}
END_TEST

START_TEST(steps_meet_all_in_order_and_pass_over_gaps)
{
    static const uint64_t ids[] = {3, 4, 15, 16, 40, 1000000, 1000001, UINT64_C(1) << 30};
    enum { N = sizeof ids / sizeof *ids };
    for (int i = 0; i < N; i++)
        insert(ids[i]);
    for (int down = 0; down < 2; down++) {
        uint64_t at = down ? ids[N - 1] + 100 : 0;
        unsigned steps = 0;
        for (int i = 0; i < N - 1; i++) { // up to the gap of a thousand millions
            uint64_t want = ids[down ? N - 1 - i : i];
            struct job *j;
            if (down && i == 1)
                at = 1000100;
            while (!(j = id_map_step(&map, &at, down)))
                ck_assert_uint_lt(steps++, 2 * 1000000 / ID_PAGE);
            ck_assert_ptr_eq(j, job(want));
            ck_assert_uint_eq(at, want);
        }
    }
    for (int i = 0; i < N; i++)
        id_map_remove(&map, ids[i]);
}
END_TEST

START_TEST(a_page_holds_neighbours)
{
    struct job *jobs[ID_PAGE];
    for (uint64_t id = 20; id < 1000; id += 3)
        insert(id);
    for (int round = 0; round < 2; round++) {
        for (uint64_t number = 0; number < 70; number++) {
            bool any = id_map_page(&map, number, jobs), some = false;
            for (uint64_t i = 0; i < ID_PAGE; i++) {
                struct job *one = id_map_find(&map, number * ID_PAGE + i);
                some = some || one;
                MUST(!any || jobs[i] == one);
            }
            ck_assert_int_eq(any, some);
        }
        for (uint64_t id = 500; id < 1000 && !round; id++) // the newest page, too
            if (id_map_find(&map, id))
                id_map_remove(&map, id);
    }
    insert(999); // whose page went
    ck_assert_ptr_eq(id_map_find(&map, 999), job(999));
    ck_assert_ptr_null(id_map_find(&map, 998));
}
END_TEST

START_TEST(several_are_found_as_one_is)
{
    uint64_t ids[ID_MAP_TOGETHER];
    struct job *jobs[ID_MAP_TOGETHER];
    for (uint64_t id = 0; id < 30000; id += 3)
        insert(id * id % 100003 * 100000 + id);
    for (unsigned step = 0; step < 500; step++) {
        for (uint64_t i = 0; i < ID_MAP_TOGETHER; i++) { // every third of them, and some that are not there
            uint64_t id = (step * ID_MAP_TOGETHER + i) % 30000;
            ids[i] = id * id % 100003 * 100000 + id;
        }
        id_map_find_together(&map, ids, ID_MAP_TOGETHER - step % 7, jobs);
        for (unsigned i = 0; i < ID_MAP_TOGETHER - step % 7; i++)
            if (jobs[i] != id_map_find(&map, ids[i]))
                ck_abort_msg("%llu is not what it is by itself", (unsigned long long)ids[i]);
    }
}
END_TEST

START_TEST(all_are_walked_through_once)
{
    enum { N = 10000 };
    static bool seen[N];
    memset(seen, 0, sizeof seen);
    for (uint64_t id = 0; id < N; id++)
        if (id % 7)
            insert(id);
    struct id_cursor c = {0};
    size_t count = 0;
    for (struct job *j; (j = id_map_next(&map, &c)); count++) {
        uint64_t id = (uintptr_t)j / 8 - 1;
        ck_assert(id < N && !seen[id] && id % 7);
        seen[id] = true;
    }
    ck_assert_uint_eq(count, map.count);
    ck_assert_ptr_null(id_map_next(&map, &c));
}
END_TEST

START_TEST(against_an_array)
{
    enum { RANGE = 4096, STEPS = 200000 };
    static bool in[RANGE];
    memset(in, 0, sizeof in);
    size_t count = 0, wrong = 0;
    uint64_t chance = 7;
    for (int i = 0; i < STEPS; i++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        uint64_t id = (chance >> 33) % RANGE, far = id * 4096; // pages of one survivor
        bool put = !in[id];
        if (put)
            insert(far);
        else
            id_map_remove(&map, far);
        in[id] = put;
        count += put ? 1 : (size_t)-1;
        wrong += (id_map_find(&map, far) != NULL) != put || map.count != count;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(survivors_at_regular_distances_do_not_share_buckets)
{
    enum { N = 10000 };
    for (uint64_t i = 0; i < N; i++)
        insert(i * 65536);
    size_t longest = 0;
    for (size_t b = 0; b < map.pages.buckets; b++) {
        size_t length = 0;
        for (struct table_node *n = table_chain(&map.pages, b); n; n = n->next)
            length++;
        longest = length > longest ? length : longest;
    }
    ck_assert_uint_le(longest, 16);
}
END_TEST

START_TEST(an_emptied_page_serves_the_next_insert)
{
    insert(1);
    id_map_remove(&map, 1);
    struct id_page *spare = map.spare;
    ck_assert_ptr_nonnull(spare);
    insert(1000000);
    ck_assert_ptr_null(map.spare);
    ck_assert_ptr_eq(id_map_find(&map, 1000000), job(1000000));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/id_map");
    TCase *c = tcase_create("id_map");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, what_is_in_is_found);
    tcase_add_test(c, steps_meet_all_in_order_and_pass_over_gaps);
    tcase_add_test(c, a_page_holds_neighbours);
    tcase_add_test(c, several_are_found_as_one_is);
    tcase_add_test(c, all_are_walked_through_once);
    tcase_add_test(c, against_an_array);
    tcase_add_test(c, survivors_at_regular_distances_do_not_share_buckets);
    tcase_add_test(c, an_emptied_page_serves_the_next_insert);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
