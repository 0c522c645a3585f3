#include "server/pool/spawn_user.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

START_TEST(root_is_known_everywhere)
{
    struct spawn_user user;
    ck_assert_int_eq(spawn_user_lookup("root", &user), 0);
    ck_assert_uint_eq(user.uid, 0);
    ck_assert_uint_eq(user.gid, 0);
    ck_assert_str_eq(user.name, "root");
    ck_assert_int_eq(user.home[0], '/');
    ck_assert_int_ge(user.ngroups, 1); // the primary one is always among them
    ck_assert_uint_eq(user.groups[0], 0);
}
END_TEST

START_TEST(who_is_not_there_is_not_found)
{
    struct spawn_user user;
    ck_assert_int_eq(spawn_user_lookup("no-such-user", &user), ENOENT);
    ck_assert_int_eq(spawn_user_lookup("", &user), ENOENT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool/spawn_user");
    TCase *c = tcase_create("lookup");
    tcase_add_test(c, root_is_known_everywhere);
    tcase_add_test(c, who_is_not_there_is_not_found);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
