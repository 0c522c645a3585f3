// Requests that wait: the dispatcher's half in server/rpc/completions.c.
#include "server/engine/blob.h"
#include "tests/unit/hub_fixture.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct peer a, b;

static void setup(void)
{
    world_init(&world);
    peer_open(&world, &a);
    peer_open(&world, &b);
}

static void teardown(void)
{
    world_release(&world);
}

#define REQUEST(id, method, params)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define CALL(id, method, params) REQUEST(id, method, params) "\n"
#define GET(id, q)               REQUEST(id, "get", "\"queue\":\"" q "\"")
#define PUT(id, q, body)         CALL(id, "put", "\"queue\":\"" q "\",\"body\":" body)
#define RESULT(id, result)       "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define WRONG(id, code, name)                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"data\":{\"name\":\"" name "\"}}}"
#define JOB(job, q, body)                                                                                    \
    "{\"id\":" job ",\"queue\":\"" q                                                                         \
    "\",\"priority\":0,\"delivery\":4294967297,\"attempt\":1,\"body\":" body "}"
#define CANCEL(id)    "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":" id "}}"
#define CANCELLED(id) WRONG(id, "-32800", "request_cancelled")

static struct job_info look(uint64_t id)
{
    struct job_info info;
    struct moment now = hub_lock(world.hub);
    enum error error = engine_job_info(hub_engine(world.hub), now, id, &info);
    hub_unlock(world.hub);
    ck_assert_int_eq(error, ERROR_NONE);
    return info;
}

START_TEST(a_waiting_get_holds_up_nothing)
{
    ck_assert_str_eq(peer_ask(&a, GET("1", "q")), "");
    ck_assert_str_eq(peer_ask(&a, REQUEST("2", "ping", "")), RESULT("2", "{}") "\n");
    ck_assert_str_eq(peer_ask(&b, PUT("1", "q", "[\"x\"]")), RESULT("1", "{\"id\":1}") "\n");
    ck_assert_str_eq(peer_hear(&a), RESULT("1", JOB("1", "q", "[\"x\"]")) "\n");
    ck_assert_ptr_null(a.session.waits);
}
END_TEST

START_TEST(a_get_of_several_queues_names_the_right_one)
{
    peer_say(&a, CALL("1", "get", "\"queues\":[\"one\",\"two \\u00e9\",\"three\"],\"max\":5"));
    peer_say(&b, PUT("1", "two \xC3\xA9", "1"));
    ck_assert_str_eq(peer_hear(&a), RESULT("1", "{\"jobs\":[" JOB("1", "two \xC3\xA9", "1") "]}") "\n");
}
END_TEST

START_TEST(its_own_put_ends_a_wait_after_the_puts_reply)
{
    peer_say(&a, GET("\"g\"", "q") "\n" PUT("2", "q", "1") CALL("3", "ping", ""));
    ck_assert_str_eq(peer_hear(&a),
                     RESULT("2", "{\"id\":1}") "\n" RESULT("3", "{}") "\n" RESULT("\"g\"",
                                                                                  JOB("1", "q", "1")) "\n");
}
END_TEST

// Who was sent something, in order.
static struct session *sent[8];
static unsigned sent_count;
static const struct dispatch_ops *fixture_ops;

static void note_send(struct session *s, const char *data, size_t len, const struct mark *marks,
                      unsigned count)
{
    if (sent_count < sizeof sent / sizeof *sent)
        sent[sent_count++] = s;
    fixture_ops->send(s, data, len, marks, count);
}

