#include "server/setting_value.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char why[200];

static uint64_t count_of(const char *text, int64_t low, int64_t high)
{
    uint64_t n = 4711;
    ck_assert_msg(setting_count(text, low, high, &n, why, sizeof why), "\"%s\": %s", text, why);
    return n;
}

static uint64_t bytes_of(const char *text, int64_t low, int64_t high)
{
    uint64_t n = 4711;
    ck_assert_msg(setting_bytes(text, low, high, &n, why, sizeof why), "\"%s\": %s", text, why);
    return n;
}

static int64_t ms_of(const char *text, int64_t low, int64_t high)
{
    int64_t ms = 4711;
    ck_assert_msg(setting_seconds(text, low, high, &ms, why, sizeof why), "\"%s\": %s", text, why);
    return ms;
}

#define LARGEST 9007199254740991 /* the highest that any row allows */

START_TEST(counts_are_whole_numbers_in_three_bases)
{
    ck_assert_uint_eq(count_of("0", 0, 10), 0);
    ck_assert_uint_eq(count_of("10", 0, 10), 10);
    ck_assert_uint_eq(count_of("0660", 0, 511), 0660);
    ck_assert_uint_eq(count_of("0x10", 0, 511), 16);
    ck_assert_uint_eq(count_of("9007199254740991", 0, LARGEST), LARGEST);
}
END_TEST

START_TEST(bytes_have_units_of_1024)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},
                 {"65536", 65536},
                 {"1K", 1024},
                 {"1KiB", 1024},
                 {"1.5K", 1536},
                 {"64M", 64 << 20},
                 {"64 MiB", 64 << 20},
                 {"1G", 1 << 30},
                 {"0.5GiB", 1 << 29},
                 {"9007199254740991", LARGEST}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(bytes_of(cases[i].text, 0, LARGEST), cases[i].bytes);
}
END_TEST

START_TEST(seconds_have_units_and_become_milliseconds)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},     {"1", 1000},    {"1.5", 1500},    {".5", 500},      {"100ms", 100},
        {"2s", 2000}, {"5m", 300000}, {"2h", 7200000},  {"1d", 86400000}, {"180 d", 15552000000},
        {"0.5ms", 1}, {"0.0001", 1},  {"1e3", 1000000}, {"0.1m", 6000},   {"1000000000", 1000000000000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(ms_of(cases[i].text, 0, 1000000000000) == cases[i].ms, "%s", cases[i].text);
}
END_TEST

// A binary fraction may be a hair over what was written.
START_TEST(every_whole_millisecond_comes_out_as_it_was_written)
{
    char text[40];
    for (int64_t ms = 1; ms < 300000; ms += 37) {
        snprintf(text, sizeof text, "%.3f", (double)ms / 1000);
        ck_assert_int_eq(ms_of(text, 0, 1000000000000), ms);
        snprintf(text, sizeof text, "%.2fm", (double)ms / 100);
        ck_assert_int_eq(ms_of(text, 0, 1000000000000), 600 * ms);
    }
}
END_TEST

START_TEST(shares_are_fractions)
{
    double share = 7;
    ck_assert(setting_share("0.25", 0, 1, &share, why, sizeof why));
    ck_assert(share == 0.25);
    ck_assert(setting_share("0", 0, 1, &share, why, sizeof why) && share == 0);
    ck_assert(setting_share("1", 0, 1, &share, why, sizeof why) && share == 1);
    share = 7;
    static const char *const wrong[] = {"1.0001", "-0.1", "10%", "1K", "nan", "inf", "", "0,5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(!setting_share(wrong[i], 0, 1, &share, why, sizeof why), "%s", wrong[i]);
        ck_assert(share == 7);
        ck_assert_str_eq(why, "a number from 0 to 1 is expected");
    }
}
END_TEST

START_TEST(the_bounds_are_inside)
{
    uint64_t n = 4711;
    int64_t ms = 4711;
    ck_assert_uint_eq(count_of("3", 3, 5), 3);
    ck_assert_uint_eq(count_of("5", 3, 5), 5);
    ck_assert(!setting_count("2", 3, 5, &n, why, sizeof why));
    ck_assert(!setting_count("6", 3, 5, &n, why, sizeof why));
    ck_assert_str_eq(why, "a whole number from 3 to 5 is expected");
    ck_assert_uint_eq(bytes_of("1K", 1024, 2048), 1024);
    ck_assert_uint_eq(bytes_of("2K", 1024, 2048), 2048);
    ck_assert(!setting_bytes("1023", 1024, 2048, &n, why, sizeof why));
    ck_assert(!setting_bytes("2049", 1024, 2048, &n, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "from 1024 to 2048"));
    ck_assert_int_eq(ms_of("1ms", 1, 60000), 1);
    ck_assert_int_eq(ms_of("1m", 1, 60000), 60000);
    ck_assert(!setting_seconds("0", 1, 60000, &ms, why, sizeof why));
    ck_assert(!setting_seconds("60.001", 1, 60000, &ms, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "from 0.001 to 60"));
    ck_assert_uint_eq(n, 4711);
    ck_assert_int_eq(ms, 4711);
}
END_TEST

