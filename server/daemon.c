#include "server/daemon.h"

#include "common/log.h"
#include "server/backup.h"
#include "server/committer.h"
#include "server/engine/journal.h"
#include "server/hub.h"
#include "server/mailbox.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/pool/pool.h"
#include "server/pool/spawner.h"
#include "server/report.h"
#include "server/service.h"
#include "server/storage.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// Descriptors that are not connections: the store's files, pipes of children, event loops, and some to spare.
#define DESCRIPTORS_KEPT 256

// When all that runs is done, replies get this long to leave.
#define FLUSH_MS 2000

// While draining it is looked this often whether consumers have given back what they hold.
#define DRAIN_LOOK_MS 50

struct daemon {
    const struct settings *settings;
    struct service service;
    struct spawner *spawner;
    struct hub *hub;
    struct store *store;
    struct committer *committer;
    struct backups *backups;
    struct pool *pool;
    struct rpc rpc;
    struct loop *loops;
    unsigned loop_count; // initialised
    struct event_base *base;
    struct mailbox mailbox; // of the ticker, which is the main thread
    struct event *timer, *mail, *look;
    struct event *signals;
    int signal_fd; // 0: none
    struct event *pool_done, *spawner_gone;
    struct listeners *listeners;
    bool mailbox_made, committing, stopping, failed;
    int64_t stop_by; // clock_ns
};

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

// ---- stopping

// Jobs that a consumer outside holds under its connection: it may still acknowledge them.
static uint64_t jobs_in_hands(struct daemon *d)
{
    struct engine_info info;
    hub_lock(d->hub);
    engine_info(hub_engine(d->hub), &info);
    hub_unlock(d->hub);
    return info.gauges.reserved - info.detached;
}

static void look_whether_done(struct daemon *d)
{
    bool late = clock_ns() >= d->stop_by;
    if (late || ((!d->pool || pool_drained(d->pool)) && jobs_in_hands(d) == 0))
        event_base_loopbreak(d->base);
    else
        arm(d->look, DRAIN_LOOK_MS);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    look_whether_done(arg);
}

static void begin_stop(struct daemon *d)
{
    d->stopping = true;
    d->stop_by = clock_ns() + d->settings->shutdown_timeout * 1000000;
    listeners_free(d->listeners);
    d->listeners = NULL;
    hub_lock(d->hub);
    engine_drain(hub_engine(d->hub));
    hub_unlock(d->hub);
    if (d->pool)
        pool_drain(d->pool, d->settings->shutdown_timeout);
    look_whether_done(d);
}

static void act_on_signal(struct daemon *d, uint32_t number)
{
    if (number == SIGHUP) {
        log_info("SIGHUP: settings are read at the start only");
        return;
    }
    if (!d->stopping) {
        service_say(&d->service, "STOPPING=1");
        log_info("stopping: no new jobs; what runs may finish within %g s",
                 (double)d->settings->shutdown_timeout / 1000);
        begin_stop(d);
        return;
    }
    log_info("stopping at once: what runs is put back");
    if (d->pool)
        pool_hurry(d->pool);
    d->stop_by = clock_ns();
    look_whether_done(d);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct signalfd_siginfo info;
    (void)what;
    while (read(fd, &info, sizeof info) == sizeof info)
        act_on_signal(arg, info.ssi_signo);
}

static void on_spawner_gone(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *d = arg;
    (void)fd, (void)what;
    log_error(
        "the process that starts commands is gone; the daemon stops, so that it can be started whole again");
    d->failed = true;
    event_del(d->spawner_gone);
    if (!d->stopping)
        begin_stop(d);
}

// ---- the store

static void on_kept(void *arg)
{
    struct daemon *d = arg;
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_durable(&d->loops[i]);
}

static void on_fatal(void *arg)
{
    (void)arg;
    log_error("the daemon ends now: what was not answered was not promised");
    _exit(EXIT_FAILURE); // connections close without a reply, the spawner ends its children
}

static bool open_store(struct daemon *d, bool recover)
{
    const struct settings *s = d->settings;
    if (s->memory_only)
        return true;
    char message[STORE_MESSAGE_MAX];
    struct storage_options o = {.path = s->data_dir,
                                .recover = recover,
                                .max_body = s->max_body,
                                .segment_size = (uint32_t)s->segment_size};
    struct journal_loaded loaded;
    if (!storage_open(&o, hub_engine(d->hub), &d->store, &loaded, message)) {
        log_error("%s", message);
        return false;
    }
    log_info("loaded jobs=%" PRIu64 " queues=%" PRIu64 " from %s start=%u", loaded.jobs, loaded.queues,
             s->data_dir, loaded.start_number + 1);
    if (loaded.orphans)
        log_warning("left out %" PRIu64 " records without what they belong to", loaded.orphans);
    bool waits = s->durability == DURABILITY_ALWAYS;
    hub_keep_journal(d->hub, waits);
    struct committer_options c = {.hub = d->hub,
                                  .store = d->store,
                                  .interval_ms = waits ? 0 : s->interval,
                                  .kept = on_kept,
                                  .fatal = on_fatal,
                                  .arg = d};
    d->committer = committer_new(&c);
    // The raised start number has to be on disk before anybody is given a delivery token of it.
    d->backups = d->committer ? backups_new(d->committer) : NULL;
    return d->backups && (recover ? committer_settle(d->committer) : committer_flush(d->committer));
}

