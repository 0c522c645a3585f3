#include "server/rpc/method.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_method_is_found_by_its_name_alone)
{
    unsigned n = 0;
    for (const struct method *m; (m = method_at(n)); n++) {
        ck_assert_uint_eq(m->name_len, strlen(m->name));
        ck_assert_ptr_eq(method_find(slice_of(m->name)), m);
        ck_assert_ptr_ne(method_find((struct slice){m->name, m->name_len - 1u}), m); // jobs, job
        char longer[64];
        snprintf(longer, sizeof longer, "%sx", m->name);
        ck_assert_ptr_null(method_find(slice_of(longer)));
    }
    ck_assert_uint_ge(n, 26); // none of the groups is forgotten
    ck_assert_ptr_null(method_find(SLICE("")));
    ck_assert_ptr_null(method_find(SLICE("PUT")));
}
END_TEST

static void check_rows(const struct method *m, const struct param *rows, unsigned count, uint32_t *bits)
{
    for (unsigned i = 0; i < count; i++) {
        const struct param *p = &rows[i];
        ck_assert_uint_eq(p->name_len, strlen(p->name));
        ck_assert_msg(!(*bits & PARAM_BIT(p->bit)), "%s: the bit of %s is another's too", m->name, p->name);
        *bits |= PARAM_BIT(p->bit);
        ck_assert_msg((p->type == PARAM_OBJECT) == (p->rows != NULL), "%s %s", m->name, p->name);
        if (p->rows)
            check_rows(m, p->rows, p->row_count, bits);
        else
            ck_assert_uint_ge(p->offset, offsetof(struct request, in));
    }
}

START_TEST(rows_hold_together)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        uint32_t bits = 0;
        check_rows(m, m->params, m->param_count, &bits);
        ck_assert_msg((bits & m->required) == m->required, "%s requires what it has not", m->name);
        ck_assert_msg(m->exec || m->step, "%s is neither quick nor slow", m->name);
        ck_assert_msg(!m->exec || !m->step || m->check, "%s: who says when it is quick?", m->name);
        bool endless = strcmp(m->name, "events") == 0; // answered only with an error
        ck_assert_msg(m->step || m->reply || (m->flags & METHOD_OUTCOME) || endless, "%s has no reply",
                      m->name);
        ck_assert_msg(!(m->flags & METHOD_CLIENT) || m->exec, "%s", m->name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/method");
    TCase *c = tcase_create("table");
    tcase_add_test(c, every_method_is_found_by_its_name_alone);
    tcase_add_test(c, rows_hold_together);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
