#include "server/figures.h"

#include "common/log.h"
#include "server/committer.h"
#include "server/metrics/history.h"
#include "server/metrics/metrics.h"
#include "server/net/handshakes.h"
#include "server/net/loop.h"
#include "server/parts.h"
#include "server/rpc/method.h"
#include "server/rpc/throttle.h"
#include "server/settings.h"
#include "server/tls/tls.h"

static void look_at_tls(const struct daemon *d, struct metrics_outside *out)
{
    struct handshakes_figures f = handshakes_figures(d->handshakes);
    out->tls = true;
    out->certificate_end = tls_expires(d->tls);
    out->revoked_end = tls_crl_expires(d->tls);
    out->handshakes = handshakes_count(d->handshakes);
    out->handshakes_done = f.done;
    out->handshakes_failed = f.failed;
}

static void look_at_store(const struct daemon *d, struct metrics_outside *out)
{
    struct store_stats s = committer_stats(d->committer);
    out->stores = true;
    out->live_bytes = s.live_bytes;
    out->log_bytes = s.log_bytes;
    out->disk_bytes = s.disk_bytes;
    out->segments = s.segments;
    out->records = s.records;
    out->written_bytes = s.bytes;
    out->cleaned_bytes = s.cleaned_bytes;
    committer_times(d->committer, &out->commits);
}

static void look(void *context, struct metrics_outside *out)
{
    struct daemon *d = context;
    out->auth_failures = d->auth_failures;
    out->log_dropped = log_dropped();
    for (unsigned i = 0; i < d->loop_count; i++)
        out->connections += atomic_load_explicit(&d->loops[i].connection_count, memory_order_relaxed);
    out->strangers = d->strangers.count;
    out->strangers_refused = d->strangers.refused;
    out->strangers_expired = d->strangers.expired;
    if (d->tls)
        look_at_tls(d, out);
    if (d->committer)
        look_at_store(d, out);
}

static const char *requests(void *context, unsigned n, struct histogram *out)
{
    const struct daemon *d = context;
    const struct method *m = method_at(n);
    for (unsigned i = 0; m && i < d->loop_count; i++)
        histogram_merge(out, &d->loops[i].dispatch.timing.methods[n]);
    return m ? m->name : NULL;
}

static bool visit_pool(void *context, pool_visitor *visit, void *visit_context)
{
    const struct daemon *d = context;
    return !d->pool || pool_info(d->pool, visit, visit_context);
}

static void visit_quotas(void *context, quotas_visitor *visit, void *visit_context)
{
    const struct daemon *d = context;
    const struct access *access = d->rpc.access;
    for (size_t n = 0; access && n < access->count; n++) {
        const struct identity *i = &access->items[n];
        struct identity_use use;
        if (!i->use)
            continue;
        identity_use(i, &use);
        struct metrics_quotas q = {.kind = identity_kind_name(i->kind),
                                   .identity = i->name,
                                   .refused = use.refused,
                                   .slowed = use.slowed};
        unsigned at = 0;
#define X(field, type, low, high, value, text)                                                               \
    q.quotas[at].name = #field;                                                                              \
    q.quotas[at].used = use.used.field;                                                                      \
    q.quotas[at++].limit = i->quotas.field;
        QUOTAS(X)
#undef X
        visit(visit_context, &q);
    }
}

bool figures_start(struct daemon *d)
{
    const struct metrics_options options = {
        .hub = d->hub,
        .version = TASKQ_VERSION,
        .durability = settings_durability(d->settings),
        .queues = d->settings->metrics_queues,
        .context = d,
        .look = look,
        .requests = requests,
        .pool = visit_pool,
        .quotas = visit_quotas,
    };
    d->metrics = metrics_new(&options);
    d->history = d->metrics ? history_new(d->metrics, clock_now()) : NULL;
    if (!d->history)
        log_event(LOG_OUT_OF_MEMORY);
    return d->history;
}
