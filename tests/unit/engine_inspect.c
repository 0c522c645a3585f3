#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <string.h>

static void expect_why(uint64_t id, const char *part)
{
    ck_assert_msg(strstr(info_of(id).why, part) != NULL, "'%s' does not say '%s'", info_of(id).why, part);
}

START_TEST(a_job_says_why_it_is_not_running)
{
    SET("q", concurrency, 1);
    uint64_t a = put_with("q", (struct put_options){.delay = 3200}, "1"), b = put("q", 0), c = put("q", 0);
    expect_why(a, "due in 3.2 s");
    expect_why(b, "no consumer");
    get_id("q");
    expect_why(b, "a consumer has it");
    expect_why(c, "1 of 1");
    ck_assert_int_eq(engine_pause(e, now, SLICE("q")), ERROR_NONE);
    expect_why(c, "paused");
    ck_assert_int_eq(engine_bury(e, now, client, b, 0, NULL), ERROR_NONE);
    expect_why(b, "dead: buried");
}
END_TEST

struct list {
    uint64_t id[64];
    unsigned count;
};

static void add(void *context, const struct job_info *info)
{
    struct list *l = context;
    ck_assert_uint_lt(l->count, 64);
    l->id[l->count++] = info->id;
}

static bool page(struct list *l, enum job_state state, struct job_cursor *c, unsigned limit)
{
    unsigned visited, before = l->count;
    bool more;
    ck_assert_int_eq(engine_list_jobs(e, now, SLICE("q"), state, c, limit, add, l, &visited, &more),
                     ERROR_NONE);
    ck_assert_uint_eq(l->count - before, visited);
    ck_assert_uint_le(visited, limit);
    return more;
}

START_TEST(ready_jobs_are_listed_as_they_will_be_taken)
{
    SET("q", order, _i);
    for (int i = 0; i < 40; i++)
        put("q", i * 7 % 4 - 1);
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 20};
    static struct taken out[40];
    unsigned count;
    struct waiter *w;
    ck_assert_int_eq(engine_get(e, now, client, &o, out, &count, &w), ERROR_NONE);
    for (unsigned i = 0; i < count; i += 2)
        ck_assert_int_eq(engine_release(e, now, client, out[i].id, 0, 0, NULL), ERROR_NONE);
    struct list l = {0};
    struct job_cursor c = {0};
    while (page(&l, JOB_READY, &c, 3))
        ;
    ck_assert_uint_eq(l.count, 30);
    o.max = 40;
    ck_assert_int_eq(engine_get(e, now, client, &o, out, &count, &w), ERROR_NONE);
    ck_assert_uint_eq(count, 30);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(l.id[i], out[i].id);
}
END_TEST

START_TEST(a_page_goes_on_where_it_was_though_its_job_has_gone)
{
    uint64_t id[20];
    for (int i = 0; i < 20; i++)
        id[i] = put("q", i < 10 ? 0 : 1);
    struct list l = {0};
    struct job_cursor c = {0};
    ck_assert(page(&l, JOB_READY, &c, 10));
    for (int i = 5; i < 12; i++)
        ck_assert_int_eq(engine_delete(e, now, id[i]), ERROR_NONE);
    while (page(&l, JOB_READY, &c, 4))
        ;
    ck_assert_uint_eq(l.count, 18);
    for (int i = 10; i < 18; i++)
        ck_assert_uint_eq(l.id[i], id[i + 2]);
}
END_TEST

// One look goes through a thousand ids at the most. Wherever it breaks off, the next goes on without leaving
// a job out: here between jobs that came back and have those of another queue between them.
START_TEST(a_job_upon_which_a_look_breaks_off_is_listed)
{
    SET("q", order, _i);
    for (int gap = 990; gap < 1005; gap++) {
        for (int i = 0; i < 4; i++) {
            put_with("q", (struct put_options){.priority = gap, .delay = i == 1 || i == 2, .keep_result = -1},
                     "1");
            for (int other = 0; i > 0 && other < gap; other++)
                put("elsewhere", 0);
        }
        pass(10); // the two that waited stand in the tree, the outer ones in the list
        struct list l = {0};
        struct job_cursor c = {0};
        while (page(&l, JOB_READY, &c, 10))
            ;
        struct slice q = SLICE("q");
        struct get_options o = {.queues = &q, .queue_count = 1, .max = 4};
        struct taken out[4];
        unsigned count;
        struct waiter *w;
        ck_assert_uint_eq(l.count, 4);
        ck_assert_int_eq(engine_get(e, now, client, &o, out, &count, &w), ERROR_NONE);
        for (unsigned i = 0; i < count; i++) {
            ck_assert_uint_eq(out[i].id, l.id[i]);
            ck_assert_int_eq(engine_ack(e, now, client, out[i].id, 0, NULL), ERROR_NONE);
        }
    }
}
END_TEST

