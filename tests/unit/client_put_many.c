#include "client/taskq.h"
#include "tests/unit/client_server.h"

#include <stdatomic.h>

#define COUNT 3000

static void fill(struct taskq_item *items, size_t count, bool keys)
{
    static char bodies[COUNT][8], names[COUNT][8];
    for (size_t i = 0; i < count; i++) {
        snprintf(bodies[i], sizeof(bodies[i]), "%zu", i);
        snprintf(names[i], sizeof(names[i]), "k%zu", i);
        items[i] = (struct taskq_item){.body = bodies[i],
                                       .body_len = strlen(bodies[i]),
                                       .key = keys ? names[i] : NULL};
    }
}

// Answers `count` puts: a body b gets the id b + 1.
static void answer(struct server *s, int count)
{
    for (int i = 0; i < count; i++) {
        unsigned long id = server_expect_method(s, "put");
        const char *body = strstr(s->line, "\"body\":");
        ck_assert_ptr_nonnull(body);
        server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":{\"id\":%d}}\n", id, atoi(body + 7) + 1);
    }
}

static void answers_all(struct server *s)
{
    server_accept(s);
    answer(s, COUNT);
}

static void count_calls(size_t done, size_t count, void *arg)
{
    size_t *seen = arg;
    ck_assert_uint_eq(count, COUNT);
    ck_assert_uint_ge(done, seen[0]);
    seen[0] = done;
    seen[1]++;
}

