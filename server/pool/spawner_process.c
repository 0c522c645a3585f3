#include "server/pool/spawner_process.h"

#include "common/clock.h"
#include "server/pool/spawner_child.h"
#include "server/pool/spawner_setup.h"
#include "server/pool/spawner_wire.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS       256
#define EVENTS        64
#define END_MS        5000 // for children that even SIGKILL does not end at once
#define END_POLL_MS   100
#define AFTER_KILL_MS 1000
#define SPAWN_FDS     3

// A channel is free (pid 0), has a running leader (pid, in by_pid), or waits for what the leader left behind
// (pid, lingering). A closed one (fd -1) goes once its leader is reaped.
struct channel {
    int fd;
    pid_t pid;
    uint32_t serial, grace_ms;
    bool lingering, killed, has_user;
    uid_t uid; // of the child, with has_user
    gid_t gid;
    int64_t deadline; // of the lingering; clock_now().mono
    struct spawn_reply exit;
    struct channel *next;        // of all
    struct channel *next_by_pid; // of its bucket
};

struct process {
    int main_fd, signal_fd, epoll_fd;
    struct rlimit nofile; // what the daemon had, for the children; our own is raised
    struct channel *channels;
    struct channel *by_pid[BUCKETS];
    unsigned lingering;
    bool sweep; // a channel was closed
    _Alignas(struct spawn_request) char message[SPAWN_SPEC_MAX];
};

