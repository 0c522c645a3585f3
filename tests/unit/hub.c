#include "server/hub.h"

#include "server/mailbox.h"
#include "tests/unit/hub_fixture.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct hub *hub;
static struct mailbox box;

static void setup(void)
{
    hub = hub_made((struct engine_config){.max_bytes = 1 << 28, .max_queues = 100, .max_waits = 100});
    ck_assert(mailbox_init(&box));
}

static void teardown(void)
{
    mailbox_release(&box);
    hub_free(hub);
}

static bool readable(const struct mailbox *m, int ms)
{
    struct pollfd p = {.fd = m->fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static void put(int64_t delay)
{
    struct put_result out;
    struct job *j = job_prepare(&(struct put_options){.delay = delay}, SLICE("1"));
    ck_assert_ptr_nonnull(j);
    struct moment now = hub_lock(hub);
    enum error error = engine_put(hub_engine(hub), now, SLICE("q"), j, NULL, 0, NULL, &out);
    hub_unlock(hub);
    ck_assert_int_eq(error, ERROR_NONE);
}

// Takes a job or begins to wait for one: *got says which.
static enum error try_get(struct engine_client *c, struct taken *out, bool *got)
{
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1, .timeout = FOREVER};
    unsigned count;
    struct waiter *w;
    struct moment now = hub_lock(hub);
    enum error error = engine_get(hub_engine(hub), now, c, &o, out, &count, &w);
    if (!error && count)
        blob_unref(out->blob);
    hub_unlock(hub);
    *got = count == 1;
    return error;
}

static void close_client(struct engine_client *c)
{
    bool closed = false;
    while (!closed) {
        struct moment now = hub_lock(hub);
        closed = engine_client_close(hub_engine(hub), now, c);
        hub_unlock(hub);
    }
}

static void confirm(struct waiter *w)
{
    struct moment now = hub_lock(hub);
    engine_confirm(hub_engine(hub), now, w);
    hub_unlock(hub);
}

static struct engine_client *client_of(struct mailbox *m)
{
    hub_lock(hub);
    struct engine_client *c = engine_client_new(hub_engine(hub), m);
    hub_unlock(hub);
    ck_assert_ptr_nonnull(c);
    return c;
}

START_TEST(its_clock_does_not_go_back)
{
    int64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        struct moment now = hub_lock(hub);
        hub_unlock(hub);
        ck_assert_int_ge(now.mono, last);
        last = now.mono;
    }
    struct moment now = clock_now();
    ck_assert_int_ge(now.mono, last);
}
END_TEST

START_TEST(it_says_how_long_a_request_holds_it)
{
    struct hub_load load;
    hub_lock(hub);
    hub_load(hub, &load);
    ck_assert_uint_eq(load.requests, 0);
    ck_assert_int_eq(load.held_ns, 0);
    hub_unlock(hub);
    uint64_t before = load.locks;
    for (int i = 0; i < 310; i++) {
        hub_lock(hub);
        int64_t end = clock_ns() + 20000;
        while (clock_ns() < end)
            ;
        hub_carried_out(hub, 2);
        hub_unlock(hub);
    }
    hub_lock(hub);
    hub_load(hub, &load);
    hub_unlock(hub);
    ck_assert_uint_eq(load.locks, before + 311);
    ck_assert_uint_eq(load.requests, 620);
    ck_assert_int_ge(load.held_ns, 9000); // a busy machine makes it longer, nothing shorter
    ck_assert_uint_eq(load.waits, 0);
}
END_TEST

START_TEST(what_completed_is_in_its_mailbox_after_unlocking)
{
    struct engine_client *c = client_of(&box);
    struct taken t;
    bool got;
    ck_assert_int_eq(try_get(c, &t, &got), ERROR_NONE);
    ck_assert(!got);
    ck_assert(!mailbox_has(&box));
    put(0);
    struct waiter *w = mailbox_take(&box);
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_null(w->next);
    ck_assert_uint_eq(w->taken.id, 1);
    confirm(w);
    close_client(c);
}
END_TEST

START_TEST(the_ticker_is_told_when_something_is_due_earlier)
{
    hub_set_ticker(hub, &box);
    ck_assert_int_eq(hub_tick(hub), -1);
    ck_assert(!readable(&box, 0));
    put(100000);
    ck_assert(readable(&box, 0));
    mailbox_quiet(&box);
    int64_t ms = hub_tick(hub);
    ck_assert(ms > 0 && ms <= 100000);
    put(200000); // later: nobody need know
    ck_assert(!readable(&box, 0));
    put(1000);
    ck_assert(readable(&box, 0));
    mailbox_quiet(&box);
    put(2000); // it knows already, though it has not been there yet
    ck_assert(!readable(&box, 0));
    put(10);
    ck_assert(readable(&box, 0));
    mailbox_quiet(&box);
    ms = hub_tick(hub);
    ck_assert(ms >= 0 && ms <= 10);
}
END_TEST