START_TEST(every_item_gets_its_id)
{
    static struct taskq_item items[COUNT];
    size_t seen[2] = {0, 0};
    struct server *s = server_start(answers_all, NULL);
    struct taskq *q = server_client(s, NULL);
    fill(items, COUNT, false);
    ck_assert_int_eq(taskq_put_many(q, "q", items, COUNT, 0, NULL, count_calls, seen), TASKQ_OK);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_uint_eq(items[i].id, i + 1);
    ck_assert_uint_eq(seen[0], COUNT);
    ck_assert_uint_ge(seen[1], COUNT / 256);
    // A second time there is nothing left to put.
    ck_assert_int_eq(taskq_put_many(q, "q", items, COUNT, 0, NULL, NULL, NULL), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

// Never more than the window is on its way.
static void reads_a_window(struct server *s)
{
    unsigned long ids[10];
    server_accept(s);
    for (int n = 0; n < 100; n += 10) {
        for (int i = 0; i < 10; i++)
            ids[i] = server_expect_method(s, "put");
        ck_assert_uint_eq(s->in_len, 0);
        char byte;
        ck_assert_int_eq(recv(s->fd, &byte, 1, MSG_DONTWAIT), -1);
        // Answered in the other order, and one refused.
        for (int i = 9; i >= 0; i--) {
            if (n == 20 && i == 3)
                server_error(s, ids[i], -32009, "too much");
            else
                server_say(s, "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":{\"id\":%lu}}\n", ids[i], ids[i]);
        }
    }
}

START_TEST(the_window_is_kept_and_one_refusal_stops_nobody)
{
    struct taskq_item items[101];
    struct server *s = server_start(reads_a_window, NULL);
    struct taskq *q = server_client(s, NULL);
    fill(items, 101, false);
    items[50].body = "not json";
    items[50].body_len = 8;
    ck_assert_int_eq(taskq_put_many(q, "q", items, 101, 10, NULL, NULL, NULL), TASKQ_TOO_LARGE);
    ck_assert_str_eq(taskq_error_message(q), "too much");
    for (int i = 0; i < 101; i++)
        ck_assert_int_eq(items[i].error, i == 23 ? TASKQ_TOO_LARGE : i == 50 ? TASKQ_USAGE : TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void hangs_up_half_way(struct server *s)
{
    server_accept(s);
    answer(s, 5);
    for (int i = 0; i < 5; i++)
        server_expect_method(s, "put");
    server_hang_up(s);
    server_accept(s);
    answer(s, *(int *)s->arg);
}

START_TEST(what_has_no_key_and_was_on_its_way_is_lost_the_rest_goes_on)
{
    struct taskq_item items[30];
    int rest = 20;
    struct server *s = server_start(hangs_up_half_way, &rest);
    struct taskq *q = server_client(s, NULL);
    fill(items, 30, false);
    ck_assert_int_eq(taskq_put_many(q, "q", items, 30, 5, NULL, NULL, NULL), TASKQ_LOST);
    for (size_t i = 0; i < 30; i++) {
        bool lost = i >= 5 && i < 10;
        ck_assert_int_eq(items[i].error, lost ? TASKQ_LOST : TASKQ_OK);
        ck_assert_uint_eq(items[i].id, lost ? 0 : i + 1);
    }
    taskq_close(q);
    server_end(s);
}
END_TEST

START_TEST(what_has_a_key_is_sent_again)
{
    struct taskq_item items[30];
    int rest = 25;
    struct server *s = server_start(hangs_up_half_way, &rest);
    struct taskq *q = server_client(s, NULL);
    fill(items, 30, true);
    ck_assert_int_eq(taskq_put_many(q, "q", items, 30, 5, NULL, NULL, NULL), TASKQ_OK);
    for (size_t i = 0; i < 30; i++)
        ck_assert_uint_eq(items[i].id, i + 1);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void always_hangs_up(struct server *s)
{
    for (int i = 0; i < 2; i++) {
        server_accept(s);
        server_expect_method(s, "put");
        server_hang_up(s);
    }
}

START_TEST(a_daemon_that_answers_nobody_is_not_asked_for_ever)
{
    struct taskq_item items[30];
    struct server *s = server_start(always_hangs_up, NULL);
    struct taskq *q = server_client(s, NULL);
    fill(items, 30, true);
    ck_assert_int_eq(taskq_put_many(q, "q", items, 30, 5, NULL, NULL, NULL), TASKQ_LOST);
    for (size_t i = 0; i < 30; i++)
        ck_assert_uint_eq(items[i].id, 0);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void goes_away(struct server *s)
{
    server_accept(s);
    answer(s, 3);
    for (int i = 0; i < 5; i++)
        server_expect_method(s, "put");
    close(s->listener);
    s->listener = -1;
}

START_TEST(a_daemon_that_went_away_leaves_the_rest_unsent)
{
    struct taskq_item items[30];
    struct server *s = server_start(goes_away, NULL);
    struct taskq *q = server_client(s, NULL);
    fill(items, 30, false);
    // When the script ends the connection does, and nobody listens any more.
    ck_assert_int_eq(taskq_put_many(q, "q", items, 30, 5, NULL, NULL, NULL), TASKQ_LOST);
    for (size_t i = 0; i < 30; i++)
        ck_assert_int_eq(items[i].error, i < 3 ? TASKQ_OK : i < 8 ? TASKQ_LOST : TASKQ_UNSENT);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void never_has_room(struct server *s)
{
    unsigned long ids[4];
    server_accept(s);
    for (int i = 0; i < 4; i++)
        ids[i] = server_expect_method(s, "put");
    taskq_interrupt(atomic_load((_Atomic(struct taskq *) *)s->arg));
    for (int i = 0; i < 4; i++) {
        char line[128];
        snprintf(line, sizeof(line),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":%lu}}", ids[i]);
        server_expect(s, line);
    }
    server_result(s, ids[0], "{\"id\":1}"); // it was quicker
    for (int i = 1; i < 4; i++)
        server_error(s, ids[i], -32800, "taken back");
}

START_TEST(an_interrupt_takes_back_what_waits)
{
    struct taskq_item items[10];
    _Atomic(struct taskq *) shared = NULL;
    struct server *s = server_start(never_has_room, &shared);
    struct taskq *q = server_client(s, NULL);
    atomic_store(&shared, q);
    fill(items, 10, false);
    ck_assert_int_eq(taskq_put_many(q, "q", items, 10, 4, NULL, NULL, NULL), TASKQ_REQUEST_CANCELLED);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(items[i].error, i == 0 ? TASKQ_OK : i < 4 ? TASKQ_REQUEST_CANCELLED : TASKQ_UNSENT);
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/put_many");
    TCase *c = tcase_create("put_many");
    tcase_add_test(c, every_item_gets_its_id);
    tcase_add_test(c, the_window_is_kept_and_one_refusal_stops_nobody);
    tcase_add_test(c, what_has_no_key_and_was_on_its_way_is_lost_the_rest_goes_on);
    tcase_add_test(c, what_has_a_key_is_sent_again);
    tcase_add_test(c, a_daemon_that_answers_nobody_is_not_asked_for_ever);
    tcase_add_test(c, a_daemon_that_went_away_leaves_the_rest_unsent);
    tcase_add_test(c, an_interrupt_takes_back_what_waits);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
