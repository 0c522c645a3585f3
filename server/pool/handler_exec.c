#include "server/pool/handler_exec.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/pool/exec_text.h"
#include "server/pool/spawner.h"
#include "server/pool/stderr_log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE   (64 * 1024)
#define KEEP_MAX    (256 * 1024) // a larger buffer is not kept from job to job
#define LINGER_MS   500          // how long what left the command's group may keep its output open
#define GIVE_UP_MS  2000         // how long a killed child is waited for when the daemon stops
#define OUR_ENV_MAX 4

// What a worker keeps from job to job.
struct exec {
    struct spawn_channel *channel;
    const char **env; // the handler's, then the job's
    char id[32], attempt[32], delivery[40];
    char queue[sizeof "TASKQ_QUEUE=" + HANDLER_NAME_MAX];
    struct buffer out;  // what the command printed
    struct buffer text; // the input, and then the result or the error
    struct exec_tail err;
    struct stderr_log log;
};

// Why a command is being ended; the first reason counts.
enum cause { CAUSE_NONE, CAUSE_TIMEOUT, CAUSE_OUTPUT, CAUSE_STOP, CAUSE_GONE };

// One running command.
struct run {
    struct worker *worker;
    struct exec *x;
    struct spawn_child child;
    struct spawn_exit exit;
    struct slice input; // what is still to be written
    enum cause cause;
    bool over; // `exit` is there
    bool deaf; // its output is not read further; open still, since closing it would end it before the signal
    bool spawner_gone;
    int64_t timeout_at; // each INT64_MAX where it does not apply (yet)
    int64_t kill_at;
    int64_t give_up_at;
};

static void exec_close(void *state)
{
    struct exec *x = state;
    if (x->channel)
        spawn_channel_close(x->channel);
    if (x->log.handler)
        stderr_log_close(&x->log);
    buffer_release(&x->out);
    buffer_release(&x->text);
    free(x->env);
    free(x);
}

static void *exec_open(struct worker *w)
{
    const struct handler_texts *env = &w->handler->settings.env;
    struct exec *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->env = calloc(env->count + OUR_ENV_MAX + 1, sizeof *x->env);
    x->channel = x->env ? spawn_channel_open(w->crew->spawner) : NULL;
    if (!x->channel) {
        int error = errno;
        exec_close(x);
        errno = error;
        return NULL;
    }
    stderr_log_init(&x->log, w->handler->settings.name);
    size_t n = 0;
    for (; n < env->count; n++)
        x->env[n] = env->items[n];
    x->env[n++] = x->id;
    x->env[n++] = x->queue;
    x->env[n++] = x->attempt;
    x->env[n++] = x->delivery;
    return x;
}

// ---- how it went

// A verdict with what stands in x->text.
static struct verdict verdict_of_text(struct exec *x, enum verdict_kind kind)
{
    struct blob *text = x->text.failed ? NULL : blob_new((struct slice){x->text.data, x->text.len});
    if (!text)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    return (struct verdict){.kind = kind, .text = text};
}

static struct verdict failed(struct run *r, enum exec_end end, int64_t value)
{
    exec_error_write(&r->x->text, end, value, exec_tail_slice(&r->x->err));
    return verdict_of_text(r->x, VERDICT_FAILED);
}

static bool succeeded(const struct run *r)
{
    return r->over && WIFEXITED(r->exit.status) && WEXITSTATUS(r->exit.status) == 0;
}

static struct verdict conclude(struct run *r)
{
    const struct handler_settings *s = &r->worker->handler->settings;
    buffer_clear(&r->x->text);
    if (r->cause == CAUSE_GONE)
        return (struct verdict){.kind = VERDICT_GONE};
    if (r->x->out.failed || r->spawner_gone)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    // A command that was done when the end came is done: it was killed, so success is its own.
    if (r->cause == CAUSE_STOP && !succeeded(r))
        return (struct verdict){.kind = VERDICT_BACK};
    if (r->cause == CAUSE_TIMEOUT)
        return failed(r, EXEC_TIMEOUT, s->timeout);
    if (r->cause == CAUSE_OUTPUT)
        return failed(r, EXEC_OUTPUT, (int64_t)s->max_output);
    if (WIFSIGNALED(r->exit.status))
        return failed(r, EXEC_SIGNAL, WTERMSIG(r->exit.status));
    if (!succeeded(r))
        return failed(r, EXEC_EXIT, WEXITSTATUS(r->exit.status));
    exec_result_write(&r->x->text, (struct slice){r->x->out.data, r->x->out.len});
    return verdict_of_text(r->x, VERDICT_DONE);
}

