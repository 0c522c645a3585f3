#include "server/metrics/metric.h"

#include <string.h>

static const struct metric rows[METRIC_COUNT] = {
#define X(id_, name_, type_, unit_, label, second, text_)                                                    \
    {.id = METRIC_##id_,                                                                                     \
     .name = name_,                                                                                          \
     .type = METRIC_##type_,                                                                                 \
     .unit = unit_,                                                                                          \
     .labels = {label, second},                                                                              \
     .text = text_},
    METRICS(X)
#undef X
};

const struct metric *metric_row(enum metric_id id)
{
    return &rows[id];
}

bool metric_by_queue(const struct metric *m)
{
    return m->labels[0] && strcmp(m->labels[0], "queue") == 0;
}

const char *metric_type_name(enum metric_type type)
{
    return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

void metrics_help(FILE *out)
{
    for (const struct metric *m = rows; m < rows + METRIC_COUNT; m++) {
        fprintf(out, "%s", m->name);
        for (unsigned i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++)
            fprintf(out, "%s%s", i ? "," : "{", m->labels[i]);
        fprintf(out, "%s\n    (%s%s%s) %s.\n", m->labels[0] ? "}" : "", metric_type_name(m->type),
                *m->unit ? " of " : "", m->unit, m->text);
    }
}
