// The committer with a store whose syncs are held up or fail.
#include "server/committer.h"

#include "server/store/io.h"
#include "tests/unit/hub_fixture.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// Syncs wait at a gate while it is shut; each that arrives is counted.
static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool shut;
    int waiting;
    int error; // what a sync fails with; 0: it works
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static int gated_sync(void *context, int fd)
{
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    pthread_cond_broadcast(&gate.moved);
    while (gate.shut)
        pthread_cond_wait(&gate.moved, &gate.lock);
    gate.waiting--;
    int error = gate.error;
    pthread_mutex_unlock(&gate.lock);
    if (error) {
        errno = error;
        return -1;
    }
    return io_system.sync_data(context, fd);
}

static void gate_set(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_wait(void)
{
    pthread_mutex_lock(&gate.lock);
    while (!gate.waiting)
        pthread_cond_wait(&gate.moved, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static struct hub *hub;
static struct store *store;
static struct committer *committer;
static struct store_io io;
static char folder[] = "/tmp/taskq-committer-XXXXXX";
static atomic_int kept_calls;

static enum store_error no_record(void *arg, const struct store_record *record, struct store_place *old)
{
    (void)arg, (void)record, (void)old;
    return STORE_OK;
}

static void on_kept(void *arg)
{
    (void)arg;
    atomic_fetch_add(&kept_calls, 1);
}

static void on_fatal(void *arg)
{
    (void)arg;
    _exit(42);
}

static void setup(void)
{
    char message[STORE_MESSAGE_MAX];
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    io = io_system;
    io.sync_data = gated_sync;
    struct store_options o = {.path = folder, .mode = STORE_WRITE, .helper = true, .io = &io};
    ck_assert_msg(store_open_log(&o, &store, message) == STORE_OK, "%s", message);
    struct store_loader loader = {.record = no_record};
    ck_assert_int_eq(store_load(store, &loader), STORE_OK);
    hub = hub_made((struct engine_config){.max_bytes = 1u << 30, .max_queues = 100, .max_waits = 100});
    hub_keep(hub);
    struct committer_options c = {.hub = hub, .store = store, .kept = on_kept, .fatal = on_fatal};
    committer = committer_new(&c);
    ck_assert_ptr_nonnull(committer);
    ck_assert(committer_flush(committer));
    ck_assert(committer_start(committer));
}

static void teardown(void)
{
    char command[128];
    gate_set(false);
    committer_stop(committer);
    committer_free(committer);
    store_close(store);
    hub_free(hub);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

// Puts a body of so many bytes; returns what its reply has to wait for.
static uint64_t put(size_t size)
{
    char *body = malloc(size);
    ck_assert_ptr_nonnull(body);
    memset(body, '1', size);
    struct job *j = job_prepare(&(struct put_options){0}, (struct slice){body, size});
    struct put_result out;
    struct moment now = hub_lock(hub);
    enum error error = engine_put(hub_engine(hub), now, SLICE("q"), j, NULL, 0, NULL, &out);
    uint64_t promise = engine_promise(hub_engine(hub));
    hub_unlock(hub);
    free(body);
    ck_assert_int_eq(error, ERROR_NONE);
    return promise;
}

static void wait_durable(uint64_t promise)
{
    while (hub_durable(hub) < promise)
        sched_yield();
}

START_TEST(a_reply_waits_for_its_sync_and_nothing_else_does)
{
    wait_durable(put(10));
    gate_set(true);
    uint64_t promise = put(10);
    gate_wait(); // its sync is under way, and takes as long as we like
    ck_assert_uint_lt(hub_durable(hub), promise);

    // Gets, looks and further puts go on meanwhile.
    struct moment now = hub_lock(hub);
    struct engine_client *c = engine_client_new(hub_engine(hub), NULL);
    struct slice q = SLICE("q");
    struct get_options o = {.queues = &q, .queue_count = 1, .max = 1};
    struct taken t;
    struct waiter *w;
    unsigned n;
    ck_assert_int_eq(engine_get(hub_engine(hub), now, c, &o, &t, &n, &w), ERROR_NONE);
    ck_assert_uint_eq(engine_promise(hub_engine(hub)), 0);
    struct engine_info info;
    engine_info(hub_engine(hub), &info);
    ck_assert_uint_eq(info.gauges.reserved, 1);
    hub_unlock(hub);
    uint64_t later = put(10);
    ck_assert_uint_gt(later, promise);
    ck_assert_uint_lt(hub_durable(hub), promise);

    gate_set(false);
    wait_durable(later);
    ck_assert_int_ge(atomic_load(&kept_calls), 2);
    now = hub_lock(hub);
    ck_assert(engine_client_close(hub_engine(hub), now, c));
    hub_unlock(hub);
}
END_TEST

START_TEST(what_gathers_behind_a_slow_sync_is_bounded)
{
    wait_durable(put(10));
    gate_set(true);
    put(10);
    gate_wait();
    uint64_t last = 0;
    int puts = 0;
    for (; !hub_crowded(hub); puts++) {
        ck_assert_int_lt(puts, 100);
        last = put(1 << 20);
    }
    ck_assert_uint_ge((uint64_t)puts << 20, HUB_GATHER_MAX - (1 << 20));
    gate_set(false);
    wait_durable(last);
    ck_assert(!hub_crowded(hub));
}
END_TEST

START_TEST(a_sync_that_fails_ends_the_daemon_and_keeps_no_promise)
{
    wait_durable(put(10));
    fflush(NULL);
    pthread_mutex_lock(&gate.lock);
    gate.error = EIO;
    pthread_mutex_unlock(&gate.lock);
    uint64_t promise = put(10);
    wait_durable(promise); // never: on_fatal ends the process
    ck_abort_msg("a promise was kept that could not be");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("committer");
    TCase *c = tcase_create("committer");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_reply_waits_for_its_sync_and_nothing_else_does);
    tcase_add_test(c, what_gathers_behind_a_slow_sync_is_bounded);
    tcase_add_exit_test(c, a_sync_that_fails_ends_the_daemon_and_keeps_no_promise, 42);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
