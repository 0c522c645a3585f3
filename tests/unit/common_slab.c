#include "common/slab.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 20000

// As ck_assert, for what is done very often: Check writes each of its assertions to a pipe.
#define MUST(condition) ((condition) ? (void)0 : ck_abort_msg("not so: %s", #condition))

// What tells a thing from all others, over its whole length.
static void fill(char *thing, size_t size, unsigned n)
{
    for (size_t i = 0; i < size; i++)
        thing[i] = (char)(n * 31 + i);
}

static bool is_whole(const char *thing, size_t size, unsigned n)
{
    for (size_t i = 0; i < size; i++)
        if (thing[i] != (char)(n * 31 + i))
            return false;
    return true;
}

START_TEST(things_of_all_sizes_are_apart_and_aligned)
{
    static char *things[1200];
    for (unsigned n = 0; n < 1200; n++) {
        things[n] = slab_alloc(n);
        ck_assert_ptr_nonnull(things[n]);
        ck_assert_uint_eq((uintptr_t)things[n] % 16, 0);
        fill(things[n], n, n);
    }
    for (unsigned n = 0; n < 1200; n++) {
        ck_assert_msg(is_whole(things[n], n, n), "the thing of %u bytes was overwritten", n);
        slab_free(things[n]);
    }
    slab_free(NULL);
}
END_TEST

// Sizes and times of life mixed: nothing is given out twice, whatever was freed in between.
START_TEST(what_is_in_use_stays_as_it_is)
{
    static char *things[MANY];
    static size_t sizes[MANY];
    uint32_t x = 1;
    for (unsigned step = 0; step < 6 * MANY; step++) {
        x = x * 1664525 + 1013904223;
        unsigned n = (x >> 8) % MANY;
        if (things[n]) {
            MUST(is_whole(things[n], sizes[n], n));
            slab_free(things[n]);
            things[n] = NULL;
        } else {
            sizes[n] = 16 + (x >> 24) * (step % 7 ? 1 : 3);
            things[n] = slab_alloc(sizes[n]);
            MUST(things[n]);
            fill(things[n], sizes[n], n);
        }
    }
    for (unsigned n = 0; n < MANY; n++) {
        MUST(!things[n] || is_whole(things[n], sizes[n], n));
        slab_free(things[n]);
    }
}
END_TEST

static long resident(void)
{
    long pages = 0, own = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &pages, &own), 2);
    fclose(f);
    return own;
}

// 40 MB come and go, in another order than they came.
START_TEST(memory_that_is_empty_goes_back_to_the_system)
{
    enum { COUNT = 100000, SIZE = 400 };
    void **things = calloc(COUNT, sizeof *things);
    ck_assert_ptr_nonnull(things);
    long before = resident();
    for (unsigned i = 0; i < COUNT; i++) {
        things[i] = slab_alloc(SIZE);
        MUST(things[i]);
        memset(things[i], 1, SIZE);
    }
    long full = resident();
    for (unsigned i = 0; i < COUNT; i++)
        slab_free(things[(uint64_t)i * 7919 % COUNT]);
    long after = resident();
    free(things);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_gt(full - before, COUNT / 10 - 1000);
    ck_assert_msg(after - before < (full - before) / 4, "%ld pages before, %ld, %ld after", before, full,
                  after);
#else
    (void)before, (void)full, (void)after; // what a sanitizer holds back says nothing
#endif
}
END_TEST

START_TEST(empty_memory_serves_other_sizes)
{
    enum { COUNT = 50000 };
    static void *things[COUNT];
    char *lowest = NULL, *highest = NULL;
    for (size_t size = 512; size >= 32; size /= 2) {
        for (unsigned i = 0; i < COUNT; i++) {
            char *thing = things[i] = slab_alloc(size);
            MUST(thing);
            if (size == 512 && (!lowest || thing < lowest))
                lowest = thing;
            if (size == 512 && thing > highest)
                highest = thing;
                // The first round's slabs are more than enough for all that follow, but for the one of each
                // size that stays with it.
#if !defined(__SANITIZE_ADDRESS__)
            MUST(size == 512 || (thing >= lowest - (1 << 20) && thing <= highest + (1 << 20)));
#endif
        }
        slab_free_all(things, COUNT);
    }
}
END_TEST

static void *come_and_go(void *arg)
{
    unsigned n = *(unsigned *)arg;
    enum { SOME = 300 };
    char *things[SOME];
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < SOME; i++) {
            things[i] = slab_alloc(100 + n);
            if (!things[i])
                return "no memory";
            fill(things[i], 100 + n, n + i);
        }
        for (unsigned i = 0; i < SOME; i++)
            if (!is_whole(things[i], 100 + n, n + i))
                return "overwritten";
        slab_free_all((void **)things, SOME);
    }
    return NULL;
}

START_TEST(threads_do_not_meet)
{
    pthread_t threads[4];
    unsigned numbers[4] = {0, 1, 2, 100};
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &numbers[i]), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_msg(!wrong, "%s", (const char *)wrong);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/slab");
    TCase *c = tcase_create("slab");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, things_of_all_sizes_are_apart_and_aligned);
    tcase_add_test(c, what_is_in_use_stays_as_it_is);
    tcase_add_test(c, memory_that_is_empty_goes_back_to_the_system);
    tcase_add_test(c, empty_memory_serves_other_sizes);
    tcase_add_test(c, threads_do_not_meet);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
