#include "common/buffer.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

// A sanitizer's allocator must answer a huge request as others do, with NULL.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

START_TEST(what_is_appended_stands_in_order)
{
    struct buffer b = BUFFER_INIT;
    size_t want = 0;
    for (int i = 0; i < 3000; i++) {
        char bytes[300];
        size_t len = (size_t)i % sizeof bytes;
        memset(bytes, i % 251, sizeof bytes);
        buffer_append(&b, bytes, len);
        buffer_append_byte(&b, '|');
        want += len + 1;
        ck_assert_uint_eq(b.len, want);
        ck_assert_uint_ge(b.cap, b.len);
    }
    const char *p = b.data;
    for (int i = 0; i < 3000; i++) {
        for (size_t j = 0; j < (size_t)i % 300; j++)
            ck_assert_int_eq((unsigned char)*p++, i % 251);
        ck_assert_int_eq(*p++, '|');
    }
    ck_assert(!b.failed);
    buffer_release(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len + b.cap, 0);
    buffer_release(&b);
}
END_TEST

START_TEST(growth_is_geometric)
{
    struct buffer b = BUFFER_INIT;
    int moves = 0;
    for (int i = 0; i < 1000000; i++) {
        size_t cap = b.cap;
        buffer_append_byte(&b, 'x');
        moves += b.cap != cap;
    }
    ck_assert_uint_eq(b.len, 1000000);
    ck_assert_int_le(moves, 20);
    ck_assert_uint_le(b.cap, 2 * b.len);
    buffer_release(&b);
}
END_TEST

START_TEST(what_is_reserved_is_there)
{
    struct buffer b = BUFFER_INIT;
    ck_assert(buffer_reserve(&b, 0));
    ck_assert(buffer_reserve(&b, 1000));
    ck_assert_uint_ge(b.cap, 1000);
    ck_assert_uint_eq(b.len, 0);
    memset(b.data, 'x', 1000);
    char *data = b.data;
    b.len = 400;
    ck_assert(buffer_reserve(&b, 600));
    ck_assert_ptr_eq(b.data, data);
    ck_assert(buffer_reserve(&b, 100000));
    ck_assert_uint_ge(b.cap, 100400);
    ck_assert_int_eq(b.data[399], 'x');
    buffer_release(&b);
}
END_TEST

START_TEST(nothing_may_be_appended)
{
    struct buffer b = BUFFER_INIT;
    buffer_append(&b, NULL, 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert(!b.failed);
    buffer_release(&b);
}
END_TEST

static void check_failure(struct buffer *b, size_t more)
{
    ck_assert(!buffer_reserve(b, more));
    ck_assert(b->failed);
    ck_assert_uint_eq(b->len, 3);
    ck_assert_mem_eq(b->data, "abc", 3);
    buffer_append(b, "def", 3); // there is room, and yet
    buffer_append_byte(b, 'g');
    ck_assert(!buffer_reserve(b, 1));
    ck_assert_uint_eq(b->len, 3);
    ck_assert(b->failed);

    buffer_clear(b);
    buffer_append(b, "abc", 3);
    ck_assert(!b->failed);
    ck_assert_uint_eq(b->len, 3);
}

START_TEST(a_failure_stays_until_the_buffer_is_cleared)
{
    struct buffer b = BUFFER_INIT;
    buffer_append(&b, "abc", 3);
    check_failure(&b, SIZE_MAX);     // no such length
    check_failure(&b, SIZE_MAX - 2); // one more than there is
    check_failure(&b, SIZE_MAX - 3); // no such memory
    check_failure(&b, SIZE_MAX / 2);
    buffer_release(&b);
    ck_assert(!b.failed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/buffer");
    TCase *c = tcase_create("buffer");
    tcase_add_test(c, what_is_appended_stands_in_order);
    tcase_add_test(c, growth_is_geometric);
    tcase_add_test(c, what_is_reserved_is_there);
    tcase_add_test(c, nothing_may_be_appended);
    tcase_add_test(c, a_failure_stays_until_the_buffer_is_cleared);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
