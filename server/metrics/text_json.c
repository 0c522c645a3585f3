// The JSON half.
#include "common/json_writer.h"
#include "server/metrics/text.h"

#include <math.h>

struct json_sink {
    struct sink sink;
    char first[QUEUE_NAME_MAX]; // the first of two labels, whose object is open
    size_t first_len;
    unsigned open; // objects of the present metric
};

static void close_metric(struct json_sink *j)
{
    for (; j->open > 0; j->open--)
        json_write_raw(j->sink.out, "}");
}

static void open_object(struct json_sink *j)
{
    json_write_raw(j->sink.out, "{");
    j->open++;
}

static void key(struct buffer *b, struct slice text)
{
    json_write_comma(b);
    json_write_string(b, text);
    json_write_raw(b, ":");
}

// Leads to where a value with these labels stands.
static void place(struct json_sink *j, const struct metric *m, const struct slice *labels, unsigned skip)
{
    struct buffer *b = j->sink.out;
    unsigned count = 0;
    while (count < METRIC_LABELS_MAX && m->labels[count])
        count++;
    bool fresh = j->sink.last != m->id;
    if (fresh) {
        close_metric(j);
        json_write_key(b, m->name);
        if (count > skip)
            open_object(j);
        j->sink.last = m->id;
    }
    if (count - skip == 2) {
        if (fresh || !slice_same((struct slice){j->first, j->first_len}, labels[0])) {
            if (!fresh) {
                json_write_raw(b, "}");
                j->open--;
            }
            key(b, labels[0]);
            open_object(j);
            j->first_len = labels[0].len < sizeof j->first ? labels[0].len : sizeof j->first;
            memcpy(j->first, labels[0].data, j->first_len);
        }
    }
    if (count > skip)
        key(b, labels[count - 1]);
}

static void json_number(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                        double value)
{
    place((struct json_sink *)s, m, labels, skip);
    json_write_double(s->out, value);
}

static void json_times(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                       const struct histogram *times)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
    double per_second = times_scale_of(m->type).per_second;
    place((struct json_sink *)s, m, labels, skip);
    json_write_raw(s->out, "{");
    json_write_key(s->out, "count");
    json_write_uint(s->out, histogram_count(times));
    json_write_key(s->out, "sum");
    json_write_double(s->out, (double)times->sum / per_second);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        json_write_key(s->out, quantiles[i].name);
        json_write_double(s->out, round(histogram_quantile(times, quantiles[i].share)) / per_second);
    }
    json_write_raw(s->out, "}");
}

void report_write(const struct figures *f, struct buffer *out)
{
    struct json_sink j = {
        .sink = {.out = out, .last = METRIC_COUNT, .number = json_number, .times = json_times}};
    json_write_raw(out, "{");
    for (unsigned id = 0; id < METRIC_COUNT; id++)
        collect(f, metric_row((enum metric_id)id), &j.sink);
    close_metric(&j);
    json_write_raw(out, "}");
}
