#include "client/cli/top.h"

#include "client/cli/output.h"
#include "client/cli/values.h"
#include "common/plural.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEADER     5  // lines above the first queue
#define NAME_LEAST 12 // columns for a queue's name at the least, and of a table without a terminal
#define NAME_MOST  40
#define TEXT       512

// ---- numbers

// At most 7 characters: 0.4, 12, 3456, 123456, 1.23M.
static char *count_text(double n, char out[VALUE_TEXT])
{
    static const char units[] = "kMGTP";
    size_t unit = 0;
    if (n < 0)
        snprintf(out, VALUE_TEXT, "-");
    else if (n < 1e6)
        snprintf(out, VALUE_TEXT, "%.0f", n);
    else {
        for (n /= 1000; n >= 1000 && unit + 2 < sizeof(units); unit++)
            n /= 1000;
        snprintf(out, VALUE_TEXT, "%.3g%c", n, units[unit]);
    }
    return out;
}

static char *rate_text(double n, char out[VALUE_TEXT])
{
    if (n > 0 && n < 9.95)
        snprintf(out, VALUE_TEXT, "%.1f", n);
    else
        count_text(n, out);
    return out;
}

static char *bytes_text(double n, char out[VALUE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; n >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        n /= 1024;
    snprintf(out, VALUE_TEXT, n < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return out;
}

static char *age_text(double seconds, char out[VALUE_TEXT])
{
    if (seconds < 0)
        snprintf(out, VALUE_TEXT, "-");
    else
        value_show_seconds(seconds, out);
    return out;
}

// ---- columns

typedef char *column_text(const struct top_queue *q, char out[VALUE_TEXT]);

#define COLUMN(name, expression)                                                                             \
    static char *name(const struct top_queue *q, char out[VALUE_TEXT])                                       \
    {                                                                                                        \
        return expression;                                                                                   \
    }
COLUMN(show_ready, count_text(q->ready, out))
COLUMN(show_delayed, count_text(q->delayed, out))
COLUMN(show_reserved, count_text(q->reserved, out))
COLUMN(show_dead, count_text(q->dead, out))
COLUMN(show_waiting, count_text(q->waiting, out))
COLUMN(show_put, rate_text(q->rates[TOP_PUT], out))
COLUMN(show_taken, rate_text(q->rates[TOP_TAKEN], out))
COLUMN(show_done, rate_text(q->rates[TOP_DONE], out))
COLUMN(show_failed, rate_text(q->rates[TOP_FAILED], out))
COLUMN(show_oldest, age_text(q->oldest, out))
COLUMN(show_state, (snprintf(out, VALUE_TEXT, "%s",
                             q->shut_down ? "shut down"
                             : q->paused  ? "paused"
                                          : ""),
                    out))

// In the order in which they stand. The lower `keep`, the longer a column stays while the terminal gets
// narrower.
static const struct column {
    const char *title;
    unsigned width, keep;
    enum top_sort sort; // that it shows; TOP_SORT_COUNT: none
    bool bad;           // above 0 it is a bad thing
    column_text *text;
} columns[] = {
    {"READY", 7, 0, TOP_SORT_READY, false, show_ready},
    {"DELAYED", 7, 9, TOP_SORT_DELAYED, false, show_delayed},
    {"RESERVED", 8, 2, TOP_SORT_RESERVED, false, show_reserved},
    {"DEAD", 7, 3, TOP_SORT_DEAD, true, show_dead},
    {"PUT/s", 7, 5, TOP_SORT_PUT, false, show_put},
    {"TAKEN/s", 7, 10, TOP_SORT_TAKEN, false, show_taken},
    {"DONE/s", 7, 6, TOP_SORT_DONE, false, show_done},
    {"FAILED/s", 8, 7, TOP_SORT_FAILED, true, show_failed},
    {"OLDEST", 7, 1, TOP_SORT_OLDEST, false, show_oldest},
    {"WAITING", 7, 8, TOP_SORT_WAITING, false, show_waiting},
    {"STATE", 9, 4, TOP_SORT_COUNT, false, show_state},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct layout {
    unsigned name;
    bool shown[COLUMNS];
};

static unsigned width_with(unsigned keep)
{
    unsigned width = 0;
    for (size_t i = 0; i < COLUMNS; i++)
        width += columns[i].keep < keep ? columns[i].width + 1 : 0;
    return width;
}

static struct layout lay_out(const struct top_view *v)
{
    struct layout l = {.name = NAME_MOST};
    unsigned keep = COLUMNS;
    while (v->ansi && keep > 0 && NAME_LEAST + width_with(keep) > v->columns)
        keep--;
    for (size_t i = 0; i < COLUMNS; i++)
        l.shown[i] = columns[i].keep < keep;
    if (v->ansi) {
        l.name = v->columns > width_with(keep) ? v->columns - width_with(keep) : 1;
        if (l.name > NAME_MOST)
            l.name = NAME_MOST;
    }
    return l;
}

// ---- lines

static void end_line(FILE *out, const struct top_view *v)
{
    fputs(v->ansi ? "\033[K\r\n" : "\n", out);
}

static void style(FILE *out, const struct top_view *v, const char *code)
{
    if (v->colours)
        fprintf(out, "\033[%sm", code);
}

// A line of plain characters, cut at the terminal's edge.
__attribute__((format(printf, 3, 4))) static void print_line(FILE *out, const struct top_view *v,
                                                             const char *format, ...)
{
    char text[TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output_text_to(out, slice_of(text), v->ansi ? v->columns : SIZE_MAX);
    end_line(out, v);
}

static void draw_jobs(FILE *out, const struct top_data *d, const struct top_view *v)
{
    char a[VALUE_TEXT], b[VALUE_TEXT], c[VALUE_TEXT], e[VALUE_TEXT], r[TOP_RATES][VALUE_TEXT];
    for (int i = 0; i < TOP_RATES; i++)
        rate_text(d->rates[i], r[i]);
    print_line(
        out, v,
        "Jobs    %s ready, %s reserved, %s delayed, %s dead   a second: %s put, %s taken, %s done, %s failed",
        count_text(d->ready, a), count_text(d->reserved, b), count_text(d->delayed, c),
        count_text(d->dead, e), r[TOP_PUT], r[TOP_TAKEN], r[TOP_DONE], r[TOP_FAILED]);
}

static void draw_daemon(FILE *out, const struct top_data *d, const struct top_view *v)
{
    char a[VALUE_TEXT], b[VALUE_TEXT], c[VALUE_TEXT], e[VALUE_TEXT], store[64] = "none", pool[64] = "";
    if (d->store_bytes >= 0)
        snprintf(store, sizeof(store), "%s", bytes_text(d->store_bytes, c));
    if (d->workers > 0)
        snprintf(pool, sizeof(pool), "   workers %.0f of %.0f busy", d->busy, d->workers);
    print_line(out, v, "Daemon  %s %s, %.0f %s   memory %s of %s   store %s%s",
               count_text(d->daemon_queues, a), plural(d->daemon_queues, "queue", "queues"), d->connections,
               plural(d->connections, "connection", "connections"), bytes_text(d->bytes, b),
               bytes_text(d->max_bytes, e), store, pool);
}

static void draw_top_line(FILE *out, const struct top_data *d, const struct top_view *v)
{
    char text[TEXT], clock[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    if (localtime_r(&now, &parts) != NULL)
        strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    style(out, v, "1");
    snprintf(text, sizeof(text), "taskq top  %s  %s  by %s%s", v->address, clock, top_sorts[v->sort].title,
             v->frozen ? "  FROZEN (space goes on)" : "");
    print_line(out, v, "%s", text);
    style(out, v, "0");
    if (d->daemon_queues >= 0) {
        draw_jobs(out, d, v);
        draw_daemon(out, d, v);
    } else if (d->at != 0) {
        print_line(out, v,
                   "What the daemon does as a whole is not shown: that needs the role read on all queues");
        print_line(out, v, "%s", "");
    } else {
        print_line(out, v, "%s", "");
        print_line(out, v, "%s", "");
    }
    if (v->typing)
        print_line(out, v, "Filter: %s_  (Enter: done, Esc: none)", v->filter);
    else if (v->trouble != NULL)
        print_line(out, v, "%s", v->trouble);
    else if (v->filter[0] != '\0')
        print_line(out, v, "%.0f %s with \"%s\" (/ changes it, Esc: all)", d->total,
                   plural(d->total, "queue", "queues"), v->filter);
    else if (d->total > (double)d->count)
        print_line(out, v, "The %zu largest of %.0f queues", d->count, d->total);
    else
        print_line(out, v, "%s", v->ansi ? "h: help   q: quit" : "");
}

static void draw_titles(FILE *out, const struct layout *l, const struct top_view *v)
{
    style(out, v, v->ansi ? "7" : "1");
    fprintf(out, "%-*.*s", (int)l->name, (int)l->name, "QUEUE");
    for (size_t i = 0; i < COLUMNS; i++) {
        if (!l->shown[i])
            continue;
        bool by = columns[i].sort == v->sort && v->ansi;
        style(out, v, by ? "1" : "22");
        fprintf(out, columns[i].text == show_state ? " %-*s" : " %*s", (int)columns[i].width,
                columns[i].title);
    }
    style(out, v, "0");
    end_line(out, v);
}

static void draw_queue(FILE *out, const struct top_queue *q, const struct layout *l, const struct top_view *v)
{
    char text[VALUE_TEXT];
    size_t used = output_text_to(out, slice_of(q->name), l->name);
    unsigned at = l->name;
    if (v->ansi) // whatever the name's characters take
        fprintf(out, "\033[K\033[%uG", at + 1);
    else
        fprintf(out, "%*s", (int)(l->name - used), "");
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct column *c = &columns[i];
        if (!l->shown[i])
            continue;
        c->text(q, text);
        if (c->text == show_state) {
            fprintf(out, text[0] != '\0' ? " %s" : "", text);
            continue;
        }
        bool bad = c->bad && text[0] != '0' && text[0] != '-';
        if (bad)
            style(out, v, "31");
        fprintf(out, " %*s", (int)c->width, text);
        if (bad)
            style(out, v, "0");
    }
    end_line(out, v);
}

static void draw_help(FILE *out, const struct top_view *v)
{
    unsigned left = v->rows > HEADER ? v->rows - HEADER : 0, lines = 0;
    static const char *const keys[] = {
        "up, down, page up, page down, home, end   other queues",
        "/                                         only queues with this in their names, or that fit a "
        "pattern with *",
        "space                                     stop the picture, and let it go on",
        "+ -                                       look more often, less often",
        "s                                         sort by the next column",
        "h ?                                       this help, and away with it",
        "q ^C                                      quit",
        "",
        "Sort by:",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && lines + 1 < left; i++, lines++)
        print_line(out, v, "%s", keys[i]);
    for (int i = 0; i < TOP_SORT_COUNT && lines + 1 < left; i++, lines++)
        print_line(out, v, "  %c  %s", top_sorts[i].key, top_sorts[i].title);
}

size_t top_room(const struct top_view *v)
{
    return v->rows > HEADER + 1 ? v->rows - HEADER - 1 : 1;
}

void top_draw(FILE *out, const struct top_data *d, const struct top_view *v)
{
    struct layout l = lay_out(v);
    if (v->ansi) // all at once, over what is there: nothing flickers
        fputs("\033[?2026h\033[H", out);
    draw_top_line(out, d, v);
    if (v->help) {
        draw_help(out, v);
    } else {
        draw_titles(out, &l, v);
        size_t last = v->ansi ? v->first + top_room(v) : v->most;
        for (size_t i = v->first; i < d->count && i < last; i++)
            draw_queue(out, &d->queues[i], &l, v);
        if (d->count == 0 && d->at != 0)
            print_line(out, v, "%s", v->filter[0] != '\0' ? "no queue's name fits" : "there are no queues");
    }
    if (v->ansi)
        fputs("\033[J\033[?2026l", out);
}
