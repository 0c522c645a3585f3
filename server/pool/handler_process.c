#include "server/pool/handler_process.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/pool/child.h"
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

#define CLOSED_MS  500  // how long a child may live on without its output
#define GIVE_UP_MS 2000 // how long a killed child is waited for when the daemon stops
#define LAST_READS 64   // of its output, once the child is over
#define LOOK_MS    100  // a worker that leaves is not woken when the daemon begins to hurry

// Of a worker: its child, from job to job.
struct process {
    struct worker *worker;
    struct child child;
    uint64_t answered; // jobs, by this child
    int64_t pause;     // the last one; 0: none since an answer
    struct talk talk;
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
    bool unread;            // the child has read nothing of it at all
    bool pause;             // BACK: since the machine lacks something
    bool cut_short;         // the daemon does not wait for the child's end any more
    struct verdict verdict; // with `answered`
    int64_t timeout_at;     // each INT64_MAX where it does not apply (yet)
    int64_t closed_at;
    int64_t give_up_at;
};

static void process_release(struct process *p)
{
    child_release(&p->child);
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
    if (child_init(&p->child, w->crew->spawner, &w->handler->settings))
        return p;
    int error = errno;
    free(p);
    errno = error;
    return NULL;
}

static const struct handler_settings *settings(const struct process *p)
{
    return &p->worker->handler->settings;
}

static bool start(struct process *p, struct spawn_error *error)
{
    const struct handler_settings *s = settings(p);
    const struct handler *h = p->worker->handler;
    struct spawn_spec spec = child_spec(s, h->has_user ? &h->user : NULL);
    spec.argv = (const char *const *)s->command.items;
    spec.cpu_seconds = s->limit_cpu;
    spec.cpu_renewable = true;
    if (!child_start(&p->child, &spec, error))
        return false;
    p->answered = 0;
    line_reader_clear(&p->talk.in);
    return true;
}

static int64_t soonest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// ---- without a job

// Nobody asked it to write.
static void out_of_turn(struct process *p)
{
    log_event(LOG_CHILD_TALKS, KV("handler", settings(p)->name));
    child_end_by(&p->child, SIGKILL);
}

static nfds_t process_watch(void *state, struct pollfd *fds, int64_t *until)
{
    const struct process *p = state;
    if (!p->child.alive)
        return 0;
    *until = soonest(*until, child_due(&p->child));
    child_watch(&p->child, fds, !p->child.ending);
    return CHILD_FDS;
}

static void process_look(void *state, const struct pollfd *fds)
{
    struct process *p = state;
    if (!p->child.alive)
        return;
    if (fds[CHILD_ERR].revents)
        child_read_err(&p->child, 0);
    if (fds[CHILD_OUT].revents) {
        enum fill fill = line_reader_fill(&p->talk.in, p->child.pipes.out);
        if (fill == FILL_SOME)
            out_of_turn(p);
        else if (fill == FILL_END)
            child_end_softly(&p->child); // ending is what it does, if anything
    }
    if (fds[CHILD_CHANNEL].revents && child_read_exit(&p->child, 0)) {
        log_event(LOG_CHILD_ENDED, KV("handler", settings(p)->name), KV("status", p->child.exit.status));
        child_bury(&p->child);
        return;
    }
    child_look_at_clock(&p->child);
}

// Its child is given the time that it has, unless the daemon has none.
static void process_close(void *state)
{
    struct process *p = state;
    struct worker *w = p->worker;
    if (p->child.alive && !p->child.ending)
        child_end_softly(&p->child);
    while (p->child.alive && clock_now().mono < worker_deadline(w)) {
        struct pollfd fds[1 + CHILD_FDS] = {{.fd = w->mailbox.fd, .events = POLLIN}};
        int64_t until = soonest(worker_deadline(w), clock_now().mono + LOOK_MS);
        nfds_t count = 1 + process_watch(p, fds + 1, &until), i = 0;
        if (poll(fds, count, worker_poll_timeout(clock_now().mono, until)) < 0)
            for (; i < count; i++)
                fds[i].revents = 0;
        if (fds[0].revents)
            mailbox_quiet(&w->mailbox);
        process_look(p, fds + 1);
    }
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
    exec_error_write(&p->text, end, value, exec_tail_slice(&p->child.tail));
    return failed(p);
}

// Whether the child has read nothing of the job at all.
static bool unread(const struct process *p)
{
    int left = 0;
    if (p->talk.written == 0 || p->child.pipes.in < 0)
        return p->talk.written == 0;
    return ioctl(p->child.pipes.in, FIONREAD, &left) == 0 && (size_t)left == p->talk.written;
}

// The child was of no use at all: it did not even look at its first job. The next one has to wait.
static void pause_longer(struct process *p)
{
    p->pause = p->pause == 0 ? CHILD_PAUSE_MS : soonest(2 * p->pause, CHILD_PAUSE_MAX_MS);
    p->worker->not_before = clock_now().mono + p->pause;
    log_event(LOG_CHILD_USELESS, KV("handler", settings(p)->name), KV("seconds", p->pause / 1000));
}

static struct verdict not_spawned(struct process *p, const struct spawn_error *e)
{
    const char *step = spawn_step_text(e->step), *detail = e->error ? strerror(e->error) : NULL;
    if (child_machine_lacks_something(e)) {
        log_job(LOG_HANDLER_BLOCKED, p->worker->task.id, KV("handler", settings(p)->name), KV("why", step),
                KV("error", detail));
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    }
    exec_refusal_write(&p->text, "spawn", step, detail);
    pause_longer(p);
    return failed(p);
}

