#include "server/rpc/share.h"

#include "common/clock.h"
#include "server/access/identity.h"
#include "server/rpc/throttle.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 4 }; // two of one identity, one of another, and a stranger

static struct world w;
static struct peer p[PEERS];
static struct access access;

static void setup(void)
{
    world_init(&w);
    for (int n = 0; n < 2; n++) {
        struct identity *i = access_add(&access, IDENTITY_TOKEN, n ? "b" : "a");
        ck_assert(i && identity_grant(i, "*", ROLE_ALL));
        memset(i->sha256.bytes, n + 1, sizeof i->sha256.bytes);
    }
    world_shares(&w, &access);
    for (int n = 0; n < PEERS; n++)
        peer_open(&w, &p[n]);
}

static void be(int n, int identity)
{
    ck_assert(session_identify(&p[n].session, &access.items[identity], false));
}

static void teardown(void)
{
    world_release(&w);
    access_release(&access);
}

static unsigned answers(struct peer *q)
{
    unsigned n = 0;
    dispatch_flush(&w.dispatch);
    for (const char *at = peer_hear(q); (at = strstr(at, "\"jsonrpc\"")); at++)
        n++;
    return n;
}

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"

static char *pings(unsigned count)
{
    static char text[100000];
    text[0] = '\0';
    ck_assert_uint_lt(count * strlen(PING), sizeof text);
    for (char *at = text; count > 0; count--)
        at = stpcpy(at, PING);
    return text;
}

static void give(int n, const char *text)
{
    peer_give(&p[n], text, strlen(text));
}

START_TEST(one_identity_alone_is_not_held_up)
{
    be(0, 0);
    be(1, 0);
    ck_assert(!share_contended(&w.dispatch, &p[0].session));
    ck_assert(share_contended(&w.dispatch, &p[3].session)); // who is nobody always is
    give(0, pings(1000));
    ck_assert_uint_eq(answers(&p[0]), 1000);
    be(2, 1);
    ck_assert(share_contended(&w.dispatch, &p[0].session));
    peer_close(&p[2]);
    ck_assert(!share_contended(&w.dispatch, &p[0].session));
    peer_open(&w, &p[2]);
}
END_TEST

START_TEST(input_is_done_in_slices_and_all_of_it)
{
    be(0, 0);
    be(2, 1);
    give(0, pings(2000));
    // At least a round was done, however slow this is, and not all, however quick.
    unsigned first = answers(&p[0]);
    ck_assert_uint_ge(first, SHARE_ROUND);
    ck_assert_uint_lt(first, 2000);
    ck_assert(p[0].session.queued && p[0].session.yielded);
    ck_assert_int_ge(shares_next(&w.dispatch), 0);
    // Who asks for little is done at once, whoever waits.
    give(2, PING);
    ck_assert_uint_eq(answers(&p[2]), 1);
    world_settle(&w);
    ck_assert_uint_eq(answers(&p[0]), 2000 - first);
    ck_assert_int_eq(shares_next(&w.dispatch), -1);
    ck_assert_ptr_null(w.dispatch.listed);
}
END_TEST

START_TEST(sessions_of_one_identity_take_turns)
{
    be(0, 0);
    be(1, 0);
    be(2, 1);
    give(0, pings(2000));
    give(1, pings(2000)); // has to line up
    ck_assert_uint_eq(answers(&p[1]), 0);
    ck_assert(p[1].session.queued);
    answers(&p[0]);
    unsigned more[2] = {0};
    for (int turn = 0; turn < 20; turn++) {
        shares_turn(&w.dispatch);
        more[0] += answers(&p[0]) > 0;
        more[1] += answers(&p[1]) > 0;
    }
    ck_assert_uint_ge(more[0], 3);
    ck_assert_uint_ge(more[1], 3);
}
END_TEST

START_TEST(what_takes_long_is_followed_by_a_rest)
{
    be(0, 0);
    be(2, 1);
    give(2, PING); // somebody else is there
    int64_t began = clock_ns();
    ck_assert(share_begin(&w.dispatch, &p[0].session));
    while (clock_ns() - began < 3 * SHARE_LONG)
        ;
    share_end(&w.dispatch, &p[0].session);
    struct share *mine = &w.dispatch.shares[p[0].session.share];
    ck_assert_int_ge(mine->rests_until, began + 3 * SHARE_LONG * (1 + SHARE_REST));
    ck_assert(!share_begin(&w.dispatch, &p[0].session)); // it is in the queue
    ck_assert(p[0].session.queued);
    shares_turn(&w.dispatch);
    ck_assert(share_begin(&w.dispatch, &p[2].session));
    share_end(&w.dispatch, &p[2].session);
    world_settle(&w); // until the rest is over
    ck_assert(!p[0].session.queued);
}
END_TEST

START_TEST(completions_come_in_slices_too_and_in_order)
{
    enum { MANY = 16 };
    char text[200];
    be(0, 0);
    be(2, 1);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text,
                 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"get\",\"params\":{\"queue\":\"q\"}}\n", i);
        peer_say(&p[0], text);
    }
    for (int i = 0; i < MANY; i++)
        give(2,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"put\",\"params\":{\"queue\":\"q\",\"body\":1}}\n");
    world_settle(&w);
    const char *said = peer_hear(&p[0]);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "\"id\":%d,\"result\"", i);
        said = strstr(said, text);
        ck_assert_msg(said, "the answer to %d is not there, or too early", i);
    }
}
END_TEST

START_TEST(other_identities_or_none_leave_nothing_waiting)
{
    be(0, 0);
    be(2, 1);
    give(0, pings(2000));
    give(2, pings(2000));
    ck_assert(p[0].session.queued && p[2].session.queued);
    world_shares(&w, NULL);
    ck_assert(!p[0].session.queued && p[0].pending && p[2].pending);
    ck_assert_uint_eq(w.dispatch.share_count, 0);
    for (int n = 0; n < PEERS; n++)
        p[n].session.share = 0;
    world_settle(&w);
    ck_assert_uint_eq(answers(&p[0]) + answers(&p[2]), 4000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/share");
    TCase *c = tcase_create("share");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, one_identity_alone_is_not_held_up);
    tcase_add_test(c, input_is_done_in_slices_and_all_of_it);
    tcase_add_test(c, sessions_of_one_identity_take_turns);
    tcase_add_test(c, what_takes_long_is_followed_by_a_rest);
    tcase_add_test(c, completions_come_in_slices_too_and_in_order);
    tcase_add_test(c, other_identities_or_none_leave_nothing_waiting);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
