#include "tests/unit/engine_fixture.h"

#include "server/engine/blob.h"

static struct engine_client *other(void)
{
    struct engine_client *c = engine_client_new(e, NULL);
    ck_assert_ptr_nonnull(c);
    return c;
}

static void close_client(struct engine_client *c)
{
    while (!engine_client_close(e, now, c))
        ;
}

static struct put_result submit(struct engine_client *c, const char *queue, bool progress, int64_t timeout)
{
    struct put_options o = {.submit = true, .keep_result = -1, .watched = true};
    struct watch_options watch = {.progress = progress, .context = &now, .tag = 7};
    struct put_result out;
    struct outcome none;
    struct job *j = job_prepare(&o, SLICE("1"));
    ck_assert_int_eq(engine_submit(e, now, slice_of(queue), j, c, timeout, NULL, &watch, &out, &none),
                     ERROR_NONE);
    return out;
}

static void say(uint64_t id, const char *text)
{
    struct blob *b = blob_new(slice_of(text));
    ck_assert_int_eq(engine_progress(e, now, client, id, 0, b), ERROR_NONE);
    blob_unref(b);
}

// The news that came, and what they say.
static struct waiter *news(const char *text)
{
    struct waiter *w = completed();
    ck_assert_ptr_nonnull(w);
    ck_assert_int_eq(w->kind, WAITER_PROGRESS);
    struct blob *b = waiter_take_progress(w);
    ck_assert(slice_equal(blob_slice(b), text));
    ck_assert_ptr_null(waiter_take_progress(w));
    blob_unref(b);
    return w;
}

START_TEST(a_subscription_tells_once_and_names_its_context)
{
    uint64_t id = submit(client, "q", false, 0).id;
    ck_assert_ptr_null(completed());
    ck_assert_uint_eq(get_id("q"), id);
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
    struct waiter *w = completed();
    ck_assert_int_eq(w->kind, WAITER_NOTIFY);
    ck_assert_uint_eq(w->id, id);
    ck_assert_uint_eq(w->tag, 7);
    ck_assert_ptr_eq(w->context, &now);
    ck_assert_int_eq(w->outcome.state, JOB_DONE);
    confirm(w);
    ck_assert_ptr_null(completed());
}
END_TEST

START_TEST(news_come_at_a_pace_and_the_newest_of_them)
{
    uint64_t id = submit(client, "q", true, 0).id;
    get_id("q");
    say(id, "\"done\":1");
    confirm(news("\"done\":1"));
    say(id, "\"done\":2");
    say(id, "\"done\":3");
    ck_assert_ptr_null(completed());
    pass(PROGRESS_PACE - 1);
    ck_assert_ptr_null(completed());
    pass(1);
    confirm(news("\"done\":3"));
    pass(PROGRESS_PACE);
    ck_assert_ptr_null(completed());
    say(id, "\"done\":4");
    confirm(news("\"done\":4"));
}
END_TEST

START_TEST(one_is_under_way_at_a_time)
{
    uint64_t id = submit(client, "q", true, 0).id;
    get_id("q");
    say(id, "\"done\":1");
    struct waiter *first = news("\"done\":1");
    for (int i = 0; i < 3; i++) {
        pass(PROGRESS_PACE);
        say(id, i < 2 ? "\"done\":2" : "\"done\":3");
    }
    ck_assert_ptr_null(completed());
    confirm(first); // and what came meanwhile follows, the newest alone
    confirm(news("\"done\":3"));
    ck_assert_ptr_null(completed());
}
END_TEST

START_TEST(news_of_what_has_ended_are_nobodys)
{
    uint64_t id = submit(client, "q", true, 0).id;
    get_id("q");
    say(id, "\"done\":1");
    struct waiter *w = completed();
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
    struct waiter *end = completed();
    ck_assert(!w->orphan && w->of == end);
    confirm(end);
    ck_assert(w->orphan);
    confirm(w);
}
END_TEST

START_TEST(what_was_said_before_is_told_to_who_comes_later_once)
{
    struct engine_client *c = other();
    uint64_t id = put("q", 0);
    get_id("q");
    say(id, "\"done\":1");
    ck_assert_ptr_null(completed());
    struct outcome out;
    struct waiter *wait;
    ck_assert_int_eq(engine_result(e, now, id, OUTCOME_PROGRESS, c, FOREVER, NULL, &out, &wait), ERROR_NONE);
    confirm(news("\"done\":1"));
    pass(PROGRESS_PACE);
    ck_assert_ptr_null(completed());
    close_client(c);
}
END_TEST

