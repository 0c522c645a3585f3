#include "server/engine/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name, *text;
    enum setting_type type;
    double low, high, value;
};

static const struct row rows[] = {
#define X(field, type, low, high, value, text) {#field, text, SETTING_##type, low, high, value},
    QUEUE_SETTINGS(X)
#undef X
};

START_TEST(each_row_has_a_text_and_a_default_in_its_range)
{
    ck_assert_uint_eq(sizeof rows / sizeof *rows, QUEUE_SETTING_COUNT);
    for (unsigned i = 0; i < QUEUE_SETTING_COUNT; i++) {
        ck_assert_uint_gt(strlen(rows[i].text), 10);
        ck_assert(rows[i].low <= rows[i].value && rows[i].value <= rows[i].high);
        if (rows[i].type == SETTING_SECONDS)
            ck_assert(rows[i].high == (double)SETTING_SECONDS_MAX);
    }
}
END_TEST

START_TEST(the_defaults_are_those_of_the_protocol)
{
    const struct queue_settings *s = &queue_settings_default;
    ck_assert(!s->order && s->durable && s->dead_letter[0] == 0);
    ck_assert_uint_eq(s->maxsize, 0);
    ck_assert_uint_eq(s->concurrency, 0);
    ck_assert_int_eq(s->lease, 60 * 1000);
    ck_assert_uint_eq(s->max_attempts, 25);
    ck_assert_uint_eq(s->max_lost, 10);
    ck_assert_int_eq(s->backoff_base, 1000);
    ck_assert_int_eq(s->backoff_cap, 3600 * 1000);
    ck_assert(s->backoff_jitter == 0.1);
    ck_assert_int_eq(s->keep_result, 600 * 1000);
    ck_assert_int_eq(s->keep_dead, 180LL * 24 * 3600 * 1000);
    ck_assert_uint_eq(s->keep_result_bytes, 64u << 20);
    ck_assert_uint_eq(s->keep_dead_bytes, 256u << 20);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/settings");
    TCase *c = tcase_create("settings");
    tcase_add_test(c, each_row_has_a_text_and_a_default_in_its_range);
    tcase_add_test(c, the_defaults_are_those_of_the_protocol);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
