#include "server/daemon.h"

#include "common/log.h"
#include "server/backup.h"
#include "server/committer.h"
#include "server/daemon_tls.h"
#include "server/engine/journal.h"
#include "server/figures.h"
#include "server/hub.h"
#include "server/log_file.h"
#include "server/metrics/history.h"
#include "server/metrics/metrics.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/roll.h"
#include "server/parts.h"
#include "server/pool/pool.h"
#include "server/pool/spawner.h"
#include "server/privileges.h"
#include "server/quotas.h"
#include "server/reload.h"
#include "server/report.h"
#include "server/stop.h"
#include "server/storage.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
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

// At the end the log gets this long to be written.
#define LOG_FLUSH_MS 2000

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
    log_event(LOG_ENDED);
    log_flush(LOG_FLUSH_MS);
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
        log_event(LOG_START_FAILED, KV("why", message));
        return false;
    }
    log_event(LOG_LOADED, KV("jobs", loaded.jobs), KV("queues", loaded.queues), KV("folder", s->data_dir),
              KV("start", loaded.start_number + 1));
    if (loaded.orphans)
        log_event(LOG_ORPHANS, KV("records", loaded.orphans));
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
        log_event(LOG_OUT_OF_MEMORY);
    }
    return d->hub;
}

bool declare_queues(struct daemon *d)
{
    bool ok = true;
    for (size_t i = 0; i < d->settings->queue_count; i++) {
        const struct queue_section *q = &d->settings->queues[i];
        struct queue_settings now_set;
        const char *why;
        struct moment now = hub_lock(d->hub);
        enum error error = engine_declare(hub_engine(d->hub), now, slice_of(q->name), &q->settings, q->named,
                                          &now_set, &why);
        hub_unlock(d->hub);
        if (error != ERROR_NONE) {
            log_event(LOG_QUEUE_REFUSED, KV("queue", q->name), KV("why", why ? why : error_text(error)));
            ok = false;
        }
    }
    return ok;
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

static_assert(POOL_RESIZE_MAX == HANDLER_WORKERS_MAX && POOL_TEXT_MAX == HANDLER_WHY_MAX, "the same");

static enum error resize_pool(void *context, struct slice handler, unsigned workers, bool *done, char *text)
{
    struct daemon *d = context;
    return pool_resize(d->pool, handler, workers, done, text);
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

static bool call_roll(void *context, struct roll_place *place, unsigned most, unsigned *count,
                      struct buffer *out)
{
    const struct daemon *d = context;
    return roll_call(d->loops, d->loop_count, place, most, count, out);
}

bool take_access(struct daemon *d, struct access *take)
{
    struct access_set *set = calloc(1, sizeof *set);
    if (!set || !quotas_attach(&d->quotas, take, d->hub)) {
        free(set);
        return false;
    }
    set->access = *take;
    *take = (struct access){0};
    set->before = d->access;
    d->access = set;
    d->rpc.access = set->access.count ? &set->access : NULL;
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_access(&d->loops[i]);
    return true;
}

static const char *why_not_ready(void *context)
{
    struct daemon *d = context;
    hub_lock(d->hub);
    enum error error = engine_ready(hub_engine(d->hub));
    hub_unlock(d->hub);
    return error ? error_text(error) : NULL;
}

static void write_metrics(void *context, struct buffer *out)
{
    struct daemon *d = context;
    if (!metrics_text(d->metrics, out))
        out->failed = true;
}

static void make_http(struct daemon *d)
{
    const struct settings *s = d->settings;
    http_server_init(&d->http, &(struct http_config){.site = {.why_not_ready = why_not_ready,
                                                              .metrics = write_metrics,
                                                              .context = d,
                                                              .metrics_open = s->metrics_open},
                                                     .hosts = s->http_hosts.items,
                                                     .host_count = s->http_hosts.count,
                                                     .connections = (unsigned)s->http_connections,
                                                     .seed = random_seed()});
}

static bool start_loops(struct daemon *d)
{
    const struct settings *s = d->settings;
    unsigned wanted = (unsigned)s->threads + (s->http.count > 0);
    if (!figures_start(d))
        return false;
    d->rpc = (struct rpc){.hub = d->hub,
                          .metrics = d->metrics,
                          .history = d->history,
                          .version = TASKQ_VERSION,
                          .durability = settings_durability(s),
                          .max_body = s->max_body,
                          .max_request = s->max_request,
                          .output_limit = s->output_limit,
                          .max_waits = (unsigned)s->max_waits,
                          .max_subscriptions = (unsigned)s->max_subscriptions,
                          .auth_failures = &d->auth_failures,
                          .strangers = &d->strangers,
                          .pool_report = pool_report,
                          .pool_resize = resize_pool,
                          .pool_context = d,
                          .connection_count = count_connections,
                          .roll_call = call_roll,
                          .connection_context = d};
    struct token_hash first; // takes a millisecond, for which no client should wait
    (void)!token_hash(SLICE(""), &first);
    strangers_init(&d->strangers, (unsigned)s->max_strangers, random_seed());
    if (!take_access(d, &d->settings->access)) {
        log_event(LOG_OUT_OF_MEMORY);
        return false;
    }
    if (d->committer) {
        d->rpc.store_report = store_report;
        d->rpc.store_context = d;
        d->rpc.backup_begin = backup_begin;
        d->rpc.backup_ended = backup_ended;
        d->rpc.backup_leave = backup_leave;
        d->rpc.backup_context = d->backups;
    }
    if (d->tls) {
        d->rpc.tls_report = daemon_tls_report;
        d->rpc.tls_context = d;
    }
    make_http(d);
    d->loops = calloc(wanted, sizeof *d->loops);
    for (; d->loops && d->loop_count < wanted; d->loop_count++)
        if (!loop_init(&d->loops[d->loop_count], &d->rpc, d->loop_count < s->threads ? NULL : &d->http.wire))
            break;
    bool ok = d->loop_count == wanted;
    if (ok && d->committer) // from here on its thread may call on_kept
        ok = d->committing = committer_start(d->committer);
    for (unsigned i = 0; ok && i < d->loop_count; i++)
        ok = loop_start(&d->loops[i]);
    if (!ok)
        log_event(LOG_START_FAILED, KV("why", "the network threads cannot be started"),
                  KV("error", strerror(errno)));
    return ok;
}

static bool start_pool(struct daemon *d)
{
    const struct settings *s = d->settings;
    char why[HANDLER_WHY_MAX];
    d->pool = pool_start(d->hub, d->spawner, s->handlers, s->handler_count, why);
    if (!d->pool)
        log_event(LOG_START_FAILED, KV("why", why));
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

unsigned connections_most(const struct daemon *d)
{
    uint64_t most =
        d->descriptors > 2 * DESCRIPTORS_KEPT ? d->descriptors - DESCRIPTORS_KEPT : d->descriptors / 2;
    if (d->settings->http.count > 0 && most > 2 * d->settings->http_connections)
        most -= d->settings->http_connections;
    if (d->settings->max_connections && d->settings->max_connections < most)
        most = d->settings->max_connections;
    return (unsigned)(most < 1000000 ? most : 1000000);
}

bool daemon_addresses_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
{
    const struct handler_texts *lists[] = {&s->listen, &s->http};
    struct listener_config config = {.insecure = s->insecure, .known = s->access.count > 0};
    for (unsigned l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            if (!listeners_check(&config, lists[l]->items[i], why, SETTINGS_WHY_MAX))
                return false;
    return true;
}

static bool listen_to(struct listeners *l, const struct handler_texts *addresses)
{
    char why[512];
    for (size_t i = 0; i < addresses->count; i++) {
        if (!listeners_add(l, addresses->items[i], why, sizeof why)) {
            log_event(LOG_START_FAILED, KV("why", why));
            return false;
        }
    }
    return true;
}

static bool listen_to_passed(const struct daemon *d)
{
    char why[512];
    for (unsigned i = 0; i < d->service.sockets; i++) {
        if (!listeners_adopt(d->listeners, SERVICE_SOCKETS_FIRST + (int)i, d->service.tls >> i & 1, why,
                             sizeof why)) {
            log_event(LOG_START_FAILED, KV("why", why));
            return false;
        }
    }
    return true;
}

static bool make_listeners(struct daemon *d)
{
    const struct settings *s = d->settings;
    struct listener_config config = {.loops = d->loops,
                                     .loop_count = (unsigned)s->threads,
                                     .handshakes = d->handshakes,
                                     .max_connections = connections_most(d),
                                     .insecure = s->insecure,
                                     .known = d->rpc.access != NULL,
                                     .unix_mode = (mode_t)s->unix_mode};
    struct listener_config http = config;
    http.loops += s->threads;
    http.loop_count = 1;
    http.max_connections = (unsigned)s->http_connections;
    http.purpose = "HTTP";
    d->listeners = listeners_new(d->base, &config);
    if (s->http.count > 0)
        d->http_listeners = listeners_new(d->base, &http);
    return d->listeners && (s->http.count == 0 || d->http_listeners);
}

static bool listen_to_all(struct daemon *d)
{
    const struct settings *s = d->settings;
    if (s->insecure)
        log_event(LOG_INSECURE,
                  KV("so", d->rpc.access
                               ? "tokens and jobs travel in clear text on the way to the daemon's addresses"
                               : "whoever can reach the daemon's addresses may do everything"));
    if (!make_listeners(d))
        return false;
    // Sockets that were passed on stand for the addresses of the settings.
    bool ok = d->service.sockets ? listen_to_passed(d) : listen_to(d->listeners, &s->listen);
    if (ok && d->http_listeners)
        ok = listen_to(d->http_listeners, &s->http) && listeners_start(d->http_listeners);
    return ok && listeners_start(d->listeners);
}

// Now, or after the configuration was read again: later it cannot be made any more.
static bool needs_spawner(const struct daemon *d)
{
    bool needs = d->source->read;
    for (size_t i = 0; i < d->settings->handler_count; i++)
        needs = needs || handler_needs_spawner(&d->settings->handlers[i]);
    return needs;
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
        log_event(LOG_START_FAILED, KV("why", "signals cannot be received"), KV("error", strerror(errno)));
        return false;
    }
    d->signal_fd = fd;
    return true;
}

// What only root can do, and nothing besides.
static bool as_root(struct daemon *d, const struct privileges *p, bool (*work)(struct daemon *))
{
    if (privileges_raise(p)) {
        if (!work(d))
            return false;
        if (privileges_lower(p))
            return true;
    }
    log_event(LOG_START_FAILED, KV("why", "root cannot be had again, or not be left"),
              KV("error", strerror(errno)));
    return false;
}

static bool open_ports(struct daemon *d, const struct privileges *p)
{
    static const struct handler_texts none;
    char why[SETTINGS_WHY_MAX];
    if (!as_root(d, p, daemon_tls_start) || !start_loops(d) || !start_pool(d) ||
        !as_root(d, p, listen_to_all))
        return false;
    if (privileges_drop(p, d->service.sockets ? &none : &d->settings->listen, why)) {
        daemon_tls_dropped(d);
        return true;
    }
    log_event(LOG_START_FAILED, KV("why", why));
    return false;
}

static bool start(struct daemon *d, const struct privileges *p, bool recover)
{
    service_open(&d->service);
    (void)unsetenv("TASKQ_TOKEN"); // of whoever started it: no handler is to have what he may do
    // Before all else: the process that starts commands is forked while this one is small and has no thread.
    // Whom this process is now it stays for good.
    if (needs_spawner(d) && !(d->spawner = spawner_start())) {
        log_event(LOG_START_FAILED, KV("why", "the process that starts commands cannot be made"),
                  KV("error", strerror(errno)));
        return false;
    }
    (void)log_start(); // else whoever logs writes
    d->descriptors = raise_descriptors();
    // Ports open when the state is whole.
    return take_signals(d) && make_hub(d) && open_store(d, recover) && make_base(d) && declare_queues(d) &&
           open_ports(d, p);
}

int daemon_run(struct settings *s, const struct daemon_source *source, const struct privileges *privileges,
               bool recover)
{
    struct daemon d = {.settings = s, .source = source};
    bool ok = start(&d, privileges, recover);
    if (ok) {
        service_say(&d.service, "READY=1");
        tick(&d);
        arm(d.record, 0);
        event_base_dispatch(d.base);
    }
    stop_all(&d);
    service_close(&d.service);
    if (ok)
        log_event(LOG_STOPPED);
    log_stop(LOG_FLUSH_MS);
    return ok && !d.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
