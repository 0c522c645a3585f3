#include "server/rpc/throttle.h"

#include "common/clock.h"
#include "server/access/identity.h"
#include "server/engine/account.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct world w;
static struct peer p;
static struct access access;
static struct quota_use uses[2];

static void setup(void)
{
    world_init(&w);
    for (int n = 0; n < 2; n++) {
        struct identity *i = access_add(&access, IDENTITY_TOKEN, n ? "b" : "a");
        ck_assert(i && identity_grant(i, "*", ROLE_ALL));
        memset(i->sha256.bytes, n + 1, sizeof i->sha256.bytes);
        uses[n] = (struct quota_use){0};
        hub_lock(w.hub);
        uses[n].account = engine_account_new(hub_engine(w.hub));
        hub_unlock(w.hub);
    }
    for (int n = 0; n < 2; n++)
        access.items[n].use = &uses[n];
    w.dispatch.access = &access;
    peer_open(&w, &p);
}

static void teardown(void)
{
    world_release(&w);
    access_release(&access);
}

static struct account_use account(int n)
{
    struct account_use u;
    engine_account_look(uses[n].account, &u);
    return u;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"
#define WAIT "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"get\",\"params\":{\"queue\":\"q\"}}\n"

START_TEST(who_it_is_is_counted_until_it_is_another_or_gone)
{
    struct peer q;
    access.items[0].quotas.connections = 1;
    peer_open(&w, &q);
    ck_assert(session_identify(&p.session, &access.items[0], false));
    ck_assert(session_identify(&p.session, &access.items[0], false)); // it has one
    ck_assert(!session_identify(&q.session, &access.items[0], false));
    ck_assert_ptr_null(q.session.who);
    ck_assert(session_identify(&q.session, &access.items[0], true));
    ck_assert_uint_eq(uses[0].connections, 2);
    ck_assert(session_identify(&q.session, &access.items[1], false));
    ck_assert_uint_eq(uses[0].connections, 1);
    ck_assert_uint_eq(uses[1].connections, 1);
    ck_assert(session_identify(&q.session, NULL, false));
    ck_assert_ptr_null(q.session.throttle);
    peer_close(&p);
    ck_assert_uint_eq(uses[0].connections, 0);
    ck_assert_uint_eq(uses[1].connections, 0);
    peer_close(&q);
}
END_TEST

START_TEST(an_identity_without_quotas_is_not_counted)
{
    access.items[0].use = NULL;
    ck_assert(session_identify(&p.session, &access.items[0], false));
    ck_assert_ptr_null(p.session.throttle);
    ck_assert_ptr_eq(p.session.who, &access.items[0]);
}
END_TEST

START_TEST(over_its_rate_the_rest_is_left_and_goes_on_later)
{
    static const char many[] = PING PING PING PING PING PING PING PING PING PING;
    access.items[0].quotas.requests_per_second = 3;
    ck_assert(session_identify(&p.session, &access.items[0], false));
    peer_give(&p, many, sizeof many - 1);
    dispatch_flush(&w.dispatch);
    ck_assert_uint_eq(count(peer_hear(&p), "result"), 3);
    ck_assert(throttle_paused(p.session.throttle) && dispatch_blocked(&w.dispatch, &p.session));
    ck_assert_uint_eq(p.unread.len, 7 * strlen(PING));
    int64_t next = throttle_next(&w.dispatch), now = clock_ns() / 1000000;
    ck_assert(next > now && next <= now + 335);
    throttle_resume(&w.dispatch, next - 10);
    ck_assert(throttle_paused(p.session.throttle));
    for (int i = 0; i < 10 && throttle_paused(p.session.throttle); i++) // it may wake early
        throttle_resume(&w.dispatch, throttle_next(&w.dispatch));
    ck_assert(!throttle_paused(p.session.throttle) && p.pending);
    peer_give(&p, "", 0);
    dispatch_flush(&w.dispatch);
    ck_assert_uint_eq(count(peer_hear(&p), "result"), 1); // that was counted, and then it waits again
    ck_assert(throttle_paused(p.session.throttle));
    ck_assert_uint_eq(uses[0].slowed, 2);
    world_settle(&w);
    ck_assert_uint_eq(count(peer_hear(&p), "result"), 6);
    ck_assert_int_eq(throttle_next(&w.dispatch), -1);
}
END_TEST

START_TEST(a_turn_that_was_not_used_is_given_back)
{
    static const char many[] = PING PING PING;
    access.items[0].quotas.requests_per_second = 2;
    ck_assert(session_identify(&p.session, &access.items[0], false));
    peer_give(&p, many, sizeof many - 1);
    dispatch_flush(&w.dispatch);
    ck_assert(throttle_paused(p.session.throttle));
    int64_t due = uses[0].pace.due;
    peer_close(&p);
    ck_assert_int_eq(uses[0].pace.due, due - 500000000);
    ck_assert_uint_eq(w.dispatch.paused_count, 0);
}
END_TEST

START_TEST(to_be_another_ends_a_pause)
{
    static const char many[] = PING PING PING PING;
    access.items[0].quotas.requests_per_second = 1;
    ck_assert(session_identify(&p.session, &access.items[0], false));
    peer_give(&p, many, sizeof many - 1);
    dispatch_flush(&w.dispatch);
    ck_assert(throttle_paused(p.session.throttle));
    p.pending = false;
    ck_assert(session_identify(&p.session, &access.items[1], false));
    ck_assert(p.pending && !throttle_paused(p.session.throttle));
    world_settle(&w);
    ck_assert_uint_eq(count(peer_hear(&p), "result"), 4);
}
END_TEST

START_TEST(waits_and_bytes_say_what_to_do)
{
    access.items[0].quotas.waiting = 1;
    hub_lock(w.hub);
    engine_account_limit(uses[0].account, &(struct account_limits){.waits = 1, .bytes = 300});
    hub_unlock(w.hub);
    ck_assert(session_identify(&p.session, &access.items[0], false));
    peer_say(&p, WAIT);
    ck_assert_uint_eq(account(0).waits, 1);
    peer_say(&p, WAIT);
    ck_assert_ptr_nonnull(memmem(p.out.data, p.out.len, "`waiting`", 9));
    peer_hear(&p);
    static const char put[] =
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"put\",\"params\":{\"queue\":\"r\",\"body\":1}}\n";
    peer_say(&p, put);
    ck_assert_ptr_nonnull(strstr(peer_hear(&p), "result"));
    peer_say(&p, put);
    ck_assert_ptr_nonnull(memmem(p.out.data, p.out.len, "`bytes_queued`", 14));
    peer_hear(&p);
    // Its waits go with it, its jobs stay.
    ck_assert(session_identify(&p.session, &access.items[1], false));
    ck_assert_uint_eq(account(0).waits, 0);
    ck_assert_uint_eq(account(1).waits, 1);
    ck_assert_uint_eq(account(0).bytes, 1 + ACCOUNT_JOB_BYTES);
    peer_close(&p);
    ck_assert_uint_eq(account(1).waits, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/throttle");
    TCase *c = tcase_create("throttle");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, who_it_is_is_counted_until_it_is_another_or_gone);
    tcase_add_test(c, an_identity_without_quotas_is_not_counted);
    tcase_add_test(c, over_its_rate_the_rest_is_left_and_goes_on_later);
    tcase_add_test(c, a_turn_that_was_not_used_is_given_back);
    tcase_add_test(c, to_be_another_ends_a_pause);
    tcase_add_test(c, waits_and_bytes_say_what_to_do);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