START_TEST(what_was_waited_for_leaves_before_the_reply_to_its_put)
{
    fixture_ops = world.dispatch.ops;
    const struct dispatch_ops noting = {.send = note_send, .unblocked = fixture_ops->unblocked};
    static const char put[] = PUT("1", "q", "1"), pings[] = CALL("2", "ping", "");
    peer_say(&a, CALL("1", "get", "\"queue\":\"q\""));
    world.dispatch.ops = &noting;
    sent_count = 0;
    peer_give(&b, put, sizeof put - 1);
    peer_give(&b, pings, sizeof pings - 1);
    dispatch_completions(&world.dispatch);
    dispatch_flush(&world.dispatch);
    ck_assert_uint_eq(sent_count, 3);
    ck_assert_ptr_eq(sent[0], &a.session);
    ck_assert_ptr_eq(sent[1], &b.session);
    ck_assert_ptr_eq(sent[2], &b.session);
    ck_assert_str_eq(peer_hear(&a), RESULT("1", JOB("1", "q", "1")) "\n");
    ck_assert_str_eq(peer_hear(&b), RESULT("1", "{\"id\":1}") "\n" RESULT("2", "{}") "\n");

    // But not before what its own connection was told in the same turn.
    peer_say(&a, CALL("1", "get", "\"queue\":\"q\""));
    sent_count = 0;
    peer_give(&b, put, sizeof put - 1);
    peer_give(&a, pings, sizeof pings - 1);
    dispatch_completions(&world.dispatch);
    dispatch_flush(&world.dispatch);
    ck_assert_uint_eq(sent_count, 3);
    ck_assert_ptr_eq(sent[0], &b.session);
    ck_assert_str_eq(peer_hear(&a), RESULT("2", "{}") "\n" RESULT("1", JOB("2", "q", "1")) "\n");
    world.dispatch.ops = fixture_ops;
}
END_TEST

START_TEST(all_kinds_wait)
{
    peer_say(&b, CALL("0", "declare", "\"queue\":\"q\",\"maxsize\":1")
                     CALL("1", "submit", "\"queue\":\"q\",\"body\":1"));
    (void)peer_hear(&b);
    peer_say(&a, CALL("1", "result", "\"id\":1") CALL("2", "join", "\"queue\":\"q\"") PUT("3", "q", "2"));
    ck_assert_str_eq(peer_hear(&a), "");
    ck_assert_str_eq(peer_ask(&b, GET("2", "q")), RESULT("2", JOB("1", "q", "1")) "\n");
    ck_assert_str_eq(peer_hear(&a), RESULT("3", "{\"id\":2}") "\n");
    ck_assert_str_eq(peer_ask(&b, REQUEST("3", "ack", "\"id\":1,\"result\":{\"n\":0.10}")),
                     RESULT("3", "{}") "\n");
    ck_assert_str_eq(peer_hear(&a),
                     RESULT("1", "{\"id\":1,\"state\":\"done\",\"result\":{\"n\":0.10}}") "\n");
    peer_say(&b, CALL("4", "get", "\"queue\":\"q\",\"auto_ack\":true"));
    ck_assert_str_eq(peer_hear(&a), RESULT("2", "{}") "\n");
}
END_TEST

START_TEST(a_failed_future_brings_its_error)
{
    peer_say(&b, CALL("1", "submit", "\"queue\":\"q\",\"body\":1,\"max_attempts\":1") GET("2", "q") "\n");
    peer_say(&a, CALL("1", "result", "\"id\":1"));
    peer_say(&b, CALL("3", "nack", "\"id\":1,\"error\":{\"exit\":1}"));
    ck_assert_str_eq(
        peer_hear(&a),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32007,\"data\":{\"name\":\"failed\",\"id\":1,"
        "\"state\":\"dead\",\"reason\":\"attempts\",\"attempts\":1,\"error\":{\"exit\":1}}}}\n");
}
END_TEST

START_TEST(a_timeout_ends_a_wait)
{
    peer_say(&a, CALL("1", "get", "\"queue\":\"q\",\"timeout\":0.001"));
    while (a.out.len == 0) {
        (void)hub_tick(world.hub);
        world_settle(&world);
    }
    ck_assert_str_eq(peer_hear(&a), WRONG("1", "-32001", "empty") "\n");
}
END_TEST

