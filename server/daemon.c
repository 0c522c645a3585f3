#include "server/daemon.h"

#include "common/log.h"
#include "server/daemon_tls.h"
#include "server/main_loop.h"
#include "server/parts.h"
#include "server/pool/handler_files.h"
#include "server/pool/pool.h"
#include "server/pool/spawner.h"
#include "server/ports.h"
#include "server/privileges.h"
#include "server/state.h"
#include "server/stop.h"
#include "server/wiring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

// Now, or after the configuration was read again: later it cannot be made any more.
static bool needs_spawner(const struct daemon *d)
{
    bool needs = d->source->read;
    for (size_t i = 0; i < d->settings->handler_count; i++)
        needs = needs || handler_needs_spawner(&d->settings->handlers[i]);
    return needs;
}

static bool start_pool(struct daemon *d)
{
    const struct settings *s = d->settings;
    char why[HANDLER_WHY_MAX];
    d->pool = pool_start(d->hub, d->spawner, s->handlers, s->handler_count, why);
    if (!d->pool)
        log_event(LOG_START_FAILED, KV("why", why));
    else
        handler_files_warn(s->handlers, s->handler_count);
    return d->pool;
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
    if (!as_root(d, p, daemon_tls_start) || !wiring_start(d) || !start_pool(d) || !as_root(d, p, ports_open))
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
    return main_loop_take_signals(d) && state_make(d) && state_load(d, recover) && main_loop_make(d) &&
           state_declare_queues(d) && open_ports(d, p);
}

int daemon_run(struct settings *s, const struct daemon_source *source, const struct privileges *privileges,
               bool recover)
{
    struct daemon d = {.settings = s, .source = source};
    bool ok = start(&d, privileges, recover);
    if (ok) {
        service_say(&d.service, "READY=1");
        main_loop_run(&d);
    }
    stop_all(&d);
    service_close(&d.service);
    if (ok)
        log_event(LOG_STOPPED);
    log_stop(LOG_FLUSH_MS);
    return ok && !d.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
