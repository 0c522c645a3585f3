// From what was gathered to single values: each metric's values, in the order of the table, to a sink that
// writes them in one format or another.
#ifndef METRICS_COLLECT_H
#define METRICS_COLLECT_H

#include "common/slice.h"
#include "server/hub.h"
#include "server/metrics/largest.h"
#include "server/metrics/metric.h"
#include "server/metrics/metrics.h"
#include "server/metrics/process.h"

// All that metrics are made of, at one time.
struct figures {
    const struct metrics_options *options;
    struct engine_info engine;
    struct engine_times times;
    struct hub_load load;
    struct metrics_outside outside;
    struct process_figures process;
    bool process_known;
    struct largest queues;
    bool by_queue; // `queues` is filled; else metrics by queue are summed over all, without that label
};

struct sink {
    struct buffer *out;
    enum metric_id last; // of the value before; METRIC_COUNT: there was none
    // Labels are as many as the row says; `skip` of them, the first, are left out.
    void (*number)(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                   double value);
    void (*times)(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                  const struct histogram *times);
};

// One metric's values, those of equal first labels beside each other.
void collect(const struct figures *f, const struct metric *m, struct sink *s);

// How a histogram is shown.
struct times_scale {
    double per_second;          // how many of the histogram's units there are in one
    unsigned first, last, step; // which buckets have a bound
};
struct times_scale times_scale_of(enum metric_type type);

#endif
