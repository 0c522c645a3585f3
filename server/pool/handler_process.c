#include "server/pool/handler_process.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/pool/exec_text.h"
#include "server/pool/spawner.h"
#include "server/pool/stderr_log.h"
#include "server/pool/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MS     1000 // after a child that ended without any answer; doubles
#define PAUSE_MAX_MS 60000
#define CLOSED_MS    500  // how long a child may live on without its output
#define GIVE_UP_MS   2000 // how long a killed child is waited for when the daemon stops
#define LAST_READS   64   // of each pipe, once the child is over

enum { CHANNEL, OUT, ERR, WATCHED }; // what is polled, without what is the worker's own and the child's input

// Of a worker: its child, from job to job.
struct process {
    struct worker *worker;
    struct spawn_channel *channel;
    struct spawn_child child;
    struct spawn_exit exit; // of the last one
    bool alive;             // its exit was not read yet
    bool ending;            // it gets no job any more
    bool spawner_gone;
    int64_t term_at; // INT64_MAX where it is not to be
    int64_t kill_at;
    uint64_t answered; // jobs, by this child
    int64_t pause;     // the last one; 0: none since an answer
    struct talk talk;
    struct exec_tail tail;
    struct stderr_log log;
    struct buffer text; // an error
};

// Why a child is ended while it has a job; the first reason counts.
enum cause { CAUSE_NONE, CAUSE_TIMEOUT, CAUSE_OUTPUT, CAUSE_RUBBISH, CAUSE_BACK, CAUSE_GONE };

// One job.
struct run {
    struct process *p;
    struct worker *worker;
    enum cause cause;
    const char *why; // RUBBISH
    bool begun;      // the job's line may be under way
    bool answered;
    bool pause;             // BACK: since the machine lacks something
    bool cut_short;         // the daemon does not wait for the child's end any more
    struct verdict verdict; // with `answered`
    int64_t timeout_at;     // each INT64_MAX where it does not apply (yet)
    int64_t closed_at;
    int64_t give_up_at;
};

static void process_release(struct process *p)
{
    if (p->channel)
        spawn_channel_close(p->channel);
    spawn_child_close(&p->child);
    talk_release(&p->talk);
    buffer_release(&p->text);
    free(p);
}

static void *process_open(struct worker *w)
{
    struct process *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->worker = w;
    p->child = (struct spawn_child){.in = -1, .out = -1, .err = -1};
    p->channel = spawn_channel_open(w->crew->spawner);
    if (!p->channel) {
        int error = errno;
        process_release(p);
        errno = error;
        return NULL;
    }
    stderr_log_init(&p->log, w->handler->settings.name);
    return p;
}

static const struct handler_settings *settings(const struct process *p)
{
    return &p->worker->handler->settings;
}

// ---- the child's life

