#include "common/json_value.h"

#include "common/json_reader.h"

#include <check.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct json_value value_of_slice(struct slice text)
{
    struct json_reader r;
    struct json_value v;
    json_reader_init(&r, text.data, text.len);
    ck_assert_msg(json_reader_value(&r, &v) && json_reader_end(&r), "%.*s: %s", (int)text.len, text.data,
                  r.error);
    return v;
}

static struct json_value value_of(const char *text)
{
    return value_of_slice(slice_of(text));
}

START_TEST(integers_of_64_bits)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1", true, 1},
        {"-1", true, -1},
        {"1234567890123", true, 1234567890123},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775806", true, INT64_MAX - 1},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775807", true, INT64_MIN + 1},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551615", false, 0},
        {"18446744073709551616", false, 0},
        {"18446744073709551617", false, 0},
        {"92233720368547758070", false, 0},
        {"100000000000000000000000000000000000", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"1E0", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
        {"null", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_value v = value_of(rows[i].text);
        int64_t n = 77;
        ck_assert_msg(json_value_int64(&v, &n) == rows[i].fits, "%s", rows[i].text);
        ck_assert_int_eq(n, rows[i].fits ? rows[i].value : 77);
    }
}
END_TEST

START_TEST(integers_of_53_bits)
{
    static const struct {
        const char *text;
        bool fits;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"7", true, 7},
        {"9007199254740991", true, 9007199254740991},
        {"9007199254740990", true, 9007199254740990},
        {"9007199254740992", false, 0},
        {"90071992547409910", false, 0},
        {"18446744073709551617", false, 0},
        {"-1", false, 0},
        {"1.0", false, 0},
        {"1e0", false, 0},
        {"\"7\"", false, 0},
        {"{}", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_value v = value_of(rows[i].text);
        uint64_t n = 77;
        ck_assert_msg(json_value_uint53(&v, &n) == rows[i].fits, "%s", rows[i].text);
        ck_assert_uint_eq(n, rows[i].fits ? rows[i].value : 77);
    }
}
END_TEST

static void check_double(const char *text, double want)
{
    struct json_value v = value_of(text);
    double n = 77;
    bool fits = json_value_double(&v, &n);
    ck_assert_msg(fits == (bool)isfinite(want), "%.60s", text);
    if (fits)
        ck_assert_msg(memcmp(&n, &want, sizeof n) == 0, "%.60s: %.17g, not %.17g", text, n, want);
    else
        ck_assert(n == 77);
}