START_TEST(waits_are_bounded)
{
    for (unsigned i = 0; i < world.rpc.max_waits; i++)
        ck_assert_str_eq(peer_ask(&a, GET("1", "q")), "");
    ck_assert_str_eq(peer_ask(&a, GET("2", "q")), WRONG("2", "-32010", "overloaded") "\n");
    peer_say(&a, CANCEL("1") "\n");
    ck_assert_str_eq(peer_hear(&a), CANCELLED("1") "\n");
    ck_assert_str_eq(peer_ask(&a, GET("2", "q")), "");
}
END_TEST

// ---- taking back

START_TEST(a_request_is_taken_back_by_its_exact_id)
{
    peer_say(&a, GET("1", "q") "\n" GET("\"1\"",
                                        "q") "\n" CANCEL("1.0") "\n" CANCEL("\"1\"") "\n" CANCEL("2") "\n");
    ck_assert_str_eq(peer_hear(&a), CANCELLED("\"1\"") "\n");
    peer_say(&b, PUT("1", "q", "1") PUT("2", "q", "2"));
    ck_assert_str_eq(peer_hear(&a), RESULT("1", JOB("1", "q", "1")) "\n");
    ck_assert_str_eq(peer_ask(&a, REQUEST("5", "$/cancelRequest", "\"id\":1")), RESULT("5", "{}") "\n");
}
END_TEST

START_TEST(only_ones_own_requests_are_taken_back)
{
    peer_say(&a, GET("1", "q") "\n");
    peer_say(&b, CANCEL("1") "\n");
    ck_assert_str_eq(peer_hear(&a), "");
    ck_assert_ptr_nonnull(a.session.waits);
}
END_TEST

START_TEST(too_late_to_be_taken_back)
{
    peer_say(&a, GET("1", "q") "\n");
    peer_give(&b, PUT("1", "q", "1"), strlen(PUT("1", "q", "1")));
    peer_give(&a, CANCEL("1") "\n", strlen(CANCEL("1") "\n")); // its completion is in the mailbox
    world_settle(&world);
    ck_assert_str_eq(peer_hear(&a), RESULT("1", JOB("1", "q", "1")) "\n");
}
END_TEST

START_TEST(taken_back_within_a_batch)
{
    peer_say(&a, "[" GET("1", "q") "," GET("2", "q") "," CANCEL("1") "]\n");
    ck_assert_str_eq(peer_hear(&a), "");
    peer_say(&a, CANCEL("2") "\n");
    ck_assert_str_eq(peer_hear(&a), "[" CANCELLED("1") "," CANCELLED("2") "]\n");
    peer_say(&a, "[" GET("3", "q") "," CANCEL("3") "]\n");
    ck_assert_str_eq(peer_hear(&a), "[" CANCELLED("3") "]\n");
    ck_assert_uint_eq(a.session.batched, 0);
}
END_TEST

// ---- batches

START_TEST(a_batch_leaves_when_its_last_reply_is_there)
{
    peer_say(&a,
             "[" GET("1", "q") "," REQUEST("2", "ping", "") "," GET("3", "r") "]\n" CALL("4", "ping", ""));
    ck_assert_str_eq(peer_hear(&a), RESULT("4", "{}") "\n");
    peer_say(&b, PUT("1", "r", "1"));
    ck_assert_str_eq(peer_hear(&a), "");
    peer_say(&b, PUT("2", "q", "2"));
    ck_assert_str_eq(peer_hear(&a), "[" RESULT("2", "{}") "," RESULT("3", JOB("1", "r", "1")) "," RESULT(
                                        "1", JOB("2", "q", "2")) "]\n");
    ck_assert_uint_eq(a.session.batched, 0);
}
END_TEST

START_TEST(several_waits_of_a_batch_end_in_one_round)
{
    peer_say(&a, "[" GET("1", "q") "," GET("2", "q") "," GET("3", "q") "]\n");
    peer_say(&b, PUT("1", "q", "1") PUT("2", "q", "2") PUT("3", "q", "3"));
    ck_assert_str_eq(peer_hear(&a), "[" RESULT("1", JOB("1", "q", "1")) "," RESULT(
                                        "2", JOB("2", "q", "2")) "," RESULT("3", JOB("3", "q", "3")) "]\n");
}
END_TEST