START_TEST(without_a_journal_all_promises_are_kept)
{
    ck_assert(hub_durable(hub) == UINT64_MAX);
    ck_assert_int_eq(hub_wait_marked(hub, 0), HUB_WAIT_TIMEOUT);
    ck_assert_int_eq(hub_wait_marked(hub, 1), HUB_WAIT_TIMEOUT);
    hub_stop_waiting(hub);
    ck_assert_int_eq(hub_wait_marked(hub, -1), HUB_WAIT_STOP);
}
END_TEST

// ---- several threads

#define PRODUCERS 3
#define CONSUMERS 3
#define EACH      3000
#define JOBS      (PRODUCERS * EACH)

static atomic_uint done[JOBS + 1];
static atomic_uint done_count;

static void *produce(void *context)
{
    (void)context;
    for (int i = 0; i < EACH; i++)
        put(i % 5 ? 0 : 1 + i % 3);
    return NULL;
}

static void ack(struct engine_client *c, uint64_t id)
{
    struct moment now = hub_lock(hub);
    enum error error = engine_ack(hub_engine(hub), now, c, id, 0, NULL);
    hub_unlock(hub);
    ck_assert_int_eq(error, ERROR_NONE);
    atomic_fetch_add(&done[id], 1);
    atomic_fetch_add(&done_count, 1);
}

// Gets and acknowledges until all that wait are told that the daemon drains.
static void *consume(void *context)
{
    struct mailbox mine;
    ck_assert(mailbox_init(&mine));
    struct engine_client *c = client_of(&mine);
    for (bool draining = false; !draining;) {
        struct taken t;
        bool got;
        if (try_get(c, &t, &got) == ERROR_DRAINING)
            break;
        if (got) {
            ack(c, t.id);
            continue;
        }
        while (!mailbox_has(&mine)) {
            ck_assert_msg(readable(&mine, 20000), "nobody woke this consumer");
            mailbox_quiet(&mine);
        }
        struct waiter *w = mailbox_take(&mine);
        ck_assert(w && !w->next);
        draining = w->error == ERROR_DRAINING;
        uint64_t id = w->taken.id;
        confirm(w);
        if (!draining)
            ack(c, id);
    }
    close_client(c);
    mailbox_release(&mine);
    (void)context;
    return NULL;
}

static atomic_bool stop_ticking;

static void *tick(void *context)
{
    mailbox_own(&box);
    while (!atomic_load(&stop_ticking)) {
        int64_t ms = hub_tick(hub);
        if (readable(&box, ms < 0 || ms > 1000 ? 1000 : (int)ms))
            mailbox_quiet(&box);
    }
    (void)context;
    return NULL;
}

static void *put_two(void *arg)
{
    (void)arg;
    put(0);
    put(0);
    return NULL;
}

START_TEST(the_committer_is_woken_by_marks_and_gathers_as_many_as_it_wants)
{
    pthread_t other;
    hub_keep(hub);
    uint64_t before = hub_commit(hub, NULL); // the ids' own
    ck_assert_uint_eq(hub_durable(hub), before);
    put(0); // the queue's mark and the job's
    ck_assert_uint_eq(hub_marked(hub), before + 2);
    ck_assert_uint_eq(hub_durable(hub), before);
    before = hub_commit(hub, NULL);

    ck_assert_int_eq(pthread_create(&other, NULL, put_two, NULL), 0);
    ck_assert_int_eq(hub_wait_marked(hub, -1), HUB_WAIT_MARKED);
    hub_gather(hub, 2, INT64_MAX / 2); // returns only when both are there
    ck_assert_uint_ge(hub_marked(hub), before + 2);
    pthread_join(other, NULL);
    hub_gather(hub, 1000, 1000000); // and not for ever
    ck_assert_uint_eq(hub_marked(hub), before + 2);
    hub_commit(hub, NULL);
    hub_stop_waiting(hub);
    hub_gather(hub, 1000, INT64_MAX / 2);
}
END_TEST

