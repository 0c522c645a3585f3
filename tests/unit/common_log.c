#include "common/log.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Each test has a process of its own (CK_FORK), so what log.c keeps is new for each.

static char text[1 << 20];
static int ends[2];

static void to_pipe(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    log_to(ends[1]);
}

// What is in the pipe now, and at least one byte of it.
static const char *read_all(void)
{
    size_t len = 0;
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    for (; n > 0; n = read(ends[0], text + len, sizeof text - 1 - len))
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

static unsigned count(const char *in, const char *what)
{
    unsigned n = 0;
    for (const char *at = in; (at = strstr(at, what)); at++)
        n++;
    return n;
}

START_TEST(a_line_is_pairs)
{
    to_pipe();
    log_event(LOG_LISTENING, KV("address", "127.0.0.1:7480"), KV("n", 7u), KV("below", -7), KV("half", 0.5),
              KV("on", (bool)true), KV("none", ""), KV("null", (const char *)NULL), KV("two", "a b"));
    const char *line = read_all();
    ck_assert_int_eq(strncmp(line, "time=20", 7), 0);
    ck_assert_str_eq(strchr(line, ' '), " level=info event=listening msg=\"connections are taken\" "
                                        "address=127.0.0.1:7480 n=7 below=-7 half=0.5 on=true two=\"a b\"\n");
    log_job(LOG_JOB_UNTOLD, 9007199254740991, KV("error", "full"));
    ck_assert_ptr_nonnull(strstr(read_all(), "level=warning event=job_untold msg=\"how a job went was not "
                                             "taken\" job=9007199254740991 error=full\n"));
    log_event(LOG_STOPPED);
    ck_assert_ptr_nonnull(strstr(read_all(), " event=stopped msg=\"the daemon has stopped\"\n"));
}
END_TEST

START_TEST(a_line_is_an_object)
{
    to_pipe();
    log_set_format(LOG_JSON);
    log_event(LOG_LISTENING, KV("address", "a\"b\\c\x01"), KV("n", 7u), KV("half", 0.5),
              KV("on", (bool)false));
    const char *line = read_all();
    ck_assert_int_eq(strncmp(line, "{\"time\":\"20", 11), 0);
    ck_assert_str_eq(
        strchr(line, ',') + 1,
        "\"level\":\"info\",\"event\":\"listening\",\"msg\":\"connections are taken\",\"address\":"
        "\"a\\\"b\\\\c\\u0001\",\"n\":7,\"half\":0.5,\"on\":false}\n");
}
END_TEST

// What stands in a value cannot end the line, begin another pair, or move a terminal's cursor.
START_TEST(a_value_stays_one)
{
    static const struct {
        const char *value, *written;
    } rows[] = {
        {"a\nb", "\"a\\nb\""},
        {"a level=error", "\"a level=error\""},
        {"a=b", "\"a=b\""},
        {"\" x=\"", "\"\\\" x=\\\"\""},
        {"\x1b[2J\x7f", "\"\\u001b[2J\\u007f\""},
        {"\xc2\x9b"
         "2J",
         "\"\\u009b2J\""},
        {"\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc3\xa9", "\"\xc3\xa9\""},
        {"a\\", "\"a\\\\\""},
    };
    to_pipe();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[100];
        log_event(LOG_LISTENING, KV("address", rows[i].value), KV("n", 1));
        snprintf(expected, sizeof expected, " address=%s n=1\n", rows[i].written);
        const char *line = read_all();
        ck_assert_msg(strstr(line, expected) != NULL, "%s has no %s", line, expected);
        ck_assert_uint_eq(count(line, "\n"), 1);
    }
    log_event(LOG_LISTENING, KV("address", ((struct slice){"a\0b", 3})));
    ck_assert_ptr_nonnull(strstr(read_all(), " address=\"a\\u0000b\"\n"));
}
END_TEST

