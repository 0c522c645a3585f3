#include "server/pool/module_keeper.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/pool/child.h"
#include "server/pool/module_host.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD_MS    (5 * 60 * 1000) // how long a module may take to load
#define LAST_READS 64              // of what the host said, at a job's end
#define LOOK_MS    100             // a worker that leaves is not woken when the daemon begins to hurry

struct module_keeper {
    struct handler *handler;
    unsigned holders; // under the crew's lock
    pthread_t thread;
    int wake_fd, done_fd; // eventfds

    // The jobs that the host runs, for the log: how many, and their numbers over one another, which is the
    // number where it is one.
    atomic_uint running;
    _Atomic uint64_t running_mix;

    pthread_mutex_t lock;
    // Under the lock:
    struct module_seat *waiting;
    struct module_seat *taken; // in the host that is there
    uint64_t host;             // the number of the host that is there, or of the next
    bool kill, stop, hurry;
    bool answered; // the host that is there did, at least once
    int64_t not_before;
    char why[MODULE_HOST_WHY_MAX + 128];

    // What the host says, and where: the descriptor changes under this lock, and the thread alone changes it.
    pthread_mutex_t saying;

    // The thread's own:
    struct child child;
    bool ready;
    bool deaf; // the host's control stream is at its end
    int64_t load_by;
    int64_t pause;
    char said[MODULE_HOST_WHY_MAX]; // by the host, instead of that it is ready
};

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    assert(n == sizeof one);
    (void)n;
}

// ---- seats. The lock is held

static void close_seats(struct module_keeper *k, enum module_seat_state state)
{
    for (struct module_seat *s; (s = k->waiting);) {
        k->waiting = s->next;
        s->state = state;
        close(s->fd);
    }
}