// What no job can do anything about, and the next one would run into as well.
static bool machine_lacks_something(const struct spawn_error *e)
{
    return e->step == SPAWN_STEP_PIPE || e->step == SPAWN_STEP_SPAWNER || e->step == SPAWN_STEP_DESCRIPTORS ||
           e->step == SPAWN_STEP_FORK;
}

static struct verdict not_spawned(struct worker *w, struct exec *x, const struct spawn_error *e)
{
    const char *step = spawn_step_text(e->step), *detail = e->error ? strerror(e->error) : NULL;
    if (machine_lacks_something(e)) {
        log_job(LOG_HANDLER_BLOCKED, w->task.id, KV("handler", w->handler->settings.name), KV("why", step),
                KV("error", detail));
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    }
    buffer_clear(&x->text);
    exec_refusal_write(&x->text, "spawn", step, detail);
    return verdict_of_text(x, VERDICT_FAILED);
}

// ---- ending it

static void end(struct run *r, enum cause cause, int signo)
{
    if (r->cause == CAUSE_NONE)
        r->cause = cause;
    if (r->over)
        return;
    spawn_channel_signal(r->x->channel, &r->child, signo);
    r->timeout_at = INT64_MAX;
    r->kill_at = INT64_MAX;
    if (signo == SIGTERM)
        r->kill_at = clock_now().mono + r->worker->handler->settings.grace;
}

static void interrupted(struct run *r, enum interrupt i)
{
    if (i == GONE)
        end(r, CAUSE_GONE, SIGTERM);
    if (i == STOP) {
        end(r, CAUSE_STOP, SIGKILL);
        r->give_up_at = clock_now().mono + GIVE_UP_MS;
    }
}

static void look_at_clock(struct run *r)
{
    int64_t now = clock_now().mono;
    if (now >= r->timeout_at)
        end(r, CAUSE_TIMEOUT, SIGTERM);
    if (now >= r->kill_at)
        end(r, r->cause, SIGKILL);
}