START_TEST(each_job_is_done_once_by_one_of_several_threads)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS], ticker;
    hub_set_ticker(hub, &box);
    ck_assert_int_eq(pthread_create(&ticker, NULL, tick, NULL), 0);
    for (int i = 0; i < CONSUMERS; i++)
        ck_assert_int_eq(pthread_create(&consumers[i], NULL, consume, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&producers[i], NULL, produce, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);

    // This thread waits as the others do: until the queue is finished.
    struct mailbox mine;
    ck_assert(mailbox_init(&mine));
    struct engine_client *c = client_of(&mine);
    struct waiter *w = NULL;
    struct moment now = hub_lock(hub);
    ck_assert_int_eq(engine_join(hub_engine(hub), now, SLICE("q"), c, 60000, NULL, &w), ERROR_NONE);
    hub_unlock(hub);
    if (w) {
        while (!mailbox_has(&mine)) {
            ck_assert(readable(&mine, 60000));
            mailbox_quiet(&mine);
        }
        ck_assert_ptr_eq(mailbox_take(&mine), w);
        ck_assert_int_eq(w->error, ERROR_NONE);
        confirm(w);
    }
    hub_lock(hub);
    engine_drain(hub_engine(hub));
    hub_unlock(hub);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    close_client(c);
    mailbox_release(&mine);
    atomic_store(&stop_ticking, true);
    mailbox_wake(&box);
    pthread_join(ticker, NULL);

    ck_assert_uint_eq(atomic_load(&done_count), JOBS);
    for (int id = 1; id <= JOBS; id++)
        ck_assert_uint_eq(atomic_load(&done[id]), 1);
}
END_TEST

static atomic_bool enough, wanted;

static void *put_what_is_wanted(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough))
        if (atomic_exchange(&wanted, false))
            put(0);
    return NULL;
}

// Somebody who looks into the mailbox by chance finds a waiter before the one who posts it is through: the
// mailbox may go all the same.
START_TEST(a_mailbox_may_go_once_nobody_posts_to_it)
{
    enum { TURNS = 500 };
    pthread_t putter;
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&putter, NULL, put_what_is_wanted, NULL), 0);
    for (int i = 0; i < TURNS; i++) {
        struct mailbox *m = malloc(sizeof *m);
        ck_assert_ptr_nonnull(m);
        ck_assert(mailbox_init(m));
        struct engine_client *c = client_of(m);
        struct taken taken;
        bool got;
        ck_assert_int_eq(try_get(c, &taken, &got), ERROR_NONE);
        ck_assert(!got);
        atomic_store(&wanted, true);
        struct waiter *w;
        while (!(w = mailbox_take(m)))
            ;
        ck_assert_int_eq(w->error, ERROR_NONE);
        uint64_t id = w->taken.id, delivery = w->taken.delivery;
        confirm(w);
        struct moment now = hub_lock(hub);
        ck_assert_int_eq(engine_ack(hub_engine(hub), now, c, id, delivery, NULL), ERROR_NONE);
        hub_unlock(hub);
        close_client(c);
        hub_quiesce(hub);
        mailbox_release(m);
        free(m);
    }
    atomic_store(&enough, true);
    pthread_join(putter, NULL);
}
END_TEST

static void *want_the_lock(void *context)
{
    while (!atomic_load((atomic_bool *)context)) {
        hub_lock(hub);
        hub_unlock(hub);
    }
    return NULL;
}

// While more is due the ticker would have the lock again before anybody who waits for it is awake.
START_TEST(the_ticker_leaves_the_lock_to_those_who_wait)
{
    enum { MANY_DUE = 5000, TRIES = 300 };
    atomic_bool seen = false;
    pthread_t other;
    bool left = false;
    ck_assert_int_eq(pthread_create(&other, NULL, want_the_lock, &seen), 0);
    for (unsigned round = 0; round < TRIES && !left; round++) {
        for (unsigned i = 0; i < MANY_DUE; i++)
            put(1);
        for (int64_t all_due = clock_now().mono + 2; clock_now().mono < all_due;)
            continue;
        uint64_t ready = 0;
        while (ready < MANY_DUE * (round + 1)) {
            int64_t ms = hub_tick(hub);
            struct engine_info info;
            hub_lock(hub);
            engine_info(hub_engine(hub), &info);
            hub_unlock(hub);
            left =
                left || (ms == 1 && info.gauges.ready > ready && info.gauges.ready < MANY_DUE * (round + 1));
            ready = info.gauges.ready;
        }
    }
    atomic_store(&seen, true);
    pthread_join(other, NULL);
    ck_assert(left);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub");
    TCase *c = tcase_create("hub");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, its_clock_does_not_go_back);
    tcase_add_test(c, it_says_how_long_a_request_holds_it);
    tcase_add_test(c, what_completed_is_in_its_mailbox_after_unlocking);
    tcase_add_test(c, the_ticker_is_told_when_something_is_due_earlier);
    tcase_add_test(c, the_ticker_leaves_the_lock_to_those_who_wait);
    tcase_add_test(c, without_a_journal_all_promises_are_kept);
    tcase_add_test(c, the_committer_is_woken_by_marks_and_gathers_as_many_as_it_wants);
    tcase_add_test(c, each_job_is_done_once_by_one_of_several_threads);
    tcase_add_test(c, a_mailbox_may_go_once_nobody_posts_to_it);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