// ---- starting

static uint64_t random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = (uint64_t)clock_ns();
    return seed;
}

static bool make_hub(struct daemon *d)
{
    const struct settings *s = d->settings;
    struct engine_config config = {.max_bytes = s->memory,
                                   .max_queues = s->max_queues,
                                   .max_waits = (uint32_t)s->max_waits,
                                   .max_subscriptions = (uint32_t)s->max_subscriptions,
                                   // Without a store the tokens of another start are told apart by chance.
                                   .start_number = 1 + (uint32_t)(random_seed() % ((1u << 21) - 2)),
                                   .first_id = 1,
                                   .seed = random_seed()};
    struct engine *e = engine_new(&config);
    d->hub = e ? hub_new(e) : NULL;
    if (!d->hub) {
        engine_free(e);
        log_error("out of memory");
    }
    return d->hub;
}

static bool declare_queues(struct daemon *d)
{
    for (size_t i = 0; i < d->settings->queue_count; i++) {
        const struct queue_section *q = &d->settings->queues[i];
        struct queue_settings now_set;
        const char *why;
        struct moment now = hub_lock(d->hub);
        enum error error = engine_declare(hub_engine(d->hub), now, slice_of(q->name), &q->settings, q->named,
                                          &now_set, &why);
        hub_unlock(d->hub);
        if (error != ERROR_NONE) {
            log_error("queue \"%s\": %s", q->name, why ? why : error_text(error));
            return false;
        }
    }
    return true;
}

static uint64_t raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static void pool_report(void *context, struct buffer *out)
{
    struct daemon *d = context;
    report_pool(d->pool, out);
}

static void store_report(void *context, struct buffer *out)
{
    struct daemon *d = context;
    report_store(d->committer, out);
}

static uint64_t count_connections(void *context)
{
    const struct daemon *d = context;
    uint64_t count = 0;
    for (unsigned i = 0; i < d->loop_count; i++)
        count += atomic_load_explicit(&d->loops[i].connection_count, memory_order_relaxed);
    return count;
}

static bool start_loops(struct daemon *d)
{
    const struct settings *s = d->settings;
    d->rpc = (struct rpc){.hub = d->hub,
                          .version = TASKQ_VERSION,
                          .durability = settings_durability(s),
                          .max_body = s->max_body,
                          .max_request = s->max_request,
                          .output_limit = s->output_limit,
                          .max_waits = (unsigned)s->max_waits,
                          .max_subscriptions = (unsigned)s->max_subscriptions,
                          .pool_report = pool_report,
                          .pool_context = d,
                          .connection_count = count_connections,
                          .connection_context = d};
    if (d->committer) {
        d->rpc.store_report = store_report;
        d->rpc.store_context = d;
        d->rpc.backup_begin = backup_begin;
        d->rpc.backup_ended = backup_ended;
        d->rpc.backup_leave = backup_leave;
        d->rpc.backup_context = d->backups;
    }
    d->loops = calloc(s->threads, sizeof *d->loops);
    for (; d->loops && d->loop_count < s->threads; d->loop_count++)
        if (!loop_init(&d->loops[d->loop_count], &d->rpc))
            break;
    bool ok = d->loop_count == s->threads;
    if (ok && d->committer) // from here on its thread may call on_kept
        ok = d->committing = committer_start(d->committer);
    for (unsigned i = 0; ok && i < d->loop_count; i++)
        ok = loop_start(&d->loops[i]);
    if (!ok)
        log_error("the network threads cannot be started: %s", strerror(errno));
    return ok;
}

static bool start_pool(struct daemon *d)
{
    const struct settings *s = d->settings;
    char why[HANDLER_WHY_MAX];
    if (!s->handler_count)
        return true;
    d->pool = pool_start(d->hub, d->spawner, s->handlers, s->handler_count, why);
    if (!d->pool)
        log_error("%s", why);
    return d->pool;
}

static bool add_event(struct event **slot, struct event *e)
{
    *slot = e;
    return e && event_add(e, NULL) == 0;
}

static bool make_base(struct daemon *d)
{
    d->base = event_base_new();
    d->mailbox_made = d->base && mailbox_init(&d->mailbox);
    if (!d->mailbox_made)
        return false;
    d->timer = evtimer_new(d->base, on_timer, d);
    d->look = evtimer_new(d->base, on_look, d);
    bool ok = d->timer && d->look &&
              add_event(&d->mail, event_new(d->base, d->mailbox.fd, EV_READ | EV_PERSIST, on_mail, d));
    ok = ok && add_event(&d->signals, event_new(d->base, d->signal_fd, EV_READ | EV_PERSIST, on_signal, d));
    if (ok && d->spawner)
        ok = add_event(&d->spawner_gone,
                       event_new(d->base, spawner_fd(d->spawner), EV_READ | EV_PERSIST, on_spawner_gone, d));
    hub_set_ticker(d->hub, &d->mailbox);
    return ok;
}

