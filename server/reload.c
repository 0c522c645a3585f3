#include "server/reload.h"

#include "common/log.h"
#include "server/daemon_tls.h"
#include "server/hub.h"
#include "server/log_file.h"
#include "server/metrics/metrics.h"
#include "server/net/listener.h"
#include "server/parts.h"
#include "server/pool/handler_files.h"
#include "server/pool/pool.h"
#include "server/ports.h"
#include "server/settings_table.h"
#include "server/state.h"
#include "server/wiring.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// A value as it would stand in the file; cut where it is long.
#define VALUE_MAX 200
static const char *value_of(const struct setting_row *row, const struct settings *s, char text[VALUE_MAX])
{
    struct buffer b = BUFFER_INIT;
    row->kind->write(row, setting_field(row, s), &b);
    snprintf(text, VALUE_MAX, "%.*s%s", (int)(b.len < VALUE_MAX - 4 ? b.len : VALUE_MAX - 4),
             b.data ? b.data : "", b.len < VALUE_MAX - 4 ? "" : "…");
    buffer_release(&b);
    return text;
}

// What a field points to goes the other way, to be released with the rest.
static void take_value(const struct setting_row *row, struct settings *now, struct settings *next)
{
    if (row->kind == &setting_kind_text) {
        char **a = setting_field(row, now), **b = setting_field(row, next), *was = *a;
        *a = *b;
        *b = was;
    } else {
        memcpy(setting_field(row, now), setting_field(row, next), row->kind->size);
    }
}

// Takes the values that can change now into the running settings.
static void take_values(struct settings *now, struct settings *next)
{
    char from[VALUE_MAX], to[VALUE_MAX];
    for (const struct setting_row *row = daemon_rows; row->name; row++) {
        if (setting_equal(row, now, next))
            continue;
        value_of(row, now, from);
        value_of(row, next, to);
        if (row->live) {
            log_event(LOG_SETTING_CHANGED, KV("setting", row->name), KV("from", from), KV("to", to));
            take_value(row, now, next);
        } else {
            log_event(LOG_SETTING_WAITS, KV("setting", row->name), KV("from", from), KV("to", to));
        }
    }
}

// The sections of the one become those of the other.
static void exchange_sections(struct settings *now, struct settings *next)
{
    struct settings was = *now;
    now->queues = next->queues;
    now->queue_count = next->queue_count;
    now->handlers = next->handlers;
    now->handler_count = next->handler_count;
    next->queues = was.queues;
    next->queue_count = was.queue_count;
    next->handlers = was.handlers;
    next->handler_count = was.handler_count;
}

static void apply_limits(struct daemon *d)
{
    const struct settings *s = d->settings;
    log_set_level((enum log_level)s->log_level);
    log_set_format((enum log_format)s->log_format);
    atomic_store(&d->rpc.output_limit, s->output_limit);
    atomic_store(&d->rpc.max_waits, (unsigned)s->max_waits);
    atomic_store(&d->rpc.max_subscriptions, (unsigned)s->max_subscriptions);
    metrics_set_queues(d->metrics, s->metrics_queues);
    atomic_store(&d->strangers.most, (unsigned)s->max_strangers);
    hub_lock(d->hub);
    engine_set_limits(hub_engine(d->hub), s->memory, s->max_queues, (uint32_t)s->max_waits,
                      (uint32_t)s->max_subscriptions);
    hub_unlock(d->hub);
    listeners_limit(d->listeners, ports_connections_most(d));
    http_server_limit(&d->http, (unsigned)d->settings->http_connections);
    if (d->http_listeners)
        listeners_limit(d->http_listeners, (unsigned)d->settings->http_connections);
}

static void apply_handlers(struct daemon *d, const struct settings *next)
{
    char why[HANDLER_WHY_MAX];
    struct pool_changes c;
    if (!pool_apply(d->pool, next->handlers, next->handler_count, &c, why)) {
        log_event(LOG_HANDLERS_REFUSED, KV("why", why));
        return;
    }
    if (c.added || c.removed || c.resized)
        log_event(LOG_HANDLERS_CHANGED, KV("started", c.added), KV("retired", c.removed),
                  KV("resized", c.resized), KV("kept", c.kept));
    handler_files_warn(next->handlers, next->handler_count);
}

// To open the daemon to everybody takes more than sections that are missing.
static void apply_access(struct daemon *d, struct access *next)
{
    if (access_equal(&d->access->access, next))
        return;
    if (next->count == 0)
        log_event(LOG_ACCESS_WAITS);
    else if (wiring_take_access(d, next))
        log_event(LOG_ACCESS_CHANGED, KV("identities", d->access->access.count));
    else
        log_event(LOG_ACCESS_REFUSED, KV("why", "out of memory"));
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void apply(struct daemon *d, struct settings *next)
{
    bool other_file = !same_text(d->settings->log_file, next->log_file);
    take_values(d->settings, next);
    if (other_file)
        log_file_reopen(d->settings->log_file);
    apply_access(d, &next->access);
    daemon_tls_reload(d);
    exchange_sections(d->settings, next);
    apply_limits(d);
    state_declare_queues(d); // before a handler takes from them
    apply_handlers(d, d->settings);
}

// A service manager wants to know since when.
static void say_reloading(const struct service *s)
{
    char text[80];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_ns() / 1000);
    service_say(s, text);
}

void reload(struct daemon *d)
{
    struct settings next;
    char why[SETTINGS_WHY_MAX];
    if (!d->source->read) {
        log_event(LOG_RELOAD_IGNORED, KV("why", "there is no configuration file"));
        return;
    }
    say_reloading(&d->service);
    settings_init(&next);
    if (d->source->read(d->source->context, &next, why)) {
        log_event(LOG_RELOADED);
        apply(d, &next);
    } else {
        log_event(LOG_RELOAD_FAILED, KV("why", why));
    }
    settings_release(&next);
    service_say(&d->service, "READY=1");
}
