#include "tests/unit/pool_fixture.h"

#include "common/clock.h"
#include "server/mailbox.h"
#include "tests/unit/hub_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLERS_MAX 8

struct hub *hub;
struct spawner *spawner;
struct pool *pool;

static struct handler_settings handlers[HANDLERS_MAX];
static size_t handler_count;
static struct mailbox ticker_mailbox, own_mailbox;
static struct engine_client *own;
static pthread_t ticker;
static atomic_bool ticker_ends;
static char folder[64];

static void *tick(void *unused)
{
    (void)unused;
    mailbox_own(&ticker_mailbox);
    while (!atomic_load(&ticker_ends)) {
        int64_t in = hub_tick(hub);
        struct pollfd fd = {.fd = ticker_mailbox.fd, .events = POLLIN};
        if (poll(&fd, 1, in > 1000000 ? 1000000 : (int)in) > 0)
            mailbox_quiet(&ticker_mailbox);
    }
    return NULL;
}

void daemon_setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    snprintf(folder, sizeof folder, "/tmp/taskq-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    spawner = spawner_start();
    ck_assert_ptr_nonnull(spawner);
    hub = hub_made((struct engine_config){.max_bytes = 1 << 30, .max_queues = 1000, .max_waits = 1024});
    ck_assert(mailbox_init(&ticker_mailbox));
    ck_assert(mailbox_init(&own_mailbox));
    hub_set_ticker(hub, &ticker_mailbox);
    atomic_store(&ticker_ends, false);
    ck_assert_int_eq(pthread_create(&ticker, NULL, tick, NULL), 0);
    hub_lock(hub);
    own = engine_client_new(hub_engine(hub), &own_mailbox);
    hub_unlock(hub);
    ck_assert_ptr_nonnull(own);
    handler_count = 0;
    pool = NULL;
}

static void empty_folder(void)
{
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(d);
    ck_assert_int_eq(rmdir(folder), 0);
}

void daemon_teardown(void)
{
    pool_end();
    handlers_forget();
    for (bool closed = false; !closed;) {
        struct moment now = hub_lock(hub);
        closed = engine_client_close(hub_engine(hub), now, own);
        hub_unlock(hub);
    }
    atomic_store(&ticker_ends, true);
    mailbox_wake(&ticker_mailbox);
    pthread_join(ticker, NULL);
    hub_free(hub);
    mailbox_release(&own_mailbox);
    mailbox_release(&ticker_mailbox);
    spawner_stop(spawner);
    empty_folder();
}

struct handler_settings *handler_add(const char *name, enum handler_kind kind)
{
    ck_assert_uint_lt(handler_count, HANDLERS_MAX);
    struct handler_settings *s = &handlers[handler_count++];
    ck_assert(handler_settings_init(s, name));
    s->kind = kind;
    return s;
}

struct handler_settings *exec_add(const char *name, const char *const *argv)
{
    struct handler_settings *s = handler_add(name, HANDLER_EXEC);
    for (; *argv; argv++)
        ck_assert(handler_texts_add(&s->command, *argv));
    return s;
}

void handlers_start(void)
{
    char why[HANDLER_WHY_MAX];
    ck_assert_msg(handler_settings_check(handlers, handler_count, why), "%s", why);
    pool = pool_start(hub, spawner, handlers, handler_count, why);
    ck_assert_msg(pool != NULL, "%s", why);
}

void handlers_forget(void)
{
    while (handler_count > 0)
        handler_settings_release(&handlers[--handler_count]);
}

struct pool_changes handlers_apply(void)
{
    char why[HANDLER_WHY_MAX];
    struct pool_changes changes;
    ck_assert_msg(handler_settings_check(handlers, handler_count, why), "%s", why);
    ck_assert_msg(pool_apply(pool, handlers, handler_count, &changes, why), "%s", why);
    return changes;
}

void resize(const char *handler, unsigned workers)
{
    char why[HANDLER_WHY_MAX];
    for (bool done = false; !done;)
        ck_assert_msg(pool_resize(pool, slice_of(handler), workers, &done, why) == ERROR_NONE, "%s", why);
}

void pool_end(void)
{
    pool_free(pool);
    pool = NULL;
}

// ---- producers and admins

static uint64_t put_slice(const char *queue, struct slice body, uint32_t attempts)
{
    struct put_options options = {.max_attempts = attempts, .submit = true, .keep_result = -1};
    struct job *j = job_prepare(&options, body);
    ck_assert_ptr_nonnull(j);
    struct put_result result;
    struct moment now = hub_lock(hub);
    enum error e = engine_put(hub_engine(hub), now, slice_of(queue), j, NULL, 0, NULL, &result);
    hub_unlock(hub);
    ck_assert_msg(e == ERROR_NONE, "%s", error_text(e));
    return result.id;
}

