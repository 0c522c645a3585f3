#include "common/utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_character_is_written_and_recognized)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char bytes[5] = {0};
        size_t n = utf8_encode(bytes, c), want = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (n != want || utf8_length(bytes, bytes + 5) != n || utf8_length(bytes, bytes + n) != n)
            ck_abort_msg("U+%04X", c);
        for (size_t cut = 1; cut < n; cut++)
            if (utf8_length(bytes, bytes + cut) != 0)
                ck_abort_msg("U+%04X cut to %zu bytes", c, cut);
    }
}
END_TEST

// As many are recognized as there are characters, so nothing else is.
START_TEST(nothing_else_is_recognized)
{
    long two = 0, three = 0, four = 0;
    for (unsigned i = 0; i < 0x10000; i++) {
        char pair[2] = {(char)(i >> 8), (char)i};
        two += utf8_length(pair, pair + 2) == 2;
    }
    for (unsigned i = 0; i < 0x1000000; i++) {
        char triple[3] = {(char)(i >> 16), (char)(i >> 8), (char)i};
        three += utf8_length(triple, triple + 3) == 3;
    }
    static const char last[] = {0x00, 0x28, 0x7F, (char)0x80, (char)0xBF, (char)0xC0, (char)0xFF};
    for (unsigned i = 0; i < 0x10000; i++)
        for (size_t j = 0; j < sizeof last; j++)
            for (size_t k = 0; k < sizeof last; k++) {
                char quad[4] = {(char)(i >> 8), (char)i, last[j], last[k]};
                four += utf8_length(quad, quad + 4) == 4;
            }
    ck_assert_int_eq(two, 0x800 - 0x80);
    ck_assert_int_eq(three, 0x10000 - 0x800 - 0x800);
    ck_assert_int_eq(four, (0x110000 - 0x10000) / (64 * 64) * (2 * 2)); // of 64 last bytes, two were tried
}
END_TEST

START_TEST(what_is_written_is_what_the_standard_shows)
{
    static const struct {
        uint32_t c;
        const char *bytes;
    } rows[] = {{0x24, "\x24"},
                {0xA2, "\xC2\xA2"},
                {0x20AC, "\xE2\x82\xAC"},
                {0xD55C, "\xED\x95\x9C"},
                {0x10348, "\xF0\x90\x8D\x88"},
                {0x10FFFF, "\xF4\x8F\xBF\xBF"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[4];
        size_t n = utf8_encode(bytes, rows[i].c);
        ck_assert_uint_eq(n, strlen(rows[i].bytes));
        ck_assert_mem_eq(bytes, rows[i].bytes, n);
    }
}
END_TEST

START_TEST(names_are_utf8_without_control_characters)
{
    static const char *const fine[] = {"a", "a b", "\"", "\xc3\xa4", "\xc2\x80", "1234"};
    static const char *const wrong[] = {"",     "\x01", "a\x1f", "a\x7f",
                                        "\xff", "\xc3", "12345", "\xc3\xa4\xc3\xa4z"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        ck_assert_msg(utf8_is_name(fine[i], 4), "%zu", i);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!utf8_is_name(wrong[i], 4), "%zu", i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/utf8");
    TCase *c = tcase_create("characters");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_character_is_written_and_recognized);
    tcase_add_test(c, nothing_else_is_recognized);
    tcase_add_test(c, names_are_utf8_without_control_characters);
    tcase_add_test(c, what_is_written_is_what_the_standard_shows);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
