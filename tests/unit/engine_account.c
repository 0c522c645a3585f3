#include "server/engine/account.h"

#include "tests/unit/engine_fixture.h"

static struct engine_account *account;

static void setup(void)
{
    engine_setup();
    account = engine_account_new(e);
    MUST(account != NULL);
    engine_client_charge(client, account);
}

static struct account_use use(void)
{
    struct account_use u;
    engine_account_look(account, &u);
    return u;
}

static void limit(uint64_t waits, uint64_t bytes)
{
    engine_account_limit(account, &(struct account_limits){.waits = waits, .bytes = bytes});
}

static enum error try_put(const char *queue, struct put_options o, const char *body, uint64_t *id)
{
    struct put_result out;
    struct job *j = job_prepare(&o, slice_of(body));
    enum error error = engine_put(e, now, slice_of(queue), j, client, 0, NULL, &out);
    if (error)
        job_discard(j);
    *id = error ? 0 : out.id;
    return error;
}

static uint64_t charged_put(const char *queue, struct put_options o)
{
    uint64_t id;
    MUST(try_put(queue, o, "1234", &id) == ERROR_NONE);
    return id;
}

#define ONE (4 + ACCOUNT_JOB_BYTES)

START_TEST(a_job_counts_until_it_is_finished)
{
    uint64_t id = charged_put("q", (struct put_options){0});
    ck_assert_uint_eq(use().bytes, ONE);
    struct taken t = get("q");
    ck_assert_uint_eq(use().bytes, ONE);
    struct nack_result nack;
    ck_assert_int_eq(engine_nack(e, now, client, id, t.delivery, NULL, 1000, &nack), ERROR_NONE);
    ck_assert_uint_eq(use().bytes, ONE);
    pass(1000);
    t = get("q");
    ck_assert_int_eq(engine_ack(e, now, client, id, t.delivery, NULL), ERROR_NONE);
    ck_assert_uint_eq(use().bytes, 0);
}
END_TEST

START_TEST(the_dead_are_finished_and_the_kicked_are_not)
{
    uint64_t id = charged_put("q", (struct put_options){.expires = 100});
    pass(200);
    ck_assert_int_eq(state_of(id), JOB_DEAD);
    ck_assert_uint_eq(use().bytes, 0);
    limit(0, 1);
    bool kicked;
    ck_assert_int_eq(engine_kick(e, now, id, &kicked), ERROR_NONE); // what comes back is not refused
    ck_assert_uint_eq(use().bytes, ONE);
    ck_assert_int_eq(engine_delete(e, now, id), ERROR_NONE);
    ck_assert_uint_eq(use().bytes, 0);
}
END_TEST

START_TEST(a_dead_letter_stays_its)
{
    set_dead_letter("q", "letters");
    charged_put("q", (struct put_options){.expires = 100});
    pass(200);
    ck_assert_uint_eq(queue_of("letters").gauges.ready, 1);
    ck_assert_uint_eq(use().bytes, ONE);
}
END_TEST

START_TEST(what_is_over_the_limit_is_refused_and_says_why)
{
    uint64_t id;
    limit(0, 2 * ONE);
    charged_put("q", (struct put_options){0});
    charged_put("q", (struct put_options){0});
    ck_assert_int_eq(try_put("q", (struct put_options){0}, "", &id), ERROR_OVERLOADED);
    ck_assert_int_eq(engine_account_why(account), ACCOUNT_BYTES);
    ck_assert_int_eq(engine_account_why(account), ACCOUNT_NOT_REFUSED);
    ck_assert_uint_eq(use().refused, 1);
    put("q", 0); // nobody's
    engine_client_charge(client, NULL);
    charged_put("q", (struct put_options){0});
    ck_assert_uint_eq(use().bytes, 2 * ONE);
    // One that says nothing of the account has another cause.
    engine_client_charge(client, account);
    limit(0, 0);
    engine_set_limits(e, 1, 1000, 1000, 1000);
    ck_assert_int_eq(try_put("q", (struct put_options){0}, "", &id), ERROR_OVERLOADED);
    ck_assert_int_eq(engine_account_why(account), ACCOUNT_NOT_REFUSED);
    ck_assert_uint_eq(use().bytes, 2 * ONE);
}
END_TEST

START_TEST(a_put_that_waits_counts_whether_it_is_let_in_or_not)
{
    SET("q", maxsize, 1);
    uint64_t first = charged_put("q", (struct put_options){0}), two = strlen("\"waits\"") + ACCOUNT_JOB_BYTES;
    struct waiter *let_in = put_waits("q", (struct put_options){0}),
                  *gone = put_waits("q", (struct put_options){0});
    ck_assert_uint_eq(use().bytes, ONE + 2 * two);
    ck_assert_uint_eq(use().waits, 2);
    ck_assert(engine_wait_cancel(e, gone));
    ck_assert_uint_eq(use().bytes, ONE + two);
    ck_assert_int_eq(engine_delete(e, now, first), ERROR_NONE);
    ck_assert_ptr_eq(completed(), let_in);
    confirm(let_in);
    ck_assert_uint_eq(use().bytes, two);
    ck_assert_uint_eq(use().waits, 0);
}
END_TEST

