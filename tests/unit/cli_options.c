#include "client/cli/options.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option mine[] = {
    {"flag", 'f', OPTION_FLAG, NULL, ""}, {"text", 't', OPTION_TEXT, "T", ""},
    {"time", 0, OPTION_SECONDS, "T", ""}, {"count", 'n', OPTION_COUNT, "N", ""},
    {NULL, 0, OPTION_FLAG, NULL, NULL},
};
static const struct option everywhere[] = {
    {"json", 0, OPTION_FLAG, NULL, ""},
    {NULL, 0, OPTION_FLAG, NULL, NULL},
};

static char *words[32];
static int count;

// Splits at single spaces, an underscore is an empty word.
static void split(const char *line)
{
    static char copy[256];
    snprintf(copy, sizeof(copy), "%s", line);
    count = 0;
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "_") == 0 ? (char *)"" : word;
    words[count] = NULL;
}

static bool parse(struct arguments *a, const char *line, char error[OPTIONS_ERROR])
{
    *a = (struct arguments){.tables = {mine, everywhere}};
    split(line);
    return options_parse(a, count, words, false, error);
}

START_TEST(options_stand_anywhere)
{
    struct arguments a;
    char error[OPTIONS_ERROR];
    ck_assert(parse(&a, "one --flag -n 5 two --text=a=b --json - -7 -.5 _ --time 2m", error));
    ck_assert_int_eq(a.count, 6);
    const char *expected[] = {"one", "two", "-", "-7", "-.5", ""};
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(a.positional[i], expected[i]);
    ck_assert(option_given(&a, "flag"));
    ck_assert(option_given(&a, "json"));
    ck_assert_uint_eq(option_get(&a, "count")->count, 5);
    ck_assert_str_eq(option_get(&a, "text")->text, "a=b");
    ck_assert_double_eq(option_number(&a, "time", 1), 120);
    ck_assert_ptr_null(a.rest);
}
END_TEST

START_TEST(short_ones_stand_together)
{
    struct arguments a;
    char error[OPTIONS_ERROR];
    ck_assert(parse(&a, "-fn12 -ttext -f", error));
    ck_assert_uint_eq(option_get(&a, "count")->count, 12);
    ck_assert_str_eq(option_get(&a, "text")->text, "text");
    ck_assert(parse(&a, "-t -n", error)); // a value may look like an option
    ck_assert_str_eq(option_get(&a, "text")->text, "-n");
    ck_assert(!option_given(&a, "count"));
    ck_assert_double_eq(option_number(&a, "time", 1), 1);
}
END_TEST

START_TEST(two_dashes_end_them)
{
    struct arguments a;
    char error[OPTIONS_ERROR];
    ck_assert(parse(&a, "q -f -- cmd --flag -- x", error));
    ck_assert_int_eq(a.count, 1);
    ck_assert_str_eq(a.rest[0], "cmd");
    ck_assert_str_eq(a.rest[1], "--flag");
    ck_assert_str_eq(a.rest[3], "x");
    ck_assert_ptr_null(a.rest[4]);
}
END_TEST

START_TEST(leading_ones_alone)
{
    struct arguments a = {.tables = {NULL, everywhere}};
    char error[OPTIONS_ERROR];
    split("--json command --text x");
    ck_assert(options_parse(&a, count, words, true, error));
    ck_assert_int_eq(a.count, 3);
    ck_assert_str_eq(a.positional[0], "command");
}
END_TEST

START_TEST(mistakes_are_named)
{
    static const struct {
        const char *line, *error;
    } rows[] = {
        {"--nope", "there is no option --nope"},
        {"--fla", "there is no option --fla"},
        {"-x", "there is no option -x"},
        {"--flag=1", "--flag takes no value"},
        {"--text", "--text wants a value"},
        {"-fn", "-n wants a value"},
        {"--count x", "--count x: not an integer of 0 or more"},
        {"--time soon", "--time soon: not a time: seconds, or as 500ms, 90s, 5m, 2h, 3d"},
    };
    struct arguments a;
    char error[OPTIONS_ERROR];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(!parse(&a, rows[i].line, error), "%s", rows[i].line);
        ck_assert_str_eq(error, rows[i].error);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli/options");
    TCase *c = tcase_create("options");
    tcase_add_test(c, options_stand_anywhere);
    tcase_add_test(c, short_ones_stand_together);
    tcase_add_test(c, two_dashes_end_them);
    tcase_add_test(c, leading_ones_alone);
    tcase_add_test(c, mistakes_are_named);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
