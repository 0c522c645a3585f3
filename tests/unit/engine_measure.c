#include "server/engine/measure.h"
#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <string.h>

struct seen {
    unsigned count;
    char first[32], last[32];
    uint64_t ready;
    int64_t oldest;
    bool paused;
};

static void visit(void *context, const struct queue_measure *m)
{
    struct seen *s = context;
    snprintf(s->count == 0 ? s->first : s->last, sizeof s->first, "%.*s", (int)m->name.len, m->name.data);
    if (s->count++ == 0)
        memcpy(s->last, s->first, sizeof s->last);
    s->ready += m->gauges->ready;
    s->oldest = m->oldest > s->oldest ? m->oldest : s->oldest;
    s->paused = s->paused || m->paused;
}

START_TEST(all_queues_are_seen_in_slices)
{
    char name[16], after[32] = "";
    struct seen s;
    unsigned all = 0;
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "q%04d", i);
        put(name, 0);
    }
    ck_assert_int_eq(engine_pause(e, now, SLICE("q0001")), ERROR_NONE);
    for (int slice = 0; slice < 3; slice++) {
        s = (struct seen){.oldest = -1};
        unsigned n = engine_measure_queues(e, now, slice_of(after), visit, &s);
        ck_assert_uint_eq(n, s.count);
        ck_assert_uint_eq(s.ready, s.count);
        ck_assert_uint_le(n, SLICE_OF_WORK);
        ck_assert_int_gt(strcmp(s.first, after), 0);
        ck_assert_int_eq(s.paused, slice == 0);
        all += n;
        memcpy(after, s.last, sizeof after);
        if (n == 0)
            break;
    }
    while ((s = (struct seen){.oldest = -1}, engine_measure_queues(e, now, slice_of(after), visit, &s)) > 0) {
        all += s.count;
        memcpy(after, s.last, sizeof after);
    }
    ck_assert_uint_eq(all, 2500);
}
END_TEST

START_TEST(many_priorities_make_a_slice_shorter)
{
    struct seen s = {.oldest = -1};
    char name[16];
    for (int i = 0; i < 30; i++)
        for (int priority = 0; priority < 60; priority++) {
            snprintf(name, sizeof name, "q%02d", i);
            put(name, priority);
        }
    unsigned n = engine_measure_queues(e, now, (struct slice){0}, visit, &s);
    ck_assert_uint_lt(n, 20); // a thousand looks at sixty and one each
    ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(the_oldest_is_that_of_all_priorities)
{
    struct seen s = {.oldest = -1};
    put("q", 9);
    pass(5000);
    put("q", 1);
    pass(2000);
    ck_assert_uint_eq(engine_measure_queues(e, now, (struct slice){0}, visit, &s), 1);
    ck_assert_int_eq(s.oldest, 7000);
    ck_assert_uint_eq(s.count, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/measure");
    TCase *c = tcase_create("measure");
    tcase_add_checked_fixture(c, engine_setup, engine_teardown);
    tcase_add_test(c, all_queues_are_seen_in_slices);
    tcase_add_test(c, many_priorities_make_a_slice_shorter);
    tcase_add_test(c, the_oldest_is_that_of_all_priorities);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
