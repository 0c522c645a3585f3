#include "server/metrics/text.h"

#include "common/json_writer.h"

// ---- Prometheus

static void put(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

// Names come from JSON or from the configuration, and are UTF-8 without control characters.
static void put_label(struct buffer *b, const char *name, struct slice value)
{
    put(b, name);
    put(b, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (c == '"' || c == '\\')
            buffer_append_byte(b, '\\');
        if (c == '\n')
            put(b, "\\n");
        else
            buffer_append_byte(b, c);
    }
    put(b, "\"");
}

static unsigned label_count(const struct metric *m)
{
    unsigned n = 0;
    while (n < METRIC_LABELS_MAX && m->labels[n])
        n++;
    return n;
}

// The name and the labels, with one more where there is a bound.
static void put_series(struct buffer *b, const struct metric *m, const char *suffix,
                       const struct slice *labels, const char *bound)
{
    unsigned count = label_count(m);
    put(b, m->name);
    put(b, suffix);
    if (count + !!bound > 0)
        put(b, "{");
    for (unsigned i = 0; i < count; i++) {
        put(b, i ? "," : "");
        put_label(b, m->labels[i], labels[i]);
    }
    if (bound) {
        put(b, count ? "," : "");
        put_label(b, "le", slice_of(bound));
    }
    put(b, count + !!bound > 0 ? "} " : " ");
}

static void begin_family(struct sink *s, const struct metric *m)
{
    if (s->last == m->id)
        return;
    s->last = m->id;
    put(s->out, "# HELP ");
    put(s->out, m->name);
    put(s->out, " ");
    put(s->out, m->text);
    put(s->out, ".\n# TYPE ");
    put(s->out, m->name);
    put(s->out, " ");
    put(s->out, metric_type_name(m->type));
    put(s->out, "\n");
}

static void text_number(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                        double value)
{
    (void)skip;
    begin_family(s, m);
    put_series(s->out, m, "", labels, NULL);
    json_write_double(s->out, value);
    put(s->out, "\n");
}

static void text_times(struct sink *s, const struct metric *m, const struct slice *labels, unsigned skip,
                       const struct histogram *times)
{
    struct times_scale scale = times_scale_of(m->type);
    struct buffer bound = BUFFER_INIT;
    uint64_t count = 0;
    (void)skip;
    begin_family(s, m);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += times->buckets[i];
        if (i < scale.first || i > scale.last || (i - scale.first) % scale.step != 0)
            continue;
        buffer_clear(&bound);
        json_write_double(&bound, (double)((uint64_t)1 << i) / scale.per_second);
        buffer_append_byte(&bound, '\0');
        put_series(s->out, m, "_bucket", labels, bound.failed ? "" : bound.data);
        json_write_uint(s->out, count);
        put(s->out, "\n");
    }
    put_series(s->out, m, "_bucket", labels, "+Inf");
    json_write_uint(s->out, count);
    put(s->out, "\n");
    put_series(s->out, m, "_sum", labels, NULL);
    json_write_double(s->out, (double)times->sum / scale.per_second);
    put(s->out, "\n");
    put_series(s->out, m, "_count", labels, NULL);
    json_write_uint(s->out, count);
    put(s->out, "\n");
    s->out->failed = s->out->failed || bound.failed;
    buffer_release(&bound);
}

void text_write(const struct figures *f, struct buffer *out)
{
    struct sink s = {.out = out, .last = METRIC_COUNT, .number = text_number, .times = text_times};
    for (unsigned id = 0; id < METRIC_COUNT; id++)
        collect(f, metric_row((enum metric_id)id), &s);
}