// Its other elements are still to be read: a slow one holds them up.
START_TEST(a_wait_that_ends_before_its_batch_is_read)
{
    for (int i = 0; i < 2500; i++)
        peer_give(&b, PUT("1", "slow", "1"), strlen(PUT("1", "slow", "1")));
    world_settle(&world);
    const char *batch =
        "[" GET("1", "q") "," REQUEST("2", "delete", "\"queue\":\"slow\"") "," REQUEST("3", "ping", "") "]\n";
    peer_give(&a, batch, strlen(batch));
    peer_give(&b, PUT("1", "q", "1"), strlen(PUT("1", "q", "1")));
    dispatch_completions(&world.dispatch);
    ck_assert_ptr_nonnull(a.session.task);
    ck_assert_ptr_null(a.session.waits);
    world_settle(&world);
    ck_assert_str_eq(peer_hear(&a), "[" RESULT("1", JOB("2501", "q", "1")) "," RESULT(
                                        "2", "{\"count\":2500}") "," RESULT("3", "{}") "]\n");
}
END_TEST

START_TEST(a_waiting_notification_of_a_batch_does_not_appear)
{
    peer_say(&b, CALL("0", "declare", "\"queue\":\"q\",\"maxsize\":1") PUT("1", "q", "1"));
    (void)peer_hear(&b);
    const char *note = "{\"jsonrpc\":\"2.0\",\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":2}}";
    char line[256];
    snprintf(line, sizeof line, "[%s]\n[%s,%s]\n", note, note, REQUEST("7", "ping", ""));
    peer_say(&a, line);
    ck_assert_str_eq(peer_hear(&a), "");
    for (int i = 0; i < 3; i++)
        (void)peer_ask(&b, GET("2", "q"));
    ck_assert_str_eq(peer_hear(&a), "[" RESULT("7", "{}") "]\n");
}
END_TEST

// ---- closing

START_TEST(a_job_under_way_to_a_closed_connection_comes_back_uncounted)
{
    peer_say(&a, GET("1", "q") "\n[" GET("2", "q") "]\n");
    peer_give(&b, PUT("1", "q", "1") PUT("2", "q", "2"), strlen(PUT("1", "q", "1") PUT("2", "q", "2")));
    ck_assert_int_eq(look(1).state, JOB_RESERVED);
    peer_close(&a); // before its completions were taken from the mailbox
    world_settle(&world);
    for (uint64_t id = 1; id <= 2; id++) {
        ck_assert_int_eq(look(id).state, JOB_READY);
        ck_assert_uint_eq(look(id).lost, 0);
        ck_assert_uint_eq(look(id).attempts, 0);
    }
    peer_open(&world, &a);
}
END_TEST

START_TEST(a_job_that_was_handed_over_is_lost_with_its_connection)
{
    peer_say(&a, GET("1", "q") "\n");
    peer_say(&b, PUT("1", "q", "1"));
    peer_close(&a);
    world_settle(&world);
    ck_assert_int_eq(look(1).state, JOB_READY);
    ck_assert_uint_eq(look(1).lost, 1);
    peer_open(&world, &a);
}
END_TEST

START_TEST(an_auto_ack_is_done_only_when_it_is_handed_over)
{
    for (int closed = 0; closed < 2; closed++) {
        peer_say(&a, CALL("1", "get", "\"queue\":\"q\",\"auto_ack\":true"));
        peer_give(&b, PUT("1", "q", "1"), strlen(PUT("1", "q", "1")));
        if (closed)
            peer_close(&a);
        world_settle(&world);
        struct queue_info info;
        struct moment now = hub_lock(world.hub);
        enum error error = engine_queue_info(hub_engine(world.hub), now, SLICE("q"), &info);
        hub_unlock(world.hub);
        ck_assert_uint_eq(error ? 0 : info.gauges.ready, (unsigned)closed);
    }
    peer_open(&world, &a);
}
END_TEST

