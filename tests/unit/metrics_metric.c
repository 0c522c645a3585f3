#include "server/metrics/metric.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool ends(const char *text, const char *with)
{
    size_t a = strlen(text), b = strlen(with);
    return a >= b && strcmp(text + a - b, with) == 0;
}

START_TEST(names_are_as_prometheus_wants_them)
{
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric *m = metric_row((enum metric_id)id);
        ck_assert_uint_eq(m->id, id);
        ck_assert_msg(strncmp(m->name, "taskq_", 6) == 0 || strncmp(m->name, "process_", 8) == 0, "%s",
                      m->name);
        for (const char *c = m->name; *c; c++)
            ck_assert_msg(islower(*c) || *c == '_', "%s", m->name);
        ck_assert_msg(ends(m->name, "_total") == (m->type == METRIC_COUNTER), "%s", m->name);
        bool times = m->type == METRIC_TIMES_MS || m->type == METRIC_TIMES_NS;
        ck_assert_msg(!times || ends(m->name, "_seconds"), "%s", m->name);
        ck_assert_msg(strcmp(m->unit, "bytes") != 0 || strstr(m->name, "_bytes"), "%s", m->name);
        ck_assert_msg(!strpbrk(m->text, "\n\\") && !ends(m->text, "."), "%s", m->name);
        for (unsigned other = 0; other < id; other++)
            ck_assert_str_ne(m->name, metric_row((enum metric_id)other)->name);
    }
}
END_TEST

START_TEST(the_help_shows_every_row)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(f);
    metrics_help(f);
    ck_assert_int_eq(fclose(f), 0);
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric *m = metric_row((enum metric_id)id);
        ck_assert_ptr_nonnull(strstr(text, m->name));
        ck_assert_ptr_nonnull(strstr(text, m->text));
    }
    ck_assert_ptr_nonnull(strstr(text, "taskq_jobs{queue,state}\n"));
    ck_assert_ptr_nonnull(strstr(text, "taskq_queues\n    (gauge of queues) "));
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/metric");
    TCase *c = tcase_create("metric");
    tcase_add_test(c, names_are_as_prometheus_wants_them);
    tcase_add_test(c, the_help_shows_every_row);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
