#include "server/engine/event.h"

#include "tests/unit/engine_fixture.h"

#include "server/engine/blob.h"
#include "server/engine/journal.h"

#include <stdio.h>
#include <string.h>

#define BIT(state) (1u << (state))

static unsigned asked; // how often it was asked which queues are wanted

static bool wants_all(void *context, struct slice queue)
{
    (void)context, (void)queue;
    asked++;
    return true;
}

// The context is the one name that is wanted.
static bool wants_one(void *context, struct slice queue)
{
    asked++;
    return slice_equal(queue, context);
}

static struct waiter *listen_as(struct engine_client *c, unsigned states, const char *only)
{
    struct listen_options o = {.states = states, .wants = only ? wants_one : wants_all};
    struct waiter *w = NULL;
    ck_assert_int_eq(engine_listen(e, now, c, &o, (void *)(uintptr_t)only, &w), ERROR_NONE);
    ck_assert_ptr_nonnull(w);
    return w;
}

static void stop(struct waiter *w)
{
    ck_assert(engine_wait_cancel(e, w));
}

// What came since the last call as text, "id queue from>state …", after the pause that there is between news.
static const char *told(void)
{
    static char text[1 << 16];
    size_t len = 0;
    text[0] = '\0';
    for (int round = 0; round < 3; round++) {
        for (struct waiter *w = engine_take_completed(e), *next; w; w = next) {
            struct job_event v;
            next = w->next;
            ck_assert_int_eq(w->kind, WAITER_EVENTS);
            while (!w->orphan && waiter_next_event(w, &v)) {
                const char *from = v.from < JOB_STATE_COUNT ? event_state_name(v.from) : "";
                len += (size_t)snprintf(text + len, sizeof text - len, "%s%u %.*s %s>%s", len ? "; " : "",
                                        (unsigned)v.id, (int)v.queue.len, v.queue.data, from,
                                        event_state_name(v.state));
                if (v.attempts)
                    len += (size_t)snprintf(text + len, sizeof text - len, " attempts=%u", v.attempts);
                if (v.cause)
                    len += (size_t)snprintf(text + len, sizeof text - len, " %s", event_cause_name(v.cause));
                if (v.state == JOB_DEAD)
                    len += (size_t)snprintf(text + len, sizeof text - len, " %s", dead_reason_name(v.reason));
                if (v.moved)
                    len += (size_t)snprintf(text + len, sizeof text - len, " moved");
                ck_assert(v.at > now.wall - 60000 && v.at <= now.wall);
            }
            ck_assert_uint_eq(w->orphan ? 0 : waiter_missed(w), 0);
            engine_confirm(e, now, w);
        }
        pass(EVENTS_PACE);
    }
    return text;
}

#define TOLD(text) ck_assert_str_eq(told(), text)

START_TEST(the_life_of_a_job)
{
    struct waiter *w = listen_as(client, EVENT_STATES, NULL);
    ck_assert_uint_eq(put("q", 0), 1);
    TOLD("1 q >ready");
    get_id("q");
    ck_assert_int_eq(engine_ack(e, now, client, 1, 0, NULL), ERROR_NONE);
    TOLD("1 q ready>reserved; 1 q reserved>done");
    struct nack_result nack;
    put_with("q", (struct put_options){.delay = 5}, "1");
    TOLD("2 q >delayed; 2 q delayed>ready");
    get_id("q");
    ck_assert_int_eq(engine_nack(e, now, client, 2, 0, NULL, 0, &nack), ERROR_NONE);
    get_id("q");
    ck_assert_int_eq(engine_release(e, now, client, 2, 0, 0, NULL), ERROR_NONE);
    get_id("q");
    ck_assert_int_eq(engine_lost(e, now, client, 2, 0), ERROR_NONE);
    TOLD("2 q ready>reserved; 2 q reserved>ready attempts=1 failed; 2 q ready>reserved attempts=1; "
         "2 q reserved>ready attempts=1 released; 2 q ready>reserved attempts=1; "
         "2 q reserved>ready attempts=1 lost");
    get_id("q");
    ck_assert_int_eq(engine_bury(e, now, client, 2, 0, NULL), ERROR_NONE);
    bool flag;
    ck_assert_int_eq(engine_kick(e, now, 2, &flag), ERROR_NONE);
    ck_assert_int_eq(engine_cancel(e, now, 2, false, &flag), ERROR_NONE);
    TOLD("2 q ready>reserved attempts=1; 2 q reserved>dead attempts=1 buried; 2 q dead>ready attempts=1; "
         "2 q ready>cancelled");
    stop(w);
}
END_TEST

