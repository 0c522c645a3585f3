#include "client/taskq.h"
#include "tests/unit/client_server.h"

struct run {
    struct taskq *q;
    int count;        // how many arguments there are
    int next;         // the number of the one that is given next
    int bad;          // this one is no JSON
    int stop_after;   // `each` ends the map with this one
    int begun_at[16]; // how many had been given to `each` when this was begun
    char text[16];
    int given;
    int order[16];
    enum taskq_error errors[16];
    char results[16][16];
};

static enum taskq_map_step next(struct taskq_map_item *item, void *arg)
{
    struct run *r = arg;
    if (r->next == r->count)
        return TASKQ_MAP_END;
    snprintf(r->text, sizeof(r->text), r->next == r->bad ? "{" : "%d", r->next);
    item->body = r->text;
    item->tag = &r->begun_at[r->next];
    r->begun_at[r->next++] = r->given;
    return TASKQ_MAP_ITEM;
}

static bool each(size_t index, void *tag, const struct taskq_outcome *o, void *arg)
{
    struct run *r = arg;
    ck_assert_ptr_eq(tag, &r->begun_at[index]);
    r->order[r->given++] = (int)index;
    r->errors[index] = o->error;
    snprintf(r->results[index], sizeof(r->results[index]), "%s", o->result != NULL ? o->result : "-");
    return r->stop_after < 0 || (int)index != r->stop_after;
}

static struct run run_of(int count)
{
    return (struct run){.count = count, .bad = -1, .stop_after = -1};
}

static void finish(struct server *s, unsigned id)
{
    server_say(s,
               "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":%u,\"state\":\"done\","
               "\"result\":%u}}\n",
               id, id);
}

// Reads a submit of this number and answers it.
static void take(struct server *s, int number)
{
    char text[64];
    unsigned long request = server_expect_method(s, "submit");
    snprintf(text, sizeof(text), ":%d\",", number);
    ck_assert_msg(strstr(s->line, text) != NULL, "%s is not number %d", s->line, number);
    snprintf(text, sizeof(text), "{\"id\":%d}", number + 100);
    server_result(s, request, text);
}

static void finishes_backwards(struct server *s)
{
    server_accept(s);
    for (int i = 0; i < 3; i++)
        take(s, i);
    for (int i = 2; i >= 0; i--)
        finish(s, (unsigned)i + 100);
    for (int i = 3; i < 5; i++)
        take(s, i);
    finish(s, 104);
    finish(s, 103);
}

START_TEST(results_come_in_the_order_of_the_arguments)
{
    struct server *s = server_start(finishes_backwards, NULL);
    struct taskq *q = server_client(s, NULL);
    struct run r = run_of(5);
    struct taskq_map_options o = TASKQ_MAP_OPTIONS_INIT;
    o.in_flight = 3;
    o.put.key = "key";
    ck_assert_int_eq(taskq_map(q, "q", &o, next, each, &r), TASKQ_OK);
    ck_assert_int_eq(r.given, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(r.order[i], i);
        ck_assert_int_eq(atoi(r.results[i]), i + 100);
        ck_assert_int_ge(r.begun_at[i], i - 2); // never more than three under way
    }
    taskq_close(q);
    server_end(s);
}
END_TEST