START_TEST(who_comes_while_news_are_held_back_has_them_once)
{
    struct engine_client *c = other();
    uint64_t id = submit(client, "q", true, 0).id;
    get_id("q");
    say(id, "\"done\":1");
    confirm(news("\"done\":1"));
    say(id, "\"done\":2");
    struct outcome out;
    struct waiter *wait;
    ck_assert_int_eq(engine_result(e, now, id, OUTCOME_PROGRESS, c, FOREVER, NULL, &out, &wait), ERROR_NONE);
    struct waiter *w = news("\"done\":2");
    ck_assert_ptr_eq(w->of, wait);
    confirm(w);
    pass(PROGRESS_PACE);
    w = news("\"done\":2");
    ck_assert_int_eq(w->of->kind, WAITER_NOTIFY);
    confirm(w);
    close_client(c);
}
END_TEST

START_TEST(a_put_that_waits_is_answered_before_its_jobs_end_is_told)
{
    SET("q", maxsize, 1);
    put("q", 0);
    struct waiter *put_wait = submit(client, "q", true, FOREVER).waiting;
    get_id("q");
    ck_assert_ptr_eq(completed(), put_wait);
    uint64_t id = get_id("q");
    say(id, "\"done\":1");
    ck_assert_ptr_null(completed());
    ck_assert_int_eq(engine_ack(e, now, client, id, 0, NULL), ERROR_NONE);
    ck_assert_ptr_null(completed());
    confirm(put_wait);
    struct waiter *w = completed();
    ck_assert_int_eq(w->kind, WAITER_NOTIFY);
    ck_assert_uint_eq(w->id, id);
    confirm(w);
}
END_TEST

START_TEST(subscriptions_are_counted_and_bounded)
{
    struct engine_client *c = other();
    e->config.max_subscriptions = 2;
    uint64_t before = totals().bytes, a = submit(c, "q", false, 0).id;
    ck_assert_uint_gt(totals().bytes, before + SUBSCRIPTION_BYTES);
    submit(c, "q", false, 0);
    struct put_options o = {.submit = true, .keep_result = -1, .watched = true};
    struct watch_options watch = {0};
    struct put_result out;
    struct outcome none;
    struct job *j = job_prepare(&o, SLICE("1"));
    ck_assert_int_eq(engine_submit(e, now, SLICE("q"), j, c, 0, NULL, &watch, &out, &none), ERROR_OVERLOADED);
    ck_assert_uint_eq(queue_of("q").gauges.ready, 2);
    ck_assert_int_eq(engine_delete(e, now, a), ERROR_NONE);
    struct waiter *w = completed();
    ck_assert_int_eq(w->error, ERROR_NOT_FOUND);
    ck_assert_int_eq(engine_submit(e, now, SLICE("q"), j, c, 0, NULL, &watch, &out, &none), ERROR_OVERLOADED);
    confirm(w);
    ck_assert_int_eq(engine_submit(e, now, SLICE("q"), j, c, 0, NULL, &watch, &out, &none), ERROR_NONE);
    close_client(c);
}
END_TEST

// A thousand a call, and none of them tells of anything any more.
START_TEST(many_go_with_their_client_in_slices)
{
    enum { MANY = 5000 };
    struct engine_client *c = other();
    uint64_t first = 0;
    for (int i = 0; i < MANY; i++) {
        uint64_t id = submit(c, "q", i % 2, 0).id;
        first = first ? first : id;
    }
    MUST(engine_delete(e, now, first) == ERROR_NONE);
    struct waiter *under_way = completed();
    uint64_t held = get_id("q");
    say(held, "\"done\":1");
    struct waiter *told = completed();
    unsigned calls = 1;
    for (; !engine_client_close(e, now, c); calls++) {
        MUST(under_way->orphan && told->orphan);
        MUST(engine_delete(e, now, first + 100 + calls) == ERROR_NONE);
        MUST(!completed());
    }
    ck_assert_uint_ge(calls, MANY / SLICE_OF_WORK);
    confirm(told);
    confirm(under_way);
    ck_assert_int_eq(engine_ack(e, now, client, held, 0, NULL), ERROR_NONE);
    ck_assert_ptr_null(completed());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/watch");
    TCase *c = tcase_create("watch");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, a_subscription_tells_once_and_names_its_context);
    tcase_add_test(c, news_come_at_a_pace_and_the_newest_of_them);
    tcase_add_test(c, one_is_under_way_at_a_time);
    tcase_add_test(c, news_of_what_has_ended_are_nobodys);
    tcase_add_test(c, what_was_said_before_is_told_to_who_comes_later_once);
    tcase_add_test(c, who_comes_while_news_are_held_back_has_them_once);
    tcase_add_test(c, a_put_that_waits_is_answered_before_its_jobs_end_is_told);
    tcase_add_test(c, subscriptions_are_counted_and_bounded);
    tcase_add_test(c, many_go_with_their_client_in_slices);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