uint64_t put_attempts(const char *queue, const char *body, uint32_t attempts)
{
    return put_slice(queue, slice_of(body), attempts);
}

uint64_t put(const char *queue, const char *body)
{
    return put_attempts(queue, body, 1);
}

uint64_t put_size(const char *queue, char fill, size_t size)
{
    char *body = malloc(size);
    ck_assert_ptr_nonnull(body);
    memset(body, fill, size);
    body[0] = body[size - 1] = '"';
    uint64_t id = put_slice(queue, (struct slice){body, size}, 1);
    free(body);
    return id;
}

void declare_backoff(const char *queue, int64_t base_ms)
{
    struct queue_settings s = queue_settings_default, now_set;
    const char *why;
    s.backoff_base = base_ms;
    struct moment now = hub_lock(hub);
    enum error e = engine_declare(hub_engine(hub), now, slice_of(queue), &s, 1u << QUEUE_SETTING_backoff_base,
                                  &now_set, &why);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
}

void remove_job(uint64_t id)
{
    struct moment now = hub_lock(hub);
    enum error e = engine_delete(hub_engine(hub), now, id);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
}

void drop_queue(const char *queue)
{
    uint64_t count;
    struct moment now = hub_lock(hub);
    enum error e = engine_drop(hub_engine(hub), now, slice_of(queue), &count);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
}

void shut_down(const char *queue)
{
    struct moment now = hub_lock(hub);
    enum error e = engine_shutdown(hub_engine(hub), now, slice_of(queue), false);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
}

void cancel_running(uint64_t id)
{
    bool cancelled;
    struct moment now = hub_lock(hub);
    enum error e = engine_cancel(hub_engine(hub), now, id, true, &cancelled);
    hub_unlock(hub);
    ck_assert_int_eq(e, ERROR_NONE);
    ck_assert(cancelled);
}

struct queue_gauges gauges(const char *queue)
{
    struct queue_info info;
    struct moment now = hub_lock(hub);
    enum error e = engine_queue_info(hub_engine(hub), now, slice_of(queue), &info);
    hub_unlock(hub);
    return e == ERROR_NONE ? info.gauges : (struct queue_gauges){0};
}

bool look(uint64_t id, struct job_view *view)
{
    struct job_info info;
    struct moment now = hub_lock(hub);
    enum error e = engine_job_info(hub_engine(hub), now, id, &info);
    if (e == ERROR_NONE) {
        *view = (struct job_view){info.state,      info.reason, info.attempts, info.lost, info.left,
                                  info.cancelling, ""};
        snprintf(view->progress, sizeof view->progress, "%.*s", (int)info.progress.len, info.progress.data);
    }
    hub_unlock(hub);
    return e == ERROR_NONE;
}

// ---- outcomes

static struct waiter *wait_waiter(struct waiter *waiting)
{
    struct waiter *done;
    struct pollfd fd = {.fd = own_mailbox.fd, .events = POLLIN};
    while (!(done = mailbox_take(&own_mailbox))) {
        ck_assert_msg(poll(&fd, 1, PATIENCE_MS) == 1, "a job does not end");
        mailbox_quiet(&own_mailbox);
    }
    ck_assert_ptr_eq(done, waiting);
    return done;
}

struct outcome wait_outcome(uint64_t id)
{
    struct outcome o = {0};
    struct waiter *waiting = NULL;
    struct moment now = hub_lock(hub);
    enum error e = engine_result(hub_engine(hub), now, id, false, own, FOREVER, NULL, &o, &waiting);
    hub_unlock(hub);
    if (waiting) {
        struct waiter *done = wait_waiter(waiting);
        e = done->error;
        o = done->outcome;
        blob_ref(o.result);
        blob_ref(o.error);
        now = hub_lock(hub);
        engine_confirm(hub_engine(hub), now, done);
        hub_unlock(hub);
    }
    ck_assert_msg(e == ERROR_NONE || e == ERROR_FAILED || e == ERROR_CANCELLED, "%s", error_text(e));
    return o;
}

void outcome_release(struct outcome *o)
{
    blob_unref(o->result);
    blob_unref(o->error);
}

static void expect_blob(const struct blob *b, const char *text)
{
    if (!text) {
        ck_assert_ptr_null(b);
        return;
    }
    ck_assert_ptr_nonnull(b);
    ck_assert_msg(slice_equal(blob_slice(b), text), "%.*s is not %s", (int)(b->len < 300 ? b->len : 300),
                  b->data, text);
}

void expect_result(uint64_t id, const char *text)
{
    struct outcome o = wait_outcome(id);
    ck_assert_msg(o.state == JOB_DONE, "failed: %.*s", o.error ? (int)o.error->len : 0,
                  o.error ? o.error->data : "");
    expect_blob(o.result, text);
    outcome_release(&o);
}

void expect_cancelled(uint64_t id)
{
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_CANCELLED);
    outcome_release(&o);
}