START_TEST(or_as_they_come)
{
    struct server *s = server_start(finishes_backwards, NULL);
    struct taskq *q = server_client(s, NULL);
    struct run r = run_of(5);
    struct taskq_map_options o = TASKQ_MAP_OPTIONS_INIT;
    o.in_flight = 3;
    o.unordered = true;
    ck_assert_int_eq(taskq_map(q, "q", &o, next, each, &r), TASKQ_OK);
    static const int order[] = {2, 1, 0, 4, 3};
    ck_assert_int_eq(r.given, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(r.order[i], order[i]);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void hangs_up(struct server *s)
{
    char key[80];
    server_accept(s);
    take(s, 0);
    char *at = strstr(s->line, "\"key\":\"map-");
    ck_assert_ptr_nonnull(at);
    snprintf(key, sizeof(key), "%.*s", (int)strcspn(at, ":") + 38, at); // as far as it is the same for all
    ck_assert_ptr_nonnull(strstr(s->line, "\"key_for\":90"));
    server_expect_method(s, "submit");
    server_hang_up(s);
    server_accept(s);
    take(s, 1); // the very same, so that it cannot be put twice
    ck_assert_ptr_nonnull(strstr(s->line, key));
    server_result(s, server_expect_method(s, "result"), "{\"id\":100,\"state\":\"done\",\"result\":100}");
    finish(s, 101);
}

START_TEST(a_lost_connection_loses_nothing)
{
    struct server *s = server_start(hangs_up, NULL);
    struct taskq *q = server_client(s, NULL);
    struct run r = run_of(2);
    ck_assert_int_eq(taskq_map(q, "q", NULL, next, each, &r), TASKQ_OK);
    ck_assert_str_eq(r.results[0], "100");
    ck_assert_str_eq(r.results[1], "101");
    taskq_close(q);
    server_end(s);
}
END_TEST

static void takes_two(struct server *s)
{
    server_accept(s);
    take(s, 0);
    take(s, 2);
    finish(s, 102);
    finish(s, 100);
}

START_TEST(what_is_no_argument_fails_in_its_place)
{
    struct server *s = server_start(takes_two, NULL);
    struct taskq *q = server_client(s, NULL);
    struct run r = run_of(3);
    r.bad = 1;
    ck_assert_int_eq(taskq_map(q, "q", NULL, next, each, &r), TASKQ_FAILED);
    ck_assert_str_eq(taskq_error_message(q), "1 of 3 failed");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(r.order[i], i);
    ck_assert_int_eq(r.errors[0], TASKQ_OK);
    ck_assert_int_eq(r.errors[1], TASKQ_USAGE);
    ck_assert_int_eq(r.errors[2], TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void is_stopped(struct server *s)
{
    unsigned long request;
    server_accept(s);
    for (int i = 0; i < 3; i++)
        take(s, i);
    request = server_expect_method(s, "submit"); // this one waits for room
    finish(s, 100);
    ck_assert(server_read(s));
    ck_assert_ptr_nonnull(strstr(s->line, "$/cancelRequest"));
    server_error(s, request, -32800, "taken back");
    unsigned long first = server_expect_method(s, "cancel");
    unsigned long second = server_expect_method(s, "cancel");
    ck_assert_ptr_nonnull(strstr(s->line, "{\"id\":102}"));
    server_result(s, first, "{\"cancelled\":false}");
    server_result(s, second, "{\"cancelled\":true}");
    server_say(
        s, "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":102,\"state\":\"cancelled\"}}\n");
    server_result(s, server_expect_method(s, "ping"), "{}");
}

START_TEST(a_map_that_is_stopped_cancels_what_was_not_begun)
{
    struct server *s = server_start(is_stopped, NULL);
    struct taskq *q = server_client(s, NULL);
    struct run r = run_of(10);
    struct taskq_map_options o = TASKQ_MAP_OPTIONS_INIT;
    o.in_flight = 4;
    r.stop_after = 0;
    ck_assert_int_eq(taskq_map(q, "q", &o, next, each, &r), TASKQ_REQUEST_CANCELLED);
    ck_assert_int_eq(r.next, 4);
    ck_assert_int_eq(r.given, 4);
    ck_assert_int_eq(r.errors[0], TASKQ_OK);
    ck_assert_int_eq(r.errors[1], TASKQ_REQUEST_CANCELLED); // it runs
    ck_assert_int_eq(r.errors[2], TASKQ_CANCELLED);
    ck_assert_int_eq(r.errors[3], TASKQ_CANCELLED);
    ck_assert_int_eq(taskq_ping(q), TASKQ_OK);
    taskq_close(q);
    server_end(s);
}
END_TEST

static void goes_away(struct server *s)
{
    server_accept(s);
    close(s->listener); // nobody will be there again
    s->listener = -1;
    take(s, 0);
    take(s, 1);
    finish(s, 100);
}

START_TEST(without_a_daemon_it_ends_when_patience_does)
{
    struct server *s = server_start(goes_away, NULL);
    struct taskq *q = server_client(s, &(struct taskq_options){.patience = 0.2});
    struct run r = run_of(2);
    ck_assert_int_eq(taskq_map(q, "q", NULL, next, each, &r), TASKQ_NO_DAEMON);
    ck_assert_int_eq(r.given, 2);
    ck_assert_int_eq(r.errors[0], TASKQ_OK);
    ck_assert_int_eq(r.errors[1], TASKQ_REQUEST_CANCELLED);
    ck_assert_int_eq(taskq_map(q, "q", NULL, next, each, &r), TASKQ_NO_DAEMON); // at once, with nothing begun
    ck_assert_int_eq(r.given, 2);
    taskq_close(q);
    server_end(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client/map");
    TCase *c = tcase_create("all");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, results_come_in_the_order_of_the_arguments);
    tcase_add_test(c, or_as_they_come);
    tcase_add_test(c, a_lost_connection_loses_nothing);
    tcase_add_test(c, what_is_no_argument_fails_in_its_place);
    tcase_add_test(c, a_map_that_is_stopped_cancels_what_was_not_begun);
    tcase_add_test(c, without_a_daemon_it_ends_when_patience_does);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
