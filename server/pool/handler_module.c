#include "server/pool/handler_module.h"

#include "common/clock.h"
#include "common/json_writer.h"
#include "server/pool/exec_text.h"
#include "server/pool/module_keeper.h"
#include "server/pool/talk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES      3    // in how many hosts a job may be that end before they begin it
#define GIVE_UP_MS 2000 // how long a killed host is waited for when the daemon stops

// Of a worker.
struct module {
    struct worker *worker;
    struct module_keeper *keeper;
    struct module_seat seat;
    int fd; // our end of the seat; -1: none
    struct talk talk;
    struct buffer text; // an error
};

enum cause { CAUSE_NONE, CAUSE_TIMEOUT, CAUSE_OUTPUT, CAUSE_RUBBISH, CAUSE_BACK, CAUSE_GONE };

// One job.
struct run {
    struct module *m;
    enum cause cause; // the first one counts
    const char *why;  // RUBBISH
    bool answered;
    bool over;      // the stream is at its end, or nobody waits for it any more
    bool not_begun; // the host did not read the job
    bool pause;     // BACK: since the machine lacks something
    struct verdict verdict;
    int64_t timeout_at; // each INT64_MAX where it does not apply (yet)
    int64_t kill_at;
    int64_t give_up_at;
};

static void *module_open(struct worker *w)
{
    struct module *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->worker = w;
    m->fd = -1;
    m->keeper = module_keeper_hold(w->handler, w->crew);
    if (m->keeper)
        return m;
    int error = errno;
    free(m);
    errno = error;
    return NULL;
}

static void leave_seat(struct module *m)
{
    if (m->fd < 0)
        return;
    module_keeper_rise(m->keeper, &m->seat);
    close(m->fd);
    m->fd = -1;
}

static bool take_seat(struct module *m)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    m->fd = ends[0];
    line_reader_clear(&m->talk.in);
    module_keeper_sit(m->keeper, &m->seat, ends[1], m->fd);
    return true;
}

static void module_close(void *state)
{
    struct module *m = state;
    leave_seat(m);
    module_keeper_drop(m->keeper, m->worker);
    talk_release(&m->talk);
    buffer_release(&m->text);
    free(m);
}

// ---- without a job

static nfds_t module_watch(void *state, struct pollfd *fds, int64_t *until)
{
    const struct module *m = state;
    (void)until;
    fds[0] = (struct pollfd){.fd = m->fd, .events = POLLIN};
    return m->fd >= 0 ? 1 : 0;
}

// The host has nothing to say now: it is gone.
static void module_look(void *state, const struct pollfd *fds)
{
    struct module *m = state;
    if (m->fd >= 0 && fds[0].revents)
        leave_seat(m);
}

// ---- how a job went

static const struct handler_settings *settings(const struct module *m)
{
    return &m->worker->handler->settings;
}

static struct verdict failed(struct module *m)
{
    struct blob *text = m->text.failed ? NULL : blob_new((struct slice){m->text.data, m->text.len});
    if (!text)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    return (struct verdict){.kind = VERDICT_FAILED, .text = text};
}

static struct verdict timed_out(struct module *m)
{
    json_write_raw(&m->text, "{");
    json_write_key(&m->text, "timeout");
    json_write_seconds(&m->text, settings(m)->timeout);
    json_write_raw(&m->text, "}");
    return failed(m);
}

static struct verdict too_long(struct module *m)
{
    json_write_raw(&m->text, "{");
    json_write_key(&m->text, "output");
    json_write_uint(&m->text, settings(m)->max_output);
    json_write_raw(&m->text, "}");
    return failed(m);
}

// The stream ended without an answer.
static struct verdict no_answer(struct module *m)
{
    enum module_seat_state state = module_keeper_state(m->keeper, &m->seat);
    m->worker->not_before = module_keeper_pause(m->keeper);
    if (state == SEAT_DELAYED)
        return (struct verdict){.kind = VERDICT_BACK, .pause = true};
    if (state != SEAT_REFUSED)
        return (struct verdict){.kind = VERDICT_LOST};
    module_keeper_why(m->keeper, &m->text);
    return failed(m);
}

static struct verdict conclude(const struct run *r)
{
    struct module *m = r->m;
    switch (r->cause) {
    case CAUSE_GONE:
        return (struct verdict){.kind = VERDICT_GONE};
    case CAUSE_BACK:
        return (struct verdict){.kind = VERDICT_BACK, .pause = r->pause};
    case CAUSE_TIMEOUT:
        return timed_out(m);
    case CAUSE_OUTPUT:
        return too_long(m);
    case CAUSE_RUBBISH:
        exec_answer_write(&m->text, r->why, (struct slice){0});
        return failed(m);
    case CAUSE_NONE:
        break;
    }
    return r->answered ? r->verdict : no_answer(m);
}

// ---- one job

// The function is told, and has the grace to return.
static void cancel(struct run *r, enum cause cause)
{
    struct module *m = r->m;
    if (r->cause == CAUSE_NONE)
        r->cause = cause;
    r->timeout_at = INT64_MAX;
    if (module_keeper_state(m->keeper, &m->seat) != SEAT_TAKEN) {
        r->over = true; // nobody has begun it
        return;
    }
    shutdown(m->fd, SHUT_WR);
    r->kill_at = clock_now().mono + settings(m)->grace;
}

