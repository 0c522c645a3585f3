#include "server/pool/spawner.h"

#include "server/pool/spawner_process.h"
#include "server/pool/spawner_wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_BUFFER (SPAWN_SPEC_MAX + 64 * 1024) // the kernel counts its own overhead too

struct spawner {
    int fd; // the main socket; its close is what ends the spawner
    pid_t pid;
};

struct spawn_channel {
    int fd;
    uint32_t serial; // of the last child
    bool running;    // started, exit not read yet
    char *message;   // grows to the largest spec so far
    size_t capacity;
};

const char *spawn_step_text(enum spawn_step step)
{
    static const char *const texts[SPAWN_STEP_COUNT] = {[SPAWN_STEP_NONE] = "ok",
#define X(constant, text) [SPAWN_STEP_##constant] = text,
                                                        SPAWN_STEPS(X)
#undef X
    };
    assert((unsigned)step < SPAWN_STEP_COUNT);
    return texts[step];
}

static void close_set(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void spawn_child_close(struct spawn_child *child)
{
    close_set(&child->in);
    close_set(&child->out);
    close_set(&child->err);
}

// --- Messages ---

// False with errno; EPIPE if the peer is gone, E2BIG if the socket does not take so much at once.
static bool send_message(int fd, void *message, size_t size, const int *fds, size_t nfds)
{
    struct iovec iov = {.iov_base = message, .iov_len = size};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > 0) {
        memset(&control, 0, sizeof control);
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EMSGSIZE)
        errno = E2BIG;
    else if (n < 0 && errno == ECONNRESET)
        errno = EPIPE;
    return n >= 0;
}

// False with errno; EPIPE if the peer is gone, EAGAIN if `flags` say not to wait.
static bool receive_reply(int fd, struct spawn_reply *r, int flags)
{
    ssize_t n;
    do
        n = recv(fd, r, sizeof *r, flags);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        errno = EPIPE;
    assert(n <= 0 || n == sizeof *r);
    return n > 0;
}

// --- The spawner ---

static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    // Those that a fault of our own raises stay, so that it is reported as what it is.
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

// Forks with all signals blocked, so that the new process never sees one.
static bool spawner_fork(struct spawner *s)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    sigset_t before;
    block_signals(&before);
    s->pid = fork();
    if (s->pid == 0) {
        close(pair[0]);
        spawner_process_run(pair[1]);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(pair[1]);
    s->fd = pair[0];
    if (s->pid < 0)
        close(s->fd);
    errno = error;
    return s->pid > 0;
}

struct spawner *spawner_start(void)
{
    struct spawner *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    fflush(NULL); // nothing that is buffered may be written twice
    if (!spawner_fork(s)) {
        free(s);
        return NULL;
    }
    struct spawn_reply ready = {0};
    int error = receive_reply(s->fd, &ready, 0) ? ready.error : errno;
    if (error != 0) {
        spawner_stop(s);
        errno = error;
        return NULL;
    }
    return s;
}

void spawner_stop(struct spawner *s)
{
    if (!s)
        return;
    close(s->fd);
    wait_for(s->pid);
    free(s);
}

pid_t spawner_pid(const struct spawner *s)
{
    return s->pid;
}

int spawner_fd(const struct spawner *s)
{
    return s->fd;
}

// --- Channels ---

static bool spawner_gone(const struct spawner *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

struct spawn_channel *spawn_channel_open(struct spawner *s)
{
    int pair[2];
    struct spawn_channel *c = calloc(1, sizeof *c);
    if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(c);
        return NULL;
    }
    int size = SOCKET_BUFFER;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size); // if refused, the largest specs are too
    c->fd = pair[0];
    struct spawn_request open = {.type = SPAWN_REQUEST_OPEN};
    bool ok = send_message(s->fd, &open, sizeof open, &pair[1], 1);
    int error = errno;
    close(pair[1]);
    struct spawn_reply opened;
    if (ok && !receive_reply(c->fd, &opened, 0)) {
        ok = false;
        error = spawner_gone(s) ? EPIPE : EMFILE;
    }
    if (!ok) {
        spawn_channel_close(c);
        errno = error;
        return NULL;
    }
    return c;
}

void spawn_channel_close(struct spawn_channel *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c->message);
    free(c);
}

int spawn_channel_fd(const struct spawn_channel *c)
{
    return c->fd;
}

int spawn_channel_read_exit(struct spawn_channel *c, struct spawn_exit *exit)
{
    struct spawn_reply r;
    if (!receive_reply(c->fd, &r, MSG_DONTWAIT)) {
        if (errno == EAGAIN)
            return 0;
        c->running = false; // the spawner's children are gone with it: another spawn may be tried, and fails
        return -1;
    }
    assert(r.type == SPAWN_REPLY_EXITED && r.serial == c->serial && c->running);
    c->running = false;
    *exit = (struct spawn_exit){.status = r.status,
                                .user_us = r.user_us,
                                .system_us = r.system_us,
                                .max_rss_kb = r.max_rss_kb};
    return 1;
}

bool spawn_channel_signal(struct spawn_channel *c, const struct spawn_child *child, int signo)
{
    struct spawn_request r = {.type = SPAWN_REQUEST_SIGNAL, .serial = child->serial, .signo = signo};
    return send_message(c->fd, &r, sizeof r, NULL, 0);
}

bool spawn_channel_limit_cpu(struct spawn_channel *c, const struct spawn_child *child, uint64_t seconds)
{
    struct spawn_request r = {.type = SPAWN_REQUEST_LIMIT_CPU,
                              .serial = child->serial,
                              .cpu_seconds = seconds};
    return send_message(c->fd, &r, sizeof r, NULL, 0);
}

// --- Starting a child ---

