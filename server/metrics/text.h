// The formats in which metrics leave.
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include "server/metrics/collect.h"

// Appends all metrics as Prometheus has them.
void text_write(const struct figures *f, struct buffer *out);

// Appends them as a JSON object; see metrics_report().
void report_write(const struct figures *f, struct buffer *out);

#endif
