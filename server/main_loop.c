#include "server/main_loop.h"

#include "common/log.h"
#include "server/hub.h"
#include "server/log_file.h"
#include "server/metrics/history.h"
#include "server/parts.h"
#include "server/pool/spawner.h"
#include "server/reload.h"
#include "server/stop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

// ---- time

static void arm(struct event *timer, int64_t ms)
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};
    evtimer_add(timer, &wait);
}

static void tick(struct daemon *d)
{
    int64_t ms = hub_tick(d->hub);
    if (ms < 0)
        evtimer_del(d->timer);
    else
        arm(d->timer, ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    tick(arg);
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *d = arg;
    (void)fd, (void)what;
    mailbox_quiet(&d->mailbox);
    tick(d);
}

static void on_record(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *d = arg;
    (void)fd, (void)what;
    arm(d->record, history_go_on(d->history, clock_now()));
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    stop_look(arg);
}

// ---- what comes from outside

// Who may send a signal is an administrator, whom the kernel knows.
static void note_signal(const struct signalfd_siginfo *info)
{
    log_event(LOG_ADMIN, KV("action", info->ssi_signo == SIGHUP ? "reload" : "stop"), KV("kind", "user"),
              KV("who", info->ssi_uid), KV("peer", "signal"), KV("pid", info->ssi_pid));
}

static void act_on_signal(struct daemon *d, uint32_t number)
{
    if (number == SIGHUP && d->settings->log_file)
        log_file_reopen(d->settings->log_file); // whatever becomes of the rest: it was moved away
    if (number == SIGHUP && d->stopping)
        log_event(LOG_RELOAD_IGNORED, KV("why", "the daemon stops"));
    else if (number == SIGHUP)
        reload(d);
    else if (d->stopping)
        stop_hurry(d);
    else
        stop_begin(d);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct signalfd_siginfo info;
    (void)what;
    while (read(fd, &info, sizeof info) == sizeof info) {
        note_signal(&info);
        act_on_signal(arg, info.ssi_signo);
    }
}

static void on_spawner_gone(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *d = arg;
    (void)fd, (void)what;
    log_event(LOG_SPAWNER_GONE);
    d->failed = true;
    event_del(d->spawner_gone);
    if (!d->stopping)
        stop_begin(d);
}

// ---- its life

// Signals come through a descriptor, as everything else does: no handler that could run in the middle of
// something. From here on they wait until the loop runs.
bool main_loop_take_signals(struct daemon *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    if (fd < 0) {
        log_event(LOG_START_FAILED, KV("why", "signals cannot be received"), KV("error", strerror(errno)));
        return false;
    }
    d->signal_fd = fd;
    return true;
}

static bool add_event(struct event **slot, struct event *e)
{
    *slot = e;
    return e && event_add(e, NULL) == 0;
}

bool main_loop_make(struct daemon *d)
{
    d->base = event_base_new();
    d->mailbox_made = d->base && mailbox_init(&d->mailbox);
    if (!d->mailbox_made)
        return false;
    d->timer = evtimer_new(d->base, on_timer, d);
    d->look = evtimer_new(d->base, on_look, d);
    d->record = evtimer_new(d->base, on_record, d);
    bool ok = d->timer && d->look && d->record &&
              add_event(&d->mail, event_new(d->base, d->mailbox.fd, EV_READ | EV_PERSIST, on_mail, d));
    ok = ok && add_event(&d->signals, event_new(d->base, d->signal_fd, EV_READ | EV_PERSIST, on_signal, d));
    if (ok && d->spawner)
        ok = add_event(&d->spawner_gone,
                       event_new(d->base, spawner_fd(d->spawner), EV_READ | EV_PERSIST, on_spawner_gone, d));
    hub_set_ticker(d->hub, &d->mailbox);
    return ok;
}

void main_loop_run(struct daemon *d)
{
    tick(d);
    arm(d->record, 0);
    event_base_dispatch(d->base);
}

static void free_event(struct event *e)
{
    if (e)
        event_free(e);
}

void main_loop_free(struct daemon *d)
{
    free_event(d->timer);
    free_event(d->look);
    free_event(d->record);
    free_event(d->mail);
    free_event(d->spawner_gone);
    free_event(d->signals);
    if (d->signal_fd)
        close(d->signal_fd);
    if (d->mailbox_made)
        mailbox_release(&d->mailbox);
    if (d->base)
        event_base_free(d->base);
}
