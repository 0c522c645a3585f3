#include "common/json_writer.h"

#include "common/json_reader.h"

#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct buffer b;

static void setup(void)
{
    b = BUFFER_INIT;
}

static void teardown(void)
{
    buffer_release(&b);
}

// What was written since the last time, as a C string.
static const char *written(void)
{
    buffer_append_byte(&b, 0);
    ck_assert(!b.failed);
    b.len = 0;
    return b.data;
}

START_TEST(commas_come_by_themselves)
{
    json_write_raw(&b, "{");
    json_write_key(&b, "jobs");
    json_write_raw(&b, "[");
    for (uint64_t i = 1; i <= 3; i++) {
        json_write_comma(&b);
        json_write_raw(&b, "{");
        json_write_key(&b, "id");
        json_write_uint(&b, i);
        json_write_key(&b, "body");
        json_write_slice(&b, SLICE("[1, 2.50]"));
        json_write_raw(&b, "}");
    }
    json_write_raw(&b, "]");
    json_write_key(&b, "ok");
    json_write_bool(&b, true);
    json_write_key(&b, "not");
    json_write_bool(&b, false);
    json_write_key(&b, "none");
    json_write_raw(&b, "{}");
    json_write_key(&b, "text");
    json_write_string(&b, SLICE("{"));
    json_write_key(&b, "end");
    json_write_string(&b, SLICE("["));
    json_write_raw(&b, "}");
    ck_assert_str_eq(written(), "{\"jobs\":[{\"id\":1,\"body\":[1, 2.50]},{\"id\":2,\"body\":[1, 2.50]},"
                                "{\"id\":3,\"body\":[1, 2.50]}],\"ok\":true,\"not\":false,\"none\":{},"
                                "\"text\":\"{\",\"end\":\"[\"}");
}
END_TEST

START_TEST(integers)
{
    static const uint64_t powers[] = {0, 1, 9, 10, 99, 100, 9007199254740991, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        char want[32];
        snprintf(want, sizeof want, "%llu", (unsigned long long)powers[i]);
        json_write_uint(&b, powers[i]);
        ck_assert_str_eq(written(), want);
        snprintf(want, sizeof want, "%lld", (long long)(int64_t)powers[i]);
        json_write_int(&b, (int64_t)powers[i]);
        ck_assert_str_eq(written(), want);
    }
    json_write_int(&b, INT64_MIN);
    ck_assert_str_eq(written(), "-9223372036854775808");
}
END_TEST

START_TEST(seconds)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{0, "0"},
                {1, "0.001"},
                {10, "0.01"},
                {100, "0.1"},
                {1000, "1"},
                {1500, "1.5"},
                {60000, "60"},
                {1001, "1.001"},
                {1010, "1.01"},
                {999, "0.999"},
                {-1, "-0.001"},
                {-1500, "-1.5"},
                {-2000, "-2"},
                {120, "0.12"},
                {1700000000123, "1700000000.123"},
                {INT64_MAX, "9223372036854775.807"},
                {INT64_MIN, "-9223372036854775.808"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_write_seconds(&b, rows[i].ms);
        ck_assert_str_eq(written(), rows[i].text);
    }
}
END_TEST

static const struct {
    double value;
    const char *text;
} doubles[] = {
    {0, "0"},
    {-0.0, "-0"},
    {1, "1"},
    {-7, "-7"},
    {100, "100"},
    {0.1, "0.1"},
    {-0.5, "-0.5"},
    {2.50, "2.5"},
    {1.0 / 3, "0.3333333333333333"},
    {0.1 + 0.2, "0.30000000000000004"},
    {123456.789, "123456.789"},
    {9007199254740991, "9007199254740991"},
    {-9007199254740991, "-9007199254740991"},
    {9007199254740992, "9007199254740992"},
    {9007199254740994, "9007199254740994"},
    {1e15, "1000000000000000"},
    {1e20, "100000000000000000000"},
    {1.5e20, "150000000000000000000"},
    {1e21, "1e21"},
    {1.25e30, "1.25e30"},
    {-1e300, "-1e300"},
    {8.871e-26, "8.871e-26"}, // its sixteen digits are 8.870999999999999
    {9.719e47, "9.719e47"},
    {0.001, "0.001"},
    {0.00001, "0.00001"},
    {0.000001, "1e-6"},
    {0.00000125, "1.25e-6"},
    {DBL_MAX, "1.7976931348623157e308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {0x1p-1074, "5e-324"},
    {0x3p-1074, "1.5e-323"},
    {INFINITY, "null"},
    {-INFINITY, "null"},
    {NAN, "null"},
};

static void check_doubles(void)
{
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        json_write_double(&b, doubles[i].value);
        ck_assert_str_eq(written(), doubles[i].text);
    }
}

START_TEST(doubles_in_their_shortest_form)
{
    check_doubles();
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i]))
            break;
    check_doubles();
    setlocale(LC_NUMERIC, "C");
}
END_TEST

