#include "server/rpc/trail.h"

#include "server/rpc/method.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

// tests/protocol/access.py reads the lines; here are the rows.

START_TEST(who_needs_admin_leaves_a_trail_but_for_single_jobs_and_none_else_does)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        bool admin = m->roles == ROLE_ADMIN || m->roles_to_tell == ROLE_ADMIN,
             asks = strcmp(m->name, "who") == 0;
        ck_assert_msg(!!(m->flags & METHOD_TRAIL) == (admin && !asks), "%s", m->name);
        ck_assert_msg(!(m->flags & METHOD_COUNTS) || (m->flags & METHOD_TRAIL), "%s", m->name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/trail");
    TCase *c = tcase_create("rows");
    tcase_add_test(c, who_needs_admin_leaves_a_trail_but_for_single_jobs_and_none_else_does);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
