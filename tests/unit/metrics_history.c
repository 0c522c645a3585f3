#include "server/metrics/history.h"

#include "server/metrics/metrics.h"
#include "tests/unit/metrics_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics *m;
static struct history *h;
static struct moment now;
static struct buffer out;

static void setup(void)
{
    hub_setup();
    m = metrics_new(
        &(struct metrics_options){.hub = hub, .version = "1", .durability = "memory", .queues = 3});
    ck_assert_ptr_nonnull(m);
    now = (struct moment){.mono = 1000000, .wall = 1800000000000}; // a step begins
    h = history_new(m, now);
    ck_assert_ptr_nonnull(h);
    out = BUFFER_INIT;
}

static void teardown(void)
{
    history_free(h);
    metrics_free(m);
    hub_teardown();
    buffer_release(&out);
}

// As the daemon has it: it goes on when it says, for so long.
static void run(int64_t ms)
{
    int64_t end = now.mono + ms;
    for (unsigned calls = 0;; calls++) {
        int64_t wait = history_go_on(h, now);
        ck_assert_int_ge(wait, 0);
        ck_assert_uint_le(calls, 100000);
        if (now.mono + wait > end)
            break;
        now.mono += wait;
        now.wall += wait;
    }
    now.wall += end - now.mono;
    now.mono = end;
}

static const char *history(int64_t span)
{
    buffer_clear(&out);
    history_write(h, span, &out);
    buffer_append_byte(&out, '\0');
    return out.data;
}

static const char *of_queue(const char *name, int64_t span)
{
    const struct slice names[] = {slice_of(name), SLICE("none")};
    buffer_clear(&out);
    history_write_queues(h, span, names, 2, &out);
    buffer_append_byte(&out, '\0');
    return out.data;
}

static void is(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no %s in %.3000s", part, text);
}

START_TEST(each_step_has_what_came_in_it)
{
    is(history(HISTORY_HOUR), "\"put\":[],");
    run(100);
    put("q");
    run(5000);
    put("q");
    put("q");
    run(5000);
    run(5000);
    is(history(HISTORY_HOUR), "{\"step\":5,\"until\":1800000015,\"series\":{\"put\":[1,2,0],");
    is(history(HISTORY_HOUR), "\"ready\":[1,3,3],");
    is(history(10000), "\"put\":[2,0],");
    is(history(HISTORY_DAY), "{\"step\":60,\"until\":1799999960,\"series\":{\"put\":[],");
    run(60000);
    is(history(HISTORY_DAY), "\"put\":[3],");
    is(history(HISTORY_DAY), "\"ready\":[3],");
}
END_TEST

START_TEST(what_was_there_before_is_not_counted)
{
    history_free(h);
    put("q");
    h = history_new(m, now);
    ck_assert_ptr_nonnull(h);
    run(5100);
    is(history(HISTORY_HOUR), "\"put\":[0],");
    is(history(HISTORY_HOUR), "\"ready\":[1],");
}
END_TEST

START_TEST(it_is_bounded)
{
    char name[32];
    unsigned steps = 0;
    run((int64_t)26 * 3600000);
    put("q");
    run(5100);
    for (const char *t = strstr(history(HISTORY_HOUR), "\"put\":["); *t != ']'; t++)
        steps += *t == ',';
    ck_assert_uint_eq(steps + 1, 720);
    steps = 0;
    for (const char *t = strstr(history(HISTORY_DAY), "\"put\":["); *t != ']'; t++)
        steps += *t == ',';
    ck_assert_uint_eq(steps + 1, 1440);
    snprintf(name, sizeof name, "\"until\":%lld", (long long)(now.wall / 5000 * 5));
    is(history(HISTORY_HOUR), name);
}
END_TEST

START_TEST(a_sleep_leaves_steps_in_which_nothing_came)
{
    run(5100);
    put("q");
    now.mono += 20000;
    now.wall += 20000;
    run(100);
    is(history(HISTORY_HOUR), "\"put\":[0,1,0,0,0],");
    now.mono += (int64_t)100 * 3600000;
    run(100);
    is(history(10000), "\"put\":[0,0],");
    is(history(10000), "\"ready\":[1,1],");
}
END_TEST

START_TEST(queues_have_theirs)
{
    put("q");
    run(1000);
    put("q");
    run(5000);
    put("q");
    run(5000);
    is(of_queue("q", HISTORY_MINUTES), "{\"step\":5,\"until\":1800000010,\"queues\":{\"q\":{\"put\":[1,1],");
    is(of_queue("q", HISTORY_MINUTES), "\"unfinished\":[2,3]},\"none\":null}}");
    is(of_queue("q", 5000), "\"put\":[1],");
    run(60000);
    is(of_queue("q", HISTORY_HOUR), "{\"step\":60,");
    is(of_queue("q", HISTORY_HOUR), "\"put\":[2],");
}
END_TEST

START_TEST(only_the_largest_have)
{
    char name[16];
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "q%d", i);
        put(name);
    }
    for (const char *const *q = (const char *const[]){"q3", "q700", "q1400", NULL}; *q; q++)
        put(*q);
    run(6000);
    is(of_queue("q700", HISTORY_MINUTES), "\"unfinished\":[2]");
    is(of_queue("q3", HISTORY_MINUTES), "\"unfinished\":[2]");
    is(of_queue("q1400", HISTORY_MINUTES), "\"unfinished\":[2]");
    is(of_queue("q4", HISTORY_MINUTES), "\"q4\":null");
}
END_TEST

START_TEST(very_many_queues_are_looked_at_less_often)
{
    char name[16];
    unsigned calls = 0;
    for (int i = 0; i < 20500; i++) {
        snprintf(name, sizeof name, "q%d", i);
        put(name);
    }
    run(60000); // the first look shows that there are many
    for (int64_t end = now.mono + 60000; now.mono < end; calls++) {
        int64_t wait = history_go_on(h, now);
        now.mono += wait;
        now.wall += wait;
    }
    ck_assert_uint_ge(calls, 2 * 21);      // two looks,
    ck_assert_uint_le(calls, 2 * 22 + 14); // and a sample each five seconds
    is(history(HISTORY_HOUR), "\"put\":[20500,0,");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics/history");
    TCase *c = tcase_create("history");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, each_step_has_what_came_in_it);
    tcase_add_test(c, what_was_there_before_is_not_counted);
    tcase_add_test(c, it_is_bounded);
    tcase_add_test(c, a_sleep_leaves_steps_in_which_nothing_came);
    tcase_add_test(c, queues_have_theirs);
    tcase_add_test(c, only_the_largest_have);
    tcase_add_test(c, very_many_queues_are_looked_at_less_often);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
