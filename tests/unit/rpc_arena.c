#include "server/rpc/arena.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_release(&arena);
}

START_TEST(pieces_are_apart_and_aligned)
{
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * i % 3000;
        pieces[i] = arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t n = 0; n < i * i % 3000; n++)
            ck_assert_uint_eq(pieces[i][n], i);
}
END_TEST

START_TEST(large_pieces_go_and_the_ordinary_block_stays)
{
    char *first = arena_alloc(&arena, 10);
    char *large = arena_alloc(&arena, 1 << 20);
    ck_assert(first && large);
    memset(large, 1, 1 << 20);
    arena_reset(&arena);
    ck_assert_ptr_eq(arena_alloc(&arena, 10), first);
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 8));
}
END_TEST

START_TEST(texts_are_formatted)
{
    ck_assert_str_eq(arena_printf(&arena, "%s %d", "x", 7), "x 7");
    char *text = arena_printf(&arena, "%0*d", 40000, 5);
    ck_assert_uint_eq(strlen(text), 40000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/arena");
    TCase *c = tcase_create("arena");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_test(c, pieces_are_apart_and_aligned);
    tcase_add_test(c, large_pieces_go_and_the_ordinary_block_stays);
    tcase_add_test(c, texts_are_formatted);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
