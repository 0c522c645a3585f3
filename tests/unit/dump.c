#include "server/dump.h"
#include "tests/unit/engine_fixture.h"

#include "common/clock.h"

#include <stdio.h>
#include <string.h>

static char message[DUMP_MESSAGE_MAX];

// Times of a dump are the real clock's.
static void setup(void)
{
    engine_setup();
    now = clock_now();
}

static char *dump_of(struct engine *engine, struct dump_counts *counts)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ck_assert(dump_write(engine, out, counts));
    fclose(out);
    return text;
}

static bool read_text(struct engine *into, const char *text, size_t len, struct dump_counts *counts)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, len, "r");
    bool ok = dump_read(into, in, 1 << 20, counts, message);
    fclose(in);
    return ok;
}

// Times that count down to something differ by the moment that passed between two dumps.
static void blank_times(char *text)
{
    static const char *const members[] = {"\"due\":", "\"until\":", "\"expires\":"};
    for (int i = 0; i < 3; i++)
        for (char *at = text; (at = strstr(at, members[i]));) {
            at += strlen(members[i]);
            char *end = at + strcspn(at, ",}");
            memmove(at, end, strlen(end) + 1);
        }
}

static void make_jobs_of_every_kind(void)
{
    struct nack_result nacked;
    bool cancelled;
    struct blob *text = blob_new(SLICE("{\"why\":[1, 2.50]}"));
    put_with("all", (struct put_options){.priority = -2.5, .keep_result = -1}, "{\"b\" : 0.10,\"a\":1e400}");
    put_with("all", (struct put_options){.delay = 500000, .keep_result = -1}, "\"\\u00e9\\/\"");
    put_with("all", (struct put_options){.at = now.wall + 900000, .keep_result = -1}, "[ ]");
    put_with("all",
             (struct put_options){.lease = 5000,
                                  .max_attempts = 3,
                                  .expires = 800000,
                                  .key = SLICE("k\xc3\xa9"),
                                  .key_for = 9000,
                                  .submit = true,
                                  .keep_result = 70000},
             "null");
    uint64_t done = put_with("done", (struct put_options){.submit = true, .keep_result = 70000}, "1");
    struct taken t = get("done");
    ck_assert_int_eq(engine_ack(e, now, client, done, t.delivery, text), ERROR_NONE);
    uint64_t dead = put("dead", 1);
    t = get("dead");
    ck_assert_int_eq(engine_bury(e, now, client, dead, t.delivery, text), ERROR_NONE);
    put("again", 3);
    t = get("again");
    ck_assert_int_eq(engine_nack(e, now, client, t.id, t.delivery, text, 600000, &nacked), ERROR_NONE);
    uint64_t cancel = put_with("cancelled", (struct put_options){.submit = true, .keep_result = 70000}, "2");
    ck_assert_int_eq(engine_cancel(e, now, cancel, false, &cancelled), ERROR_NONE);
    ck_assert(cancelled);
    set_dead_letter("source", "letters");
    put("source", 4);
    t = get("source");
    ck_assert_int_eq(engine_bury(e, now, client, t.id, t.delivery, text), ERROR_NONE);
    blob_unref(text);
    struct queue_settings set = queue_settings_default;
    set.order = true, set.maxsize = 9, set.lease = 1500, set.backoff_jitter = 0.375, set.keep_dead = 0;
    declare("declared \"q\"\\", &set, (1u << QUEUE_SETTING_COUNT) - 1);
    put("paused", 0);
    ck_assert_int_eq(engine_pause(e, now, SLICE("paused")), ERROR_NONE);
    put("closed", 0);
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("closed"), false), ERROR_NONE);
}

