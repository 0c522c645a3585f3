#include "server/metrics/collect.h"

#include <stdio.h>
#include <string.h>

// ---- to the sink

static void number(struct sink *s, const struct metric *m, double value)
{
    s->number(s, m, NULL, 0, value);
}

static void labelled(struct sink *s, const struct metric *m, const char *label, double value)
{
    const struct slice labels[] = {label ? slice_of(label) : (struct slice){0}};
    s->number(s, m, labels, 0, value);
}

// A value of one queue, or, without a row, of all.
static void of_queue(struct sink *s, const struct metric *m, const struct queue_row *row, const char *label,
                     double value)
{
    const struct slice labels[] = {row ? queue_row_name(row) : (struct slice){0},
                                   label ? slice_of(label) : (struct slice){0}};
    s->number(s, m, labels, row ? 0 : 1, value);
}

// ---- what the engine counts

static void engine_counters(const struct figures *f, const struct metric *m, struct sink *s)
{
#define X(name, metric, label, text)                                                                         \
    if (m->id == METRIC_##metric)                                                                            \
        labelled(s, m, label, (double)f->engine.counters.name);
    QUEUE_COUNTERS(X)
#undef X
#define X(name, metric, label, text)                                                                         \
    if (m->id == METRIC_##metric)                                                                            \
        labelled(s, m, label, (double)f->engine.more.name);
    DAEMON_COUNTERS(X)
#undef X
}

static void engine_gauges(const struct figures *f, const struct metric *m, struct sink *s)
{
#define X(name, metric, label, text)                                                                         \
    if (m->id == METRIC_##metric)                                                                            \
        labelled(s, m, label, (double)f->engine.gauges.name);
    QUEUE_GAUGES(X)
#undef X
}

static void gauges_of(const struct metric *m, struct sink *s, const struct queue_row *row,
                      const struct queue_gauges *gauges)
{
#define X(name, metric, label, text)                                                                         \
    if (m->id == METRIC_##metric)                                                                            \
        of_queue(s, m, row, label, (double)gauges->name);
    QUEUE_GAUGES(X)
#undef X
}

static double age(int64_t oldest)
{
    return oldest > 0 ? (double)oldest / 1000 : 0;
}

static void of_row(const struct metric *m, struct sink *s, const struct queue_row *row)
{
    if (m->id == METRIC_OLDEST_AGE)
        of_queue(s, m, row, NULL, age(row->oldest));
    else if (m->id == METRIC_QUEUE_PAUSED && row->paused)
        of_queue(s, m, row, NULL, 1);
    else
        gauges_of(m, s, row, &row->gauges);
}

static void by_queue(const struct figures *f, const struct metric *m, struct sink *s)
{
    if (!f->by_queue) {
        if (m->id == METRIC_OLDEST_AGE)
            of_queue(s, m, NULL, NULL, age(f->queues.oldest));
        else
            gauges_of(m, s, NULL, &f->engine.gauges);
        return;
    }
    for (unsigned i = 0; i < f->queues.count; i++)
        of_row(m, s, &f->queues.rows[i]);
    if (f->queues.left_out > 0)
        of_row(m, s, &f->queues.rest);
}

// ---- what stands elsewhere

static void build_info(const struct figures *f, const struct metric *m, struct sink *s)
{
    const struct slice labels[] = {slice_of(f->options->version), slice_of(f->options->durability)};
    s->number(s, m, labels, 0, 1);
}

static void requests(const struct figures *f, const struct metric *m, struct sink *s)
{
    if (!f->options->requests)
        return;
    for (unsigned n = 0;; n++) {
        struct histogram times = {0};
        const char *method = f->options->requests(f->options->context, n, &times);
        if (!method)
            return;
        const struct slice labels[] = {slice_of(method)};
        if (histogram_count(&times) > 0)
            s->times(s, m, labels, 0, &times);
    }
}

struct visit_context {
    const struct metric *metric;
    struct sink *sink;
};

static void pool_value(const struct visit_context *p, const char *handler, const char *label, uint64_t value)
{
    const struct slice labels[] = {slice_of(handler), slice_of(label)};
    p->sink->number(p->sink, p->metric, labels, 0, (double)value);
}

static void visit_handler(void *context, const struct pool_handler_info *info)
{
    const struct visit_context *p = context;
    // One that was changed or removed finishes its last jobs beside the one that is named so now.
    if (strcmp(info->state, "running") != 0)
        return;
    if (p->metric->id == METRIC_POOL_WORKERS) {
        pool_value(p, info->name, "running", info->running);
        pool_value(p, info->name, "idle", info->workers > info->running ? info->workers - info->running : 0);
    } else {
        pool_value(p, info->name, "done", info->done);
        pool_value(p, info->name, "failed", info->failed);
    }
}

static void pool(const struct figures *f, const struct metric *m, struct sink *s)
{
    struct visit_context p = {m, s};
    if (f->options->pool && !f->options->pool(f->options->context, visit_handler, &p))
        s->out->failed = true;
}

static void strangers(const struct metrics_outside *o, const struct metric *m, struct sink *s)
{
    if (m->id == METRIC_STRANGERS) {
        number(s, m, (double)o->strangers);
        return;
    }
    labelled(s, m, "too many", (double)o->strangers_refused);
    labelled(s, m, "time", (double)o->strangers_expired);
}

static void visit_quotas(void *context, const struct metrics_quotas *q)
{
    const struct visit_context *p = context;
    char name[300];
    snprintf(name, sizeof name, "%s %s", q->kind, q->identity);
    struct slice labels[] = {slice_of(name), {0}};
    if (p->metric->id == METRIC_QUOTA_REFUSED)
        p->sink->number(p->sink, p->metric, labels, 0, (double)q->refused);
    else if (p->metric->id == METRIC_QUOTA_SLOWED)
        p->sink->number(p->sink, p->metric, labels, 0, (double)q->slowed);
    else
        for (unsigned i = 0; i < METRICS_QUOTAS; i++) {
            labels[1] = slice_of(q->quotas[i].name);
            if (p->metric->id == METRIC_QUOTA_USED)
                p->sink->number(p->sink, p->metric, labels, 0, (double)q->quotas[i].used);
            else if (q->quotas[i].limit > 0)
                p->sink->number(p->sink, p->metric, labels, 0, (double)q->quotas[i].limit);
        }
}

static void quotas(const struct figures *f, const struct metric *m, struct sink *s)
{
    struct visit_context q = {m, s};
    if (f->options->quotas)
        f->options->quotas(f->options->context, visit_quotas, &q);
}

static void tls(const struct metrics_outside *o, const struct metric *m, struct sink *s)
{
    if (m->id == METRIC_CERTIFICATE_END) {
        number(s, m, (double)o->certificate_end);
    } else if (m->id == METRIC_REVOKED_END) {
        if (o->revoked_end != INT64_MAX)
            number(s, m, (double)o->revoked_end);
    } else if (m->id == METRIC_HANDSHAKES) {
        labelled(s, m, "done", (double)o->handshakes_done);
        labelled(s, m, "failed", (double)o->handshakes_failed);
    } else {
        number(s, m, (double)o->handshakes);
    }
}

static void store(const struct metrics_outside *o, const struct metric *m, struct sink *s)
{
    if (m->id == METRIC_STORE_COMMIT) {
        s->times(s, m, NULL, 0, &o->commits);
    } else if (m->id == METRIC_STORE_BYTES) {
        labelled(s, m, "live", (double)o->live_bytes);
        labelled(s, m, "log", (double)o->log_bytes);
        labelled(s, m, "disk", (double)o->disk_bytes);
    } else if (m->id == METRIC_STORE_SEGMENTS) {
        number(s, m, (double)o->segments);
    } else if (m->id == METRIC_STORE_RECORDS) {
        number(s, m, (double)o->records);
    } else if (m->id == METRIC_STORE_WRITTEN) {
        number(s, m, (double)o->written_bytes);
    } else {
        number(s, m, (double)o->cleaned_bytes);
    }
}

static void process(const struct figures *f, const struct metric *m, struct sink *s)
{
    const struct process_figures *p = &f->process;
    if (!f->process_known)
        return;
    switch (m->id) {
    case METRIC_PROCESS_CPU:
        number(s, m, p->cpu_seconds);
        break;
    case METRIC_PROCESS_RESIDENT:
        number(s, m, (double)p->resident);
        break;
    case METRIC_PROCESS_VIRTUAL:
        number(s, m, (double)p->address_space);
        break;
    case METRIC_PROCESS_VIRTUAL_MAX:
        number(s, m, p->address_space_max);
        break;
    case METRIC_PROCESS_FDS:
        if (p->descriptors >= 0)
            number(s, m, p->descriptors);
        break;
    case METRIC_PROCESS_FDS_MAX:
        number(s, m, p->descriptors_max);
        break;
    case METRIC_PROCESS_THREADS:
        number(s, m, (double)p->threads);
        break;
    default:
        number(s, m, p->began);
    }
}

// ---- each metric

void collect(const struct figures *f, const struct metric *m, struct sink *s)
{
    switch (m->id) {
    case METRIC_BUILD_INFO:
        build_info(f, m, s);
        break;
    case METRIC_JOBS:
    case METRIC_OLDEST_AGE:
    case METRIC_QUEUE_BYTES:
    case METRIC_QUEUE_PAUSED:
        by_queue(f, m, s);
        break;
    case METRIC_QUEUES:
        number(s, m, (double)f->engine.queues);
        break;
    case METRIC_QUEUES_TOGETHER:
        if (f->by_queue)
            number(s, m, (double)f->queues.left_out);
        break;
    case METRIC_ENQUEUED:
    case METRIC_TAKEN:
    case METRIC_FINISHED:
    case METRIC_RETRIED:
    case METRIC_DEAD:
    case METRIC_MOVED:
    case METRIC_LOST:
    case METRIC_RELEASED:
    case METRIC_LEASES_EXPIRED:
    case METRIC_DELETED:
    case METRIC_KICKED:
    case METRIC_REFUSED:
    case METRIC_DROPPED:
        engine_counters(f, m, s);
        break;
    case METRIC_JOB_WAIT:
        s->times(s, m, NULL, 0, &f->times.wait);
        break;
    case METRIC_JOB_RUN:
        s->times(s, m, NULL, 0, &f->times.run);
        break;
    case METRIC_REQUEST:
        requests(f, m, s);
        break;
    case METRIC_WAITERS:
        engine_gauges(f, m, s);
        break;
    case METRIC_CONNECTIONS:
        number(s, m, (double)f->outside.connections);
        break;
    case METRIC_AUTH_FAILURES:
        number(s, m, (double)f->outside.auth_failures);
        break;
    case METRIC_STRANGERS:
    case METRIC_STRANGERS_CLOSED:
        strangers(&f->outside, m, s);
        break;
    case METRIC_QUOTA_USED:
    case METRIC_QUOTA_LIMIT:
    case METRIC_QUOTA_REFUSED:
    case METRIC_QUOTA_SLOWED:
        quotas(f, m, s);
        break;
    case METRIC_LOG_DROPPED:
        number(s, m, (double)f->outside.log_dropped);
        break;
    case METRIC_CERTIFICATE_END:
    case METRIC_REVOKED_END:
    case METRIC_HANDSHAKES:
    case METRIC_HANDSHAKES_NOW:
        if (f->outside.tls)
            tls(&f->outside, m, s);
        break;
    case METRIC_POOL_WORKERS:
    case METRIC_POOL_ATTEMPTS:
        pool(f, m, s);
        break;
    case METRIC_STORE_COMMIT:
    case METRIC_STORE_BYTES:
    case METRIC_STORE_SEGMENTS:
    case METRIC_STORE_RECORDS:
    case METRIC_STORE_WRITTEN:
    case METRIC_STORE_CLEANED:
        if (f->outside.stores)
            store(&f->outside, m, s);
        break;
    case METRIC_MEMORY:
        number(s, m, (double)f->engine.bytes);
        break;
    case METRIC_MEMORY_LIMIT:
        number(s, m, (double)f->engine.max_bytes);
        break;
    case METRIC_LOCK_TAKEN:
        number(s, m, (double)f->load.locks);
        break;
    case METRIC_LOCK_WAITED:
        number(s, m, (double)f->load.waits);
        break;
    case METRIC_PROCESS_CPU:
    case METRIC_PROCESS_RESIDENT:
    case METRIC_PROCESS_VIRTUAL:
    case METRIC_PROCESS_VIRTUAL_MAX:
    case METRIC_PROCESS_FDS:
    case METRIC_PROCESS_FDS_MAX:
    case METRIC_PROCESS_THREADS:
    case METRIC_PROCESS_START:
        process(f, m, s);
        break;
    case METRIC_COUNT:
    case METRIC_TOLD:
        break;
    }
}

struct times_scale times_scale_of(enum metric_type type)
{
    return type == METRIC_TIMES_MS ? (struct times_scale){1e3, 0, 24, 1}   // 1 ms to 4.7 h
                                   : (struct times_scale){1e9, 12, 38, 2}; // 4 us to 4.6 min
}