static void refuse_seats(struct module_keeper *k, const char *what, const char *detail)
{
    snprintf(k->why, sizeof k->why, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    close_seats(k, SEAT_REFUSED);
}

static bool pass(const struct module_keeper *k, const struct module_seat *s)
{
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &s->fd, sizeof s->fd);
    return sendmsg(k->child.pipes.in, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

// What the host does not take now it takes later, or it is about to end.
static void pass_seats(struct module_keeper *k)
{
    for (struct module_seat *s; (s = k->waiting) && pass(k, s);) {
        k->waiting = s->next;
        s->state = SEAT_TAKEN;
        s->host = k->host;
        close(s->fd);
        s->next = k->taken;
        k->taken = s;
    }
}

// The host is over. What a function forked off may have the streams' other ends still.
static void end_seats(struct module_keeper *k)
{
    for (struct module_seat *s; (s = k->taken);) {
        k->taken = s->next;
        shutdown(s->own_fd, SHUT_RDWR);
    }
}

// ---- the host. The keeper's thread, without the lock

static void pause_longer(struct module_keeper *k)
{
    k->pause = k->pause == 0                       ? CHILD_PAUSE_MS
               : 2 * k->pause < CHILD_PAUSE_MAX_MS ? 2 * k->pause
                                                   : CHILD_PAUSE_MAX_MS;
    k->not_before = clock_now().mono + k->pause;
}

static void start(struct module_keeper *k)
{
    const struct handler *h = k->handler;
    const struct handler_settings *s = &h->settings;
    char cpu[24];
    snprintf(cpu, sizeof cpu, "%" PRIu64, s->limit_cpu);
    // The daemon's own program, also where its file was replaced.
    const char *argv[] = {"/proc/self/exe", MODULE_HOST_OPTION, s->module, s->function, cpu, NULL};
    struct spawn_spec spec = child_spec(s, h->has_user ? &h->user : NULL);
    spec.argv = argv;
    spec.socket_in = true;
    struct spawn_error error;
    k->ready = k->deaf = false;
    k->said[0] = '\0';
    pthread_mutex_lock(&k->saying);
    bool started = child_start(&k->child, &spec, &error);
    pthread_mutex_unlock(&k->saying);
    if (started) {
        child_close_end(&k->child.pipes.out); // it prints on standard error
        k->load_by = clock_now().mono + LOAD_MS;
        log_event(LOG_HOST_STARTED, KV("handler", s->name), KV("pid", (int)k->child.pipes.pid));
        return;
    }
    const char *step = spawn_step_text(error.step), *detail = error.error ? strerror(error.error) : NULL;
    pthread_mutex_lock(&k->lock);
    if (child_machine_lacks_something(&error)) {
        k->not_before = clock_now().mono + CHILD_PAUSE_MS;
        close_seats(k, SEAT_DELAYED);
    } else {
        pause_longer(k);
        refuse_seats(k, step, detail);
    }
    pthread_mutex_unlock(&k->lock);
    log_event(LOG_HOST_REFUSED, KV("handler", s->name), KV("why", step), KV("error", detail));
}

// The one thing that it says.
static void listen_to_host(struct module_keeper *k)
{
    ssize_t n = recv(k->child.pipes.in, k->said, sizeof k->said - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        k->deaf = true;
        return;
    }
    k->said[n] = '\0';
    if (strcmp(k->said, MODULE_HOST_READY) == 0)
        k->ready = true;
}

static void describe_end(const struct module_keeper *k, char *text, size_t size)
{
    int status = k->child.exit.status;
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

static void host_over(struct module_keeper *k)
{
    const char *name = k->handler->settings.name;
    char how[64];
    describe_end(k, how, sizeof how);
    pthread_mutex_lock(&k->saying);
    child_bury(&k->child);
    pthread_mutex_unlock(&k->saying);
    pthread_mutex_lock(&k->lock);
    bool killed = k->kill, useful = k->answered;
    k->kill = false;
    k->answered = false;
    k->host++;
    end_seats(k);
    if (useful)
        k->pause = 0;
    else if (!killed && (!k->ready || atomic_load(&k->running) == 0)) // else it is the jobs' doing
        pause_longer(k);
    if (k->child.spawner_gone)
        close_seats(k, SEAT_DELAYED);
    else if (!k->ready && !k->stop && !killed)
        refuse_seats(k, k->said[0] ? k->said : "the module's host ended while it loaded the module",
                     k->said[0] ? NULL : how);
    bool stopped = k->stop;
    pthread_mutex_unlock(&k->lock);
    if (!stopped && !k->ready)
        log_event(LOG_HOST_UNLOADED, KV("handler", name), KV("why", k->said[0] ? k->said : how));
    else if (!stopped)
        log_event(LOG_HOST_ENDED, KV("handler", name), KV("how", how));
}

// ---- the thread

static uint64_t only_job(const struct module_keeper *k)
{
    uint64_t mix = atomic_load(&k->running_mix);
    return atomic_load(&k->running) == 1 ? mix : 0;
}

// Does what is due, and says until when it can wait. False: it is over.
static bool step(struct module_keeper *k, int64_t *until, bool *crowded)
{
    int64_t now = clock_now().mono;
    struct child *c = &k->child;
    pthread_mutex_lock(&k->lock);
    bool stop = k->stop, hurry = k->hurry, kill = k->kill;
    if (c->alive && k->ready && !c->ending)
        pass_seats(k);
    *crowded = k->waiting && c->alive && k->ready && !c->ending;
    bool wanted = k->waiting && !c->alive && !stop;
    int64_t not_before = k->not_before;
    pthread_mutex_unlock(&k->lock);

    if (hurry || (stop && !c->alive))
        return false;
    if (stop && !c->ending)
        child_end_softly(c);
    if (c->alive && kill && c->kill_at == INT64_MAX)
        child_end_by(c, SIGKILL);
    if (c->alive && !k->ready && !c->ending && now >= k->load_by) {
        snprintf(k->said, sizeof k->said, "the module was not loaded within %d s", LOAD_MS / 1000);
        child_end_by(c, SIGKILL);
    }
    child_look_at_clock(c);
    if (wanted && now >= not_before)
        start(k);

    *until = child_due(c);
    if (wanted && !c->alive && not_before < *until)
        *until = not_before;
    if (c->alive && !k->ready && k->load_by < *until)
        *until = k->load_by;
    return true;
}

static void wait_for_something(struct module_keeper *k, int64_t until, bool crowded)
{
    enum { WAKE = CHILD_FDS, CONTROL, COUNT };
    struct pollfd fds[COUNT];
    struct child *c = &k->child;
    child_watch(c, fds, false);
    fds[WAKE] = (struct pollfd){.fd = k->wake_fd, .events = POLLIN};
    fds[CONTROL] = (struct pollfd){.fd = c->alive && !k->deaf ? c->pipes.in : -1,
                                   .events = (short)(crowded ? POLLIN | POLLOUT : POLLIN)};
    if (poll(fds, COUNT, worker_poll_timeout(clock_now().mono, until)) < 0)
        return;
    uint64_t count;
    if (fds[WAKE].revents)
        (void)!read(k->wake_fd, &count, sizeof count);
    pthread_mutex_lock(&k->saying);
    if (fds[CHILD_ERR].revents)
        child_read_err(c, only_job(k));
    bool over = fds[CHILD_CHANNEL].revents && child_read_exit(c, only_job(k));
    pthread_mutex_unlock(&k->saying);
    if (fds[CONTROL].revents & ~POLLOUT)
        listen_to_host(k);
    if (over)
        host_over(k);
}

static void *keeper_main(void *arg)
{
    struct module_keeper *k = arg;
    pthread_setname_np(pthread_self(), "pool:module");
    bool crowded;
    for (int64_t until; step(k, &until, &crowded);)
        wait_for_something(k, until, crowded);
    child_release(&k->child);
    signal_fd(k->done_fd);
    return NULL;
}

// ---- life

static void keeper_free(struct module_keeper *k)
{
    child_release(&k->child);
    if (k->wake_fd >= 0)
        close(k->wake_fd);
    if (k->done_fd >= 0)
        close(k->done_fd);
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->saying);
    free(k);
}

// The thread blocks all signals, as the workers do, whoever makes it.
static int start_thread(struct module_keeper *k)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&k->thread, NULL, keeper_main, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static struct module_keeper *keeper_new(struct handler *h, struct crew *c)
{
    struct module_keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->handler = h;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->saying, NULL);
    k->done_fd = -1;
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->wake_fd >= 0)
        k->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = k->done_fd >= 0 && child_init(&k->child, c->spawner, &h->settings) ? start_thread(k) : errno;
    if (error == 0)
        return k;
    keeper_free(k);
    errno = error;
    return NULL;
}