static bool listen_to_all(struct daemon *d, uint64_t descriptors)
{
    const struct settings *s = d->settings;
    uint64_t most = descriptors > 2 * DESCRIPTORS_KEPT ? descriptors - DESCRIPTORS_KEPT : descriptors / 2;
    if (s->max_connections && s->max_connections < most)
        most = s->max_connections;
    struct listener_config config = {.loops = d->loops,
                                     .loop_count = d->loop_count,
                                     .max_connections = (unsigned)(most < 1000000 ? most : 1000000),
                                     .insecure = s->insecure,
                                     .unix_mode = (mode_t)s->unix_mode};
    d->listeners = listeners_new(d->base, &config);
    if (s->insecure)
        log_warning("insecure = true: whoever can reach the daemon's addresses may do everything");
    if (!d->listeners)
        return false;
    // Sockets that were passed on stand for the addresses of the settings.
    size_t count = d->service.sockets ? d->service.sockets : s->listen.count;
    for (size_t i = 0; i < count; i++) {
        char why[512];
        if (d->service.sockets
                ? !listeners_adopt(d->listeners, SERVICE_SOCKETS_FIRST + (int)i, why, sizeof why)
                : !listeners_add(d->listeners, s->listen.items[i], why, sizeof why)) {
            log_error("%s", why);
            return false;
        }
    }
    return listeners_start(d->listeners);
}

static bool needs_spawner(const struct settings *s)
{
    for (size_t i = 0; i < s->handler_count; i++)
        if (handler_needs_spawner(&s->handlers[i]))
            return true;
    return false;
}

// Signals come through a descriptor, as everything else does: no handler that could run in the middle of
// something. From here on they wait until the loop runs.
static bool take_signals(struct daemon *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    if (fd < 0) {
        log_error("signals cannot be received: %s", strerror(errno));
        return false;
    }
    d->signal_fd = fd;
    return true;
}

static bool start(struct daemon *d, bool recover)
{
    service_open(&d->service);
    // Before all else: the process that starts commands is forked while this one is small and has no thread.
    if (needs_spawner(d->settings) && !(d->spawner = spawner_start())) {
        log_error("the process that starts commands cannot be made: %s", strerror(errno));
        return false;
    }
    uint64_t descriptors = raise_descriptors();
    // Ports open when the state is whole.
    return take_signals(d) && make_hub(d) && open_store(d, recover) && make_base(d) && declare_queues(d) &&
           start_loops(d) && start_pool(d) && listen_to_all(d, descriptors);
}

// ---- taking apart, in the order in which the parts need each other

static void free_event(struct event *e)
{
    if (e)
        event_free(e);
}

static void stop_loops(struct daemon *d)
{
    for (unsigned i = 0; i < d->loop_count; i++)
        if (d->loops[i].running)
            loop_stop(&d->loops[i], FLUSH_MS);
    for (unsigned i = 0; i < d->loop_count; i++)
        if (d->loops[i].running)
            loop_join(&d->loops[i]);
}

static void stop_store(struct daemon *d)
{
    if (!d->committer)
        return;
    struct moment now = hub_lock(d->hub);
    journal_save_leases(hub_engine(d->hub), now);
    hub_unlock(d->hub);
    if (d->committing)
        committer_stop(d->committer);
}

static void stop(struct daemon *d)
{
    listeners_free(d->listeners);
    pool_stop(d->pool); // what it was running is answered before the loops go
    stop_loops(d);
    pool_free(d->pool);       // the loops' threads may ask about it to their end
    backups_free(d->backups); // while the loops' mailboxes are there, and before the store goes
    stop_store(d);
    d->committing = false;
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_release(&d->loops[i]);
    committer_free(d->committer);
    store_close(d->store);
    free_event(d->timer);
    free_event(d->look);
    free_event(d->mail);
    free_event(d->spawner_gone);
    free_event(d->signals);
    if (d->signal_fd)
        close(d->signal_fd);
    if (d->mailbox_made)
        mailbox_release(&d->mailbox);
    if (d->base)
        event_base_free(d->base);
    free(d->loops);
    hub_free(d->hub);
    if (d->spawner)
        spawner_stop(d->spawner);
}

int daemon_run(const struct settings *s, bool recover)
{
    struct daemon d = {.settings = s};
    bool ok = start(&d, recover);
    if (ok) {
        service_say(&d.service, "READY=1");
        tick(&d);
        event_base_dispatch(d.base);
    }
    stop(&d);
    service_close(&d.service);
    if (ok)
        log_info("stopped");
    return ok && !d.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