START_TEST(waits_of_a_closed_connection_are_gone)
{
    peer_say(&a, GET("1", "q") "\n[" GET("2", "q") "," GET("3", "q") "]\n" CALL("4", "join",
                                                                                "\"queue\":\"full\""));
    peer_close(&a);
    world_settle(&world);
    peer_say(&b, PUT("1", "q", "1"));
    ck_assert_int_eq(look(1).state, JOB_READY);
    peer_open(&world, &a);
}
END_TEST

// ---- a peer that does not listen

START_TEST(completions_wait_for_a_deaf_peer)
{
    static char put[4100];
    memset(put, 'x', sizeof put);
    memcpy(put, PUT("1", "q", "\""), strlen(PUT("1", "q", "\"")) - 3);
    strcpy(put + 4000, "\"}}\n");
    a.deaf = true;
    world.rpc.output_limit = 8192;
    for (int i = 0; i < 10; i++)
        peer_say(&a, GET("1", "q") "\n");
    for (int i = 0; i < 10; i++)
        peer_say(&b, put);
    ck_assert_uint_le(a.stuck.len, 8192 + 4200);
    ck_assert_ptr_nonnull(a.session.kept);
    for (int i = 0; i < 10 && a.session.kept; i++) {
        peer_listen(&a);
        a.deaf = true;
    }
    peer_listen(&a);
    const char *heard = peer_hear(&a), *at = heard;
    for (int i = 1; i <= 10; i++) {
        char job[16];
        snprintf(job, sizeof job, "{\"id\":%d,", i);
        at = strstr(at, job); // in the order in which they were put
        ck_assert_msg(at, "%s", job);
    }
}
END_TEST

START_TEST(kept_completions_of_a_closed_connection_come_back)
{
    a.deaf = true;
    world.rpc.output_limit = 100;
    for (int i = 0; i < 5; i++)
        peer_say(&a, GET("1", "q") "\n");
    for (int i = 0; i < 5; i++)
        peer_say(&b, PUT("1", "q", "1"));
    ck_assert_ptr_nonnull(a.session.kept);
    peer_close(&a);
    world_settle(&world);
    unsigned lost = 0;
    for (uint64_t id = 1; id <= 5; id++) {
        ck_assert_int_eq(look(id).state, JOB_READY);
        lost += look(id).lost;
    }
    ck_assert_uint_ge(lost, 1); // those whose replies were on their way
    ck_assert_uint_le(lost, 2);
    peer_open(&world, &a);
}
END_TEST

// ---- promises

static uint64_t marked(void)
{
    return hub_marked(world.hub);
}

// All that was marked is on disk, as the committer would say.
static void commit(void)
{
    uint64_t bytes;
    ck_assert_uint_eq(hub_commit(world.hub, &bytes), marked());
    ck_assert_uint_gt(bytes, 0);
}

static void keep_journal(void)
{
    hub_keep(world.hub);
    commit();
}

START_TEST(replies_bear_their_promises)
{
    keep_journal();
    peer_say(&a, CALL("1", "ping", "") PUT("2", "q", "1") CALL("3", "ping", ""));
    ck_assert_uint_eq(a.mark_count, 1);
    ck_assert_uint_eq(a.marks[0].at, strlen(RESULT("1", "{}") "\n"));
    ck_assert_uint_eq(a.marks[0].promise, marked());
    (void)peer_hear(&a);
    commit();
    peer_say(&a, PUT("4", "q", "1"));
    ck_assert_uint_eq(a.mark_count, 1); // a later one
    ck_assert_uint_gt(a.marks[0].promise, hub_durable(world.hub));
    (void)peer_hear(&a);
    peer_say(&a, GET("5", "q") "\n"); // promises nothing
    ck_assert_uint_eq(a.mark_count, 0);
}
END_TEST