START_TEST(a_key_that_is_taken_meanwhile)
{
    SET("q", maxsize, 1);
    uint64_t first = charged_put("q", (struct put_options){0});
    struct waiter *a = put_waits("q", (struct put_options){.key = SLICE("k")});
    struct waiter *b = put_waits("q", (struct put_options){.key = SLICE("k")});
    uint64_t two = strlen("\"waits\"") + ACCOUNT_JOB_BYTES;
    ck_assert_uint_eq(use().bytes, ONE + 2 * two);
    ck_assert_int_eq(engine_delete(e, now, first), ERROR_NONE);
    ck_assert_ptr_eq(completed(), a);
    confirm(a);
    get("q"); // room for the other
    ck_assert_ptr_eq(completed(), b);
    ck_assert(b->existing);
    confirm(b);
    ck_assert_uint_eq(use().bytes, two);
}
END_TEST

START_TEST(waits_are_bounded_over_all_clients)
{
    struct engine_client *other = engine_client_new(e, NULL);
    engine_client_charge(other, account);
    limit(2, 0);
    struct waiter *w = get_waits("q");
    struct slice name = SLICE("q");
    struct get_options o = {.queues = &name, .queue_count = 1, .max = 1, .timeout = FOREVER};
    struct taken out;
    unsigned count;
    struct waiter *waiting;
    ck_assert_int_eq(engine_get(e, now, other, &o, &out, &count, &waiting), ERROR_NONE);
    ck_assert_int_eq(engine_get(e, now, other, &o, &out, &count, &waiting), ERROR_OVERLOADED);
    ck_assert_int_eq(engine_account_why(account), ACCOUNT_WAITS);
    ck_assert(engine_wait_cancel(e, w));
    ck_assert_uint_eq(use().waits, 1);
    ck_assert_int_eq(engine_get(e, now, other, &o, &out, &count, &waiting), ERROR_NONE);
    engine_client_charge(other, NULL);
    ck_assert_uint_eq(use().waits, 0);
    engine_client_charge(other, account);
    ck_assert_uint_eq(use().waits, 2);
    ck_assert(engine_client_close(e, now, other));
    ck_assert_uint_eq(use().waits, 0);
}
END_TEST

// Whatever is done, the bytes are those of the charged jobs that are unfinished.
START_TEST(after_anything_the_sum_is_right)
{
    enum { MANY = 64 };
    uint64_t ids[MANY] = {0}, next = 1;
    set_dead_letter("q", "r");
    for (int step = 0; step < 20000; step++) {
        next = next * 6364136223846793005u + 1442695040888963407u;
        unsigned n = (unsigned)(next >> 40) % MANY, what = (unsigned)(next >> 33) % 8;
        struct taken t;
        bool flag;
        if (!ids[n]) {
            ids[n] = charged_put(what & 1 ? "q" : "r", (struct put_options){.delay = what & 2 ? 50 : 0,
                                                                            .expires = what & 4 ? 300 : 0,
                                                                            .submit = what == 7,
                                                                            .keep_result = 100});
        } else if (what == 0) {
            (void)!engine_delete(e, now, ids[n]);
            ids[n] = 0;
        } else if (what == 1) {
            (void)!engine_kick(e, now, ids[n], &flag);
        } else if (what < 4 && try_get(what == 2 ? "q" : "r", &t) == ERROR_NONE) {
            (void)!(n & 1 ? engine_ack(e, now, client, t.id, t.delivery, NULL)
                          : engine_bury(e, now, client, t.id, t.delivery, NULL));
        } else if (what == 4) {
            (void)!engine_cancel(e, now, ids[n], false, &flag);
        } else if (what == 5) {
            pass(20);
        }
        uint64_t sum = 0;
        for (unsigned i = 0; i < MANY; i++) {
            int state = ids[i] ? state_of(ids[i]) : -1;
            if (state == JOB_READY || state == JOB_DELAYED || state == JOB_RESERVED)
                sum += ONE;
            else if (state < 0)
                ids[i] = 0;
        }
        MUST(use().bytes == sum);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/account");
    TCase *c = tcase_create("account");
    tcase_add_checked_fixture(c, setup, engine_teardown);
    tcase_add_test(c, a_job_counts_until_it_is_finished);
    tcase_add_test(c, the_dead_are_finished_and_the_kicked_are_not);
    tcase_add_test(c, a_dead_letter_stays_its);
    tcase_add_test(c, what_is_over_the_limit_is_refused_and_says_why);
    tcase_add_test(c, a_put_that_waits_counts_whether_it_is_let_in_or_not);
    tcase_add_test(c, a_key_that_is_taken_meanwhile);
    tcase_add_test(c, waits_are_bounded_over_all_clients);
    tcase_add_test(c, after_anything_the_sum_is_right);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
