#include "server/ports.h"

#include "common/log.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/parts.h"

// Descriptors that are not connections: the store's files, pipes of children, event loops, and some to spare.
#define DESCRIPTORS_KEPT 256

unsigned ports_connections_most(const struct daemon *d)
{
    uint64_t most =
        d->descriptors > 2 * DESCRIPTORS_KEPT ? d->descriptors - DESCRIPTORS_KEPT : d->descriptors / 2;
    if (d->settings->http.count > 0 && most > 2 * d->settings->http_connections)
        most -= d->settings->http_connections;
    if (d->settings->max_connections && d->settings->max_connections < most)
        most = d->settings->max_connections;
    return (unsigned)(most < 1000000 ? most : 1000000);
}

bool ports_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
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
                                     .max_connections = ports_connections_most(d),
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

bool ports_open(struct daemon *d)
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
