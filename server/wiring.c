#include "server/wiring.h"

#include "common/log.h"
#include "server/backup.h"
#include "server/committer.h"
#include "server/daemon_tls.h"
#include "server/figures.h"
#include "server/hub.h"
#include "server/metrics/metrics.h"
#include "server/net/loop.h"
#include "server/net/roll.h"
#include "server/parts.h"
#include "server/pool/pool.h"
#include "server/quotas.h"
#include "server/report.h"
#include "server/seed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- what requests can ask of the parts: called by the network threads

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

// ---- who may do what

bool wiring_take_access(struct daemon *d, struct access *take)
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

// ---- the network threads

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

static void fill_rpc(struct daemon *d)
{
    const struct settings *s = d->settings;
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
}

// The last is HTTP's, if there is any.
static bool start_threads(struct daemon *d)
{
    unsigned threads = (unsigned)d->settings->threads, wanted = threads + (d->settings->http.count > 0);
    d->loops = calloc(wanted, sizeof *d->loops);
    for (; d->loops && d->loop_count < wanted; d->loop_count++)
        if (!loop_init(&d->loops[d->loop_count], &d->rpc, d->loop_count < threads ? NULL : &d->http.wire))
            break;
    bool ok = d->loop_count == wanted;
    if (ok && d->committer) // from here on its thread may tell the loops what is kept
        ok = d->committing = committer_start(d->committer);
    for (unsigned i = 0; ok && i < d->loop_count; i++)
        ok = loop_start(&d->loops[i]);
    if (!ok)
        log_event(LOG_START_FAILED, KV("why", "the network threads cannot be started"),
                  KV("error", strerror(errno)));
    return ok;
}

bool wiring_start(struct daemon *d)
{
    const struct settings *s = d->settings;
    if (!figures_start(d))
        return false;
    fill_rpc(d);
    struct token_hash first; // takes a millisecond, for which no client should wait
    (void)!token_hash(SLICE(""), &first);
    strangers_init(&d->strangers, (unsigned)s->max_strangers, random_seed());
    if (!wiring_take_access(d, &d->settings->access)) {
        log_event(LOG_OUT_OF_MEMORY);
        return false;
    }
    make_http(d);
    return start_threads(d);
}
