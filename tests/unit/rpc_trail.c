#include "server/rpc/trail.h"

#include "common/log.h"
#include "server/access/identity.h"
#include "server/rpc/method.h"
#include "tests/unit/rpc_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// tests/protocol/access.py reads the lines; here are the rows, and what has to come at the right moment.

#define ASK(method, params) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}\n"

START_TEST(who_needs_admin_leaves_a_trail_but_for_single_jobs_and_none_else_does)
{
    for (unsigned n = 0; method_at(n); n++) {
        const struct method *m = method_at(n);
        bool admin = m->roles == ROLE_ADMIN || m->roles_to_tell == ROLE_ADMIN,
             asks = strcmp(m->name, "who") == 0;
        ck_assert_msg(!!(m->flags & METHOD_TRAIL) == (admin && !asks), "%s", m->name);
        ck_assert_msg(!(m->flags & METHOD_COUNTS) || (m->flags & METHOD_TRAIL), "%s", m->name);
    }
}
END_TEST

// A sweep in slices; what happens after the first is `meanwhile`. Returns what the log says.
static const char *sweep(void (*meanwhile)(struct world *w, struct peer *p))
{
    static char said[4096];
    static struct world w;
    static struct access access;
    struct peer p;
    int pipe_ends[2];
    ck_assert_int_eq(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_to(pipe_ends[1]);
    struct identity *i = access_add(&access, IDENTITY_TOKEN, "boss");
    ck_assert(i && token_hash(SLICE("secret"), &i->sha256) && identity_grant(i, "*", ROLE_ALL));
    world_init(&w);
    w.dispatch.access = &access;
    peer_open(&w, &p);
    peer_say(&p, ASK("auth", "{\"token\":\"secret\"}"));
    for (unsigned n = 0; n < 5000; n++)
        peer_say(&p, ASK("put", "{\"queue\":\"q\",\"body\":0}"));
    const char *request = ASK("delete", "{\"queue\":\"q\"}");
    peer_give(&p, request, strlen(request));
    ck_assert(p.session.task);
    meanwhile(&w, &p);
    world_settle(&w);
    world_release(&w);
    access_release(&access);
    ssize_t got = read(pipe_ends[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    close(pipe_ends[0]);
    return said;
}

static void close_it(struct world *w, struct peer *p)
{
    (void)w;
    peer_close(p);
}

START_TEST(who_is_gone_when_a_sweep_ends_is_told_all_the_same)
{
    const char *said = sweep(close_it);
    ck_assert_msg(strstr(said, "action=delete kind=token who=boss peer="), "%s", said);
    ck_assert_msg(strstr(said, "queue=q count=5000"), "%s", said);
}
END_TEST

static void drop_the_queue(struct world *w, struct peer *p)
{
    (void)p;
    uint64_t count;
    struct moment now = hub_lock(w->hub);
    ck_assert_int_eq(engine_drop(hub_engine(w->hub), now, SLICE("q"), &count), ERROR_NONE);
    ck_assert_uint_gt(count, 0);
    hub_unlock(w->hub);
}

START_TEST(what_a_sweep_did_before_its_queue_was_dropped_is_told)
{
    const char *said = sweep(drop_the_queue);
    ck_assert_msg(strstr(said, "action=delete kind=token who=boss"), "%s", said);
    ck_assert_msg(!strstr(said, "count=0") && !strstr(said, "count=5000"), "%s", said);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rpc/trail");
    TCase *c = tcase_create("rows");
    tcase_add_test(c, who_needs_admin_leaves_a_trail_but_for_single_jobs_and_none_else_does);
    tcase_add_test(c, who_is_gone_when_a_sweep_ends_is_told_all_the_same);
    tcase_add_test(c, what_a_sweep_did_before_its_queue_was_dropped_is_told);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
