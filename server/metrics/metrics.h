// The metrics as they are now, for Prometheus and for `stats`. Who asks has them gathered afresh; nothing is
// gathered while nobody does.
//
// Threads: all functions but _new and _free may be called by any thread, several at a time, none with the
// hub's lock held: they take it themselves, for a slice of the queues at a time.
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "common/buffer.h"
#include "common/histogram.h"
#include "server/pool/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct metrics;

// What stands outside of the engine.
struct metrics_outside {
    uint64_t connections;
    uint64_t auth_failures;
    uint64_t strangers, strangers_refused, strangers_expired;
    uint64_t log_dropped;
    bool tls;                // there is TLS, and these are told:
    int64_t certificate_end; // Unix time
    int64_t revoked_end;     // as well, of the lists of revoked ones; INT64_MAX: there are none
    uint64_t handshakes, handshakes_done, handshakes_failed;
    bool stores; // jobs are kept on disk, and these are told:
    uint64_t live_bytes, log_bytes, disk_bytes, segments, records, written_bytes, cleaned_bytes;
    struct histogram commits; // ns
};

// An identity that has quotas.
#define METRICS_QUOTAS 4
struct metrics_quotas {
    const char *kind, *identity;
    struct {
        const char *name;
        uint64_t used, limit; // 0: no bound
    } quotas[METRICS_QUOTAS];
    uint64_t refused, slowed;
};
typedef void quotas_visitor(void *context, const struct metrics_quotas *q);

struct metrics_options {
    struct hub *hub;
    const char *version, *durability;
    uint64_t queues; // metrics_set_queues()
    void *context;
    // Fills in what it knows; `out` comes zeroed. NULL: nothing is known.
    void (*look)(void *context, struct metrics_outside *out);
    // Adds the times in ns of the requests of the n-th method to `out`, which comes zeroed, and gives its
    // name; NULL: there are no more methods. NULL: nobody counts them.
    const char *(*requests)(void *context, unsigned n, struct histogram *out);
    // As pool_info(). NULL: there is no pool.
    bool (*pool)(void *context, pool_visitor *visit, void *visit_context);
    // Visits the identities that have quotas. NULL: nobody has.
    void (*quotas)(void *context, quotas_visitor *visit, void *visit_context);
};

#define METRICS_QUEUES_MAX 100000

// NULL: no memory. The strings and the hub must outlive it.
struct metrics *metrics_new(const struct metrics_options *options);
void metrics_free(struct metrics *m);

// How many queues have values of their own, at most METRICS_QUEUES_MAX; the others have theirs together.
void metrics_set_queues(struct metrics *m, uint64_t most);

// Appends all metrics in Prometheus' text format, version 0.0.4 (Content-Type: text/plain; version=0.0.4;
// charset=utf-8). Ten thousand queues take some ten milliseconds. False: no memory, and what was appended is
// not whole.
bool metrics_text(struct metrics *m, struct buffer *out) __attribute__((warn_unused_result));

// Appends an object of all metrics, without queues: name → number, or with labels objects of them by the
// labels' values. A histogram is an object of `count`, `sum` and quantiles. Cheap.
void metrics_report(struct metrics *m, struct buffer *out);

// ---- for the history

struct hub *metrics_hub(const struct metrics *m);
unsigned metrics_queues(const struct metrics *m);
void metrics_look(const struct metrics *m, struct metrics_outside *out);

// How old the oldest ready job of all queues is, in ms, -1: none is ready; for metrics_report(), which does
// not look at queues.
void metrics_note_oldest(struct metrics *m, int64_t oldest);

#endif