static void check_reads_back(double n)
{
    struct json_reader r;
    struct json_value v;
    double back;
    char longest[64];

    json_write_double(&b, n);
    const char *text = written();
    json_reader_init(&r, text, strlen(text));
    ck_assert_msg(json_reader_value(&r, &v) && json_reader_end(&r), "%s", text);
    ck_assert(json_value_double(&v, &back));
    ck_assert_msg(memcmp(&back, &n, sizeof n) == 0, "%s is not %a", text, n);

    size_t digits = 0, zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && (digits > 0 || *p != '0')) {
            digits++;
            zeros = *p == '0' ? zeros + 1 : 0;
        }
    if (digits - zeros == 17) { // then sixteen do not do
        snprintf(longest, sizeof longest, "%.15e", n);
        ck_assert_msg(strtod(longest, NULL) != n, "%s could be %s", text, longest);
    }
    ck_assert_uint_le(digits - zeros, 17);
}

START_TEST(doubles_read_back_the_same)
{
    uint64_t state = 88172645463325252;
    for (int i = 0; i < 50000; i++) {
        double n;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(&n, &state, sizeof n);
        if (isfinite(n))
            check_reads_back(n);
        check_reads_back((double)(state >> 40) / 1000);
        check_reads_back((double)(int64_t)state / 65536);
    }
    for (int e = -1074; e < 1024; e++)
        check_reads_back(ldexp(1, e));
}
END_TEST

static void check_string(struct slice in, const char *text)
{
    json_write_string(&b, in);
    ck_assert_str_eq(written(), text);
    json_write_bytes(&b, in);
    ck_assert_str_eq(written(), text);
}

START_TEST(strings_are_escaped)
{
    check_string((struct slice){0}, "\"\"");
    check_string(SLICE(""), "\"\"");
    check_string(SLICE("abc"), "\"abc\"");
    check_string(SLICE("\""), "\"\\\"\"");
    check_string(SLICE("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_string(SLICE("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    check_string(SLICE("a\0b"), "\"a\\u0000b\"");
    check_string(SLICE("\x01\x1F\x0B\x7F"), "\"\\u0001\\u001f\\u000b\x7F\"");
    check_string(SLICE("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}
END_TEST

START_TEST(what_is_not_utf8_is_replaced)
{
#define FFFD "\xEF\xBF\xBD"
    static const struct {
        struct slice in;
        const char *text;
    } rows[] = {{SLICE("\x80"), "\"" FFFD "\""},
                {SLICE("a\xFF"
                       "b"),
                 "\"a" FFFD "b\""},
                {SLICE("\xC3"), "\"" FFFD "\""},
                {SLICE("\xC3\n"), "\"" FFFD "\\n\""},
                {SLICE("\xC3\""), "\"" FFFD "\\\"\""},
                {SLICE("\xE2\x82"), "\"" FFFD FFFD "\""},
                {SLICE("\xE2\x82\xAC\xE2\x82"), "\"\xE2\x82\xAC" FFFD FFFD "\""},
                {SLICE("\xC0\x80"), "\"" FFFD FFFD "\""},
                {SLICE("\xED\xA0\x80"), "\"" FFFD FFFD FFFD "\""},
                {SLICE("\xF4\x90\x80\x80"), "\"" FFFD FFFD FFFD FFFD "\""},
                {SLICE("\xA9\xC3\xA9"), "\"" FFFD "\xC3\xA9\""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_write_bytes(&b, rows[i].in);
        ck_assert_str_eq(written(), rows[i].text);
    }
}
END_TEST

START_TEST(any_bytes_become_a_string_that_reads_back)
{
    uint64_t state = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        char bytes[16], back[64];
        size_t len = (size_t)i % (sizeof bytes + 1);
        for (size_t j = 0; j < len; j++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[j] = (char)(state & 0x100 ? state : state & 0x7F);
        }
        json_write_bytes(&b, (struct slice){bytes, len});
        ck_assert(json_text_valid(b.data, b.len));

        struct json_reader r;
        struct json_value v;
        struct slice s;
        json_reader_init(&r, b.data, b.len);
        ck_assert(json_reader_value(&r, &v));
        ck_assert(json_value_string(&v, back, sizeof back, &s, NULL));
        // each byte came back, or U+FFFD for one above 0x7F
        size_t at = 0;
        for (size_t j = 0; j < len; j++) {
            bool replaced = s.len - at >= 3 && memcmp(s.data + at, FFFD, 3) == 0 &&
                            !(len - j >= 3 && memcmp(bytes + j, FFFD, 3) == 0);
            if (replaced)
                ck_assert_int_lt((signed char)bytes[j], 0);
            else
                ck_assert_int_eq(s.data[at], bytes[j]);
            at += replaced ? 3 : 1;
            ck_assert_uint_le(at, s.len);
        }
        ck_assert_uint_eq(at, s.len);
        b.len = 0;
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/json_writer");
    TCase *c = tcase_create("writer");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, commas_come_by_themselves);
    tcase_add_test(c, integers);
    tcase_add_test(c, seconds);
    tcase_add_test(c, doubles_in_their_shortest_form);
    tcase_add_test(c, the_locale_does_not_matter);
    tcase_add_test(c, doubles_read_back_the_same);
    tcase_add_test(c, strings_are_escaped);
    tcase_add_test(c, what_is_not_utf8_is_replaced);
    tcase_add_test(c, any_bytes_become_a_string_that_reads_back);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