void expect_failure(uint64_t id, const char *text)
{
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DEAD);
    ck_assert_int_eq(o.reason, DEAD_ATTEMPTS);
    expect_blob(o.error, text);
    outcome_release(&o);
}

void expect_failure_with(uint64_t id, const char *part)
{
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DEAD);
    ck_assert_ptr_nonnull(o.error);
    ck_assert_msg(memmem(o.error->data, o.error->len, part, strlen(part)), "%.*s has no %s",
                  (int)o.error->len, o.error->data, part);
    outcome_release(&o);
}

void expect_buried(uint64_t id)
{
    struct outcome o = wait_outcome(id);
    ck_assert_int_eq(o.state, JOB_DEAD);
    ck_assert_int_eq(o.reason, DEAD_BURIED);
    outcome_release(&o);
}

void expect_untouched(uint64_t id)
{
    struct job_view v;
    ck_assert(look(id, &v));
    ck_assert_int_eq(v.state, JOB_READY);
    ck_assert_uint_eq(v.attempts, 0);
    ck_assert_uint_eq(v.lost, 0);
}

// ---- waiting and looking

void look_away(void)
{
    poll(NULL, 0, 3);
}

void wait_state(uint64_t id, enum job_state state)
{
    struct job_view v;
    WAIT_UNTIL(look(id, &v) && v.state == state);
}

struct search {
    const char *name;
    bool draining;
    struct handler_view view;
    bool found;
};

static void visit(void *context, const struct pool_handler_info *info)
{
    struct search *s = context;
    bool draining = strcmp(info->state, "draining") == 0;
    if (strcmp(s->name, info->name) != 0 || draining != s->draining)
        return;
    s->found = true;
    s->view = (struct handler_view){.workers = info->workers,
                                    .running = info->running,
                                    .done = info->done,
                                    .failed = info->failed,
                                    .daemon = info->daemon};
    snprintf(s->view.kind, sizeof s->view.kind, "%s", info->kind);
    if (info->running > 0) {
        s->view.first_job = info->jobs[0].id;
        s->view.first_running_ms = info->jobs[0].running_ms;
    }
}

bool handler_find(const char *name, bool draining, struct handler_view *view)
{
    struct search s = {.name = name, .draining = draining};
    ck_assert(pool_info(pool, visit, &s));
    *view = s.view;
    return s.found;
}

struct handler_view handler_look(const char *name)
{
    struct handler_view view;
    ck_assert(handler_find(name, false, &view) || handler_find(name, true, &view));
    return view;
}

void wait_running(const char *handler, unsigned jobs)
{
    WAIT_UNTIL(handler_look(handler).running == jobs);
}

void wait_drained(void)
{
    struct pollfd fd = {.fd = pool_fd(pool), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, PATIENCE_MS), 1);
    ck_assert(pool_drained(pool));
}

bool alive(int pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    const char *state = strrchr(text, ')');
    return state && state[1] && state[2] != 'Z' && state[2] != 'X';
}

static int read_number(const char *path)
{
    int number = 0;
    char newline = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    int fields = fscanf(f, "%d%c", &number, &newline);
    fclose(f);
    return fields == 2 && newline == '\n' ? number : 0;
}

int wait_pid_file(const char *path)
{
    int pid;
    WAIT_UNTIL((pid = read_number(path)) > 0);
    return pid;
}

const char *scratch(const char *name)
{
    static char paths[8][200];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

size_t count_descriptors(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    size_t n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static bool spawner_has_children(void)
{
    char path[64], pids[64] = "";
    int pid = (int)spawner_pid(spawner);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false; // a kernel without CONFIG_PROC_CHILDREN
    pids[fread(pids, 1, sizeof pids - 1, f)] = '\0';
    fclose(f);
    return pids[0];
}

void expect_no_children_of_spawner(void)
{
    WAIT_UNTIL(!spawner_has_children());
}

static int log_file, standard_error;

void log_begin(void)
{
    log_file = open(scratch("log"), O_CREAT | O_RDWR, 0600);
    standard_error = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(log_file, STDERR_FILENO), STDERR_FILENO);
}

struct slice log_end(void)
{
    static char text[4 << 20];
    ck_assert_int_eq(dup2(standard_error, STDERR_FILENO), STDERR_FILENO);
    ssize_t len = pread(log_file, text, sizeof text - 1, 0);
    ck_assert_int_ge(len, 0);
    text[len] = '\0';
    close(standard_error);
    close(log_file);
    return (struct slice){text, (size_t)len};
}

int pool_test_main(const char *name, const TTest *const *tests)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create("pool");
    tcase_add_checked_fixture(c, daemon_setup, daemon_teardown);
    tcase_set_timeout(c, 100);
    for (; *tests; tests++)
        tcase_add_test(c, *tests);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