START_TEST(a_dump_of_everything_comes_back_as_the_same_text)
{
    struct dump_counts first, loaded, second;
    make_jobs_of_every_kind();
    char *before = dump_of(e, &first);
    ck_assert_uint_ge(first.jobs, 11);
    struct engine *fresh = engine_new(&engine_config_usual);
    ck_assert_msg(read_text(fresh, before, strlen(before), &loaded), "%s", message);
    ck_assert_uint_eq(loaded.jobs, first.jobs);
    ck_assert_uint_eq(loaded.queues, first.queues);
    char *after = dump_of(fresh, &second);
    ck_assert_uint_eq(second.jobs, first.jobs);
    blank_times(before);
    blank_times(after);
    ck_assert_str_eq(before, after);
    ck_assert_ptr_nonnull(strstr(before, "\"body\":{\"b\" : 0.10,\"a\":1e400}}}\n"));
    ck_assert_ptr_nonnull(strstr(before, "\"body\":\"\\u00e9\\/\"}}\n"));
    ck_assert_ptr_nonnull(strstr(before, "\"error\":{\"why\":[1, 2.50]}"));
    ck_assert_ptr_nonnull(strstr(before, "\"result\":{\"why\":[1, 2.50]}"));
    ck_assert_ptr_nonnull(strstr(before, "\"key\":\"k\xc3\xa9\""));
    ck_assert_ptr_nonnull(strstr(before, "\"origin\":\"source\""));
    ck_assert_ptr_nonnull(strstr(before, "\"at\":"));
    ck_assert_ptr_nonnull(strstr(before, "\"state\":\"cancelled\""));
    free(before);
    free(after);
    engine_free(fresh);
}
END_TEST

START_TEST(what_was_in_hands_is_ready_again)
{
    struct dump_counts counts;
    put("q", 1);
    get("q");
    char *text = dump_of(e, &counts);
    ck_assert_ptr_nonnull(strstr(text, "\"state\":\"reserved\""));
    struct engine *fresh = engine_new(&engine_config_usual);
    ck_assert_msg(read_text(fresh, text, strlen(text), &counts), "%s", message);
    free(text);
    text = dump_of(fresh, &counts);
    ck_assert_ptr_nonnull(strstr(text, "\"state\":\"ready\""));
    free(text);
    engine_free(fresh);
}
END_TEST

START_TEST(a_queue_that_was_shut_down_at_once_has_its_jobs_before_it_is_again)
{
    struct dump_counts counts;
    static const char text[] = "{\"queue\":{\"name\":\"q\",\"shut_down\":true,\"shut_down_hard\":true}}\n"
                               "{\"job\":{\"id\":1,\"queue\":\"q\",\"state\":\"reserved\",\"body\":1}}\n";
    ck_assert_msg(read_text(e, text, strlen(text), &counts), "%s", message);
    pass(1);
    ck_assert(queue_of("q").shut_down_hard);
    ck_assert_int_eq(state_of(1), JOB_DEAD);
}
END_TEST

START_TEST(what_was_cancelled_in_somebodys_hands_does_not_come_back)
{
    struct dump_counts counts;
    static const char text[] =
        "{\"job\":{\"id\":1,\"queue\":\"q\",\"state\":\"reserved\",\"cancelling\":true,"
        "\"submit\":true,\"body\":1}}\n"
        "{\"job\":{\"id\":2,\"queue\":\"q\",\"state\":\"reserved\",\"cancelling\":true,"
        "\"body\":1}}\n";
    ck_assert_msg(read_text(e, text, strlen(text), &counts), "%s", message);
    ck_assert_int_eq(state_of(1), JOB_CANCELLED);
    ck_assert_int_eq(state_of(2), -1);
    ck_assert(!info_of(1).cancelling);
}
END_TEST

#define JOB(members) "{\"job\":{" members "}}"
#define GOOD         "\"id\":7,\"queue\":\"q\",\"state\":\"ready\""