static void kill_host(struct run *r)
{
    r->kill_at = INT64_MAX;
    module_keeper_kill(r->m->keeper, &r->m->seat);
}

static void interrupted(struct run *r, enum interrupt i)
{
    if (i == GONE && r->cause == CAUSE_NONE)
        cancel(r, CAUSE_GONE);
    if (i == STOP) {
        cancel(r, CAUSE_BACK);
        kill_host(r);
        r->give_up_at = clock_now().mono + GIVE_UP_MS;
    }
}

static void look_at_clock(struct run *r)
{
    int64_t now = clock_now().mono;
    // The time that the module takes to load is not the job's.
    if (now >= r->timeout_at && module_keeper_state(r->m->keeper, &r->m->seat) == SEAT_WAITS)
        r->timeout_at = now + settings(r->m)->timeout;
    if (now >= r->timeout_at)
        cancel(r, CAUSE_TIMEOUT);
    if (now >= r->kill_at)
        kill_host(r);
    if (now >= r->give_up_at)
        r->over = true;
}

static void broken(struct run *r, enum cause cause)
{
    if (r->cause == CAUSE_NONE)
        r->cause = cause;
    r->over = true; // the function has returned; its thread ends with the stream
}

static void read_answer(struct run *r)
{
    struct module *m = r->m;
    errno = 0;
    switch (talk_read(&m->talk, m->worker, m->fd, &r->verdict, &r->why)) {
    case TALK_AGAIN:
        break;
    case TALK_ANSWER:
        r->answered = r->over = true;
        break;
    case TALK_RUBBISH:
        broken(r, CAUSE_RUBBISH);
        break;
    case TALK_TOO_LONG:
        broken(r, CAUSE_OUTPUT);
        break;
    case TALK_NO_MEMORY:
        r->pause = true;
        broken(r, CAUSE_BACK);
        break;
    case TALK_END:
        r->not_begun = errno == ECONNRESET; // so it is where something was not read
        r->over = true;
        break;
    }
}

static void write_job(struct run *r)
{
    if (talk_write(&r->m->talk, r->m->fd))
        return;
    r->not_begun = r->over = true; // it was not read to its end
}

static int64_t soonest(const struct run *r)
{
    int64_t t = r->timeout_at < r->kill_at ? r->timeout_at : r->kill_at;
    return t < r->give_up_at ? t : r->give_up_at;
}

static void wait_for_answer(struct run *r)
{
    struct module *m = r->m;
    write_job(r);
    while (!r->over) {
        bool writes = !talk_written(&m->talk) && r->cause == CAUSE_NONE;
        struct pollfd fds[2] = {[1] = {.fd = m->fd, .events = (short)(writes ? POLLIN | POLLOUT : POLLIN)}};
        enum interrupt i = worker_wait(m->worker, fds, 2, soonest(r));
        if (fds[1].revents & ~POLLOUT)
            read_answer(r);
        else if (fds[1].revents && writes)
            write_job(r);
        if (i != GO_ON && !r->over)
            interrupted(r, i);
        if (!r->over)
            look_at_clock(r);
    }
}

static bool run_once(struct module *m, struct run *r)
{
    if (m->fd < 0 && !take_seat(m)) {
        r->cause = CAUSE_BACK;
        r->pause = true;
        return true;
    }
    if (!talk_begin(&m->talk, m->worker)) {
        r->cause = CAUSE_BACK;
        r->pause = true;
        return true;
    }
    int64_t timeout = settings(m)->timeout;
    if (timeout > 0)
        r->timeout_at = clock_now().mono + timeout;
    module_keeper_begin(m->keeper, m->worker->task.id);
    wait_for_answer(r);
    module_keeper_end(m->keeper, m->worker->task.id, r->answered);
    return r->answered || r->cause != CAUSE_NONE || !r->not_begun ||
           module_keeper_state(m->keeper, &m->seat) != SEAT_TAKEN;
}

static struct verdict module_run(struct worker *w, const struct task *t)
{
    struct module *m = w->state;
    struct run r;
    bool settled = false;
    (void)t;
    buffer_clear(&m->text);
    for (int i = 0; i < TRIES && !settled; i++) {
        if (i > 0)
            leave_seat(m); // whose host is gone
        r = (struct run){.m = m, .timeout_at = INT64_MAX, .kill_at = INT64_MAX, .give_up_at = INT64_MAX};
        settled = run_once(m, &r);
    }
    if (!settled) {
        r.cause = CAUSE_BACK;
        r.pause = true;
    }
    struct verdict v = conclude(&r);
    if (r.answered && r.cause != CAUSE_NONE)
        blob_unref(r.verdict.text); // it came too late
    if (!r.answered || r.cause != CAUSE_NONE || !line_reader_empty(&m->talk.in))
        leave_seat(m);
    return v;
}

const struct kind handler_module = {
    .open = module_open,
    .close = module_close,
    .run = module_run,
    .watch = module_watch,
    .look = module_look,
};
