#include "server/settings_table.h"

#include "server/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct settings daemon_settings;
static struct queue_settings queue;
static struct handler_settings handler;

static void setup(void)
{
    settings_init(&daemon_settings);
    queue = queue_settings_default;
    ck_assert(handler_settings_init(&handler, "h"));
}

static void teardown(void)
{
    settings_release(&daemon_settings);
    handler_settings_release(&handler);
}

static char text[400];

static const char *text_of(struct buffer *b)
{
    ck_assert(!b->failed);
    snprintf(text, sizeof text, "%.*s", (int)b->len, b->data);
    buffer_release(b);
    return text;
}

static const char *written(const struct setting_row *row, const void *object)
{
    struct buffer b = BUFFER_INIT;
    row->kind->write(row, setting_field(row, object), &b);
    return text_of(&b);
}

// In the file a text stands between quotes, which are not part of it.
static const char *unquoted(const char *value)
{
    static char out[200];
    size_t len = strlen(value);
    if (value[0] != '"')
        return value;
    snprintf(out, sizeof out, "%.*s", (int)len - 2, value + 1);
    return out;
}

static void reads_back(const struct setting_row *row, void *object)
{
    char why[200], before[200];
    if (row->kind->size == 0)
        return;
    snprintf(before, sizeof before, "%s", written(row, object));
    ck_assert_msg(row->kind->read(row, unquoted(before), setting_field(row, object), why, sizeof why),
                  "%s = %s: %s", row->name, before, why);
    ck_assert_str_eq(written(row, object), before);
}

START_TEST(every_default_is_read_as_it_is_written)
{
    for (const struct setting_row *row = daemon_rows; row->name; row++)
        reads_back(row, &daemon_settings);
    for (const struct setting_row *row = queue_rows; row->name; row++)
        reads_back(row, &queue);
    for (const struct setting_row *row = handler_rows; row->name; row++)
        reads_back(row, &handler);
}
END_TEST

static const struct setting_row *row_of(const struct setting_row *rows, const char *name)
{
    for (; rows->name; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    ck_abort_msg("there is no setting %s", name);
}

START_TEST(values_are_written_as_they_stand_in_a_file)
{
    daemon_settings.max_body = 3 << 20;
    ck_assert_str_eq(written(row_of(daemon_rows, "max_body"), &daemon_settings), "3M");
    daemon_settings.max_body = 1025;
    ck_assert_str_eq(written(row_of(daemon_rows, "max_body"), &daemon_settings), "1025");
    static const struct {
        int64_t ms;
        const char *written;
    } times[] = {{0, "0"},      {1, "1ms"},     {1500, "1500ms"}, {30000, "30"},
                 {90000, "90"}, {120000, "2m"}, {3600000, "1h"},  {86400000, "1d"}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        daemon_settings.interval = times[i].ms;
        ck_assert_str_eq(written(row_of(daemon_rows, "interval"), &daemon_settings), times[i].written);
    }
    daemon_settings.durability = DURABILITY_INTERVAL;
    ck_assert_str_eq(written(row_of(daemon_rows, "durability"), &daemon_settings), "interval");
    daemon_settings.unix_mode = 0600;
    ck_assert_str_eq(written(row_of(daemon_rows, "unix_mode"), &daemon_settings), "0600");
    ck_assert(handler_texts_add(&daemon_settings.listen, "a\"b"));
    ck_assert(handler_texts_add(&daemon_settings.listen, "${c}"));
    ck_assert_str_eq(written(row_of(daemon_rows, "listen"), &daemon_settings), "{\"a\\\"b\", \"\\${c}\"}");
    queue.order = true;
    ck_assert_str_eq(written(row_of(queue_rows, "order"), &queue), "lifo");
    handler.kind = HANDLER_SLEEP;
    handler.input = HANDLER_INPUT_TEXT;
    ck_assert_str_eq(written(row_of(handler_rows, "kind"), &handler), "sleep");
    ck_assert_str_eq(written(row_of(handler_rows, "input"), &handler), "text");
}
END_TEST

static const char *expected(const struct setting_row *row)
{
    struct buffer b = BUFFER_INIT;
    row->kind->expect(row, &b);
    return text_of(&b);
}

START_TEST(what_is_expected_is_said_in_words)
{
    ck_assert_str_eq(expected(row_of(daemon_rows, "max_body")), "bytes, 1K to 64M");
    ck_assert_str_eq(expected(row_of(daemon_rows, "interval")), "seconds, 1ms to 1m");
    ck_assert_str_eq(expected(row_of(daemon_rows, "durability")), "always or interval");
    ck_assert_str_eq(expected(row_of(daemon_rows, "log_level")), "debug, info, warning or error");
    ck_assert_str_eq(expected(row_of(daemon_rows, "listen")), "a list of at most 64 addresses");
    ck_assert_str_eq(expected(row_of(handler_rows, "input")), "json or text");
}
END_TEST

START_TEST(what_differs_is_seen)
{
    struct settings other;
    settings_init(&other);
    for (const struct setting_row *row = daemon_rows; row->name; row++)
        ck_assert(setting_equal(row, &daemon_settings, &other));
    other.max_waits++;
    ck_assert(!setting_equal(row_of(daemon_rows, "max_waits"), &daemon_settings, &other));
    ck_assert(handler_texts_add(&other.listen, "x"));
    ck_assert(!setting_equal(row_of(daemon_rows, "listen"), &daemon_settings, &other));
    settings_release(&other);
}
END_TEST

START_TEST(what_a_reload_applies_can_be_copied_or_exchanged)
{
    unsigned live = 0;
    for (const struct setting_row *row = daemon_rows; row->name; row++) {
        live += row->live;
        ck_assert_msg(!row->live || row->kind->size > 0 || row->kind == &setting_kind_text, "%s", row->name);
    }
    ck_assert_uint_gt(live, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("settings_table");
    TCase *c = tcase_create("settings_table");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, every_default_is_read_as_it_is_written);
    tcase_add_test(c, values_are_written_as_they_stand_in_a_file);
    tcase_add_test(c, what_is_expected_is_said_in_words);
    tcase_add_test(c, what_differs_is_seen);
    tcase_add_test(c, what_a_reload_applies_can_be_copied_or_exchanged);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
