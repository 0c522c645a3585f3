#include "server/access/token.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(tokens_differ_and_look_like_tokens)
{
    char a[TOKEN_TEXT_LEN + 1], b[TOKEN_TEXT_LEN + 1];
    ck_assert(token_new(a) && token_new(b));
    ck_assert_uint_eq(strlen(a), TOKEN_TEXT_LEN);
    ck_assert_uint_eq(strncmp(a, TOKEN_PREFIX, strlen(TOKEN_PREFIX)), 0);
    ck_assert_uint_eq(strspn(a + strlen(TOKEN_PREFIX), "0123456789abcdef"), 64);
    ck_assert_str_ne(a, b);
    ck_assert_int_ne(memcmp(a + TOKEN_TEXT_LEN - 16, b + TOKEN_TEXT_LEN - 16, 16), 0);
}
END_TEST

// The examples of FIPS 180-2.
START_TEST(a_hash_is_sha_256)
{
    static const struct {
        const char *text, *hash;
    } known[] = {{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct token_hash hash;
        char digits[2 * TOKEN_HASH_BYTES + 1];
        ck_assert(token_hash(slice_of(known[i].text), &hash));
        token_hash_print(&hash, digits);
        ck_assert_str_eq(digits, known[i].hash);
    }
}
END_TEST

START_TEST(hashes_are_read_as_they_are_written)
{
    struct token_hash hash, other;
    char digits[2 * TOKEN_HASH_BYTES + 1];
    ck_assert(token_hash(slice_of("abc"), &hash));
    token_hash_print(&hash, digits);
    ck_assert(token_hash_parse(digits, &other) && token_hash_equal(&hash, &other));
    digits[0] = 'B'; // upper case is taken
    ck_assert(token_hash_parse(digits, &other) && token_hash_equal(&hash, &other));
    digits[63] = 'g';
    ck_assert(!token_hash_parse(digits, &other));
    digits[63] = '\0';
    ck_assert(!token_hash_parse(digits, &other));
    ck_assert(!token_hash_parse("", &other));
}
END_TEST

START_TEST(every_bit_of_a_hash_counts)
{
    struct token_hash hash = {{0}}, other = {{0}};
    for (unsigned i = 0; i < 8 * TOKEN_HASH_BYTES; i++) {
        other.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        ck_assert(!token_hash_equal(&hash, &other));
        other = hash;
    }
    ck_assert(token_hash_equal(&hash, &other));
}
END_TEST

START_TEST(what_is_forgotten_is_gone)
{
    char secret[] = "secret";
    token_forget(secret, sizeof secret);
    ck_assert_mem_eq(secret, "\0\0\0\0\0\0\0", sizeof secret);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access/token");
    TCase *c = tcase_create("token");
    tcase_add_test(c, tokens_differ_and_look_like_tokens);
    tcase_add_test(c, a_hash_is_sha_256);
    tcase_add_test(c, hashes_are_read_as_they_are_written);
    tcase_add_test(c, every_bit_of_a_hash_counts);
    tcase_add_test(c, what_is_forgotten_is_gone);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