struct module_keeper *module_keeper_hold(struct handler *h, struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    struct module_keeper *k = h->shared;
    if (!k)
        k = h->shared = keeper_new(h, c);
    int error = errno;
    if (k)
        k->holders++;
    pthread_mutex_unlock(&c->lock);
    errno = error;
    return k;
}

static void tell_to_stop(struct module_keeper *k, bool hurry)
{
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    k->hurry = hurry;
    pthread_mutex_unlock(&k->lock);
    signal_fd(k->wake_fd);
}

void module_keeper_drop(struct module_keeper *k, struct worker *w)
{
    struct crew *c = w->crew;
    pthread_mutex_lock(&c->lock);
    bool last = --k->holders == 0;
    if (last)
        w->handler->shared = NULL;
    pthread_mutex_unlock(&c->lock);
    if (!last)
        return;
    tell_to_stop(k, false);
    struct pollfd fd = {.fd = k->done_fd, .events = POLLIN};
    while (clock_now().mono < worker_deadline(w) && poll(&fd, 1, LOOK_MS) <= 0)
        ;
    tell_to_stop(k, true);
    pthread_join(k->thread, NULL);
    keeper_free(k);
}

// ---- for the workers

void module_keeper_sit(struct module_keeper *k, struct module_seat *seat, int fd_take, int own_fd)
{
    seat->fd = fd_take;
    seat->own_fd = own_fd;
    seat->state = SEAT_WAITS;
    pthread_mutex_lock(&k->lock);
    seat->next = k->waiting;
    k->waiting = seat;
    pthread_mutex_unlock(&k->lock);
    signal_fd(k->wake_fd);
}

void module_keeper_rise(struct module_keeper *k, struct module_seat *seat)
{
    pthread_mutex_lock(&k->lock);
    struct module_seat **at = seat->state == SEAT_WAITS ? &k->waiting : &k->taken;
    while (*at && *at != seat)
        at = &(*at)->next;
    if (*at)
        *at = seat->next; // else its host is over
    if (seat->state == SEAT_WAITS)
        close(seat->fd);
    seat->state = SEAT_NONE;
    pthread_mutex_unlock(&k->lock);
}

enum module_seat_state module_keeper_state(struct module_keeper *k, const struct module_seat *seat)
{
    pthread_mutex_lock(&k->lock);
    enum module_seat_state state = seat->state;
    pthread_mutex_unlock(&k->lock);
    return state;
}

void module_keeper_kill(struct module_keeper *k, const struct module_seat *seat)
{
    pthread_mutex_lock(&k->lock);
    if (seat->state == SEAT_TAKEN && seat->host == k->host)
        k->kill = true;
    pthread_mutex_unlock(&k->lock);
    signal_fd(k->wake_fd);
}

void module_keeper_why(struct module_keeper *k, struct buffer *b)
{
    pthread_mutex_lock(&k->lock);
    exec_refusal_write(b, "module", k->why, NULL);
    pthread_mutex_unlock(&k->lock);
}

int64_t module_keeper_pause(struct module_keeper *k)
{
    pthread_mutex_lock(&k->lock);
    int64_t until = k->not_before;
    pthread_mutex_unlock(&k->lock);
    return until;
}

void module_keeper_begin(struct module_keeper *k, uint64_t job)
{
    atomic_fetch_xor(&k->running_mix, job);
    atomic_fetch_add(&k->running, 1);
}

// Reads what the host has said so far, before the next job is taken for the one that said it.
static void hear_out(struct module_keeper *k)
{
    int there = 0;
    pthread_mutex_lock(&k->saying);
    for (int i = 0; i < LAST_READS && k->child.pipes.err >= 0 &&
                    ioctl(k->child.pipes.err, FIONREAD, &there) == 0 && there > 0;
         i++)
        child_read_err(&k->child, only_job(k));
    pthread_mutex_unlock(&k->saying);
}

void module_keeper_end(struct module_keeper *k, uint64_t job, bool answered)
{
    hear_out(k);
    atomic_fetch_sub(&k->running, 1);
    atomic_fetch_xor(&k->running_mix, job);
    if (!answered)
        return;
    pthread_mutex_lock(&k->lock);
    k->answered = true;
    pthread_mutex_unlock(&k->lock);
}
