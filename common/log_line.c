#include "common/log_line.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define NUMBER_MAX 64 // a number with all that is around it but its key
#define CUT        "\xe2\x80\xa6"

struct line {
    char *at, *end; // of the room, without what the end of the line needs
    enum log_format format;
    bool first; // no pair is written yet
};

static void put(struct line *l, const char *bytes, size_t len)
{
    memcpy(l->at, bytes, len);
    l->at += len;
}

static size_t room(const struct line *l)
{
    return (size_t)(l->end - l->at);
}

// The key and what is before and behind it. False: there is no room for it and `more` bytes.
static bool put_key(struct line *l, const char *key, size_t more)
{
    size_t len = strlen(key);
    if (room(l) < len + 4 + more)
        return false;
    if (!l->first)
        put(l, l->format == LOG_JSON ? "," : " ", 1);
    l->first = false;
    if (l->format == LOG_JSON)
        put(l, "\"", 1);
    put(l, key, len);
    put(l, l->format == LOG_JSON ? "\":" : "=", l->format == LOG_JSON ? 2 : 1);
    return true;
}

// Control characters: those of ASCII, and those that UTF-8 has two bytes for, which terminals obey too.
static bool is_control(const char *at, size_t len)
{
    unsigned char c = (unsigned char)at[0];
    return c < 0x20 || c == 0x7f || (len == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

// What one character becomes; at most 6 bytes.
static size_t escape(char out[8], const char *at, size_t len)
{
    static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    const char *short_form = len == 1 && *at ? strchr(plain, *at) : NULL;
    if (short_form) {
        out[0] = '\\';
        out[1] = letters[short_form - plain];
        return 2;
    }
    if (len == 0) { // no UTF-8
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (is_control(at, len))
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned char)at[len - 1]);
    memcpy(out, at, len);
    return len;
}

// Whether a text can stand without quotes.
static bool is_word(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] <= ' ' || (unsigned char)s.data[i] >= 0x7f || strchr("\"=\\", s.data[i]))
            return false;
    return s.len > 0 && s.len <= LOG_VALUE_MAX;
}

static void put_text(struct line *l, const char *key, struct slice s)
{
    char out[8];
    const char *end = s.data + s.len, *at = s.data;
    if (s.len == 0 || !put_key(l, key, NUMBER_MAX))
        return;
    if (l->format == LOG_LOGFMT && is_word(s) && s.len <= room(l)) {
        put(l, s.data, s.len);
        return;
    }
    put(l, "\"", 1);
    while (at < end) {
        size_t len = utf8_length(at, end), n = escape(out, at, len);
        if (room(l) < n + sizeof CUT || (size_t)(at - s.data) + len > LOG_VALUE_MAX)
            break;
        put(l, out, n);
        at += len ? len : 1;
    }
    if (at < end)
        put(l, CUT, sizeof CUT - 1);
    put(l, "\"", 1);
}

__attribute__((format(printf, 3, 4))) static void put_number(struct line *l, const char *key,
                                                             const char *format, ...)
{
    va_list args;
    if (!put_key(l, key, NUMBER_MAX))
        return;
    va_start(args, format);
    l->at += vsnprintf(l->at, NUMBER_MAX, format, args);
    va_end(args);
}

static void put_time(struct line *l, const struct log_time *t)
{
    struct tm parts;
    time_t s = (time_t)t->s;
    char text[40];
    gmtime_r(&s, &parts);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    n += (size_t)snprintf(text + n, sizeof text - n, ".%03uZ", t->ms % 1000);
    put_text(l, "time", (struct slice){text, n});
}

static void put_field(struct line *l, const struct log_field *f)
{
    switch (f->type) {
    case LOG_TEXT:
        put_text(l, f->key, f->text);
        break;
    case LOG_UINT:
        put_number(l, f->key, "%" PRIu64, f->u);
        break;
    case LOG_INT:
        put_number(l, f->key, "%" PRId64, f->i);
        break;
    case LOG_REAL:
        put_number(l, f->key, "%.6g", isfinite(f->real) ? f->real : 0);
        break;
    case LOG_FLAG:
        put_number(l, f->key, "%s", f->flag ? "true" : "false");
        break;
    }
}

size_t log_line_write(char line[LOG_LINE_MAX], const struct log_head *head, const struct log_field *fields,
                      unsigned count)
{
    struct line l = {.at = line, .end = line + LOG_LINE_MAX - 4, .format = head->format, .first = true};
    if (l.format == LOG_JSON)
        put(&l, "{", 1);
    if (head->time)
        put_time(&l, head->time);
    put_text(&l, "level", slice_of(log_level_name(head->level)));
    put_text(&l, "event", slice_of(head->event));
    put_text(&l, "msg", slice_of(head->text));
    if (head->job)
        put_number(&l, "job", "%" PRIu64, head->job);
    if (head->left_out)
        put_number(&l, "left_out", "%" PRIu64, head->left_out);
    for (unsigned i = 0; i < count; i++)
        put_field(&l, &fields[i]);
    if (l.format == LOG_JSON)
        put(&l, "}", 1);
    put(&l, "\n", 1);
    return (size_t)(l.at - line);
}