// What no number is, in any of the three; the field keeps what it had.
static const char *const garbage[] = {"",
                                      " ",
                                      "x",
                                      "1x",
                                      "--1",
                                      "-1",
                                      "-0",
                                      " -1",
                                      "\t-1",
                                      "+",
                                      ".",
                                      "1 2",
                                      "1,5",
                                      "nan",
                                      "NaN",
                                      "nan(1)",
                                      "inf",
                                      "-inf",
                                      "infinity",
                                      "1e999",
                                      "99999999999999999999999",
                                      "-18446744073709551615",
                                      " -18446744073709551615",
                                      " -18446744073709551611",
                                      "1KK",
                                      "1T",
                                      "1 K M",
                                      "0x",
                                      "1e",
                                      "yes",
                                      "١"};

START_TEST(garbage_is_refused)
{
    const char *text = garbage[_i];
    uint64_t n = 4711;
    int64_t ms = 4711;
    ck_assert_msg(!setting_count(text, 0, LARGEST, &n, why, sizeof why), "count %s", text);
    ck_assert_msg(!setting_bytes(text, 0, LARGEST, &n, why, sizeof why), "bytes %s", text);
    ck_assert_msg(!setting_seconds(text, 0, 1000000000000, &ms, why, sizeof why), "seconds %s", text);
    ck_assert_uint_eq(n, 4711);
    ck_assert_int_eq(ms, 4711);
}
END_TEST

START_TEST(each_kind_refuses_what_only_the_others_take)
{
    uint64_t n = 4711;
    int64_t ms = 4711;
    ck_assert(!setting_count("1.0", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_count("1K", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_count("089", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_bytes("1.5", 0, LARGEST, &n, why, sizeof why)); // half a byte
    ck_assert(!setting_bytes("1s", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_bytes("1k", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_seconds("1K", 0, LARGEST, &ms, why, sizeof why));
    ck_assert(!setting_seconds("1M", 0, LARGEST, &ms, why, sizeof why));
    ck_assert_uint_eq(n, 4711);
    ck_assert_int_eq(ms, 4711);
}
END_TEST

START_TEST(too_much_is_refused_whatever_the_unit)
{
    uint64_t n = 4711;
    int64_t ms = 4711;
    ck_assert(!setting_bytes("9007199254740992", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_bytes("18446744073709551616", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_bytes("1e300G", 0, LARGEST, &n, why, sizeof why));
    ck_assert(!setting_bytes("1.7e308G", 0, LARGEST, &n, why, sizeof why)); // infinite once multiplied
    ck_assert(!setting_seconds("1.7e308d", 0, LARGEST, &ms, why, sizeof why));
    ck_assert(!setting_count("18446744073709551616", 0, LARGEST, &n, why, sizeof why));
    ck_assert_uint_eq(n, 4711);
    ck_assert_int_eq(ms, 4711);
}
END_TEST

START_TEST(flags_have_three_words_each)
{
    static const char *const words[2][4] = {{"false", "no", "off", "FALSE"}, {"true", "yes", "on", "True"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++) {
            bool flag = !value;
            ck_assert(setting_flag(words[value][i], &flag, why, sizeof why));
            ck_assert_int_eq(flag, value);
        }
    static const char *const wrong[] = {"", "1", "0", "t", "truely", " true", "yes "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bool flag = true;
        ck_assert_msg(!setting_flag(wrong[i], &flag, why, sizeof why), "%s", wrong[i]);
        ck_assert(flag);
        ck_assert_str_eq(why, "true or false is expected");
    }
}
END_TEST

START_TEST(a_choice_is_a_whole_word_of_its_list)
{
    static const char words[] = "debug info warning error";
    static const char *const right[] = {"debug", "info", "warning", "error"};
    uint64_t index = 9;
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert(setting_choice(right[i], words, &index, why, sizeof why));
        ck_assert_uint_eq(index, i);
    }
    static const char *const wrong[] = {"", " ", "deb", "debugs", "Debug", "debug info", "error ", "2"};
    index = 9;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(!setting_choice(wrong[i], words, &index, why, sizeof why), "%s", wrong[i]);
        ck_assert_str_eq(why, "one of these is expected: debug info warning error");
    }
    ck_assert_uint_eq(index, 9);
}
END_TEST

START_TEST(a_reason_stays_within_its_room)
{
    char small[8] = "1234567";
    uint64_t n;
    ck_assert(!setting_count("x", 0, LARGEST, &n, small, 4));
    ck_assert_str_eq(small, "a w");
    ck_assert_int_eq(small[4], '5');
}
END_TEST

int main(void)
{
    Suite *s = suite_create("setting_value");
    TCase *c = tcase_create("values");
    tcase_add_test(c, counts_are_whole_numbers_in_three_bases);
    tcase_add_test(c, bytes_have_units_of_1024);
    tcase_add_test(c, seconds_have_units_and_become_milliseconds);
    tcase_add_test(c, every_whole_millisecond_comes_out_as_it_was_written);
    tcase_add_test(c, shares_are_fractions);
    tcase_add_test(c, the_bounds_are_inside);
    tcase_add_loop_test(c, garbage_is_refused, 0, sizeof garbage / sizeof *garbage);
    tcase_add_test(c, each_kind_refuses_what_only_the_others_take);
    tcase_add_test(c, too_much_is_refused_whatever_the_unit);
    tcase_add_test(c, flags_have_three_words_each);
    tcase_add_test(c, a_choice_is_a_whole_word_of_its_list);
    tcase_add_test(c, a_reason_stays_within_its_room);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