START_TEST(leases_that_run_out_and_deaths_of_it)
{
    struct waiter *w = listen_as(client, EVENT_STATES & ~BIT(JOB_RESERVED), NULL);
    put_with("q", (struct put_options){.max_attempts = 2, .lease = 1000}, "1");
    get_id("q");
    pass(1000);
    const char *first = told();
    ck_assert_ptr_nonnull(strstr(first, "1 q >ready; 1 q reserved>delayed attempts=1 lease"));
    pass(10000);
    told();
    get_id("q");
    pass(1000);
    TOLD("1 q reserved>dead attempts=2 lease attempts");
    stop(w);
}
END_TEST

START_TEST(a_move_to_the_dead_letter_queue_is_told_of_both)
{
    set_dead_letter("q", "dlq");
    struct waiter *w = listen_as(client, EVENT_STATES, NULL);
    put("q", 0);
    get_id("q");
    ck_assert_int_eq(engine_bury(e, now, client, 1, 0, NULL), ERROR_NONE);
    TOLD("1 q >ready; 1 q ready>reserved; 1 q reserved>dead buried moved; 1 dlq >ready moved");
    stop(w);
}
END_TEST

START_TEST(removed_jobs)
{
    struct waiter *w = listen_as(client, BIT(EVENT_DELETED), NULL);
    uint64_t count;
    struct taken t;
    put("q", 0);
    put("q", 0);
    put("q", 0);
    ck_assert_int_eq(try_get("q", &t), ERROR_NONE);
    ck_assert_int_eq(engine_delete(e, now, 2), ERROR_NONE);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    TOLD("2 q ready>deleted; 3 q ready>deleted");
    pass(100000); // the lease of the one that was held
    told();
    // The end of an outcome's time is none of a job.
    put_with("r", (struct put_options){.submit = true, .keep_result = 1000}, "1");
    get_id("r");
    ck_assert_int_eq(engine_ack(e, now, client, 4, 0, NULL), ERROR_NONE);
    pass(2000);
    TOLD("");
    stop(w);
}
END_TEST

START_TEST(only_what_is_wanted)
{
    struct engine_client *other = engine_client_new(e, NULL);
    ck_assert_ptr_nonnull(other);
    struct waiter *a = listen_as(client, EVENT_STATES, "a"), *b = listen_as(other, BIT(JOB_READY), "b");
    asked = 0;
    for (int i = 0; i < 10; i++) {
        put("a", 0);
        put("b", 0);
        put("c", 0);
    }
    get_id("b");
    ck_assert_uint_eq(asked, 6); // each once for each queue
    const char *text = told();
    ck_assert_ptr_nonnull(strstr(text, " a >ready"));
    ck_assert_ptr_nonnull(strstr(text, " b >ready"));
    ck_assert_ptr_null(strstr(text, " c "));
    ck_assert_ptr_null(strstr(text, "reserved"));
    engine_listeners_changed(e);
    asked = 0;
    put("a", 0);
    ck_assert_uint_eq(asked, 2);
    stop(a);
    told();
    put("a", 0);
    put("b", 0);
    ck_assert_str_eq(told(), "33 b >ready");
    stop(b);
    ck_assert_uint_eq(e->listening, 0);
    asked = 0;
    put("b", 0);
    ck_assert_uint_eq(asked, 0);
    ck_assert(engine_client_close(e, now, other));
}
END_TEST

// Nobody fetches what is under way: what is kept has its bound, and the rest is counted.
START_TEST(a_slow_one_is_told_how_many_it_missed)
{
    struct waiter *w = listen_as(client, EVENT_STATES, NULL);
    unsigned most = 20000, heard = 0, ids = 0;
    for (unsigned i = 0; i < most; i++)
        MUST(put("queue", 0) == i + 1);
    struct job_event v;
    struct waiter *first = engine_take_completed(e);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(first->next);
    while (waiter_next_event(first, &v))
        MUST(v.id == ++heard);
    ck_assert_uint_eq(heard, 1); // sent at once
    ck_assert_uint_eq(waiter_missed(first), 0);
    engine_confirm(e, now, first);
    ck_assert_ptr_null(engine_take_completed(e));
    pass(EVENTS_PACE);
    struct waiter *next = engine_take_completed(e);
    ck_assert_ptr_nonnull(next);
    put("queue", 0); // after the gap
    while (waiter_next_event(next, &v))
        MUST(v.id == ++heard);
    ck_assert_uint_gt(heard, 1000);
    ck_assert_uint_lt(heard, most);
    ck_assert_uint_eq(waiter_missed(next), most - heard);
    engine_confirm(e, now, next);
    pass(EVENTS_PACE);
    next = engine_take_completed(e);
    ck_assert_ptr_nonnull(next);
    while (waiter_next_event(next, &v))
        ids = (unsigned)v.id;
    ck_assert_uint_eq(ids, most + 1);
    ck_assert_uint_eq(waiter_missed(next), 0);
    engine_confirm(e, now, next);
    stop(w);
}
END_TEST

