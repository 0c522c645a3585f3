#include "client/cli/values.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(times_are_read)
{
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"0", 0},     {"1.5", 1.5},   {"500ms", 0.5}, {"90s", 90},    {"5m", 300},
                {"2h", 7200}, {"3d", 259200}, {"1e3", 1000},  {"0.25h", 900}, {".5", 0.5}};
    static const char *const bad[] = {"",    "s",    "5 m", "5mm",   "-1", "inf",
                                      "nan", "0x10", " 5",  "1e400", "5M", "1,5"};
    double out;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(value_seconds(good[i].text, &out), "%s", good[i].text);
        ck_assert_double_eq(out, good[i].seconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!value_seconds(bad[i], &out), "%s is taken", bad[i]);
}
END_TEST

START_TEST(numbers_and_counts_are_read)
{
    double d;
    uint64_t n;
    ck_assert(value_number("-1.5e2", &d) && d == -150);
    ck_assert(!value_number("1s", &d));
    ck_assert(!value_number("infinity", &d));
    ck_assert(value_count("9007199254740991", &n) && n == 9007199254740991u);
    ck_assert(!value_count("9007199254740992", &n));
    ck_assert(!value_count("99999999999999999999999", &n));
    ck_assert(!value_count("-1", &n));
    ck_assert(!value_count("+1", &n));
    ck_assert(!value_count("1.0", &n));
    ck_assert(!value_count("", &n));
}
END_TEST

START_TEST(moments_are_read)
{
    double t;
    setenv("TZ", "UTC-2", 1); // two hours east
    tzset();
    ck_assert(value_moment("1893456000.5", &t) && t == 1893456000.5);
    ck_assert(value_moment("2030-01-01T00:00:00Z", &t) && t == 1893456000);
    ck_assert(value_moment("2030-01-01T00:00Z", &t) && t == 1893456000);
    ck_assert(value_moment("2030-01-01T02:00", &t) && t == 1893456000);
    ck_assert(value_moment("2030-01-01 02:00:01", &t) && t == 1893456001);
    ck_assert(value_moment("2030-01-01", &t) && t == 1893456000 - 7200);
    ck_assert(!value_moment("tomorrow", &t));
    ck_assert(!value_moment("2030-01-01T00:00Y", &t));
    ck_assert(!value_moment("-5", &t));
}
END_TEST

START_TEST(times_are_shown)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {{0.31, "0.3s"}, {0, "0s"},       {5, "5s"},         {12.9, "12s"},   {60, "1m00s"},
                {192, "3m12s"}, {7500, "2h05m"}, {273600, "3d04h"}, {1e16, "1e+16s"}};
    char out[VALUE_TEXT];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_str_eq(value_show_seconds(rows[i].seconds, out), rows[i].text);
    ck_assert_str_eq(value_show_short(0, out), "0s");
    ck_assert_str_eq(value_show_short(0.000035, out), "35us");
    ck_assert_str_eq(value_show_short(0.0012, out), "1.2ms");
    ck_assert_str_eq(value_show_short(0.0999, out), "100ms");
    ck_assert_str_eq(value_show_short(1.5, out), "1.5s");
    setenv("TZ", "UTC", 1);
    tzset();
    ck_assert_str_eq(value_show_moment(1893456000.7, out), "2030-01-01 00:00:00");
    ck_assert_str_eq(value_show_moment(1e300, out), value_show_moment(1e300, (char[VALUE_TEXT]){0}));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli/values");
    TCase *c = tcase_create("values");
    tcase_add_test(c, times_are_read);
    tcase_add_test(c, numbers_and_counts_are_read);
    tcase_add_test(c, moments_are_read);
    tcase_add_test(c, times_are_shown);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