static const char *const broken[] = {"x",
                                     "{",
                                     "[]",
                                     "1",
                                     "{}",
                                     "{\"job\":1}",
                                     "{\"thing\":{}}",
                                     "{\"job\":{},\"queue\":{}}",
                                     JOB(""),
                                     JOB(GOOD),
                                     JOB("\"id\":0,\"queue\":\"q\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":1.5,\"queue\":\"q\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"queue\":\"q\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":7,\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":7,\"queue\":\"\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":7,\"queue\":\"a\\u0000\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":7,\"queue\":\"a\\n\",\"state\":\"ready\",\"body\":1"),
                                     JOB("\"id\":7,\"queue\":\"q\",\"state\":\"gone\",\"body\":1"),
                                     JOB(GOOD ",\"body\":1,\"unknown\":1"),
                                     JOB(GOOD ",\"body\":01"),
                                     JOB(GOOD ",\"body\":"),
                                     JOB(GOOD ",\"body\":1") "x",
                                     JOB(GOOD ",\"priority\":\"1\",\"body\":1"),
                                     JOB(GOOD ",\"priority\":1e400,\"body\":1"),
                                     JOB(GOOD ",\"created\":-1,\"body\":1"),
                                     JOB(GOOD ",\"created\":1e13,\"body\":1"),
                                     JOB(GOOD ",\"attempts\":65536,\"body\":1"),
                                     JOB(GOOD ",\"lost\":256,\"body\":1"),
                                     JOB(GOOD ",\"max_attempts\":65536,\"body\":1"),
                                     JOB(GOOD ",\"submit\":1,\"body\":1"),
                                     JOB(GOOD ",\"reason\":\"x\",\"body\":1"),
                                     JOB(GOOD ",\"key\":1,\"body\":1"),
                                     JOB(GOOD ",\"deliveries\":4294967296,\"body\":1"),
                                     "{\"queue\":{}}",
                                     "{\"queue\":{\"name\":\"q\",\"unknown\":1}}",
                                     "{\"queue\":{\"name\":\"q\",\"declared\":1}}",
                                     "{\"queue\":{\"name\":\"q\",\"lease\":0}}",
                                     "{\"queue\":{\"name\":\"q\",\"order\":\"random\"}}",
                                     "{\"queue\":{\"name\":\"q\",\"backoff_jitter\":2}}",
                                     "{\"queue\":{\"name\":\"q\",\"dead_letter\":7}}",
                                     "{\"queue\":{\"name\":\"q\",\"declared\":true,\"dead_letter\":\"q\"}}"};

START_TEST(every_broken_line_is_refused_with_its_number)
{
    struct dump_counts counts;
    char text[1000];
    snprintf(text, sizeof text, "\n%s\n%s\n", JOB("\"id\":3,\"queue\":\"q\",\"state\":\"ready\",\"body\":1"),
             broken[_i]);
    ck_assert_msg(!read_text(e, text, strlen(text), &counts), "%s", broken[_i]);
    ck_assert_msg(strncmp(message, "line 3: ", 8) == 0, "%s: %s", broken[_i], message);
}
END_TEST

START_TEST(an_id_stands_once)
{
    struct dump_counts counts;
    static const char text[] = JOB(GOOD ",\"body\":1") "\n" JOB(GOOD ",\"body\":2") "\n";
    ck_assert(!read_text(e, text, strlen(text), &counts));
    ck_assert_str_eq(message, "line 2: job: its id is there already");
}
END_TEST

START_TEST(bodies_have_the_bound_that_is_given)
{
    enum { MOST = 1 << 20 };
    struct dump_counts counts;
    for (size_t over = 0; over < 2; over++) {
        char *text = NULL;
        size_t size, len = MOST - 2 + over;
        FILE *out = open_memstream(&text, &size);
        fprintf(out, "{\"job\":{\"id\":%zu,\"queue\":\"q\",\"state\":\"ready\",\"body\":\"", 5 + over);
        for (size_t i = 0; i < len; i++)
            putc('x', out);
        fputs("\"}}", out); // and no line feed at the end
        fclose(out);
        ck_assert_int_eq(read_text(e, text, size, &counts), !over);
        free(text);
    }
    ck_assert_uint_eq(info_of(5).body.len, MOST);
    ck_assert_ptr_nonnull(strstr(message, "too large"));
}
END_TEST

START_TEST(a_dump_that_cannot_be_written_fails)
{
    struct dump_counts counts;
    put("q", 0);
    FILE *full = fopen("/dev/full", "we");
    ck_assert(!dump_write(e, full, &counts));
    fclose(full);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dump");
    TCase *c = tcase_create("dump");
    tcase_add_checked_fixture(c, setup, engine_teardown);
    tcase_add_test(c, a_dump_of_everything_comes_back_as_the_same_text);
    tcase_add_test(c, what_was_in_hands_is_ready_again);
    tcase_add_test(c, a_queue_that_was_shut_down_at_once_has_its_jobs_before_it_is_again);
    tcase_add_test(c, what_was_cancelled_in_somebodys_hands_does_not_come_back);
    tcase_add_loop_test(c, every_broken_line_is_refused_with_its_number, 0, sizeof broken / sizeof *broken);
    tcase_add_test(c, an_id_stands_once);
    tcase_add_test(c, bodies_have_the_bound_that_is_given);
    tcase_add_test(c, a_dump_that_cannot_be_written_fails);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