static bool start(struct process *p, struct spawn_error *error)
{
    const struct handler_settings *s = settings(p);
    struct spawn_spec spec = {
        .argv = (const char *const *)s->command.items,
        .env = (const char *const *)s->env.items,
        .cwd = s->cwd,
        .user = p->worker->handler->has_user ? &p->worker->handler->user : NULL,
        .cpu_seconds = s->limit_cpu,
        .cpu_renewable = true,
        .memory_bytes = s->limit_memory,
        .files = s->limit_files,
        .grace_ms = (unsigned)s->grace,
    };
    if (!spawn_channel_spawn(p->channel, &spec, &p->child, error))
        return false;
    p->alive = true;
    p->ending = false;
    p->term_at = p->kill_at = INT64_MAX;
    p->answered = 0;
    line_reader_clear(&p->talk.in);
    return true;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// It should end by itself.
static void end_softly(struct process *p)
{
    p->ending = true;
    close_end(&p->child.in);
    p->term_at = clock_now().mono + settings(p)->grace;
}

static void end_by(struct process *p, int signo)
{
    p->ending = true;
    p->term_at = p->kill_at = INT64_MAX;
    if (!p->alive)
        return;
    spawn_channel_signal(p->channel, &p->child, signo);
    if (signo == SIGTERM)
        p->kill_at = clock_now().mono + settings(p)->grace;
}

static void look_at_clock(struct process *p)
{
    int64_t now = clock_now().mono;
    if (now >= p->term_at)
        end_by(p, SIGTERM);
    if (now >= p->kill_at)
        end_by(p, SIGKILL);
}

static int64_t soonest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// True: there may be more.
static bool read_err(struct process *p, uint64_t job)
{
    char data[16 * 1024];
    ssize_t n = read(p->child.err, data, sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close_end(&p->child.err);
        return false;
    }
    exec_tail_add(&p->tail, data, (size_t)n);
    stderr_log_add(&p->log, job, data, (size_t)n);
    return true;
}

// True: it is over, and what it wrote on standard error is read. `job`: 0: none.
static bool read_exit(struct process *p, uint64_t job)
{
    int got = spawn_channel_read_exit(p->channel, &p->exit);
    if (got == 0)
        return false;
    if (got < 0) // then nobody knows how it ended: it was killed
        p->exit = (struct spawn_exit){.status = SIGKILL};
    p->spawner_gone = got < 0;
    p->alive = false;
    p->term_at = p->kill_at = INT64_MAX;
    for (int i = 0; i < LAST_READS && p->child.err >= 0 && read_err(p, job); i++)
        ;
    stderr_log_end(&p->log, job);
    return true;
}

static nfds_t watch_child(const struct process *p, struct pollfd *fds, bool out)
{
    fds[CHANNEL] = (struct pollfd){.fd = p->alive ? spawn_channel_fd(p->channel) : -1, .events = POLLIN};
    fds[OUT] = (struct pollfd){.fd = out ? p->child.out : -1, .events = POLLIN};
    fds[ERR] = (struct pollfd){.fd = p->child.err, .events = POLLIN};
    return WATCHED;
}

// ---- without a job

// Nobody asked it to write.
static void out_of_turn(struct process *p)
{
    log_warning("a child writes what is no answer to a job, and is replaced handler=%s", settings(p)->name);
    end_by(p, SIGKILL);
}

static nfds_t process_watch(void *state, struct pollfd *fds, int64_t *until)
{
    const struct process *p = state;
    if (p->alive)
        *until = soonest(*until, soonest(p->term_at, p->kill_at));
    return p->alive ? watch_child(p, fds, !p->ending) : 0;
}

static void process_look(void *state, const struct pollfd *fds)
{
    struct process *p = state;
    if (!p->alive)
        return;
    if (fds[ERR].revents)
        read_err(p, 0);
    if (fds[OUT].revents) {
        enum fill fill = line_reader_fill(&p->talk.in, p->child.out);
        if (fill == FILL_SOME)
            out_of_turn(p);
        else if (fill == FILL_END)
            end_softly(p); // ending is what it does, if anything
    }
    if (fds[CHANNEL].revents && read_exit(p, 0)) {
        log_debug("a child ended between jobs status=%d handler=%s", p->exit.status, settings(p)->name);
        spawn_child_close(&p->child);
        return;
    }
    look_at_clock(p);
}

// Its child is given the time that it has, unless the daemon has none.
static void process_close(void *state)
{
    struct process *p = state;
    struct worker *w = p->worker;
    if (p->alive && !p->ending)
        end_softly(p);
    while (p->alive && clock_now().mono < worker_deadline(w)) {
        struct pollfd fds[1 + WATCHED] = {{.fd = w->mailbox.fd, .events = POLLIN}};
        int64_t until = worker_deadline(w);
        nfds_t count = 1 + process_watch(p, fds + 1, &until), i = 0;
        if (poll(fds, count, worker_poll_timeout(clock_now().mono, until)) < 0)
            for (; i < count; i++)
                fds[i].revents = 0;
        if (fds[0].revents)
            mailbox_quiet(&w->mailbox);
        process_look(p, fds + 1);
    }
    stderr_log_close(&p->log);
    process_release(p); // which kills what is left
}

// ---- how a job went

// A verdict with what stands in p->text.
static struct verdict failed(struct process *p)
{
    struct blob *text = p->text.failed ? NULL : blob_new((struct slice){p->text.data, p->text.len});
    if (!text)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    return (struct verdict){.kind = VERDICT_FAILED, .text = text};
}

static struct verdict failed_by(struct process *p, enum exec_end end, int64_t value)
{
    exec_error_write(&p->text, end, value, exec_tail_slice(&p->tail));
    return failed(p);
}

// What no job can do anything about, and the next one would run into as well.
static bool machine_lacks_something(const struct spawn_error *e)
{
    return e->step == SPAWN_STEP_PIPE || e->step == SPAWN_STEP_SPAWNER || e->step == SPAWN_STEP_DESCRIPTORS ||
           e->step == SPAWN_STEP_FORK;
}

// The child was of no use at all: the next one has to wait.
static void pause_longer(struct process *p)
{
    p->pause = p->pause == 0 ? PAUSE_MS : soonest(2 * p->pause, PAUSE_MAX_MS);
    p->worker->not_before = clock_now().mono + p->pause;
    log_warning("a child ended before it answered a job; no other is started for %" PRId64 " s handler=%s",
                p->pause / 1000, settings(p)->name);
}

static struct verdict not_spawned(struct process *p, const struct spawn_error *e)
{
    const char *step = spawn_step_text(e->step), *detail = e->error ? strerror(e->error) : NULL;
    if (machine_lacks_something(e)) {
        log_warning("%s%s%s; the job waits job=%" PRIu64 " handler=%s", step, detail ? ": " : "",
                    detail ? detail : "", p->worker->task.id, settings(p)->name);
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    }
    exec_refusal_write(&p->text, "spawn", step, detail);
    pause_longer(p);
    return failed(p);
}

static struct verdict child_failed(const struct run *r)
{
    struct process *p = r->p;
    if (p->answered == 0 && r->cause != CAUSE_TIMEOUT)
        pause_longer(p);
    if (r->cause == CAUSE_TIMEOUT)
        return failed_by(p, EXEC_TIMEOUT, settings(p)->timeout);
    if (r->cause == CAUSE_OUTPUT)
        return failed_by(p, EXEC_OUTPUT, (int64_t)settings(p)->max_output);
    if (r->cause == CAUSE_RUBBISH) {
        exec_answer_write(&p->text, r->why, exec_tail_slice(&p->tail));
        return failed(p);
    }
    if (WIFSIGNALED(p->exit.status))
        return failed_by(p, EXEC_SIGNAL, WTERMSIG(p->exit.status));
    return failed_by(p, EXEC_EXIT, WEXITSTATUS(p->exit.status));
}

// After an answer: what becomes of the child.
static void child_answered(struct process *p)
{
    uint64_t max = settings(p)->max_jobs;
    p->pause = 0;
    p->answered++;
    if (!p->alive || p->ending)
        return;
    if (!line_reader_empty(&p->talk.in))
        out_of_turn(p);
    else if (!talk_written(&p->talk) || (max > 0 && p->answered >= max))
        end_softly(p);
}

static struct verdict conclude(struct run *r)
{
    switch (r->cause) {
    case CAUSE_GONE:
        return (struct verdict){.kind = VERDICT_GONE};
    case CAUSE_BACK:
        return (struct verdict){.kind = VERDICT_BACK, .pause = r->pause};
    default:
        break;
    }
    if (!r->answered)
        return child_failed(r);
    child_answered(r->p);
    return r->verdict;
}

// ---- one job

static void end_for(struct run *r, enum cause cause, int signo)
{
    if (r->cause == CAUSE_NONE)
        r->cause = cause;
    r->timeout_at = r->closed_at = INT64_MAX;
    end_by(r->p, signo);
}

static void interrupted(struct run *r, enum interrupt i)
{
    if (i == GONE)
        end_for(r, CAUSE_GONE, SIGTERM);
    if (i == STOP) {
        end_for(r, CAUSE_BACK, SIGKILL);
        r->give_up_at = clock_now().mono + GIVE_UP_MS;
    }
}

static void write_job(struct run *r)
{
    struct process *p = r->p;
    if (talk_write(&p->talk, p->child.in))
        return;
    close_end(&p->child.in);
    if (p->talk.written > 0)
        return; // it does not want to read it all; whether it answers will be seen
    r->why = "cannot come: it closed its input";
    r->closed_at = clock_now().mono + CLOSED_MS; // it ends now, as a rule
}

static bool listening(const struct run *r)
{
    return r->begun && !r->answered && r->cause == CAUSE_NONE && r->p->child.out >= 0;
}

// True: there may be more.
static bool read_out(struct run *r)
{
    struct process *p = r->p;
    switch (talk_read(&p->talk, r->worker, p->child.out, &r->verdict, &r->why)) {
    case TALK_AGAIN:
        return true;
    case TALK_ANSWER:
        r->answered = true;
        break;
    case TALK_RUBBISH:
        end_for(r, CAUSE_RUBBISH, SIGKILL);
        break;
    case TALK_TOO_LONG:
        end_for(r, CAUSE_OUTPUT, SIGKILL);
        break;
    case TALK_NO_MEMORY:
        r->pause = true;
        end_for(r, CAUSE_BACK, SIGKILL);
        break;
    case TALK_END:
        close_end(&p->child.out);
        r->why = "cannot come: it closed its output";
        r->closed_at = clock_now().mono + CLOSED_MS; // it ends now, as a rule
        break;
    }
    return false;
}

static void read_end(struct run *r)
{
    if (!read_exit(r->p, r->worker->task.id))
        return;
    for (int i = 0; i < LAST_READS && listening(r) && read_out(r); i++)
        ;
    r->timeout_at = r->closed_at = INT64_MAX;
    if (r->p->spawner_gone && !r->answered && r->cause == CAUSE_NONE) {
        r->cause = CAUSE_BACK;
        r->pause = true;
    }
}

static void look_at_clocks(struct run *r)
{
    int64_t now = clock_now().mono;
    if (now >= r->timeout_at)
        end_for(r, CAUSE_TIMEOUT, SIGTERM);
    if (now >= r->closed_at)
        end_for(r, CAUSE_RUBBISH, SIGTERM);
    if (now >= r->give_up_at)
        r->cut_short = true;
    look_at_clock(r->p);
}

static void wait_once(struct run *r)
{
    struct process *p = r->p;
    struct pollfd fds[1 + WATCHED + 1];
    nfds_t count = 1 + watch_child(p, fds + 1, listening(r));
    if (r->begun && p->child.in >= 0 && !talk_written(&p->talk))
        fds[count++] = (struct pollfd){.fd = p->child.in, .events = POLLOUT};
    int64_t until = soonest(soonest(r->timeout_at, r->closed_at), r->give_up_at);
    enum interrupt i = worker_wait(r->worker, fds, count, soonest(until, soonest(p->term_at, p->kill_at)));
    if (count > 1 + WATCHED && fds[1 + WATCHED].revents)
        write_job(r);
    if (fds[1 + ERR].revents) // first, so that it is logged with this job
        read_err(p, r->worker->task.id);
    if (fds[1 + OUT].revents && listening(r))
        read_out(r);
    if (fds[1 + CHANNEL].revents && !r->answered)
        read_end(r);
    if (i != GO_ON && !r->answered)
        interrupted(r, i);
    if (!r->answered)
        look_at_clocks(r);
}

// The child ended without having read anything of the job. It had answered others before: the job has
// nothing to do with its end.
static bool untouched(const struct run *r)
{
    const struct process *p = r->p;
    int unread = 0;
    if (r->cause != CAUSE_NONE || r->answered || p->answered == 0)
        return false;
    if (p->talk.written == 0 || p->child.in < 0)
        return p->talk.written == 0;
    return ioctl(p->child.in, FIONREAD, &unread) == 0 && (size_t)unread == p->talk.written;
}

static void wait_while_ending(struct run *r)
{
    while (r->p->alive && r->p->ending && r->cause == CAUSE_NONE)
        wait_once(r);
    if (!r->p->alive)
        spawn_child_close(&r->p->child);
}

static void wait_for_answer(struct run *r)
{
    struct process *p = r->p;
    int64_t timeout = settings(p)->timeout;
    if (timeout > 0)
        r->timeout_at = clock_now().mono + timeout;
    r->begun = true;
    write_job(r);
    while (p->alive && !r->answered && !r->cut_short)
        wait_once(r);
    stderr_log_end(&p->log, r->worker->task.id);
}

static struct verdict process_run(struct worker *w, const struct task *t)
{
    struct process *p = w->state;
    struct run r;
    (void)t;
    buffer_clear(&p->text);
    do {
        r = (struct run){
            .p = p, .worker = w, .timeout_at = INT64_MAX, .closed_at = INT64_MAX, .give_up_at = INT64_MAX};
        wait_while_ending(&r);
        if (r.cause != CAUSE_NONE)
            return conclude(&r);
        struct spawn_error error;
        if (!p->alive && !start(p, &error))
            return not_spawned(p, &error);
        if (!talk_begin(&p->talk, w))
            return (struct verdict){.kind = VERDICT_BACK, .pause = true};
        p->tail.len = 0;
        p->tail.cut = false;
        if (p->answered > 0 && settings(p)->limit_cpu > 0)
            spawn_channel_limit_cpu(p->channel, &p->child, settings(p)->limit_cpu);
        wait_for_answer(&r);
        bool again = untouched(&r);
        if (!p->alive)
            spawn_child_close(&p->child);
        if (!again)
            return conclude(&r);
    } while (true);
}

const struct kind handler_process = {
    .open = process_open,
    .close = process_close,
    .run = process_run,
    .watch = process_watch,
    .look = process_look,
};
