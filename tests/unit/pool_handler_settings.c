#include "server/pool/handler_settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct handler_settings h[3];
static char why[HANDLER_WHY_MAX];

static void setup(void)
{
    static const char *const names[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        ck_assert(handler_settings_init(&h[i], names[i]));
        ck_assert(handler_texts_add(&h[i].command, "true"));
    }
    why[0] = '\0';
}

static void teardown(void)
{
    for (int i = 0; i < 3; i++)
        handler_settings_release(&h[i]);
}

static void take_last(struct handler_texts *t)
{
    free(t->items[--t->count]);
    t->items[t->count] = NULL;
}

static void refused(const char *handler, const char *what)
{
    ck_assert(!handler_settings_check(h, 3, why));
    ck_assert_msg(strstr(why, handler) && strstr(why, what), "\"%s\" does not say %s and %s", why, handler,
                  what);
}

static void accepted(void)
{
    ck_assert_msg(handler_settings_check(h, 3, why), "%s", why);
}

START_TEST(every_row_has_a_text_and_a_default_within_its_range)
{
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++) {
        const struct handler_setting_row *row = &handler_setting_rows[i];
        ck_assert_str_ne(row->name, "");
        ck_assert_str_ne(row->text, "");
        ck_assert_int_le(row->low, row->high);
        ck_assert_int_le(row->low, row->value);
        ck_assert_int_le(row->value, row->high);
        ck_assert_uint_lt(row->offset, sizeof(struct handler_settings));
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(row->name, handler_setting_rows[j].name);
            ck_assert_uint_ne(row->offset, handler_setting_rows[j].offset);
        }
    }
}
END_TEST

START_TEST(the_defaults_are_what_the_manual_says)
{
    struct handler_settings s;
    ck_assert(handler_settings_init(&s, "x"));
    ck_assert_int_eq(s.kind, HANDLER_EXEC);
    ck_assert_int_eq(s.input, HANDLER_INPUT_JSON);
    ck_assert_uint_eq(s.workers, 1);
    ck_assert_int_eq(s.timeout, 0);
    ck_assert_int_eq(s.grace, 5000);
    ck_assert_uint_eq(s.max_output, 1048576);
    ck_assert(!s.daemon);
    ck_assert_ptr_null(s.cwd);
    handler_settings_release(&s);
}
END_TEST

START_TEST(kinds_and_inputs_are_found_by_name)
{
    for (int i = 0; i < HANDLER_KIND_COUNT; i++) {
        enum handler_kind k;
        ck_assert(handler_kind_of_name(handler_kind_name((enum handler_kind)i), &k));
        ck_assert_int_eq(k, i);
        ck_assert_str_ne(handler_kind_text(k), "");
    }
    for (int i = 0; i < HANDLER_INPUT_COUNT; i++) {
        enum handler_input in;
        ck_assert(handler_input_of_name(handler_input_name((enum handler_input)i), &in));
        ck_assert_int_eq(in, i);
    }
    enum handler_kind k;
    enum handler_input in;
    ck_assert(!handler_kind_of_name("Exec", &k));
    ck_assert(!handler_input_of_name("", &in));
}
END_TEST

START_TEST(a_copy_stands_alone)
{
    ck_assert(handler_texts_add(&h[0].env, "A=1"));
    ck_assert(handler_texts_add(&h[0].env, "B"));
    ck_assert(handler_text_set(&h[0].cwd, "/"));
    ck_assert(handler_text_set(&h[0].cwd, "/tmp"));
    h[0].workers = 7;
    struct handler_settings copy;
    ck_assert(handler_settings_copy(&copy, &h[0]));
    handler_settings_release(&h[0]);
    ck_assert_str_eq(copy.name, "one");
    ck_assert_uint_eq(copy.workers, 7);
    ck_assert_str_eq(copy.cwd, "/tmp");
    ck_assert_ptr_null(copy.user);
    ck_assert_uint_eq(copy.env.count, 2);
    ck_assert_str_eq(copy.env.items[1], "B");
    ck_assert_ptr_null(copy.env.items[2]);
    ck_assert_str_eq(copy.command.items[0], "true");
    handler_settings_release(&copy);
}
END_TEST