// ---- its pipes

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void feed(struct run *r)
{
    while (r->input.len > 0) {
        ssize_t n = write(r->child.in, r->input.data, r->input.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break; // it does not want to read it all, which is its own business
        r->input.data += n;
        r->input.len -= (size_t)n;
    }
    close_end(&r->child.in);
}

static void read_out(struct run *r)
{
    struct buffer *b = &r->x->out;
    size_t max = r->worker->handler->settings.max_output;
    // One byte more than is allowed tells that there is more.
    size_t room = max + 1 - b->len < READ_SIZE ? max + 1 - b->len : READ_SIZE;
    if (b->cap - b->len < room && !buffer_reserve(b, room)) {
        r->deaf = true;
        end(r, CAUSE_STOP, SIGKILL);
        return;
    }
    ssize_t n = read(r->child.out, b->data + b->len, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_end(&r->child.out);
        return;
    }
    b->len += (size_t)n;
    if (b->len > max) {
        r->deaf = true;
        end(r, CAUSE_OUTPUT, SIGKILL);
    }
}

static void read_err(struct run *r)
{
    char data[16 * 1024];
    ssize_t n = read(r->child.err, data, sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_end(&r->child.err);
        return;
    }
    exec_tail_add(&r->x->err, data, (size_t)n);
    stderr_log_add(&r->x->log, r->worker->task.id, data, (size_t)n);
}

static void read_exit(struct run *r)
{
    int got = spawn_channel_read_exit(r->x->channel, &r->exit);
    if (got == 0)
        return;
    r->over = got > 0;
    r->spawner_gone = got < 0;
    r->timeout_at = r->kill_at = INT64_MAX;
    close_end(&r->child.in);
    int64_t linger = clock_now().mono + LINGER_MS;
    if (linger < r->give_up_at)
        r->give_up_at = linger;
}

// ---- one job

static int64_t soonest(const struct run *r)
{
    int64_t t = r->timeout_at < r->kill_at ? r->timeout_at : r->kill_at;
    return t < r->give_up_at ? t : r->give_up_at;
}

static bool finished(const struct run *r)
{
    return r->spawner_gone || (r->over && (r->deaf || r->child.out < 0) && r->child.err < 0) ||
           (r->give_up_at != INT64_MAX && clock_now().mono >= r->give_up_at);
}

static void follow(struct run *r)
{
    enum { WORKER, CHANNEL, IN, OUT, ERR, COUNT };
    feed(r);
    while (!finished(r)) {
        struct pollfd fds[COUNT] = {
            [CHANNEL] = {.fd = r->over ? -1 : spawn_channel_fd(r->x->channel), .events = POLLIN},
            [IN] = {.fd = r->child.in, .events = POLLOUT},
            [OUT] = {.fd = r->deaf ? -1 : r->child.out, .events = POLLIN},
            [ERR] = {.fd = r->child.err, .events = POLLIN},
        };
        enum interrupt i = worker_wait(r->worker, fds, COUNT, soonest(r));
        if (fds[IN].revents)
            feed(r);
        if (fds[OUT].revents)
            read_out(r);
        if (fds[ERR].revents)
            read_err(r);
        if (fds[CHANNEL].revents)
            read_exit(r);
        if (i != GO_ON)
            interrupted(r, i);
        look_at_clock(r);
    }
    spawn_child_close(&r->child);
    stderr_log_end(&r->x->log, r->worker->task.id);
}

static void prepare(struct exec *x, const struct worker *w, const struct task *t)
{
    snprintf(x->id, sizeof x->id, "TASKQ_ID=%" PRIu64, t->id);
    snprintf(x->attempt, sizeof x->attempt, "TASKQ_ATTEMPT=%" PRIu32, t->attempt);
    snprintf(x->delivery, sizeof x->delivery, "TASKQ_DELIVERY=%" PRIu64, t->delivery);
    snprintf(x->queue, sizeof x->queue, "TASKQ_QUEUE=%s", w->handler->settings.queues.items[t->queue]);
    buffer_clear(&x->out);
    buffer_clear(&x->text);
    x->err.len = 0;
    x->err.cut = false;
}

static void shrink(struct exec *x)
{
    if (x->out.cap > KEEP_MAX)
        buffer_release(&x->out);
    if (x->text.cap > KEEP_MAX)
        buffer_release(&x->text);
}

static struct verdict exec_run(struct worker *w, const struct task *t)
{
    struct exec *x = w->state;
    const struct handler_settings *s = &w->handler->settings;
    prepare(x, w, t);

    struct run r = {.worker = w, .x = x, .kill_at = INT64_MAX, .give_up_at = INT64_MAX};
    const char *why;
    if (!exec_input(&x->text, t->body, s->input == HANDLER_INPUT_TEXT, &r.input, &why)) {
        buffer_clear(&x->text);
        exec_refusal_write(&x->text, "input", why, NULL);
        return verdict_of_text(x, VERDICT_FAILED);
    }
    if (x->text.failed)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};

    struct spawn_spec spec = {
        .argv = (const char *const *)s->command.items,
        .env = x->env,
        .cwd = s->cwd,
        .user = w->handler->has_user ? &w->handler->user : NULL,
        .cpu_seconds = s->limit_cpu,
        .memory_bytes = s->limit_memory,
        .files = s->limit_files,
        .grace_ms = (unsigned)s->grace,
    };
    struct spawn_error error;
    r.timeout_at = s->timeout > 0 ? clock_now().mono + s->timeout : INT64_MAX;
    if (!spawn_channel_spawn(x->channel, &spec, &r.child, &error))
        return not_spawned(w, x, &error);
    follow(&r);
    struct verdict v = conclude(&r);
    shrink(x);
    return v;
}

const struct kind handler_exec = {.open = exec_open, .close = exec_close, .run = exec_run};
