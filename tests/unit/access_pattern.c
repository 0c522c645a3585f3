#include "server/access/pattern.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *pattern, const char *name)
{
    return pattern_matches(slice_of(pattern), slice_of(name));
}

START_TEST(what_is_no_star_stands_for_itself)
{
    ck_assert(matches("mail", "mail"));
    ck_assert(!matches("mail", "mai") && !matches("mail", "mails") && !matches("mail", "Mail"));
    ck_assert(!matches("", "a") && matches("", ""));
    ck_assert(matches("a.b?[c]\\", "a.b?[c]\\"));
    ck_assert(!matches("a?c", "abc") && !matches("a.c", "abc") && !matches("[a]", "a"));
}
END_TEST

START_TEST(a_star_stands_for_any_run)
{
    static const char *const fit[][2] = {{"*", ""},           {"*", "a*b"},
                                         {"mail.*", "mail."}, {"mail.*", "mail.x.y"},
                                         {"*.x", "a.x"},      {"a*c", "ac"},
                                         {"a*c", "abcbc"},    {"a*b*c", "a12b3bc"},
                                         {"**a**", "bab"},    {"*ab", "aab"},
                                         {"*a*", "a"}};
    static const char *const not [][2] = {{"mail.*", "mail"}, {"*.x", "a.xy"}, {"a*c", "abcb"},
                                          {"a*b*c", "acb"},   {"*a*", "bcd"},  {"a*a", "a"},
                                          {"*ab", "aba"}};
    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++)
        ck_assert_msg(matches(fit[i][0], fit[i][1]), "%s %s", fit[i][0], fit[i][1]);
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        ck_assert_msg(!matches(not [i][0], not [i][1]), "%s %s", not [i][0], not [i][1]);
}
END_TEST

START_TEST(many_stars_take_no_time)
{
    char pattern[256], name[256];
    memset(name, 'a', 255);
    name[255] = '\0';
    for (int i = 0; i < 254; i += 2)
        memcpy(pattern + i, "*a", 2);
    strcpy(pattern + 254, "b");
    ck_assert(!matches(pattern, name)); // were it exponential, this would never end
}
END_TEST

START_TEST(only_stars_are_for_all)
{
    ck_assert(pattern_is_all(slice_of("*")) && pattern_is_all(slice_of("**")));
    ck_assert(!pattern_is_all(slice_of("")) && !pattern_is_all(slice_of("*a")) &&
              !pattern_is_all(slice_of("a*")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access/pattern");
    TCase *c = tcase_create("pattern");
    tcase_add_test(c, what_is_no_star_stands_for_itself);
    tcase_add_test(c, a_star_stands_for_any_run);
    tcase_add_test(c, many_stars_take_no_time);
    tcase_add_test(c, only_stars_are_for_all);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
