#include "common/progress.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static void refuses(struct progress_text p, const char *about)
{
    const char *member = "";
    ck_assert_ptr_nonnull(progress_check(&p, &member));
    ck_assert_str_eq(member, about);
}

START_TEST(what_is_no_progress)
{
    refuses((struct progress_text){0}, "done");
    refuses((struct progress_text){.has_total = true, .total = 1}, "done");
    refuses((struct progress_text){.has_done = true, .done = -1}, "done");
    refuses((struct progress_text){.has_done = true, .done = INFINITY}, "done");
    refuses((struct progress_text){.has_done = true, .has_total = true, .total = NAN}, "total");
    char text[PROGRESS_MESSAGE_MAX + 1] = "";
    refuses((struct progress_text){.has_message = true, .message = {text, sizeof text}}, "message");
    struct progress_text longest = {.has_message = true, .message = {text, PROGRESS_MESSAGE_MAX}};
    const char *member;
    ck_assert_ptr_null(progress_check(&longest, &member));
}
END_TEST

static void writes(struct progress_text p, const char *text)
{
    struct buffer b = BUFFER_INIT;
    const char *member;
    ck_assert_ptr_null(progress_check(&p, &member));
    progress_write(&b, &p);
    ck_assert(!b.failed && slice_equal((struct slice){b.data, b.len}, text));
    buffer_release(&b);
}

START_TEST(only_what_was_given_is_written)
{
    writes((struct progress_text){.has_done = true}, "\"done\":0");
    writes((struct progress_text){.has_done = true, .done = 1.5, .has_total = true, .total = 3},
           "\"done\":1.5,\"total\":3");
    writes((struct progress_text){.has_message = true, .message = SLICE("a \"b\"\n\xff")},
           "\"message\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"");
    writes((struct progress_text){.has_done = true, .has_message = true}, "\"done\":0,\"message\":\"\"");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("common/progress");
    TCase *c = tcase_create("progress");
    tcase_add_test(c, what_is_no_progress);
    tcase_add_test(c, only_what_was_given_is_written);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
