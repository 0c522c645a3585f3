#include "server/rpc/permit.h"

#include "server/access/identity.h"
#include "server/rpc/method.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

// tests/protocol/access.py asks every method with every role; here are the rows, and what needs no daemon.

static struct world w;
static struct peer p;
static struct access access;
static _Atomic uint64_t failures;

static void setup(void)
{
    struct identity *i = access_add(&access, IDENTITY_TOKEN, "web");
    ck_assert(i && token_hash(SLICE("secret"), &i->sha256));
    ck_assert(identity_grant(i, "own.*", ROLE_PUT | ROLE_TAKE));
    ck_assert(identity_grant(i, "seen", ROLE_READ));
    failures = 0;
    world_init(&w);
    w.dispatch.access = &access;
    w.rpc.auth_failures = &failures;
    peer_open(&w, &p);
}

static void teardown(void)
{
    world_release(&w);
    access_release(&access);
}

#define ASK(id, method, params)                                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"" method "\",\"params\":" params "}"
#define FAILS(id, code, name)                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"error\":{\"code\":" #code ",\"data\":{\"name\":\"" name "\"}}}\n"

static void authenticate(void)
{
    ck_assert_str_eq(peer_ask(&p, ASK(0, "auth", "{\"token\":\"secret\"}")),
                     "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"identity\":{\"kind\":\"token\",\"name\":"
                     "\"web\"}}}\n");
}

START_TEST(every_row_says_what_it_needs)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        bool needs = m->scope != SCOPE_OPEN && m->scope != SCOPE_OWN;
        ck_assert_msg(m->scope >= SCOPE_OPEN && m->scope <= SCOPE_LIST, "%s", m->name);
        ck_assert_msg(needs == (m->roles != 0) && m->roles <= ROLE_ALL, "%s", m->name);
    }
    ck_assert_int_eq(method_find(SLICE("auth"))->scope, SCOPE_OPEN);
}
END_TEST

// A queue's name is no free text: a method that takes one has to be about queues.
START_TEST(who_names_a_queue_is_about_queues)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        for (unsigned i = 0; i < m->param_count; i++)
            if (m->params[i].type == PARAM_QUEUE || m->params[i].type == PARAM_QUEUES)
                ck_assert_msg(m->scope == SCOPE_QUEUE || m->scope == SCOPE_QUEUE_OR_JOB ||
                                  m->scope == SCOPE_QUEUE_OR_DAEMON || m->scope == SCOPE_LIST,
                              "%s", m->name);
    }
}
END_TEST

// Where the rule finds the job's id.
START_TEST(who_is_about_a_job_begins_with_its_id)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        bool found = m->scope != SCOPE_JOB && m->scope != SCOPE_QUEUE_OR_JOB;
        for (unsigned i = 0; i < m->param_count; i++)
            found = found || (strcmp(m->params[i].name, "id") == 0 &&
                              m->params[i].offset == offsetof(struct request, in));
        ck_assert_msg(found, "%s", m->name);
    }
}
END_TEST

START_TEST(nobody_is_refused_before_anything_else_is_looked_at)
{
    ck_assert_str_eq(peer_ask(&p, ASK(1, "put", "{\"nonsense\":1}")), FAILS(1, -32013, "unauthorized"));
    ck_assert_str_eq(peer_ask(&p, ASK(1, "nonsense", "{}")), FAILS(1, -32013, "unauthorized"));
    ck_assert_str_eq(peer_ask(&p, ASK(1, "ping", "{}")), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
    authenticate();
    ck_assert_str_eq(peer_ask(&p, ASK(1, "nonsense", "{}")), FAILS(1, -32601, "method_not_found"));
}
END_TEST

START_TEST(a_refused_put_leaves_nothing)
{
    authenticate();
    ck_assert_str_eq(peer_ask(&p, ASK(1, "put", "{\"queue\":\"other\",\"body\":[1]}")),
                     FAILS(1, -32014, "forbidden"));
    ck_assert_str_eq(peer_ask(&p, ASK(1, "call", "{\"queue\":\"seen\",\"body\":[1]}")),
                     FAILS(1, -32014, "forbidden"));
    struct engine_info info;
    engine_info(hub_engine(w.hub), &info);
    ck_assert_uint_eq(info.queues, 0);
    ck_assert_uint_eq(info.bytes, 0);
}
END_TEST

START_TEST(guesses_are_counted_and_end_the_connection)
{
    for (unsigned n = 1; n <= 10; n++) {
        ck_assert(!p.session.refused);
        ck_assert_str_eq(peer_ask(&p, ASK(1, "auth", "{\"token\":\"guess\"}")),
                         FAILS(1, -32013, "unauthorized"));
        ck_assert_uint_eq(failures, n);
    }
    ck_assert(p.session.refused);
    ck_assert_str_eq(peer_ask(&p, ASK(0, "auth", "{\"token\":\"secret\"}")), "");
}
END_TEST

START_TEST(who_was_somebody_stays_that_after_a_guess)
{
    authenticate();
    ck_assert_str_eq(peer_ask(&p, ASK(1, "auth", "{\"token\":\"guess\"}")), FAILS(1, -32013, "unauthorized"));
    ck_assert_ptr_eq(p.session.who, &access.items[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/permit");
    TCase *c = tcase_create("permit");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, every_row_says_what_it_needs);
    tcase_add_test(c, who_names_a_queue_is_about_queues);
    tcase_add_test(c, who_is_about_a_job_begins_with_its_id);
    tcase_add_test(c, nobody_is_refused_before_anything_else_is_looked_at);
    tcase_add_test(c, a_refused_put_leaves_nothing);
    tcase_add_test(c, guesses_are_counted_and_end_the_connection);
    tcase_add_test(c, who_was_somebody_stays_that_after_a_guess);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
