#include "server/pool/child.h"

#include "common/clock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LAST_READS 64 // of standard error, once the child is over

struct spawn_spec child_spec(const struct handler_settings *s, const struct spawn_user *user)
{
    return (struct spawn_spec){
        .env = (const char *const *)s->env.items,
        .cwd = s->cwd,
        .user = user,
        .memory_bytes = s->limit_memory,
        .files = s->limit_files,
        .grace_ms = (unsigned)s->grace,
    };
}

bool child_init(struct child *c, struct spawner *spawner, const struct handler_settings *s)
{
    memset(c, 0, sizeof *c);
    c->pipes = (struct spawn_child){.in = -1, .out = -1, .err = -1};
    c->term_at = c->kill_at = INT64_MAX;
    c->grace = s->grace;
    c->channel = spawn_channel_open(spawner);
    if (c->channel)
        stderr_log_init(&c->log, s->name);
    return c->channel;
}

void child_release(struct child *c)
{
    if (c->channel) {
        spawn_channel_close(c->channel);
        stderr_log_close(&c->log);
    }
    c->channel = NULL;
    spawn_child_close(&c->pipes);
}

bool child_start(struct child *c, const struct spawn_spec *spec, struct spawn_error *error)
{
    if (!spawn_channel_spawn(c->channel, spec, &c->pipes, error))
        return false;
    c->alive = true;
    c->ending = false;
    c->term_at = c->kill_at = INT64_MAX;
    return true;
}

bool child_machine_lacks_something(const struct spawn_error *e)
{
    return e->step == SPAWN_STEP_PIPE || e->step == SPAWN_STEP_SPAWNER || e->step == SPAWN_STEP_DESCRIPTORS ||
           e->step == SPAWN_STEP_FORK;
}

void child_close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void child_end_softly(struct child *c)
{
    c->ending = true;
    child_close_end(&c->pipes.in);
    c->term_at = clock_now().mono + c->grace;
}

void child_end_by(struct child *c, int signo)
{
    c->ending = true;
    c->term_at = c->kill_at = INT64_MAX;
    if (!c->alive)
        return;
    spawn_channel_signal(c->channel, &c->pipes, signo);
    if (signo == SIGTERM)
        c->kill_at = clock_now().mono + c->grace;
}

void child_look_at_clock(struct child *c)
{
    int64_t now = clock_now().mono;
    if (now >= c->term_at)
        child_end_by(c, SIGTERM);
    if (now >= c->kill_at)
        child_end_by(c, SIGKILL);
}

void child_watch(const struct child *c, struct pollfd *fds, bool out)
{
    fds[CHILD_CHANNEL] =
        (struct pollfd){.fd = c->alive ? spawn_channel_fd(c->channel) : -1, .events = POLLIN};
    fds[CHILD_OUT] = (struct pollfd){.fd = out ? c->pipes.out : -1, .events = POLLIN};
    fds[CHILD_ERR] = (struct pollfd){.fd = c->pipes.err, .events = POLLIN};
}

bool child_read_err(struct child *c, uint64_t job)
{
    char data[16 * 1024];
    ssize_t n = read(c->pipes.err, data, sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        child_close_end(&c->pipes.err);
        return false;
    }
    exec_tail_add(&c->tail, data, (size_t)n);
    stderr_log_add(&c->log, job, data, (size_t)n);
    return true;
}

bool child_read_exit(struct child *c, uint64_t job)
{
    int got = spawn_channel_read_exit(c->channel, &c->exit);
    if (got == 0)
        return false;
    if (got < 0) // then nobody knows how it ended: it was killed
        c->exit = (struct spawn_exit){.status = SIGKILL};
    c->spawner_gone = got < 0;
    c->alive = false;
    c->term_at = c->kill_at = INT64_MAX;
    for (int i = 0; i < LAST_READS && c->pipes.err >= 0 && child_read_err(c, job); i++)
        ;
    stderr_log_end(&c->log, job);
    return true;
}

void child_bury(struct child *c)
{
    spawn_child_close(&c->pipes);
}

void child_forget_tail(struct child *c)
{
    c->tail.len = 0;
    c->tail.cut = false;
}