START_TEST(a_handler_without_queues_serves_the_one_with_its_name)
{
    ck_assert(handler_texts_add(&h[1].queues, "a"));
    ck_assert(handler_texts_add(&h[1].queues, "b"));
    accepted();
    ck_assert_uint_eq(h[0].queues.count, 1);
    ck_assert_str_eq(h[0].queues.items[0], "one");
    ck_assert_uint_eq(h[1].queues.count, 2);
    accepted(); // a second look finds the same
    ck_assert_uint_eq(h[0].queues.count, 1);
}
END_TEST

START_TEST(a_queue_has_one_handler)
{
    ck_assert(handler_texts_add(&h[2].queues, "a"));
    ck_assert(handler_texts_add(&h[2].queues, "one"));
    refused("three", "queue \"one\" is served by handler \"one\"");
}
END_TEST

START_TEST(a_queue_is_named_once)
{
    ck_assert(handler_texts_add(&h[1].queues, "a"));
    ck_assert(handler_texts_add(&h[1].queues, "a"));
    refused("two", "\"a\" is named twice");
}
END_TEST

START_TEST(a_handlers_name_is_its_own)
{
    ck_assert(handler_text_set(&h[2].name, "one"));
    ck_assert(handler_texts_add(&h[2].queues, "other"));
    refused("one", "two handlers of this name");
}
END_TEST

START_TEST(bad_names_are_refused)
{
    char long_name[HANDLER_NAME_MAX + 2];
    memset(long_name, 'q', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const bad[] = {"", "a\nb", "\x7f", "\xff", "\xc3", long_name};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert(handler_texts_add(&h[1].queues, bad[i]));
        refused("two", "queue name");
        take_last(&h[1].queues);
        ck_assert(handler_text_set(&h[2].name, bad[i]));
        refused("", "its name must be");
        ck_assert(handler_text_set(&h[2].name, "three"));
    }
    long_name[HANDLER_NAME_MAX] = '\0';
    ck_assert(handler_texts_add(&h[1].queues, long_name));
    accepted();
}
END_TEST

START_TEST(numbers_outside_their_range_are_refused)
{
    for (int i = 0; i < HANDLER_SETTING_ROWS; i++) {
        const struct handler_setting_row *row = &handler_setting_rows[i];
        int64_t *field = (int64_t *)((char *)&h[1] + row->offset); // all of them are 64 bits wide
        if (row->type != HANDLER_SETTING_COUNT && row->type != HANDLER_SETTING_BYTES &&
            row->type != HANDLER_SETTING_SECONDS)
            continue;
        *field = row->high + 1;
        refused("two", row->name);
        *field = row->low - 1; // for what is unsigned and starts at 0: very many
        refused("two", row->name);
        *field = row->high;
        accepted();
        *field = row->low;
        accepted();
        *field = row->value;
    }
}
END_TEST

START_TEST(what_a_kind_needs_is_asked_for_and_nothing_else)
{
    h[0].kind = HANDLER_NOOP;
    refused("one", "command is for handlers that start processes");
    take_last(&h[0].command);
    ck_assert(handler_texts_add(&h[0].env, "A=1"));
    refused("one", "env is for handlers");
    h[0].kind = HANDLER_EXEC;
    refused("one", "has no command");
    ck_assert(handler_texts_add(&h[0].command, ""));
    refused("one", "first string is the program");
}
END_TEST