START_TEST(a_batch_bears_the_highest_promise_of_its_replies)
{
    keep_journal();
    peer_say(&a, CALL("1", "ping", "") "[" GET("1", "r") "," REQUEST("2", "put",
                                                                     "\"queue\":\"q\",\"body\":1") "]\n");
    ck_assert_uint_eq(a.mark_count, 0); // the batch has not left
    (void)peer_hear(&a);
    uint64_t promised = marked();
    ck_assert_uint_gt(promised, 0);
    peer_say(&b, PUT("1", "r", "1"));
    ck_assert_uint_eq(a.mark_count, 1);
    ck_assert_uint_eq(a.marks[0].at, 0);
    ck_assert_uint_ge(a.marks[0].promise, promised);
}
END_TEST

START_TEST(an_auto_acked_job_waits_for_its_ack_to_be_kept)
{
    keep_journal();
    for (int batched = 0; batched < 2; batched++) {
        peer_say(&a, batched ? "[" REQUEST("1", "get", "\"queue\":\"q\",\"auto_ack\":true") "]\n"
                             : CALL("1", "get", "\"queue\":\"q\",\"auto_ack\":true"));
        peer_give(&b, PUT("1", "q", "1"), strlen(PUT("1", "q", "1")));
        dispatch_flush(&world.dispatch);
        uint64_t put = marked();
        commit(); // the put is kept, the ack is yet to come
        world_settle(&world);
        ck_assert_uint_gt(marked(), put);
        ck_assert_uint_eq(a.mark_count, 1);
        ck_assert_uint_eq(a.marks[0].promise, marked());
        (void)peer_hear(&a);
    }
}
END_TEST

START_TEST(a_get_of_many_promises_for_all)
{
    keep_journal();
    peer_say(&b, PUT("1", "q", "1") PUT("2", "q", "2"));
    commit();
    peer_say(&a, CALL("1", "get", "\"queue\":\"q\",\"auto_ack\":true,\"max\":100"));
    ck_assert_uint_eq(a.mark_count, 1);
    ck_assert_uint_eq(a.marks[0].promise, marked());
    (void)peer_hear(&a);
    peer_say(&b, PUT("1", "q", "1") PUT("2", "q", "2") CALL("3", "get", "\"queue\":\"q\",\"max\":2"));
    commit();
    (void)peer_hear(&b);
    peer_say(&b, CALL("4", "ack", "\"ids\":[3,4,99]"));
    ck_assert_uint_eq(b.mark_count, 1);
    ck_assert_uint_eq(b.marks[0].promise, marked());
    // The last step of a get of many may find nothing; what the steps before it promised counts all the same.
    commit();
    for (int i = 0; i < 32; i++)
        peer_say(&b, PUT("1", "q", "1"));
    commit();
    (void)peer_hear(&a);
    peer_say(&a, CALL("1", "get", "\"queue\":\"q\",\"auto_ack\":true,\"max\":100"));
    ck_assert_uint_eq(a.mark_count, 1);
    ck_assert_uint_eq(a.marks[0].promise, marked());
}
END_TEST

// ---- notifications

#define SUBMIT(id, more) CALL(id, "submit", "\"queue\":\"q\",\"body\":1,\"notify\":true" more)
#define FINISHED(job)                                                                                        \
    "{\"jsonrpc\":\"2.0\",\"method\":\"finished\",\"params\":{\"id\":" job                                   \
    ",\"state\":\"done\",\"result\":null}}\n"
#define PROGRESS(job, done)                                                                                  \
    "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":" job ",\"done\":" done "}}\n"

