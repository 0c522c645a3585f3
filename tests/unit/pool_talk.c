#include "server/pool/talk.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct worker w;
static struct handler handler;
static struct talk t;
static struct verdict verdict;
static const char *why;
static int fds[2];

static void setup(void)
{
    static const char *queue = "a \"queue\"";
    handler = (struct handler){
        .settings = {.queues = {.items = (char **)(uintptr_t)&queue, .count = 1}, .max_output = 100}};
    w = (struct worker){.handler = &handler,
                        .task = {.id = 7, .delivery = 4294967298, .attempt = 2, .body = SLICE("[1, 2]")}};
    t = (struct talk){0};
    verdict = (struct verdict){0};
    why = NULL;
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void teardown(void)
{
    talk_release(&t);
    blob_unref(verdict.text);
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

static enum talk_read reads(void)
{
    return talk_read(&t, &w, fds[0], &verdict, &why);
}

static enum talk_read hears(const char *text)
{
    ck_assert_int_eq(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
    return reads();
}

static void expect_text(const char *text)
{
    ck_assert_uint_eq(verdict.text->len, strlen(text));
    ck_assert_mem_eq(verdict.text->data, text, verdict.text->len);
}

START_TEST(the_line_of_a_job)
{
    const char *line = "{\"id\":7,\"queue\":\"a \\\"queue\\\"\",\"attempt\":2,\"delivery\":4294967298,"
                       "\"body\":[1, 2]}\n";
    char got[200];
    ck_assert(talk_begin(&t, &w));
    ck_assert(!talk_written(&t));
    ck_assert(talk_write(&t, fds[1]));
    ck_assert(talk_written(&t));
    ssize_t n = read(fds[0], got, sizeof got);
    ck_assert_int_eq(n, (ssize_t)strlen(line));
    ck_assert_mem_eq(got, line, strlen(line));
}
END_TEST

START_TEST(a_job_that_a_pipe_does_not_take_at_once_goes_in_parts)
{
    enum { LEN = 300000 };
    char *body = malloc(LEN), part[4096];
    ck_assert_ptr_nonnull(body);
    memset(body, '1', LEN);
    w.task.body = (struct slice){body, LEN};
    ck_assert(talk_begin(&t, &w));
    size_t got = 0;
    char last = 0;
    for (int rounds = 0; got < t.out.len; rounds++) {
        ck_assert_int_lt(rounds, LEN);
        ck_assert(talk_write(&t, fds[1]));
        for (ssize_t n; (n = read(fds[0], part, sizeof part)) > 0; got += (size_t)n)
            last = part[n - 1];
    }
    ck_assert(talk_written(&t));
    ck_assert_int_eq(last, '\n');
    w.task.body = SLICE("1");
    ck_assert(talk_begin(&t, &w)); // the next begins at its beginning
    ck_assert_uint_lt(t.out.cap, LEN);
    ck_assert(talk_write(&t, fds[1]));
    ck_assert_int_eq(read(fds[0], part, sizeof part), (ssize_t)t.out.len);
    free(body);
}
END_TEST

START_TEST(where_nobody_reads_writing_fails)
{
    int none[2];
    ck_assert_int_eq(pipe2(none, O_CLOEXEC | O_NONBLOCK), 0);
    close(none[0]);
    ck_assert(talk_begin(&t, &w));
    ck_assert(!talk_write(&t, none[1]));
    ck_assert(!talk_written(&t));
    close(none[1]);
}
END_TEST

START_TEST(an_answer_may_come_in_pieces)
{
    ck_assert_int_eq(reads(), TALK_AGAIN);
    ck_assert_int_eq(hears("{\"id\":7,\"res"), TALK_AGAIN);
    ck_assert_int_eq(hears("ult\":{\"a\":1e400}}"), TALK_AGAIN);
    ck_assert_int_eq(hears("\n"), TALK_ANSWER);
    ck_assert_int_eq(verdict.kind, VERDICT_DONE);
    expect_text("{\"a\":1e400}");
}
END_TEST

START_TEST(an_error_is_a_failed_attempt)
{
    ck_assert_int_eq(hears("{\"id\":7,\"error\":\"no\"}\n"), TALK_ANSWER);
    ck_assert_int_eq(verdict.kind, VERDICT_FAILED);
    ck_assert(!verdict.has_delay);
    expect_text("\"no\"");
}
END_TEST

START_TEST(an_error_may_say_when_it_is_tried_again)
{
    ck_assert_int_eq(hears("{\"id\":7,\"error\":1,\"delay\":0}\n"), TALK_ANSWER);
    ck_assert_int_eq(verdict.kind, VERDICT_FAILED);
    ck_assert(verdict.has_delay);
    ck_assert_int_eq(verdict.delay, 0);
}
END_TEST

START_TEST(or_that_it_is_not)
{
    ck_assert_int_eq(hears("{\"id\":7,\"error\":1,\"bury\":true}\n"), TALK_ANSWER);
    ck_assert_int_eq(verdict.kind, VERDICT_BURIED);
}
END_TEST

START_TEST(what_is_no_answer_is_rubbish_and_says_why)
{
    ck_assert_int_eq(hears("hello\n"), TALK_RUBBISH);
    ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(an_answer_about_another_job_is_rubbish)
{
    ck_assert_int_eq(hears("{\"id\":8,\"result\":1}\n"), TALK_RUBBISH);
    ck_assert_ptr_nonnull(why);
}
END_TEST

// max_output is 100: of the value, not of its line.
START_TEST(a_result_has_its_bound)
{
    char line[300];
    int room = _i ? 99 : 98; // and the quotes
    snprintf(line, sizeof line, "{\"id\":7,\"result\":\"%0*d\"}\n", room, 0);
    ck_assert_int_eq(hears(line), _i ? TALK_TOO_LONG : TALK_ANSWER);
}
END_TEST

START_TEST(so_has_a_line_without_end)
{
    char part[4096];
    enum talk_read r = TALK_AGAIN;
    memset(part, ' ', sizeof part);
    for (size_t sent = 0; r == TALK_AGAIN; sent += sizeof part) {
        ck_assert_uint_le(sent, 2 * TALK_ENVELOPE_MAX);
        ck_assert_int_eq(write(fds[1], part, sizeof part), sizeof part);
        r = reads();
    }
    ck_assert_int_eq(r, TALK_TOO_LONG);
}
END_TEST

START_TEST(an_end_is_told_after_what_came_before_it)
{
    ck_assert_int_eq(write(fds[1], "{\"id\":7,\"result\":1}\n", 20), 20);
    close(fds[1]);
    fds[1] = -1;
    ck_assert_int_eq(reads(), TALK_ANSWER);
    ck_assert_int_eq(reads(), TALK_END);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_line_of_a_job,
                                  a_job_that_a_pipe_does_not_take_at_once_goes_in_parts,
                                  where_nobody_reads_writing_fails,
                                  an_answer_may_come_in_pieces,
                                  an_error_is_a_failed_attempt,
                                  an_error_may_say_when_it_is_tried_again,
                                  or_that_it_is_not,
                                  what_is_no_answer_is_rubbish_and_says_why,
                                  an_answer_about_another_job_is_rubbish,
                                  so_has_a_line_without_end,
                                  an_end_is_told_after_what_came_before_it};
    signal(SIGPIPE, SIG_IGN);
    Suite *s = suite_create("pool_talk");
    TCase *c = tcase_create("talk");
    tcase_add_checked_fixture(c, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(c, tests[i]);
    tcase_add_loop_test(c, a_result_has_its_bound, 0, 2);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