static void reply(struct channel *c, const struct spawn_reply *r)
{
    // There is room: at most two small replies are ever unread. What fails is a channel that has just closed.
    if (c->fd >= 0)
        (void)!send(c->fd, r, sizeof *r, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// --- Children ---

static void by_pid_add(struct process *p, struct channel *c)
{
    struct channel **bucket = &p->by_pid[(unsigned)c->pid % BUCKETS];
    c->next_by_pid = *bucket;
    *bucket = c;
}

static struct channel *by_pid_take(struct process *p, pid_t pid)
{
    for (struct channel **c = &p->by_pid[(unsigned)pid % BUCKETS]; *c; c = &(*c)->next_by_pid) {
        if ((*c)->pid == pid) {
            struct channel *found = *c;
            *c = found->next_by_pid;
            return found;
        }
    }
    return NULL;
}

// False when there is nobody left in the group whom we may signal.
static bool signal_group(pid_t group, int signo)
{
    if (kill(-group, signo) != 0)
        return false;
    if (signo == SIGTERM)
        kill(-group, SIGCONT);
    return true;
}

// Over what it has used so far. False: errno.
static bool raise_cpu_limit(pid_t pid, uint64_t seconds)
{
    clockid_t clock;
    struct timespec used;
    struct rlimit limit;
    int error = clock_getcpuclockid(pid, &clock);
    if (error) {
        errno = error;
        return false;
    }
    if (clock_gettime(clock, &used) != 0 || prlimit(pid, RLIMIT_CPU, NULL, &limit) != 0)
        return false;
    limit.rlim_cur = (rlim_t)used.tv_sec + 1 + seconds;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    return prlimit(pid, RLIMIT_CPU, &limit, NULL) == 0;
}

// For a child that has become another user this takes a privilege that root does not have in every
// container, while that user may always do it: a process of its own does it as that user, which can do
// nothing with it and for whom nobody waits. What has changed its user by itself keeps the old limit.
static void limit_cpu(const struct channel *c, uint64_t seconds)
{
    if (raise_cpu_limit(c->pid, seconds) || errno != EPERM || !c->has_user || fork() != 0)
        return;
    spawner_close_from(0);
    if (setresgid(c->gid, c->gid, c->gid) == 0 && setresuid(c->uid, c->uid, c->uid) == 0)
        raise_cpu_limit(c->pid, seconds);
    _exit(EXIT_SUCCESS);
}

static void child_over(struct process *p, struct channel *c)
{
    if (c->lingering) {
        c->lingering = false;
        p->lingering--;
    }
    c->pid = 0;
    reply(c, &c->exit);
    if (c->fd < 0)
        p->sweep = true;
}

// The leader is reaped. Its number stays the group's as long as the group has a member; had it none, the
// number is free since a moment ago, and numbers are given out in turn: it is nobody else's yet.
static void leader_reaped(struct process *p, struct channel *c)
{
    bool kill_now = c->grace_ms == 0 || c->fd < 0;
    if (!signal_group(c->pid, kill_now ? SIGKILL : SIGTERM)) {
        child_over(p, c);
        return;
    }
    c->lingering = true;
    c->killed = kill_now;
    c->deadline = clock_now().mono + (kill_now ? AFTER_KILL_MS : c->grace_ms);
    p->lingering++;
}

static void lingering_check(struct process *p)
{
    int64_t now = clock_now().mono;
    for (struct channel *c = p->channels; c && p->lingering > 0; c = c->next) {
        if (!c->lingering)
            continue;
        // Killed and yet there: zombies of a parent that left the group and does not reap. No use waiting.
        if (!signal_group(c->pid, 0) || (c->killed && now >= c->deadline)) {
            child_over(p, c);
        } else if (now >= c->deadline) {
            signal_group(c->pid, SIGKILL);
            c->killed = true;
            c->deadline = now + AFTER_KILL_MS;
        }
    }
}

// Milliseconds until lingering_check() has something to do; -1: no child lingers.
static int lingering_wait(const struct process *p)
{
    if (p->lingering == 0)
        return -1;
    int64_t now = clock_now().mono, first = INT64_MAX;
    for (const struct channel *c = p->channels; c; c = c->next)
        if (c->lingering && c->deadline < first)
            first = c->deadline;
    return first <= now ? 0 : first - now > INT_MAX ? INT_MAX : (int)(first - now);
}

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void reap(struct process *p)
{
    struct signalfd_siginfo info;
    (void)!read(p->signal_fd, &info, sizeof info);
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        struct channel *c = by_pid_take(p, pid);
        if (!c)
            continue; // an orphan of some group, or of none
        c->exit = (struct spawn_reply){.type = SPAWN_REPLY_EXITED,
                                       .serial = c->serial,
                                       .pid = pid,
                                       .status = status,
                                       .user_us = microseconds(usage.ru_utime),
                                       .system_us = microseconds(usage.ru_stime),
                                       .max_rss_kb = (uint64_t)usage.ru_maxrss};
        leader_reaped(p, c);
    }
}

// --- Channels ---

static void channel_close(struct process *p, struct channel *c)
{
    close(c->fd); // which takes it out of the epoll set too
    c->fd = -1;
    p->sweep = true;
    if (c->pid > 0)
        signal_group(c->pid, SIGKILL);
    if (c->lingering)
        child_over(p, c);
}

static void channels_sweep(struct process *p)
{
    p->sweep = false;
    for (struct channel **at = &p->channels; *at;) {
        struct channel *c = *at;
        if (c->fd < 0 && c->pid == 0) {
            *at = c->next;
            free(c);
        } else {
            at = &c->next;
        }
    }
}

// One message: its size, 0 at the peer's end, -1 if there is none. `fds` has the `nfds` descriptors that
// came; fewer than were sent if we have no room for more.
static ssize_t receive(struct process *p, int fd, int fds[SPAWN_FDS], size_t *nfds)
{
    struct iovec iov = {.iov_base = p->message, .iov_len = sizeof p->message};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(SPAWN_FDS * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    *nfds = 0;
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
        *nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(h), *nfds * sizeof(int));
    }
    assert(n == 0 || ((size_t)n >= sizeof(struct spawn_request) && !(msg.msg_flags & MSG_TRUNC)));
    return n;
}

static void close_all(const int *fds, size_t nfds)
{
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
}

// The descriptors are closed before the answer goes: the daemon then knows that the child alone has them.
static void spawn(struct process *p, struct channel *c, size_t size, const int *fds, size_t nfds)
{
    const struct spawn_request *r = (const struct spawn_request *)p->message;
    struct spawn_reply answer = {.type = SPAWN_REPLY_FAILED, .serial = r->serial};
    struct spawn_error error = {SPAWN_STEP_DESCRIPTORS, EMFILE};
    assert(c->pid == 0);
    pid_t pid = nfds == SPAWN_FDS ? spawner_child_start(p->message, size, fds, &p->nofile, &error) : -1;
    close_all(fds, nfds);
    if (pid > 0) {
        c->pid = pid;
        c->serial = r->serial;
        c->grace_ms = r->grace_ms;
        c->has_user = r->has_user;
        c->uid = r->uid;
        c->gid = r->gid;
        by_pid_add(p, c);
        answer.type = SPAWN_REPLY_STARTED;
        answer.pid = pid;
    } else {
        answer.step = error.step;
        answer.error = error.error;
    }
    reply(c, &answer);
}

