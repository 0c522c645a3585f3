// What touches many jobs does about a thousand things a call, whatever the backlog: counted, not timed. What
// an operation costs with a large backlog is printed, for whoever looks.
#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#define MANY 100000
#define MOST                                                                                                 \
    4100 // 1,000 jobs or waits, and what each may set off: it leaves two queues, or another is served

// All that has been counted so far, so that a call's share is a difference. Gauges may fall: their moves are
// seen in pairs with a counter or another gauge.
static uint64_t things(void)
{
    struct engine_info i = totals();
    uint64_t n = 0;
#define X(name, metric, label, text) n += i.counters.name;
    QUEUE_COUNTERS(X)
#undef X
    return n;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

// Ticks until nothing is due; each does a bounded number of things. Returns how many ticks it took.
static unsigned tick_all(void)
{
    for (unsigned ticks = 1;; ticks++) {
        struct engine_info before = totals();
        uint64_t counted = things();
        int64_t next = engine_tick(e, now);
        struct engine_info after = totals();
        ck_assert_uint_le(things() - counted, MOST);
#define X(name, metric, label, text)                                                                         \
    if (strcmp(#name, "bytes") != 0)                                                                         \
        ck_assert_uint_le(distance(before.gauges.name, after.gauges.name), MOST);
        QUEUE_GAUGES(X)
#undef X
        ck_assert_uint_le(distance(before.queues, after.queues), MOST);
        jobs_free(engine_take_removed(e));
        if (next > now.mono)
            return ticks;
        ck_assert_uint_lt(ticks, 10 * MANY);
    }
}

static void at(int64_t ms)
{
    now.mono += ms;
    now.wall += ms;
}

static void put_many(struct put_options options)
{
    for (int i = 0; i < MANY; i++)
        put_with("q", options, "1");
}

static void get_many(int64_t lease)
{
    struct slice name = SLICE("q");
    struct get_options o = {.queues = &name, .queue_count = 1, .max = GET_MAX, .lease = lease};
    static struct taken out[GET_MAX];
    for (unsigned got = 0, count; got < MANY; got += count) {
        struct waiter *w;
        ck_assert_int_eq(engine_get(e, now, client, &o, out, &count, &w), ERROR_NONE);
        ck_assert_uint_gt(count, 0);
    }
}

START_TEST(leases_that_run_out_at_once)
{
    put_many((struct put_options){.keep_result = -1});
    get_many(1000);
    at(1000);
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(totals().counters.lease_expired, MANY);
    ck_assert_uint_eq(queue_of("q").gauges.delayed, MANY);
}
END_TEST

START_TEST(delayed_jobs_that_fall_due_in_one_ms)
{
    put_many((struct put_options){.delay = 5000, .keep_result = -1});
    at(5000);
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(queue_of("q").gauges.ready, MANY);
}
END_TEST

START_TEST(jobs_that_wait_for_one_time_of_the_wall_clock)
{
    put_many((struct put_options){.at = now.wall + 5000, .keep_result = -1});
    now.wall += 5000;
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(queue_of("q").gauges.ready, MANY);
}
END_TEST

START_TEST(jobs_that_expire_at_once_and_the_dead_that_go_at_once)
{
    SET("q", keep_dead, 7000);
    put_many((struct put_options){.expires = 5000, .keep_result = -1});
    at(5000);
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(queue_of("q").gauges.dead, MANY);
    at(7000);
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(queue_of("q").gauges.dead, 0);
}
END_TEST

START_TEST(a_drop_an_immediate_shutdown_and_sweeps)
{
    struct put_options o = {.keep_result = -1};
    uint64_t count;
    put_many(o);
    ck_assert_int_eq(engine_drop(e, now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_eq(count, MANY);
    ck_assert_uint_eq(totals().gauges.ready, 0);
    tick_all();
    ck_assert_uint_eq(totals().bytes, 0);

    put_many(o);
    uint64_t before = things();
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("q"), true), ERROR_NONE);
    ck_assert_uint_le(things() - before, MOST);
    tick_all();
    ck_assert_uint_eq(queue_of("q").gauges.dead, MANY);

    struct sweep s = {.kind = SWEEP_DELETE, .queue = SLICE("q"), .limit = UINT64_MAX};
    s.states = JOB_STATE_BIT(JOB_DEAD);
    while (!s.done) {
        before = things();
        ck_assert_int_eq(engine_sweep(e, now, &s), ERROR_NONE);
        ck_assert_uint_le(things() - before, MOST);
    }
    ck_assert_uint_eq(s.count, MANY);
}
END_TEST

START_TEST(a_client_that_held_many)
{
    put_many((struct put_options){.keep_result = -1});
    get_many(0);
    unsigned calls = 1;
    for (uint64_t before = things(); !engine_client_close(e, now, client); before = things(), calls++)
        ck_assert_uint_le(things() - before, MOST);
    ck_assert_uint_ge(calls, MANY / MOST);
    ck_assert_uint_eq(totals().counters.lost, MANY);
    ck_assert_uint_eq(queue_of("q").gauges.ready, MANY);
    client = engine_client_new(e, NULL);
}
END_TEST

START_TEST(waiters_that_are_served_at_once)
{
    for (int i = 0; i < 10000; i++)
        get_waits("q");
    for (int i = 0; i < 10000; i++)
        put_with("q", (struct put_options){.delay = 100, .keep_result = -1}, "1");
    at(100);
    ck_assert_uint_ge(tick_all(), 5);
    ck_assert_uint_eq(queue_of("q").gauges.reserved, 10000);
    ck_assert_uint_eq(confirm_all(), 10000);

    SET("full", maxsize, 1);
    put("full", 0);
    for (int i = 0; i < 9000; i++)
        put_waits("full", (struct put_options){.keep_result = -1});
    SET("full", maxsize, 0);
    ck_assert_uint_le(queue_of("full").gauges.ready, MOST);
    tick_all();
    ck_assert_uint_eq(queue_of("full").gauges.ready, 9001);
    ck_assert_uint_eq(confirm_all(), 9000);
}
END_TEST

// Nothing can be given to any of them: looking at them again and again would be a loop.
START_TEST(many_gets_of_a_queue_that_is_shut_down_and_another)
{
    struct slice names[] = {SLICE("shut"), SLICE("open")};
    struct get_options o = {.queues = names, .queue_count = 2, .max = 1, .timeout = FOREVER};
    for (int i = 0; i < 5000; i++) {
        struct taken out;
        unsigned count;
        struct waiter *w;
        ck_assert_int_eq(engine_get(e, now, client, &o, &out, &count, &w), ERROR_NONE);
    }
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("shut"), true), ERROR_NONE);
    tick_all();
    ck_assert_uint_eq(totals().gauges.waiting_gets, 10000);
    ck_assert_int_eq(engine_shutdown(e, now, SLICE("open"), false), ERROR_NONE);
    tick_all();
    ck_assert_uint_eq(totals().gauges.waiting_gets, 0);
}
END_TEST

static void seen(void *context, const struct job_info *info)
{
    uint64_t *last = context;
    MUST(info->id > *last);
    *last = info->id;
}

// A page looks at no more than 1,000 jobs or places, also where what it stands at has gone and the next is
// far.
START_TEST(pages_over_holes_end)
{
    put_many((struct put_options){.keep_result = -1});
    struct job_cursor c = {0};
    uint64_t last = 0, total = 0;
    unsigned visited, calls = 0;
    for (bool more = true; more; calls++) {
        ck_assert_int_eq(engine_list_jobs(e, now, SLICE("q"), JOB_READY, &c, 100, seen, &last, &visited,
                                          &more),
                         ERROR_NONE);
        total += visited;
        if (calls == 0)
            for (uint64_t id = 51; id < MANY - 50; id++)
                MUST(engine_delete(e, now, id) == ERROR_NONE);
        ck_assert_uint_lt(calls, 1000);
    }
    ck_assert_uint_eq(last, MANY);
    ck_assert_uint_eq(total, 100 + 51);
    ck_assert_uint_ge(calls, MANY / 1000 / ID_PAGE); // places that were never there are passed over together
}
END_TEST

START_TEST(queues_that_are_used_once)
{
    char name[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "queue %d", i);
        MUST(engine_delete(e, now, put(name, 0)) == ERROR_NONE);
    }
    ck_assert_uint_eq(totals().queues, MANY);
    at(10 * QUEUE_LINGER);
    ck_assert_uint_ge(tick_all(), MANY / MOST);
    ck_assert_uint_eq(totals().queues, 0);
    ck_assert_uint_eq(totals().bytes, 0);
}
END_TEST