// The user's variables, before the spec's own, which so win over them.
struct user_env {
    char home[sizeof "HOME=" + sizeof((struct spawn_user *)0)->home];
    char user[sizeof "USER=" + sizeof((struct spawn_user *)0)->name];
    char logname[sizeof "LOGNAME=" + sizeof((struct spawn_user *)0)->name];
};

// Counts with `to` NULL, else copies. Returns what follows.
static size_t put(char *to, size_t at, const void *bytes, size_t n)
{
    if (to)
        memcpy(to + at, bytes, n);
    return at + n;
}

static size_t put_strings(char *to, size_t at, const char *const *strings, uint32_t *count)
{
    for (*count = 0; strings && strings[*count] && at <= SPAWN_SPEC_MAX; ++*count)
        at = put(to, at, strings[*count], strlen(strings[*count]) + 1);
    return at;
}

// Fills `r` and returns the message's size, or something over SPAWN_SPEC_MAX. Writes the message if `to` is
// set.
static size_t pack(const struct spawn_spec *spec, struct spawn_request *r, char *to)
{
    size_t at = sizeof *r;
    if (r->has_user)
        at = put(to, at, spec->user->groups, r->ngroups * sizeof(gid_t));
    if (spec->cwd)
        at = put(to, at, spec->cwd, strlen(spec->cwd) + 1);
    at = put_strings(to, at, spec->argv, &r->argc);
    uint32_t more = 0;
    if (r->has_user) {
        struct user_env env;
        snprintf(env.home, sizeof env.home, "HOME=%s", spec->user->home);
        snprintf(env.user, sizeof env.user, "USER=%s", spec->user->name);
        snprintf(env.logname, sizeof env.logname, "LOGNAME=%s", spec->user->name);
        at = put_strings(to, at, (const char *const[]){env.home, env.user, env.logname, NULL}, &more);
    }
    at = put_strings(to, at, spec->env, &r->envc);
    r->envc += more;
    if (to)
        memcpy(to, r, sizeof *r);
    return r->envc > SPAWN_ENV_MAX ? SIZE_MAX : at;
}

// The size of the message that is then in c->message; 0 with errno.
static size_t channel_pack(struct spawn_channel *c, const struct spawn_spec *spec)
{
    struct spawn_request r = {.type = SPAWN_REQUEST_SPAWN,
                              .serial = c->serial,
                              .has_cwd = spec->cwd != NULL,
                              .grace_ms = spec->grace_ms,
                              .cpu_seconds = spec->cpu_seconds,
                              .cpu_renewable = spec->cpu_renewable,
                              .memory_bytes = spec->memory_bytes,
                              .files = spec->files};
    // A daemon that is that user already may stay so, and could not become it.
    if (spec->user && (geteuid() == 0 || geteuid() != spec->user->uid)) {
        r.has_user = 1;
        r.uid = spec->user->uid;
        r.gid = spec->user->gid;
        r.ngroups = (uint32_t)spec->user->ngroups;
    }
    size_t size = pack(spec, &r, NULL);
    if (size > SPAWN_SPEC_MAX) {
        errno = E2BIG;
        return 0;
    }
    if (size > c->capacity) {
        char *message = realloc(c->message, size);
        if (!message)
            return 0;
        c->message = message;
        c->capacity = size;
    }
    return pack(spec, &r, c->message);
}

// `ours` and `theirs` are the ends of stdin, stdout and stderr; all -1 before. On failure the caller closes.
static bool pipes_make(bool socket_in, int ours[3], int theirs[3])
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (i == 0 && socket_in ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0
                                : pipe2(ends, O_CLOEXEC) != 0)
            return false;
        ours[i] = ends[i == 0 ? 1 : 0];
        theirs[i] = ends[i == 0 ? 0 : 1];
        if (fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0)
            return false;
    }
    return true;
}

static bool fail(struct spawn_error *error, enum spawn_step step, int code)
{
    *error = (struct spawn_error){step, code};
    return false;
}

// Sends the request with the pipes' ends and reads the answer into `pid`.
static bool channel_request(struct spawn_channel *c, size_t size, const int theirs[3], pid_t *pid,
                            struct spawn_error *error)
{
    struct spawn_reply r;
    if (!send_message(c->fd, c->message, size, theirs, 3))
        return fail(error, errno == EPIPE ? SPAWN_STEP_SPAWNER : SPAWN_STEP_SPEC, errno);
    if (!receive_reply(c->fd, &r, 0))
        return fail(error, SPAWN_STEP_SPAWNER, errno);
    assert(r.serial == c->serial);
    if (r.type == SPAWN_REPLY_FAILED)
        return fail(error, (enum spawn_step)r.step, r.error);
    assert(r.type == SPAWN_REPLY_STARTED);
    *pid = r.pid;
    return true;
}

bool spawn_channel_spawn(struct spawn_channel *c, const struct spawn_spec *spec, struct spawn_child *child,
                         struct spawn_error *error)
{
    assert(!c->running && spec->argv && spec->argv[0]);
    int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1};
    pid_t pid;
    c->serial++;
    size_t size = channel_pack(c, spec);
    bool ok = size > 0 || fail(error, SPAWN_STEP_SPEC, errno);
    if (ok)
        ok = pipes_make(spec->socket_in, ours, theirs) || fail(error, SPAWN_STEP_PIPE, errno);
    if (ok)
        ok = channel_request(c, size, theirs, &pid, error);
    for (int i = 0; i < 3; i++) {
        close_set(&theirs[i]);
        if (!ok)
            close_set(&ours[i]);
    }
    if (ok) {
        *child = (struct spawn_child){
            .pid = pid, .serial = c->serial, .in = ours[0], .out = ours[1], .err = ours[2]};
        c->running = true;
    }
    return ok;
}