// Bounded, whole, and an object also where nothing fits any more.
START_TEST(a_line_is_bounded)
{
    static char large[100000];
    memset(large, '\1', sizeof large - 1);
    to_pipe();
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_set_format((enum log_format)format);
        log_event(LOG_LISTENING, KV("a", large), KV("b", large), KV("c", large), KV("d", 1u), KV("e", large));
        const char *line = read_all();
        ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
        ck_assert_uint_gt(strlen(line), LOG_LINE_MAX - 200);
        ck_assert_uint_eq(count(line, "\n"), 1);
        ck_assert_ptr_nonnull(strstr(line, "\xe2\x80\xa6\""));
        ck_assert_str_eq(line + strlen(line) - (format == LOG_JSON ? 3 : 2),
                         format == LOG_JSON ? "\"}\n" : "\"\n");
    }
    memset(large, 'x', sizeof large - 1);
    log_set_format(LOG_LOGFMT);
    log_event(LOG_LISTENING, KV("a", large), KV("n", 1));
    ck_assert_uint_eq(count(read_all(), "x"), LOG_VALUE_MAX);
    ck_assert_ptr_nonnull(strstr(text, "x\xe2\x80\xa6\" n=1\n"));
}
END_TEST

START_TEST(levels)
{
    to_pipe();
    log_event(LOG_HOST_STARTED);
    log_set_level(LOG_LEVEL_WARNING);
    log_event(LOG_LISTENING);
    log_event(LOG_DISK_FULL);
    log_set_level(LOG_LEVEL_DEBUG);
    log_event(LOG_HOST_STARTED);
    read_all();
    ck_assert_uint_eq(count(text, "\n"), 2);
    ck_assert_uint_eq(count(text, "level=error event=disk_full"), 1);
    ck_assert_uint_eq(count(text, "level=debug event=host_started"), 1);
}
END_TEST

START_TEST(a_flood_is_held_back_and_counted)
{
    to_pipe();
    unsigned most = 100;
    for (unsigned i = 0; i < most; i++)
        log_event(LOG_CLIENT_NOBODY, KV("failures", i));
    log_event(LOG_STOPPED); // others are not held back
    unsigned said = count(read_all(), "event=client_nobody");
    ck_assert_uint_ge(said, LOG_BURST);
    ck_assert_uint_lt(said, most);
    ck_assert_uint_eq(count(text, "event=stopped"), 1);
    // When it is over, the thread says how many there were.
    ck_assert(log_start());
    log_event(LOG_CLIENT_NOBODY, KV("failures", 0));
    char expected[100];
    snprintf(expected, sizeof expected,
             "event=client_nobody msg=\"a connection is closed: its client is nobody any more\" left_out=");
    do
        read_all();
    while (!strstr(text, expected));
    ck_assert_uint_ge(strtoul(strstr(text, expected) + strlen(expected), NULL, 10), most - said);
}
END_TEST

// Nobody reads standard error: whoever logs goes on, and what had no room is counted.
START_TEST(who_does_not_read_holds_nobody_up)
{
    static char large[LOG_VALUE_MAX];
    unsigned lines = 3 * LOG_ROOM / LOG_VALUE_MAX;
    memset(large, 'x', sizeof large - 1);
    to_pipe();
    ck_assert(log_start());
    for (unsigned i = 0; i < lines; i++)
        log_event(LOG_LISTENING, KV("address", large), KV("n", i));
    ck_assert(!log_flush(20));
    uint64_t dropped = log_dropped();
    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_lt(dropped, lines);
    // Now somebody does: what was kept is whole, and what is missing is said.
    unsigned came = 0, said = 0;
    do {
        read_all();
        came += count(text, "event=listening");
        char *at = strstr(text, "event=log_dropped");
        said = at ? (unsigned)strtoul(strstr(at, "lines=") + 6, NULL, 10) : 0;
    } while (!said);
    ck_assert_uint_eq(said, dropped);
    ck_assert_uint_eq(came, lines - dropped);
    log_event(LOG_STOPPED);
    ck_assert(log_flush(20000));
    ck_assert_ptr_nonnull(strstr(read_all(), "event=stopped"));
}
END_TEST

// Also at the end.
START_TEST(the_end_does_not_wait_for_a_reader)
{
    static char large[LOG_VALUE_MAX];
    memset(large, 'x', sizeof large - 1);
    to_pipe();
    ck_assert(log_start());
    for (unsigned i = 0; i < 200; i++)
        log_event(LOG_LISTENING, KV("address", large));
    log_stop(20);
    log_event(LOG_STOPPED);
}
END_TEST