static const struct {
    const char *text;
    double value;
} doubles[] = {
    {"0", 0.0},
    {"-0", -0.0},
    {"-0.000e5", -0.0},
    {"0e999999999999", 0.0},
    {"1", 1},
    {"-1.5", -1.5},
    {"0.1", 0.1},
    {"0.3", 0.3},
    {"2.50", 2.5},
    {"123456789012345678", 123456789012345678.0},
    {"9007199254740993", 9007199254740992.0}, // half-way: to the even one
    {"9007199254740995", 9007199254740996.0},
    {"1e22", 1e22},
    {"1e23", 1e23},
    {"1E+2", 100},
    {"1e-2", 0.01},
    {"123.456e-10", 123.456e-10},
    {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
    {"17976931348623157e292", 0x1.fffffffffffffp1023},
    {"1.7976931348623158e308", 0x1.fffffffffffffp1023},
    {"1.7976931348623159e308", INFINITY},
    {"1e309", INFINITY},
    {"1e400", INFINITY},
    {"-1e400", INFINITY},
    {"1e99999999999999999999999999", INFINITY},
    {"1e-400", 0},
    {"-1e-400", -0.0},
    {"1e-99999999999999999999999999", 0},
    {"5e-324", 0x1p-1074},
    {"2.4703282292062327e-324", 0},         // below half of the least
    {"2.4703282292062328e-324", 0x1p-1074}, // above it
    {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
    {"2.2250738585072014e-308", 0x1p-1022},
};

START_TEST(doubles_are_the_nearest)
{
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        check_double(doubles[i].text, doubles[i].value);
    static const char *const others[] = {"\"1\"", "true", "null", "[]", "{}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct json_value v = value_of(others[i]);
        double n;
        ck_assert(!json_value_double(&v, &n));
    }
}
END_TEST

// Numbers longer than any buffer: `zeros` zeros between what is before and after.
static void check_long(const char *before, size_t zeros, const char *after, double want)
{
    size_t a = strlen(before), c = strlen(after);
    char *text = malloc(a + zeros + c + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, before, a);
    memset(text + a, '0', zeros);
    memcpy(text + a + zeros, after, c + 1);
    check_double(text, want);
    free(text);
}

START_TEST(the_last_of_many_digits_counts)
{
    for (size_t zeros = 700; zeros < 900; zeros++) {
        check_long("9007199254740993.", zeros, "1", 9007199254740994.0);
        check_long("9007199254740993.", zeros, "0", 9007199254740992.0);
    }
    check_long("9007199254740993.", 100000, "1", 9007199254740994.0);
    check_long("0.", 100000, "15e100001", 1.5);
    check_long("15", 100000, "e-100001", 1.5);
    check_long("-15", 100000, ".0e-100001", -1.5);
    check_long("1", 100000, "", INFINITY);
    check_long("0.", 100000, "1", 0);
    check_long("1e", 100000, "2", 100);
    check_long("1e-", 100000, "2", 0.01);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(doubles_are_as_the_c_library_reads_them)
{
    uint64_t state = 88172645463325252;
    for (int i = 0; i < 100000; i++) {
        char text[64];
        uint64_t bits = next_random(&state);
        double n;
        memcpy(&n, &bits, sizeof n);
        if (!isfinite(n))
            continue;
        snprintf(text, sizeof text, "%.17g", n);
        check_double(text, n);
        // short ones, where the exact way is taken, and its borders
        snprintf(text, sizeof text, "%s%" PRIu64 ".%" PRIu64 "e%d", bits & 1 ? "-" : "",
                 bits % 100000000 / (1 + bits % 9999), bits >> 8 & 0xFFFFFFF, (int)(bits >> 40 & 63) - 32);
        check_double(text, strtod(text, NULL));
    }
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i]))
            break;
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        check_double(doubles[i].text, doubles[i].value);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(booleans)
{
    struct json_value yes = value_of("true"), no = value_of("false");
    bool b = false;
    ck_assert(json_value_bool(&yes, &b));
    ck_assert(b);
    ck_assert(json_value_bool(&no, &b));
    ck_assert(!b);
    static const char *const others[] = {"null", "0", "1", "\"true\"", "[]", "{}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct json_value v = value_of(others[i]);
        ck_assert(!json_value_bool(&v, &b));
    }
}
END_TEST

static const struct {
    const char *text;
    struct slice string;
} strings[] = {
    {"\"\"", SLICE("")},
    {"\"abc\"", SLICE("abc")},
    {"\"\xC3\xA9\"", SLICE("\xC3\xA9")},
    {"\"a\\\"b\\\\c\\/d\"", SLICE("a\"b\\c/d")},
    {"\"\\b\\f\\n\\r\\t\"", SLICE("\b\f\n\r\t")},
    {"\"\\u0041\\u00e9\\u20AC\"", SLICE("A\xC3\xA9\xE2\x82\xAC")},
    {"\"\\ud83d\\ude00!\"", SLICE("\xF0\x9F\x98\x80!")},
    {"\"\\uD800\\uDC00\\udbff\\udfff\"", SLICE("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")},
    {"\"\\ud7ff\\ue000\\uffff\"", SLICE("\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF")},
    {"\"a\\u0000b\"", SLICE("a\0b")},
    {"\"\\u006dethod\"", SLICE("method")},
    {"\"\xF0\x9F\x98\x80\\n\xC3\xA9\"", SLICE("\xF0\x9F\x98\x80\n\xC3\xA9")},
};

START_TEST(strings_are_unescaped)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct json_value v = value_of(strings[i].text);
        struct slice want = strings[i].string, got;
        const char *why = NULL;
        char *buf = malloc(want.len + 1); // of exactly the size that is needed
        ck_assert_ptr_nonnull(buf);
        ck_assert_msg(json_value_string(&v, buf, want.len, &got, &why), "%s: %s", strings[i].text, why);
        ck_assert_uint_eq(got.len, want.len);
        ck_assert(slice_same(got, want));
        ck_assert_ptr_eq(got.data, v.escaped ? buf : v.raw.data + 1);
        for (size_t cap = 0; cap < want.len; cap++) {
            ck_assert(!json_value_string(&v, buf, cap, &got, &why));
            ck_assert_str_eq(why, "it is too long");
        }
        free(buf);
    }
}
END_TEST