static void act_on_child(const struct channel *c, const struct spawn_request *r)
{
    if (r->type == SPAWN_REQUEST_LIMIT_CPU && !c->lingering) // else the number may be another's
        limit_cpu(c, r->cpu_seconds);
    else if (r->type == SPAWN_REQUEST_SIGNAL)
        signal_group(c->pid, r->signo);
}

static void channel_readable(struct process *p, struct channel *c)
{
    if (c->fd < 0)
        return;
    int fds[SPAWN_FDS];
    size_t nfds;
    ssize_t n = receive(p, c->fd, fds, &nfds);
    if (n < 0)
        return;
    const struct spawn_request *r = (const struct spawn_request *)p->message;
    if (n == 0)
        channel_close(p, c);
    else if (r->type == SPAWN_REQUEST_SPAWN)
        spawn(p, c, (size_t)n, fds, nfds);
    else if (c->pid > 0 && c->serial == r->serial)
        act_on_child(c, r);
}

// Any failure closes the descriptor, which the daemon sees as the channel's end.
static void channel_add(struct process *p, int fd)
{
    struct channel *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (!c || epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        free(c);
        close(fd);
        return;
    }
    c->fd = fd;
    c->next = p->channels;
    p->channels = c;
    reply(c, &(struct spawn_reply){.type = SPAWN_REPLY_OPENED});
}

// --- The end ---

// Kills our children of the moment, of whatever group.
static void kill_children(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    for (int pid; fscanf(f, "%d", &pid) == 1;)
        kill(pid, SIGKILL);
    fclose(f);
}

// The daemon is gone. As the subreaper we inherit each child of what we kill, so the tree is eaten from its
// root.
static _Noreturn void end(struct process *p)
{
    for (struct channel *c = p->channels; c; c = c->next)
        if (c->pid > 0)
            signal_group(c->pid, SIGKILL);
    int64_t deadline = clock_now().mono + END_MS;
    do {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0)
            _exit(EXIT_SUCCESS);
        kill_children();
        struct pollfd poll_fd = {.fd = p->signal_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, END_POLL_MS) > 0) {
            struct signalfd_siginfo info;
            (void)!read(p->signal_fd, &info, sizeof info);
        }
    } while (clock_now().mono < deadline);
    _exit(EXIT_FAILURE);
}

static void main_readable(struct process *p)
{
    int fds[SPAWN_FDS];
    size_t nfds;
    ssize_t n = receive(p, p->main_fd, fds, &nfds);
    if (n == 0)
        end(p);
    if (n > 0 && nfds > 0)
        channel_add(p, fds[0]);
}

// --- The beginning and the loop ---

static bool watch(struct process *p, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = fd == p->main_fd ? &p->main_fd : &p->signal_fd};
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool process_init(struct process *p)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    return spawner_setup(&p->main_fd, &p->nofile) &&
           (p->signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK)) >= 0 &&
           (p->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0 && watch(p, p->main_fd) &&
           watch(p, p->signal_fd);
}

static void turn(struct process *p)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(p->epoll_fd, events, EVENTS, lingering_wait(p));
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == &p->main_fd)
            main_readable(p);
        else if (events[i].data.ptr == &p->signal_fd)
            reap(p);
        else
            channel_readable(p, events[i].data.ptr);
    }
    if (p->lingering > 0)
        lingering_check(p);
    if (p->sweep)
        channels_sweep(p);
}

_Noreturn void spawner_process_run(int fd)
{
    struct process *p = calloc(1, sizeof *p);
    struct spawn_reply ready = {.type = SPAWN_REPLY_OPENED};
    errno = ENOMEM;
    if (p)
        p->main_fd = fd;
    if (!p || !process_init(p))
        ready.error = errno;
    if (send(p ? p->main_fd : fd, &ready, sizeof ready, MSG_NOSIGNAL) < 0 || ready.error != 0)
        _exit(EXIT_FAILURE);
    for (;;)
        turn(p);
}