START_TEST(an_end_is_told_once_it_is_kept_and_behind_the_submits_reply)
{
    keep_journal();
    peer_say(&a, SUBMIT("1", ""));
    (void)peer_hear(&a);
    commit();
    (void)peer_ask(&b, GET("1", "q"));
    peer_say(&b, CALL("2", "ack", "\"id\":1"));
    ck_assert_uint_eq(a.mark_count, 1);
    ck_assert_uint_eq(a.marks[0].at, 0);
    ck_assert_uint_eq(a.marks[0].promise, marked());
    ck_assert_str_eq(peer_hear(&a), FINISHED("1"));
    // Of its own, in one round. (The queue's number on disk took an id.)
    peer_say(&a, SUBMIT("3", "") GET("4", "q") "\n" CALL("5", "ack", "\"id\":3") CALL("6", "ping", ""));
    ck_assert_str_eq(peer_hear(&a),
                     RESULT("3", "{\"id\":3}") "\n" RESULT("4", JOB("3", "q", "1")) "\n" RESULT(
                         "5", "{}") "\n" RESULT("6", "{}") "\n" FINISHED("3"));
}
END_TEST

static void report(const char *done)
{
    char line[200];
    snprintf(line, sizeof line, REQUEST("7", "progress", "\"id\":1,\"done\":%s") "\n", done);
    ck_assert_str_eq(peer_ask(&b, line), RESULT("7", "{}") "\n");
}

static void time_passes(int64_t ms)
{
    struct moment now = hub_lock(world.hub);
    now.mono += ms;
    now.wall += ms;
    engine_tick(hub_engine(world.hub), now);
    hub_unlock(world.hub);
    world_settle(&world);
}

START_TEST(who_is_deaf_hears_the_newest_progress_and_then_the_end)
{
    peer_say(&a, SUBMIT("1", ",\"progress\":true"));
    (void)peer_hear(&a);
    (void)peer_ask(&b, GET("1", "q"));
    a.deaf = true;
    // Enough of it is unsent that nothing more is written for it.
    struct buffer pings = BUFFER_INIT;
    for (int i = 0; i < 4000; i++)
        buffer_append(&pings, CALL("2", "ping", ""), sizeof CALL("2", "ping", "") - 1);
    peer_say_bytes(&a, pings.data, pings.len);
    buffer_release(&pings);
    ck_assert_uint_gt(a.session.unsent, world.rpc.output_limit / 2);
    while (!dispatch_blocked(&world.dispatch, &a.session))
        peer_say(&a, CALL("2", "ping", ""));
    report("1");
    report("2");
    time_passes(1000);
    report("3");
    time_passes(2000);
    peer_say(&b, CALL("8", "ack", "\"id\":1"));
    ck_assert_ptr_nonnull(a.session.kept);
    peer_listen(&a);
    const char *heard = peer_hear(&a), *news = strstr(heard, "{\"jsonrpc\":\"2.0\",\"method\"");
    ck_assert_ptr_nonnull(news);
    ck_assert_msg(strncmp(news, PROGRESS("1", "3") FINISHED("1"), strlen(PROGRESS("1", "3") FINISHED("1"))) ==
                      0,
                  "%.300s", news);
}
END_TEST

// Another thread may post the news after the end that it was before.
START_TEST(no_news_come_after_the_end)
{
    peer_say(&a, CALL("1", "call", "\"queue\":\"q\",\"body\":1,\"progress\":true"));
    struct waiter *wait = a.session.waits->waiter;
    (void)peer_ask(&b, GET("1", "q"));
    struct moment now = hub_lock(world.hub);
    struct engine *e = hub_engine(world.hub);
    struct blob *text = blob_new(SLICE("\"done\":1"));
    ck_assert_int_eq(engine_progress(e, now, b.session.client, 1, 0, text), ERROR_NONE);
    ck_assert_int_eq(engine_ack(e, now, b.session.client, 1, 0, NULL), ERROR_NONE);
    blob_unref(text);
    struct waiter *news = engine_take_completed(e), *end = news->next;
    hub_unlock(world.hub);
    ck_assert_int_eq(news->kind, WAITER_PROGRESS);
    ck_assert_ptr_eq(end, wait);
    mailbox_post(&world.mailbox, end);
    mailbox_post(&world.mailbox, news);
    world_settle(&world);
    ck_assert_str_eq(peer_hear(&a), RESULT("1", "{\"id\":1,\"state\":\"done\",\"result\":null}") "\n");
}
END_TEST