START_TEST(the_environment_is_looked_at)
{
    ck_assert(handler_texts_add(&h[0].env, "GOOD=1=2"));
    ck_assert(handler_texts_add(&h[0].env, "GONE"));
    ck_assert(handler_texts_add(&h[0].env, "TASKQ_IDENTITY=mine"));
    accepted();
    ck_assert(handler_texts_add(&h[0].env, "TASKQ_ID=5"));
    refused("one", "may not set TASKQ_ID");
    ck_assert(handler_texts_add(&h[1].env, "=x"));
    take_last(&h[0].env);
    refused("two", "\"=x\" is not NAME=value");
}
END_TEST

START_TEST(a_command_has_to_fit)
{
    char *much = malloc(130 * 1024);
    ck_assert_ptr_nonnull(much);
    memset(much, 'x', 130 * 1024);
    much[130 * 1024 - 1] = '\0';
    ck_assert(handler_texts_add(&h[0].command, much));
    free(much);
    refused("one", "longer than");
}
END_TEST

START_TEST(the_user_has_to_exist_and_be_within_reach)
{
    ck_assert(handler_text_set(&h[0].user, "no-such-user-here"));
    refused("one", "no user \"no-such-user-here\"");
    ck_assert(handler_text_set(&h[0].user, "root"));
    if (geteuid() == 0)
        accepted();
    else
        refused("one", "runs as root");
}
END_TEST

START_TEST(all_workers_together_are_bounded)
{
    static struct handler_settings many[POOL_WORKERS_MAX / HANDLER_WORKERS_MAX + 1];
    size_t n = sizeof many / sizeof *many;
    for (size_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%zu", i);
        ck_assert(handler_settings_init(&many[i], name));
        many[i].kind = HANDLER_NOOP;
        many[i].workers = HANDLER_WORKERS_MAX;
    }
    ck_assert(handler_settings_check(many, n - 1, why));
    ck_assert(!handler_settings_check(many, n, why));
    ck_assert_ptr_nonnull(strstr(why, "workers"));
    for (size_t i = 0; i < n; i++)
        handler_settings_release(&many[i]);
}
END_TEST

START_TEST(no_handler_at_all_is_fine)
{
    ck_assert(handler_settings_check(NULL, 0, why));
}
END_TEST

START_TEST(a_module_needs_a_path_and_a_function)
{
    h[1].kind = HANDLER_MODULE;
    refused("two", "command is for handlers of kind exec and process");
    take_last(&h[1].command);
    refused("two", "its kind is module and it has no module");
    ck_assert(handler_text_set(&h[1].module, "primes.so"));
    refused("two", "it has no function");
    ck_assert(handler_text_set(&h[1].function, "primes"));
    refused("two", "a path with a slash");
    ck_assert(handler_text_set(&h[1].module, "./primes.so"));
    accepted();
    ck_assert(handler_needs_spawner(&h[1]));
    ck_assert(handler_text_set(&h[0].function, "primes"));
    refused("one", "function is for handlers of kind module");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool/handler_settings");
    TCase *c = tcase_create("settings");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, every_row_has_a_text_and_a_default_within_its_range);
    tcase_add_test(c, the_defaults_are_what_the_manual_says);
    tcase_add_test(c, a_module_needs_a_path_and_a_function);
    tcase_add_test(c, kinds_and_inputs_are_found_by_name);
    tcase_add_test(c, a_copy_stands_alone);
    tcase_add_test(c, a_handler_without_queues_serves_the_one_with_its_name);
    tcase_add_test(c, a_queue_has_one_handler);
    tcase_add_test(c, a_queue_is_named_once);
    tcase_add_test(c, a_handlers_name_is_its_own);
    tcase_add_test(c, bad_names_are_refused);
    tcase_add_test(c, numbers_outside_their_range_are_refused);
    tcase_add_test(c, what_a_kind_needs_is_asked_for_and_nothing_else);
    tcase_add_test(c, the_environment_is_looked_at);
    tcase_add_test(c, a_command_has_to_fit);
    tcase_add_test(c, the_user_has_to_exist_and_be_within_reach);
    tcase_add_test(c, all_workers_together_are_bounded);
    tcase_add_test(c, no_handler_at_all_is_fine);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