// A reader that went: no end of lines about lines that cannot be written.
START_TEST(a_broken_pipe_is_quiet)
{
    signal(SIGPIPE, SIG_IGN);
    to_pipe();
    ck_assert(log_start());
    close(ends[0]);
    log_event(LOG_LISTENING);
    ck_assert(log_flush(20000));
    ck_assert_uint_eq(log_dropped(), 1);
    to_pipe();
    log_event(LOG_STOPPED);
    ck_assert(log_flush(20000));
    ck_assert_ptr_nonnull(strstr(read_all(), "event=stopped"));
    ck_assert_ptr_nonnull(strstr(text, "event=log_dropped"));
}
END_TEST

// A file that was moved away: what came before the change stands in the old one, the rest in the new.
START_TEST(another_file)
{
    to_pipe();
    int old = ends[0];
    ck_assert(log_start());
    log_event(LOG_LISTENING, KV("n", 1));
    to_pipe();
    log_event(LOG_LISTENING, KV("n", 2));
    ck_assert(log_flush(20000));
    ck_assert_ptr_nonnull(strstr(read_all(), " n=2\n"));
    ck_assert_ptr_null(strstr(text, " n=1\n"));
    ends[0] = old; // whose other end is closed
    ck_assert_ptr_nonnull(strstr(read_all(), " n=1\n"));
    ck_assert_int_eq(read(old, text, 1), 0);
}
END_TEST

START_TEST(the_journal_is_told_the_level)
{
    char stream[64];
    struct stat s;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(fstat(STDERR_FILENO, &s), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_look_for_journal();
    log_event(LOG_LISTENING);
    log_event(LOG_DISK_FULL);
    ck_assert_int_eq(strncmp(read_all(), "<6>level=info event=listening ", 30), 0);
    ck_assert_ptr_nonnull(strstr(text, "\n<3>level=error event=disk_full "));
    log_set_format(LOG_JSON);
    log_event(LOG_LISTENING);
    ck_assert_int_eq(strncmp(read_all(), "<6>{\"time\":\"2", 13), 0);
    to_pipe(); // which is none
    log_set_format(LOG_LOGFMT);
    log_event(LOG_LISTENING);
    ck_assert_int_eq(strncmp(read_all(), "time=2", 6), 0);
}
END_TEST

static void *log_some(void *context)
{
    for (unsigned i = 0; i < 300; i++)
        log_event(LOG_LISTENING, KV("thread", *(unsigned *)context), KV("n", i));
    return NULL;
}

START_TEST(lines_of_threads_do_not_mix)
{
    pthread_t threads[4];
    unsigned numbers[4] = {0, 1, 2, 3};
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    log_to(dup(fileno(f)));
    ck_assert(log_start());
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_some, &numbers[i]), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop(20000);
    rewind(f);
    unsigned next[4] = {0}, thread, n;
    while (fgets(text, sizeof text, f)) {
        ck_assert_int_eq(sscanf(strstr(text, " thread="), " thread=%u n=%u\n", &thread, &n), 2);
        ck_assert_uint_eq(n, next[thread]);
        next[thread]++;
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(next[i], 300);
    fclose(f);
}
END_TEST

START_TEST(rows)
{
    for (unsigned i = 0; i < LOG_EVENT_COUNT; i++) {
        const struct log_event_row *row = log_event_row((enum log_event)i);
        ck_assert_uint_eq(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name));
        ck_assert_uint_lt(strlen(row->text), 200);
        for (unsigned k = 0; k < i; k++)
            ck_assert_str_ne(row->name, log_event_row((enum log_event)k)->name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *c = tcase_create("log");
    tcase_add_test(c, a_line_is_pairs);
    tcase_add_test(c, a_line_is_an_object);
    tcase_add_test(c, a_value_stays_one);
    tcase_add_test(c, a_line_is_bounded);
    tcase_add_test(c, levels);
    tcase_add_test(c, a_flood_is_held_back_and_counted);
    tcase_add_test(c, who_does_not_read_holds_nobody_up);
    tcase_add_test(c, the_end_does_not_wait_for_a_reader);
    tcase_add_test(c, a_broken_pipe_is_quiet);
    tcase_add_test(c, another_file);
    tcase_add_test(c, the_journal_is_told_the_level);
    tcase_add_test(c, lines_of_threads_do_not_mix);
    tcase_add_test(c, rows);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