static struct verdict child_failed(const struct run *r)
{
    struct process *p = r->p;
    if (p->answered == 0 && r->cause != CAUSE_TIMEOUT && r->unread)
        pause_longer(p);
    if (r->cause == CAUSE_TIMEOUT)
        return failed_by(p, EXEC_TIMEOUT, settings(p)->timeout);
    if (r->cause == CAUSE_OUTPUT)
        return failed_by(p, EXEC_OUTPUT, (int64_t)settings(p)->max_output);
    if (r->cause == CAUSE_RUBBISH) {
        exec_answer_write(&p->text, r->why, exec_tail_slice(&p->child.tail));
        return failed(p);
    }
    if (WIFSIGNALED(p->child.exit.status))
        return failed_by(p, EXEC_SIGNAL, WTERMSIG(p->child.exit.status));
    return failed_by(p, EXEC_EXIT, WEXITSTATUS(p->child.exit.status));
}

// After an answer: what becomes of the child.
static void child_answered(struct process *p)
{
    uint64_t max = settings(p)->max_jobs;
    p->pause = 0;
    p->answered++;
    if (!p->child.alive || p->child.ending)
        return;
    if (!line_reader_empty(&p->talk.in))
        out_of_turn(p);
    else if (!talk_written(&p->talk) || (max > 0 && p->answered >= max))
        child_end_softly(&p->child);
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
    child_end_by(&r->p->child, signo);
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
    if (talk_write(&p->talk, p->child.pipes.in))
        return;
    child_close_end(&p->child.pipes.in);
    if (p->talk.written > 0)
        return; // it does not want to read it all; whether it answers will be seen
    if (p->answered > 0) {
        r->begun = false; // nor does it: another child will have the job, see untouched()
        r->timeout_at = INT64_MAX;
        child_end_by(&p->child, SIGTERM);
        return;
    }
    r->why = "cannot come: it closed its input";
    r->closed_at = clock_now().mono + CLOSED_MS; // it ends now, as a rule
}

static bool listening(const struct run *r)
{
    return r->begun && !r->answered && r->cause == CAUSE_NONE && r->p->child.pipes.out >= 0;
}

// True: there may be more.
static bool read_out(struct run *r)
{
    struct process *p = r->p;
    switch (talk_read(&p->talk, r->worker, p->child.pipes.out, &r->verdict, &r->why)) {
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
        child_close_end(&p->child.pipes.out);
        r->why = "cannot come: it closed its output";
        r->closed_at = clock_now().mono + CLOSED_MS; // it ends now, as a rule
        break;
    }
    return false;
}

static void read_end(struct run *r)
{
    if (!child_read_exit(&r->p->child, r->worker->task.id))
        return;
    for (int i = 0; i < LAST_READS && listening(r) && read_out(r); i++)
        ;
    r->timeout_at = r->closed_at = INT64_MAX;
    if (r->p->child.spawner_gone && !r->answered && r->cause == CAUSE_NONE) {
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
    child_look_at_clock(&r->p->child);
}

static void wait_once(struct run *r)
{
    struct process *p = r->p;
    struct pollfd fds[1 + CHILD_FDS + 1];
    nfds_t count = 1 + CHILD_FDS;
    child_watch(&p->child, fds + 1, listening(r));
    if (r->begun && p->child.pipes.in >= 0 && !talk_written(&p->talk))
        fds[count++] = (struct pollfd){.fd = p->child.pipes.in, .events = POLLOUT};
    int64_t until = soonest(soonest(r->timeout_at, r->closed_at), r->give_up_at);
    enum interrupt i = worker_wait(r->worker, fds, count, soonest(until, child_due(&p->child)));
    if (count > 1 + CHILD_FDS && fds[1 + CHILD_FDS].revents)
        write_job(r);
    if (fds[1 + CHILD_ERR].revents) // first, so that it is logged with this job
        child_read_err(&p->child, r->worker->task.id);
    if (fds[1 + CHILD_OUT].revents && listening(r))
        read_out(r);
    if (fds[1 + CHILD_CHANNEL].revents && !r->answered)
        read_end(r);
    if (i != GO_ON && !r->answered)
        interrupted(r, i);
    if (!r->answered)
        look_at_clocks(r);
}

// The child ended, or had to be ended since it had closed its input, without having read anything of the job.
// It had answered others before: the job has nothing to do with its end.
static bool untouched(const struct run *r)
{
    return r->cause == CAUSE_NONE && !r->answered && r->p->answered > 0 && r->unread;
}

static void wait_while_ending(struct run *r)
{
    while (r->p->child.alive && r->p->child.ending && r->cause == CAUSE_NONE)
        wait_once(r);
    if (!r->p->child.alive)
        child_bury(&r->p->child);
}

static void wait_for_answer(struct run *r)
{
    struct process *p = r->p;
    int64_t timeout = settings(p)->timeout;
    if (timeout > 0)
        r->timeout_at = clock_now().mono + timeout;
    r->begun = true;
    write_job(r);
    while (p->child.alive && !r->answered && !r->cut_short)
        wait_once(r);
    stderr_log_end(&p->child.log, r->worker->task.id);
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
        if (!p->child.alive && !start(p, &error))
            return not_spawned(p, &error);
        if (!talk_begin(&p->talk, w))
            return (struct verdict){.kind = VERDICT_BACK, .pause = true};
        child_forget_tail(&p->child);
        if (p->answered > 0 && settings(p)->limit_cpu > 0)
            spawn_channel_limit_cpu(p->child.channel, &p->child.pipes, settings(p)->limit_cpu);
        wait_for_answer(&r);
        if (!p->child.alive) {
            r.unread = unread(p);
            child_bury(&p->child);
        }
        if (!untouched(&r))
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
