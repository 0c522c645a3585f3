#include "server/daemon_tls.h"

#include "common/json_writer.h"
#include "common/log.h"
#include "server/net/handshakes.h"
#include "server/net/loop.h"
#include "server/parts.h"
#include "server/tls/certificate.h"
#include "server/tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DAY       (24 * 60 * 60) // s
#define WARN_DAYS 30             // ahead of a certificate's end
#define WARN_CRL  (2 * DAY)      // of a list of revoked ones, which lasts for days
#define HOUR      (60 * 60)

static_assert(TLS_WHY_MAX == SETTINGS_WHY_MAX, "the same");

static struct tls_files files_of(const struct settings *s)
{
    return (struct tls_files){.certificate = s->tls_certificate,
                              .key = s->tls_key,
                              .client_ca = s->tls_client_ca,
                              .client_crl = s->tls_client_crl,
                              .client = (unsigned)s->tls_client};
}

static bool has_tls(const struct handler_texts *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (strncmp(addresses->items[i], "tls:", 4) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct settings *s)
{
    return s->tls_certificate || s->tls_key || s->tls_client_ca || s->tls_client_crl || s->tls_client ||
           has_tls(&s->listen) || has_tls(&s->http);
}

bool daemon_tls_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
{
    struct tls_files files = files_of(s);
    struct tls *t = is_wanted(s) ? tls_new(&files, why) : NULL;
    tls_free(t);
    return t || !is_wanted(s);
}

// ---- what ends

static void look(struct daemon *d)
{
    char text[CERTIFICATE_TIME_MAX];
    int64_t now = time(NULL), ends = tls_expires(d->tls), crl = tls_crl_expires(d->tls);
    if (now >= ends)
        log_event(LOG_CERTIFICATE_EXPIRED, KV("expired", certificate_time_print(ends, text)));
    else if (ends - now <= WARN_DAYS * DAY)
        log_event(LOG_CERTIFICATE_EXPIRES, KV("expires", certificate_time_print(ends, text)),
                  KV("days", (ends - now) / DAY));
    if (now >= crl)
        log_event(LOG_CRL_EXPIRED, KV("expired", certificate_time_print(crl, text)));
    else if (crl - now <= WARN_CRL)
        log_event(LOG_CRL_EXPIRES, KV("expires", certificate_time_print(crl, text)),
                  KV("hours", (crl - now) / HOUR));
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    look(arg);
}

void daemon_tls_report(void *context, struct buffer *out)
{
    const struct daemon *d = context;
    struct handshakes_figures f = handshakes_figures(d->handshakes);
    int64_t crl = tls_crl_expires(d->tls);
    json_write_raw(out, "{");
    json_write_key(out, "certificate_expires");
    json_write_int(out, tls_expires(d->tls));
    json_write_key(out, "crl_expires");
    if (crl == INT64_MAX)
        json_write_raw(out, "null");
    else
        json_write_int(out, crl);
    json_write_key(out, "handshakes");
    json_write_uint(out, handshakes_count(d->handshakes));
    json_write_key(out, "handshakes_done");
    json_write_uint(out, f.done);
    json_write_key(out, "handshakes_failed");
    json_write_uint(out, f.failed);
    json_write_raw(out, "}");
}

// ---- its life

bool daemon_tls_start(struct daemon *d)
{
    const struct settings *s = d->settings;
    struct tls_files files = files_of(s);
    char why[TLS_WHY_MAX];
    if (!is_wanted(s))
        return true;
    if (!(d->tls = tls_new(&files, why))) {
        log_event(LOG_START_FAILED, KV("why", why));
        return false;
    }
    struct timeval day = {.tv_sec = DAY};
    d->handshakes = handshakes_start(d->tls, (unsigned)s->tls_handshakes, s->tls_handshake_timeout);
    d->handshaking = d->handshakes != NULL;
    d->tls_look = event_new(d->base, -1, EV_PERSIST, on_look, d);
    if (!d->handshakes || !d->tls_look || event_add(d->tls_look, &day)) {
        log_event(LOG_START_FAILED, KV("why", "the thread for TLS handshakes cannot be started"),
                  KV("error", strerror(errno)));
        return false;
    }
    look(d);
    return true;
}

void daemon_tls_dropped(const struct daemon *d)
{
    const struct settings *s = d->settings;
    const char *const files[] = {s->tls_certificate, s->tls_key, s->tls_client_ca, s->tls_client_crl};
    for (size_t i = 0; d->tls && i < sizeof files / sizeof *files; i++)
        if (files[i] && access(files[i], R_OK) != 0)
            log_event(LOG_TLS_UNREADABLE, KV("file", files[i]), KV("error", strerror(errno)));
}

void daemon_tls_reload(struct daemon *d)
{
    const struct settings *s = d->settings;
    struct tls_files files = files_of(s);
    char why[TLS_WHY_MAX];
    if (!d->tls && is_wanted(s))
        log_event(LOG_TLS_WAITS);
    if (!d->tls)
        return;
    handshakes_limit(d->handshakes, (unsigned)s->tls_handshakes, s->tls_handshake_timeout);
    if (!tls_reload(d->tls, &files, why)) {
        log_event(LOG_TLS_REFUSED, KV("why", why));
        return;
    }
    char text[CERTIFICATE_TIME_MAX];
    log_event(LOG_TLS_RELOADED, KV("expires", certificate_time_print(tls_expires(d->tls), text)));
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_recheck(&d->loops[i]);
    look(d);
}

void daemon_tls_close(struct daemon *d)
{
    if (d->handshaking)
        handshakes_stop(d->handshakes);
    d->handshaking = false;
}

void daemon_tls_free(struct daemon *d)
{
    if (d->tls_look)
        event_free(d->tls_look);
    handshakes_free(d->handshakes);
    tls_free(d->tls);
}