// ---- what it costs

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define PRIORITIES 100000 // each allocation costs ten times as much
#else
#define PRIORITIES 1000000
#endif

static void print_cost(const char *what, int64_t since, int n)
{
    printf("%8.0f ns  %s\n", (double)(clock_ns() - since) / n, what);
    fflush(stdout);
}

START_TEST(the_cost_of_many_priorities_and_queues)
{
    int64_t start = clock_ns();
    for (int i = 0; i < PRIORITIES; i++)
        put("q", (double)((int64_t)i * 7919 % PRIORITIES) + 1);
    print_cost("put, each of very many priorities", start, PRIORITIES);
    start = clock_ns();
    for (int i = 0; i < PRIORITIES; i++) {
        struct taken t = get("q");
        MUST(t.priority == i + 1);
        MUST(engine_ack(e, now, client, t.id, 0, NULL) == ERROR_NONE);
        jobs_free(engine_take_removed(e));
    }
    print_cost("get and ack, each of very many priorities", start, PRIORITIES);

    char name[32];
    start = clock_ns();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "queue %d", i);
        put(name, 0);
    }
    print_cost("put, each to a queue of its own, 100,000 of them", start, MANY);
    start = clock_ns();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "queue %d", i);
        get_id(name);
    }
    print_cost("get, from 100,000 queues", start, MANY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine bounds");
    TCase *c = tcase_create("bounds");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, leases_that_run_out_at_once);
    tcase_add_test(c, delayed_jobs_that_fall_due_in_one_ms);
    tcase_add_test(c, jobs_that_wait_for_one_time_of_the_wall_clock);
    tcase_add_test(c, jobs_that_expire_at_once_and_the_dead_that_go_at_once);
    tcase_add_test(c, a_drop_an_immediate_shutdown_and_sweeps);
    tcase_add_test(c, a_client_that_held_many);
    tcase_add_test(c, waiters_that_are_served_at_once);
    tcase_add_test(c, many_gets_of_a_queue_that_is_shut_down_and_another);
    tcase_add_test(c, pages_over_holes_end);
    tcase_add_test(c, queues_that_are_used_once);
    tcase_add_test(c, the_cost_of_many_priorities_and_queues);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