START_TEST(each_state_has_its_list)
{
    bool yes;
    struct put_options keep = {.submit = true, .keep_result = 1000};
    uint64_t done = put_with("q", keep, "1"), cancelled = put_with("q", keep, "1");
    ck_assert_int_eq(engine_ack(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    ck_assert_int_eq(engine_cancel(e, now, cancelled, false, &yes), ERROR_NONE);
    uint64_t dead = put("q", 0);
    ck_assert_int_eq(engine_bury(e, now, client, get_id("q"), 0, NULL), ERROR_NONE);
    uint64_t reserved = put("q", 0);
    get_id("q");
    uint64_t ready = put("q", 0), delayed = put_with("q", (struct put_options){.delay = 9}, "1");
    const uint64_t want[JOB_STATE_COUNT] = {
        [JOB_DONE] = done,         [JOB_CANCELLED] = cancelled, [JOB_DEAD] = dead,
        [JOB_RESERVED] = reserved, [JOB_READY] = ready,         [JOB_DELAYED] = delayed};
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        struct list l = {0};
        struct job_cursor c = {0};
        while (page(&l, (enum job_state)s, &c, 5))
            ;
        ck_assert_uint_eq(l.count, 1);
        ck_assert_uint_eq(l.id[0], want[s]);
    }
}
END_TEST

START_TEST(the_oldest_is_of_all_priorities)
{
    ck_assert_int_eq(engine_pause(e, now, SLICE("q")), ERROR_NONE);
    ck_assert_int_eq(queue_of("q").oldest, -1);
    put("q", 5);
    pass(1000);
    put("q", 0);
    pass(500);
    ck_assert_int_eq(queue_of("q").oldest, 1500);
}
END_TEST

static void add_name(void *context, const struct queue_info *info)
{
    size_t used = strlen(context);
    snprintf((char *)context + used, 64 - used, "%.*s ", (int)info->name.len, info->name.data);
}

START_TEST(queues_are_listed_from_after_a_name)
{
    char names[64] = "";
    put("c", 0);
    put("a", 0);
    put("b", 0);
    engine_list_queues(e, now, SLICE(""), 2, add_name, names);
    ck_assert_str_eq(names, "a b ");
    names[0] = 0;
    engine_list_queues(e, now, SLICE("aa"), 10, add_name, names);
    ck_assert_str_eq(names, "b c ");
    names[0] = 0;
    engine_list_queues(e, now, SLICE("c"), 10, add_name, names);
    ck_assert_str_eq(names, "");
}
END_TEST

START_TEST(the_sums_are_of_all_queues)
{
    put("a", 0);
    put("b", 0);
    get_id("b");
    struct engine_info i = totals();
    ck_assert_uint_eq(i.queues, 2);
    ck_assert_uint_eq(i.clients, 1);
    ck_assert_uint_eq(i.gauges.ready, 1);
    ck_assert_uint_eq(i.gauges.reserved, 1);
    ck_assert_uint_eq(i.counters.put, 2);
    ck_assert_uint_eq(i.counters.taken, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/inspect");
    TCase *c = tcase_create("inspect");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, a_job_says_why_it_is_not_running);
    tcase_add_loop_test(c, ready_jobs_are_listed_as_they_will_be_taken, 0, 2);
    tcase_add_test(c, a_page_goes_on_where_it_was_though_its_job_has_gone);
    tcase_add_loop_test(c, a_job_upon_which_a_look_breaks_off_is_listed, 0, 2);
    tcase_add_test(c, each_state_has_its_list);
    tcase_add_test(c, the_oldest_is_of_all_priorities);
    tcase_add_test(c, queues_are_listed_from_after_a_name);
    tcase_add_test(c, the_sums_are_of_all_queues);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