START_TEST(what_is_under_way_to_who_has_gone_is_nobodys)
{
    peer_say(&a, SUBMIT("1", ",\"progress\":true") SUBMIT("2", ""));
    peer_say(&a, "[" REQUEST("3", "submit", "\"queue\":\"q\",\"body\":1,\"notify\":true") "," GET("4",
                                                                                                  "r") "]\n");
    peer_say(&b, CALL("1", "get", "\"queue\":\"q\",\"max\":3"));
    peer_give(&b, CALL("2", "progress", "\"id\":1,\"done\":1"),
              strlen(CALL("2", "progress", "\"id\":1,\"done\":1")));
    peer_say(&b, CALL("3", "ack", "\"id\":3")); // held for its batch
    peer_give(&b, CALL("3", "ack", "\"ids\":[1,2]"), strlen(CALL("3", "ack", "\"ids\":[1,2]")));
    peer_close(&a);
    world_settle(&world);
    struct engine_info info;
    (void)hub_lock(world.hub);
    engine_info(hub_engine(world.hub), &info);
    hub_unlock(world.hub);
    ck_assert_uint_eq(info.clients, 1);
    peer_open(&world, &a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/completions");
    TCase *c = tcase_create("waits");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_waiting_get_holds_up_nothing);
    tcase_add_test(c, a_get_of_several_queues_names_the_right_one);
    tcase_add_test(c, its_own_put_ends_a_wait_after_the_puts_reply);
    tcase_add_test(c, what_was_waited_for_leaves_before_the_reply_to_its_put);
    tcase_add_test(c, all_kinds_wait);
    tcase_add_test(c, a_failed_future_brings_its_error);
    tcase_add_test(c, a_timeout_ends_a_wait);
    tcase_add_test(c, waits_are_bounded);
    tcase_add_test(c, a_request_is_taken_back_by_its_exact_id);
    tcase_add_test(c, only_ones_own_requests_are_taken_back);
    tcase_add_test(c, too_late_to_be_taken_back);
    tcase_add_test(c, taken_back_within_a_batch);
    suite_add_tcase(s, c);
    c = tcase_create("batches");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_batch_leaves_when_its_last_reply_is_there);
    tcase_add_test(c, several_waits_of_a_batch_end_in_one_round);
    tcase_add_test(c, a_wait_that_ends_before_its_batch_is_read);
    tcase_add_test(c, a_waiting_notification_of_a_batch_does_not_appear);
    suite_add_tcase(s, c);
    c = tcase_create("close");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_job_under_way_to_a_closed_connection_comes_back_uncounted);
    tcase_add_test(c, a_job_that_was_handed_over_is_lost_with_its_connection);
    tcase_add_test(c, an_auto_ack_is_done_only_when_it_is_handed_over);
    tcase_add_test(c, waits_of_a_closed_connection_are_gone);
    suite_add_tcase(s, c);
    c = tcase_create("deaf");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, completions_wait_for_a_deaf_peer);
    tcase_add_test(c, kept_completions_of_a_closed_connection_come_back);
    suite_add_tcase(s, c);
    c = tcase_create("promises");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, replies_bear_their_promises);
    tcase_add_test(c, a_batch_bears_the_highest_promise_of_its_replies);
    tcase_add_test(c, an_auto_acked_job_waits_for_its_ack_to_be_kept);
    tcase_add_test(c, a_get_of_many_promises_for_all);
    tcase_add_test(c, an_end_is_told_once_it_is_kept_and_behind_the_submits_reply);
    tcase_add_test(c, who_is_deaf_hears_the_newest_progress_and_then_the_end);
    tcase_add_test(c, no_news_come_after_the_end);
    tcase_add_test(c, what_is_under_way_to_who_has_gone_is_nobodys);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