START_TEST(lone_surrogates_have_no_utf8)
{
    static const char *const texts[] = {
        "\"\\ud800\"",          "\"\\udc00\\udc00\"", "\"\\udbff\"",        "\"\\udc00\"",
        "\"\\udfff\"",          "\"\\ud800x\"",       "\"\\ud800\\n\"",     "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",   "\"\\ud800\\udbff\"", "\"\\ud800\\ue000\"", "\"\\udc00\\ud800\"",
        "\"\\ud800\\\\udc00\"", "\"\\ud800u\"",       "\"ok\\uD83D\"",      "\"\\ud800\\ud800\\udc00\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_value v = value_of(texts[i]);
        struct slice got;
        char buf[64];
        const char *why = NULL;
        ck_assert_msg(!json_value_string(&v, buf, sizeof buf, &got, &why), "%s", texts[i]);
        ck_assert_str_eq(why, "an escaped surrogate in it lacks its other half");
        ck_assert(!json_value_string(&v, buf, sizeof buf, &got, NULL));
        ck_assert(!json_string_is(&v, ""));
        ck_assert(!json_string_is(&v, "ok"));
    }
}
END_TEST

START_TEST(other_types_are_no_strings)
{
    static const char *const texts[] = {"null", "true", "1", "[\"a\"]", "{\"a\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_value v = value_of(texts[i]);
        struct slice got;
        const char *why = NULL;
        char buf[16];
        ck_assert(!json_value_string(&v, buf, sizeof buf, &got, &why));
        ck_assert_str_eq(why, "it is not a string");
        ck_assert(!json_string_is(&v, texts[i]));
        ck_assert_uint_eq(json_value_inner(&v).len, 0);
    }
}
END_TEST

START_TEST(names_are_compared_as_what_they_mean)
{
    static const char *const same[] = {"\"method\"", "\"\\u006dethod\"", "\"metho\\u0064\"",
                                       "\"m\\u0065thod\"", "\"\\u006d\\u0065\\u0074\\u0068\\u006f\\u0064\""};
    static const char *const other[] = {"\"\"",
                                        "\"methods\"",
                                        "\"metho\"",
                                        "\"Method\"",
                                        "\"\\u006detho\"",
                                        "\"\\u006dethods\"",
                                        "\"method\\u0000\"",
                                        "\"\\u004dethod\"",
                                        "\"\\\\u006dethod\"",
                                        "\"meth\\nd\""};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct json_value v = value_of(same[i]);
        ck_assert_msg(json_string_is(&v, "method"), "%s", same[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        struct json_value v = value_of(other[i]);
        ck_assert_msg(!json_string_is(&v, "method"), "%s", other[i]);
    }
    struct json_value v = value_of("\"\\/\\ud83d\\ude00\"");
    ck_assert(json_string_is(&v, "/\xF0\x9F\x98\x80"));
    ck_assert(!json_string_is(&v, "/\xF0\x9F\x98"));
    v = value_of("\"\"");
    ck_assert(json_string_is(&v, ""));
    v = value_of("\"a\\n\"");
    ck_assert(slice_equal(json_value_inner(&v), "a\\n"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/json_value");
    TCase *c = tcase_create("numbers");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, integers_of_64_bits);
    tcase_add_test(c, integers_of_53_bits);
    tcase_add_test(c, doubles_are_the_nearest);
    tcase_add_test(c, the_last_of_many_digits_counts);
    tcase_add_test(c, doubles_are_as_the_c_library_reads_them);
    tcase_add_test(c, the_locale_does_not_matter);
    tcase_add_test(c, booleans);
    suite_add_tcase(s, c);
    c = tcase_create("strings");
    tcase_add_test(c, strings_are_unescaped);
    tcase_add_test(c, lone_surrogates_have_no_utf8);
    tcase_add_test(c, other_types_are_no_strings);
    tcase_add_test(c, names_are_compared_as_what_they_mean);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
