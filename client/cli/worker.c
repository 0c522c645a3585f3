#include "client/cli/output.h"
#include "client/cli/values.h"
#include "client/cli/work.h"
#include "common/clock.h"
#include "common/json_reader.h"
#include "common/json_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX     (1048576u) // what the daemon takes for a result, unless it is told otherwise
#define RETRY_FIRST 100        // ms
#define RETRY_LAST  10000
#define TOUCH_EVERY 1000000000 // ns: how long it may take until a command hears that its job is cancelled
#define TOUCH_AGAIN 5000000000 // where there is no daemon: trying to reach it may hold the command up

// A result: JSON if that is what was printed, else a string of it without one line end at its end.
static void write_result(struct buffer *b, struct slice printed)
{
    if (printed.len > 0 && json_text_valid(printed.data, printed.len)) {
        json_write_slice(b, printed);
        return;
    }
    if (printed.len > 0 && printed.data[printed.len - 1] == '\n')
        printed.len--;
    json_write_bytes(b, printed);
}

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
    {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
    {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
    {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},
};

static void write_signal(struct buffer *b, int number)
{
    char text[32];
    const char *name = text;
    snprintf(text, sizeof(text), "signal %d", number);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (signals[i].number == number)
            name = signals[i].name;
    json_write_string(b, slice_of(name));
}

// The forms that the daemon's own workers give their errors.
static void write_error(struct buffer *b, const struct child_end *end)
{
    json_write_raw(b, "{");
    if (end->too_much) {
        json_write_key(b, "output");
        json_write_uint(b, OUT_MAX);
    } else if (end->exited) {
        json_write_key(b, "exit");
        json_write_uint(b, (uint64_t)end->status);
    } else {
        json_write_key(b, "signal");
        write_signal(b, end->status);
    }
    json_write_key(b, "stderr");
    json_write_bytes(b, (struct slice){end->tail.data, end->tail.len});
    json_write_raw(b, "}");
}

static bool connection_failed(enum taskq_error e)
{
    return e == TASKQ_NO_DAEMON || e == TASKQ_LOST || e == TASKQ_UNSENT || e == TASKQ_DRAINING ||
           e == TASKQ_OVERLOADED || e == TASKQ_STORE_FAILED || e == TASKQ_TLS;
}

// Waits before the next try, longer each time; ends early when the work does.
static void wait_a_little(struct work *w, int *ms)
{
    *ms = *ms == 0 ? RETRY_FIRST : *ms * 2 > RETRY_LAST ? RETRY_LAST : *ms * 2;
    for (int waited = 0; waited < *ms && !atomic_load(&w->stopping); waited += RETRY_FIRST)
        poll(NULL, 0, RETRY_FIRST);
}

// Gives the job back as `give` does, through lost connections, for as long as its lease may hold. Renewing
// ends with the first try, so there is at least two thirds of it.
static enum taskq_error deliver(struct worker *w, const struct taskq_job *job,
                                enum taskq_error (*give)(struct worker *, const struct taskq_job *, void *),
                                void *arg)
{
    double lease = w->work->lease > 0 ? w->work->lease : 60;
    int64_t deadline = clock_ns() + (int64_t)(lease * 1e9 * 2 / 3);
    bool uncertain = false;
    for (int ms = 0;;) {
        enum taskq_error e = give(w, job, arg);
        // A lost reply may have been that of a success: then the second time it is not reserved any more.
        if (uncertain && (e == TASKQ_NOT_RESERVED || e == TASKQ_NOT_FOUND))
            return TASKQ_OK;
        if (!connection_failed(e) || clock_ns() >= deadline || atomic_load(&w->work->killed))
            return e;
        uncertain = uncertain || e == TASKQ_LOST;
        ms = ms == 0 ? RETRY_FIRST : ms * 2 > RETRY_LAST ? RETRY_LAST : ms * 2;
        poll(NULL, 0, ms);
    }
}

struct nack_outcome {
    struct buffer error;
    const char *state;
    double delay;
};

static enum taskq_error give_ack(struct worker *w, const struct taskq_job *job, void *arg)
{
    struct buffer *result = arg;
    return taskq_ack(w->q, job->id, job->delivery, result->data, result->len);
}

static enum taskq_error give_nack(struct worker *w, const struct taskq_job *job, void *arg)
{
    struct nack_outcome *n = arg;
    return taskq_nack(w->q, job->id, job->delivery, n->error.data, n->error.len, TASKQ_FOREVER, &n->state,
                      &n->delay);
}

static enum taskq_error give_release(struct worker *w, const struct taskq_job *job, void *arg)
{
    (void)arg;
    return taskq_release(w->q, job->id, job->delivery, 0, NULL);
}

static void say(const struct worker *w, const struct taskq_job *job, const char *state, const char *detail,
                double seconds)
{
    flockfile(stdout);
    if (w->work->json) {
        struct buffer b = BUFFER_INIT;
        json_write_raw(&b, "{");
        json_write_key(&b, "id");
        json_write_uint(&b, job->id);
        json_write_key(&b, "queue");
        json_write_string(&b, slice_of(job->queue));
        json_write_key(&b, "attempt");
        json_write_uint(&b, job->attempt);
        json_write_key(&b, "state");
        json_write_string(&b, slice_of(state));
        json_write_key(&b, "seconds");
        json_write_double(&b, seconds);
        json_write_raw(&b, "}");
        output_json_take(&b);
        fflush(stdout);
    } else if (detail != NULL) {
        fprintf(stderr, "taskq: job %llu (%s, attempt %u): %s\n", (unsigned long long)job->id, job->queue,
                job->attempt, detail);
    }
    funlockfile(stdout);
}

static void say_failed(struct worker *w, const struct taskq_job *job, const struct child_end *end,
                       const struct nack_outcome *n, double seconds)
{
    char what[128], then[64], time[VALUE_TEXT], text[256];
    if (end->too_much)
        snprintf(what, sizeof(what), "it printed more than %u bytes", OUT_MAX);
    else
        snprintf(what, sizeof(what), "%s %d", end->exited ? "exit code" : "signal", end->status);
    if (strcmp(n->state, "delayed") == 0)
        snprintf(then, sizeof(then), "tried again in %s", value_show_seconds(n->delay, time));
    else
        snprintf(then, sizeof(then), "it is %s", n->state);
    snprintf(text, sizeof(text), "%s; %s", what, then);
    say(w, job, n->state, text, seconds);
}

// The job's end is known to the command's user, but not to the daemon.
static void say_undelivered(struct worker *w, const struct taskq_job *job, enum taskq_error e)
{
    fprintf(stderr, "taskq: job %llu: its outcome could not be given back: %s\n", (unsigned long long)job->id,
            taskq_error_message(w->q));
    atomic_store(&w->work->code, cli_exit_code(e));
}

static void finish(struct worker *w, const struct taskq_job *job, const struct child_end *end, double seconds)
{
    bool good = end->exited && end->status == 0 && !end->too_much;
    struct buffer result = BUFFER_INIT;
    struct nack_outcome n = {.state = "ready"};
    enum taskq_error e;
    if (w->gone != TASKQ_OK || (atomic_load(&w->work->killed) && !good)) {
        e = deliver(w, job, give_release, NULL);
        if (e == TASKQ_OK)
            say(w, job, "ready", "killed; given back", seconds);
    } else if (good) {
        write_result(&result, (struct slice){end->out.data, end->out.len});
        e = result.failed ? TASKQ_NO_MEMORY : deliver(w, job, give_ack, &result);
        if (e == TASKQ_OK) {
            atomic_fetch_add(&w->work->done, 1);
            say(w, job, "done", NULL, seconds);
        }
    } else {
        write_error(&n.error, end);
        e = n.error.failed ? TASKQ_NO_MEMORY : deliver(w, job, give_nack, &n);
        atomic_fetch_add(&w->work->failed, e != TASKQ_CANCELLED);
        if (e == TASKQ_OK)
            say_failed(w, job, end, &n, seconds);
    }
    if (e == TASKQ_CANCELLED)
        say(w, job, "cancelled", "it was cancelled while it ran", seconds);
    else if (e == TASKQ_NOT_FOUND && w->gone == TASKQ_NOT_FOUND)
        say(w, job, "deleted", "it was deleted while it ran", seconds);
    else if (e != TASKQ_OK)
        say_undelivered(w, job, e);
    buffer_release(&result);
    buffer_release(&n.error);
}

static int command_fd(void *arg)
{
    const struct worker *w = arg;
    return taskq_fd(w->q);
}

// Reads the answer to the touch under way; those of earlier jobs are passed over.
static void read_answers(struct worker *w)
{
    struct taskq_reply reply;
    while (taskq_receive(w->q, 0, &reply) == TASKQ_OK) {
        if (reply.request != w->touch)
            continue;
        w->touch = 0;
        if (w->gone == TASKQ_OK && (reply.error == TASKQ_CANCELLED || reply.error == TASKQ_NOT_FOUND)) {
            w->gone = reply.error;
            w->kill_at = clock_ns() + (int64_t)(w->work->grace * 1e9);
            child_signal(&w->child, SIGTERM);
        }
    }
}

static void send_touch(struct worker *w)
{
    char params[96];
    int len = snprintf(params, sizeof(params), "{\"id\":%llu,\"delivery\":%llu}",
                       (unsigned long long)w->job->id, (unsigned long long)w->job->delivery);
    w->touch_at = clock_ns() + TOUCH_EVERY;
    if (taskq_send(w->q, "touch", params, (size_t)len, &w->touch) != TASKQ_OK ||
        taskq_flush(w->q) != TASKQ_OK) {
        w->touch = 0;
        w->touch_at = clock_ns() + TOUCH_AGAIN;
    }
}

// While a command runs: is its job still wanted?
static void look_at_job(void *arg)
{
    struct worker *w = arg;
    read_answers(w);
    if (w->gone == TASKQ_OK) {
        if (w->touch == 0 && clock_ns() >= w->touch_at)
            send_touch(w);
    } else if (clock_ns() >= w->kill_at) {
        child_signal(&w->child, SIGKILL);
    }
}

// This machine's fault, not the job's: it is given back, and no more are taken.
static void give_up(struct worker *w, const struct taskq_job *job, const char *why)
{
    fprintf(stderr, "taskq: job %llu is given back: %s\n", (unsigned long long)job->id, why);
    (void)deliver(w, job, give_release, NULL);
    atomic_store(&w->work->code, EXIT_BROKEN);
    atomic_store(&w->work->stopping, true);
}

static void run_job(struct worker *w, const struct taskq_job *job)
{
    struct child_end end;
    struct slice input = {job->body, job->body_len};
    struct taskq_text string = {NULL, 0};
    struct child_hook hook = {.fd = command_fd, .look = look_at_job, .arg = w};
    if (w->work->raw && taskq_json_unstring(job->body, job->body_len, &string) == TASKQ_OK)
        input = (struct slice){string.data, string.len};
    int64_t start = clock_ns();
    w->job = job;
    w->touch = 0;
    w->touch_at = start + TOUCH_EVERY;
    w->gone = TASKQ_OK;
    enum taskq_error e = child_run(&w->child, w->work->command, job, input, OUT_MAX, &hook, &end);
    double seconds = (double)(clock_ns() - start) / 1e9;
    if (e != TASKQ_OK)
        give_up(w, job, taskq_error_text(e));
    else if (end.spawn_error != 0)
        give_up(w, job, strerror(end.spawn_error));
    else
        finish(w, job, &end, seconds);
    taskq_text_release(&string);
    buffer_release(&end.out);
    buffer_release(&end.tail);
}

// Takes a job. False: the slot has ended.
static bool take(struct worker *w, struct taskq_jobs *jobs, int *retry_ms)
{
    struct work *work = w->work;
    struct taskq_get_options o = {.lease = work->lease, .detached = true};
    while (!atomic_load(&work->stopping)) {
        enum taskq_error e = taskq_get_many(w->q, work->queues, work->nqueues, 1, &o, work->timeout, jobs);
        if (e == TASKQ_OK) {
            *retry_ms = 0;
            return true;
        }
        if (e == TASKQ_REQUEST_CANCELLED || e == TASKQ_NOT_FOUND)
            continue; // interrupted; or the queue was dropped, and begins anew with the next get
        if (!connection_failed(e)) {
            bool waited_out = e == TASKQ_EMPTY || e == TASKQ_SHUT_DOWN;
            if (!waited_out || work->once)
                atomic_store(&work->code, cli_exit_code(e));
            if (!waited_out || e == TASKQ_SHUT_DOWN)
                fprintf(stderr, "taskq: %s\n", taskq_error_message(w->q));
            return false;
        }
        if (*retry_ms == 0)
            fprintf(stderr, "taskq: %s; trying again until it is back\n", taskq_error_message(w->q));
        wait_a_little(work, retry_ms);
    }
    return false;
}

void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct taskq_jobs jobs;
    int retry_ms = 0;
    uint64_t one = 1;
    while (take(w, &jobs, &retry_ms)) {
        for (size_t i = 0; i < jobs.count; i++)
            run_job(w, &jobs.jobs[i]);
        taskq_jobs_release(&jobs);
        if (w->work->once)
            break;
    }
    (void)!write(w->work->ended, &one, sizeof(one));
    return NULL;
}
