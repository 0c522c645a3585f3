#include "server/net/address.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    const char *printed; // NULL: refused
    bool local;
} cases[] = {
    {"127.0.0.1:7480", "127.0.0.1:7480", true},
    {"127.1.2.3:0", "127.1.2.3:0", true},
    {"0.0.0.0:80", "0.0.0.0:80", false},
    {"192.0.2.7:65535", "192.0.2.7:65535", false},
    {"[::1]:7480", "[::1]:7480", true},
    {"[::]:7480", "[::]:7480", false},
    {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true},
    {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1", false},
    {"unix:/tmp/x.sock", "unix:/tmp/x.sock", true},
    {"unix:", NULL, false},
    {"", NULL, false},
    {"127.0.0.1", NULL, false},
    {"127.0.0.1:", NULL, false},
    {"127.0.0.1:65536", NULL, false},
    {"127.0.0.1:7480x", NULL, false},
    {"127.0.0.1:-1", NULL, false},
    {":7480", NULL, false},
    {"::1:7480", NULL, false},
    {"[::1:7480", NULL, false},
    {"[]:7480", NULL, false},
    {"7480", NULL, false},
    {"http://127.0.0.1:80", NULL, false},
};

START_TEST(every_way_to_write_one)
{
    struct address found[ADDRESSES_MAX];
    unsigned count;
    char why[256] = "", text[ADDRESS_TEXT_MAX];
    bool parsed = address_parse(cases[_i].text, found, &count, why, sizeof why);
    ck_assert_msg(parsed == (cases[_i].printed != NULL), "%s: %s", cases[_i].text, why);
    char reason[256] = "";
    ck_assert_int_eq(address_check(cases[_i].text, reason, sizeof reason), parsed);
    if (!parsed) {
        ck_assert_str_ne(why, "");
        ck_assert_str_ne(reason, "");
        return;
    }
    ck_assert_uint_eq(count, 1);
    address_print(&found[0], text);
    ck_assert_str_eq(text, cases[_i].printed);
    ck_assert_int_eq(address_is_local(&found[0]), cases[_i].local);
}
END_TEST

START_TEST(a_path_has_a_bound)
{
    struct address found[ADDRESSES_MAX];
    unsigned count;
    char why[256], text[200] = "unix:/";
    size_t room = sizeof found[0].at.unix_path.sun_path - 1;
    memset(text + 6, 'x', room - 1);
    text[5 + room] = '\0';
    ck_assert(address_parse(text, found, &count, why, sizeof why));
    text[5 + room] = 'x';
    text[6 + room] = '\0';
    ck_assert(!address_parse(text, found, &count, why, sizeof why));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net/address");
    TCase *c = tcase_create("address");
    tcase_add_loop_test(c, every_way_to_write_one, 0, sizeof cases / sizeof *cases);
    tcase_add_test(c, a_path_has_a_bound);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