START_TEST(between_news_there_is_a_pause)
{
    struct waiter *w = listen_as(client, EVENT_STATES, NULL);
    put("q", 0);
    confirm(completed());
    put("q", 0);
    ck_assert_ptr_null(completed());
    pass(EVENTS_PACE - 1);
    ck_assert_ptr_null(completed());
    pass(1);
    confirm(completed());
    stop(w);
}
END_TEST

// They leave when what they tell of is on disk.
START_TEST(what_is_told_is_promised)
{
    ck_assert(journal_begin(e));
    journal_on_disk(e, journal_marked(e)); // there are ids
    struct waiter *w = listen_as(client, EVENT_STATES, NULL);
    put("q", 0);
    struct waiter *news = completed();
    engine_confirm(e, now, news);
    ck_assert_uint_gt(journal_marked(e), 0);
    ck_assert_uint_eq(engine_promise(e), journal_marked(e));
    stop(w);
}
END_TEST

START_TEST(it_ends_while_news_are_under_way)
{
    struct engine_client *other = engine_client_new(e, NULL);
    struct waiter *w = listen_as(other, EVENT_STATES, NULL), *v = listen_as(client, EVENT_STATES, NULL);
    put("q", 0);
    struct waiter *news = engine_take_completed(e);
    ck_assert_ptr_nonnull(news->next);
    stop(v);
    ck_assert(engine_client_close(e, now, other));
    (void)w;
    ck_assert_uint_eq(e->listening, 0);
    put("q", 0); // nobody hears of it
    for (struct waiter *next; news; news = next) {
        next = news->next;
        ck_assert(news->orphan);
        engine_confirm(e, now, news);
    }
    ck_assert_ptr_null(engine_take_completed(e));
}
END_TEST

START_TEST(so_many_may_listen_and_a_stop_ends_them)
{
    struct listen_options o = {.states = EVENT_STATES, .wants = wants_all};
    uint64_t bytes = totals().bytes;
    struct waiter *w, *some[LISTENERS_MAX];
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        some[i] = listen_as(client, EVENT_STATES, NULL);
    ck_assert_int_eq(engine_listen(e, now, client, &o, NULL, &w), ERROR_OVERLOADED);
    stop(some[7]);
    some[7] = listen_as(client, EVENT_STATES, NULL);
    engine_drain(e);
    unsigned ended = 0;
    for (struct waiter *at = engine_take_completed(e), *next; at; at = next) {
        next = at->next;
        ck_assert_int_eq(at->kind, WAITER_LISTEN);
        ck_assert_int_eq(at->error, ERROR_DRAINING);
        engine_confirm(e, now, at);
        ended++;
    }
    ck_assert_uint_eq(ended, LISTENERS_MAX);
    ck_assert_uint_eq(e->listening, 0);
    ck_assert_uint_eq(totals().bytes, bytes);
    ck_assert_int_eq(engine_listen(e, now, client, &o, NULL, &w), ERROR_DRAINING);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/event");
    TCase *c = tcase_create("event");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, the_life_of_a_job);
    tcase_add_test(c, leases_that_run_out_and_deaths_of_it);
    tcase_add_test(c, a_move_to_the_dead_letter_queue_is_told_of_both);
    tcase_add_test(c, removed_jobs);
    tcase_add_test(c, only_what_is_wanted);
    tcase_add_test(c, a_slow_one_is_told_how_many_it_missed);
    tcase_add_test(c, between_news_there_is_a_pause);
    tcase_add_test(c, what_is_told_is_promised);
    tcase_add_test(c, it_ends_while_news_are_under_way);
    tcase_add_test(c, so_many_may_listen_and_a_stop_ends_them);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
