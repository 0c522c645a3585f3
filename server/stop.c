#include "server/stop.h"

#include "common/log.h"
#include "server/backup.h"
#include "server/committer.h"
#include "server/daemon_tls.h"
#include "server/engine/journal.h"
#include "server/hub.h"
#include "server/main_loop.h"
#include "server/metrics/history.h"
#include "server/metrics/metrics.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/parts.h"
#include "server/pool/pool.h"
#include "server/pool/spawner.h"
#include "server/quotas.h"
#include "server/store/store.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

// When all that runs is done, replies get this long to leave.
#define FLUSH_MS 2000

// While draining it is looked this often whether consumers have given back what they hold.
#define DRAIN_LOOK_MS 50

// Jobs that a consumer outside holds under its connection: it may still acknowledge them.
static uint64_t jobs_in_hands(struct daemon *d)
{
    struct engine_info info;
    hub_lock(d->hub);
    engine_info(hub_engine(d->hub), &info);
    hub_unlock(d->hub);
    return info.held;
}

void stop_look(struct daemon *d)
{
    bool late = clock_ns() >= d->stop_by;
    if (late || (pool_drained(d->pool) && jobs_in_hands(d) == 0))
        event_base_loopbreak(d->base);
    else
        evtimer_add(d->look, &(struct timeval){.tv_usec = DRAIN_LOOK_MS * 1000});
}

void stop_begin(struct daemon *d)
{
    d->stopping = true;
    service_say(&d->service, "STOPPING=1");
    log_event(LOG_STOPPING, KV("within", (double)d->settings->shutdown_timeout / 1000));
    d->stop_by = clock_ns() + d->settings->shutdown_timeout * 1000000;
    listeners_free(d->listeners); // not HTTP's: whoever asks there is told that the daemon stops
    d->listeners = NULL;
    hub_lock(d->hub);
    engine_drain(hub_engine(d->hub));
    hub_unlock(d->hub);
    pool_drain(d->pool, d->settings->shutdown_timeout);
    stop_look(d);
}

void stop_hurry(struct daemon *d)
{
    log_event(LOG_HURRYING);
    d->stop_by = clock_ns(); // then the loop of events ends, and pool_stop hurries
    stop_look(d);
}

// ---- taking apart

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

void stop_all(struct daemon *d)
{
    listeners_free(d->listeners);
    listeners_free(d->http_listeners);
    daemon_tls_close(d);
    pool_stop(d->pool); // what it was running is answered before the loops go
    stop_loops(d);
    pool_free(d->pool);       // the loops' threads may ask about it to their end
    backups_free(d->backups); // while the loops' mailboxes are there, and before the store goes
    stop_store(d);
    d->committing = false;
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_release(&d->loops[i]);
    daemon_tls_free(d);
    committer_free(d->committer);
    store_close(d->store);
    main_loop_free(d);
    free(d->loops);
    http_server_release(&d->http);
    for (struct access_set *set; (set = d->access);) {
        d->access = set->before;
        access_release(&set->access);
        free(set);
    }
    quotas_free(d->quotas);
    history_free(d->history);
    metrics_free(d->metrics);
    hub_free(d->hub);
    if (d->spawner)
        spawner_stop(d->spawner);
}
