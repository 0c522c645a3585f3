#include "tests/unit/engine_fixture.h"

#include <string.h>

START_TEST(states_and_reasons_have_names)
{
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        enum job_state back = JOB_STATE_COUNT;
        ck_assert(job_state_of_name(slice_of(job_state_name((enum job_state)s)), &back));
        ck_assert_int_eq(back, s);
    }
    enum job_state s;
    ck_assert(!job_state_of_name(SLICE("read"), &s));
    ck_assert(!job_state_of_name(SLICE(""), &s));
    ck_assert_str_eq(job_state_name(JOB_CANCELLED), "cancelled");
    ck_assert_str_eq(dead_reason_name(DEAD_SHUT_DOWN), "shut_down");
    ck_assert_str_eq(dead_reason_name(DEAD_ATTEMPTS), "attempts");
}
END_TEST

static char *text_of(size_t len)
{
    char *text = malloc(len + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', len);
    text[len] = 0;
    return text;
}

START_TEST(a_body_comes_back_as_it_was_put)
{
    static const size_t lengths[] = {0, 1, JOB_INLINE_MAX, JOB_INLINE_MAX + 1, 1 << 20};
    char *text = text_of(lengths[_i]);
    uint64_t id = put_with("q", (struct put_options){0}, text);
    struct taken t = get("q");
    ck_assert_uint_eq(t.id, id);
    ck_assert(slice_equal(t.body, text));
    ck_assert_int_eq(t.blob != NULL, lengths[_i] > JOB_INLINE_MAX); // a large one is not copied
    free(text);
}
END_TEST

START_TEST(a_plain_job_has_no_extra_part)
{
    struct put_options o = {.priority = 2.5, .delay = 5, .submit = true, .keep_result = -1};
    struct job *j = job_prepare(&o, SLICE("1"));
    ck_assert_ptr_null(j->extra);
    ck_assert(job_wanted_priority(j) == 2.5);
    job_discard(j);
    o.expires = 1;
    j = job_prepare(&o, SLICE("1"));
    ck_assert_ptr_nonnull(j->extra);
    job_discard(j);
    job_discard(NULL);
}
END_TEST

START_TEST(all_of_a_job_counts_and_is_given_back)
{
    struct put_options o = {.key = SLICE("a key"), .submit = true, .keep_result = 100, .max_attempts = 1};
    uint64_t none = totals().bytes, id = put_with("q", o, "\"body\"");
    uint64_t put_bytes = totals().bytes - none;
    ck_assert_uint_gt(put_bytes, sizeof(struct job) + 6 + 5);
    char *text = text_of(5000);
    struct blob *note = blob_new((struct slice){text, 5000});
    free(text);
    struct taken t = get("q");
    struct nack_result out;
    ck_assert_int_eq(engine_nack(e, now, client, t.id, 0, note, -1, &out), ERROR_NONE);
    blob_unref(note);
    ck_assert_int_eq(state_of(id), JOB_DEAD);
    ck_assert_uint_gt(totals().bytes, none + put_bytes + 4500);
    ck_assert_uint_eq(queue_of("q").gauges.bytes + sizeof(struct queue) + 1, totals().bytes);
    ck_assert_int_eq(engine_delete(e, now, id), ERROR_NONE);
    ck_assert_uint_eq(totals().bytes, sizeof(struct queue) + 1);
}
END_TEST

START_TEST(more_bytes_than_allowed_are_overloaded_and_an_ack_is_not)
{
    e->config.max_bytes = 20000;
    char *text = text_of(3500);
    struct put_options o = {.submit = true, .keep_result = 1000};
    struct put_result out;
    enum error error = ERROR_NONE;
    for (int i = 0; i < 100 && !error; i++) {
        struct job *j = job_prepare(&o, (struct slice){text, 3000});
        error = engine_put(e, now, SLICE("q"), j, NULL, 0, NULL, &out);
        if (error)
            job_discard(j);
    }
    ck_assert_int_eq(error, ERROR_OVERLOADED);
    ck_assert_uint_le(totals().bytes, 20000);
    struct taken t = get("q");
    struct blob *result = blob_new((struct slice){text, 3500});
    ck_assert_int_eq(engine_ack(e, now, client, t.id, 0, result), ERROR_NONE);
    blob_unref(result);
    ck_assert_int_eq(state_of(t.id), -1); // there was no room for its outcome
    ck_assert_uint_eq(queue_of("q").counters.results_dropped, 1);
    ck_assert_uint_eq(queue_of("q").counters.done, 1);
    free(text);
}
END_TEST

START_TEST(a_job_of_higher_urgency_stands_before_an_older_one)
{
    uint64_t later = put("q", 1), first = put("r", -0.5), second = put("q", 0), third = put("r", 0);
    ck_assert(job_before(job_find(e, first), job_find(e, second)));
    ck_assert(job_before(job_find(e, second), job_find(e, third)));
    ck_assert(job_before(job_find(e, third), job_find(e, later)));
    ck_assert(!job_before(job_find(e, later), job_find(e, first)));
    ck_assert_ptr_null(job_find(e, 99));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/job");
    TCase *c = tcase_create("job");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, states_and_reasons_have_names);
    tcase_add_loop_test(c, a_body_comes_back_as_it_was_put, 0, 5);
    tcase_add_test(c, a_plain_job_has_no_extra_part);
    tcase_add_test(c, all_of_a_job_counts_and_is_given_back);
    tcase_add_test(c, more_bytes_than_allowed_are_overloaded_and_an_ack_is_not);
    tcase_add_test(c, a_job_of_higher_urgency_stands_before_an_older_one);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
