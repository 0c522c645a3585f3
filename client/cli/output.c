#include "client/cli/output.h"

#include "common/utf8.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool output_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

bool output_colours(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return output_terminal() && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

// The code point of a character of 1 to 3 bytes, as utf8_length found it; UINT_MAX for others.
static unsigned code_point(const char *at, size_t len)
{
    const unsigned char *c = (const unsigned char *)at;
    switch (len) {
    case 1:
        return c[0];
    case 2:
        return (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu);
    case 3:
        return (c[0] & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
    default:
        return UINT_MAX;
    }
}

// Controls that JSON lets stand and terminals obey, and what cannot be seen: it would move what stands around
// it, or make two names look the same.
static bool obeyed(unsigned code)
{
    static const struct {
        unsigned low, high;
    } ranges[] = {{0x7f, 0x9f},     {0x61c, 0x61c},   {0x200b, 0x200b}, {0x200e, 0x200f},
                  {0x2028, 0x202e}, {0x2060, 0x2069}, {0xfeff, 0xfeff}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (code >= ranges[i].low && code <= ranges[i].high)
            return true;
    return false;
}

void output_json_to(FILE *f, struct slice json)
{
    if (isatty(fileno(f)) != 1) {
        fwrite(json.data, 1, json.len, f);
        return;
    }
    const char *end = json.data + json.len;
    for (const char *at = json.data; at < end;) {
        size_t n = utf8_length(at, end);
        unsigned code = code_point(at, n);
        n = n == 0 ? 1 : n;
        if (obeyed(code))
            fprintf(f, "\\u%04x", code);
        else
            fwrite(at, 1, n, f);
        at += n;
    }
}

void output_json(const char *json, size_t len)
{
    output_json_to(stdout, (struct slice){json, len});
    putchar('\n');
}

bool output_json_take(struct buffer *b)
{
    bool ok = !b->failed;
    if (ok)
        output_json(b->data, b->len);
    buffer_release(b);
    return ok;
}

void output_text(struct slice text)
{
    if (!output_terminal()) {
        fwrite(text.data, 1, text.len, stdout);
        return;
    }
    output_text_to(stdout, text, SIZE_MAX);
}

size_t output_text_to(FILE *f, struct slice text, size_t columns)
{
    const char *end = text.data + text.len;
    size_t count = 0;
    for (const char *at = text.data; at < end && count < columns; count++) {
        size_t n = utf8_length(at, end);
        unsigned code = code_point(at, n);
        if (n == 0 || code < 0x20 || obeyed(code))
            fputc('?', f);
        else
            fwrite(at, 1, n, f);
        at += n == 0 ? 1 : n;
    }
    return count;
}

static bool print_value(const char *json, size_t len, bool raw, bool line)
{
    struct taskq_text text;
    enum taskq_error e = raw ? taskq_json_unstring(json, len, &text) : TASKQ_USAGE;
    if (e == TASKQ_NO_MEMORY)
        return false;
    if (e != TASKQ_OK) { // no string: as it is
        output_json(json, len);
        return true;
    }
    fwrite(text.data, 1, text.len, stdout);
    if (line)
        putchar('\n');
    taskq_text_release(&text);
    return true;
}

bool output_value(const char *json, size_t len, bool raw)
{
    return print_value(json, len, raw, false);
}

bool output_value_line(const char *json, size_t len, bool raw)
{
    return print_value(json, len, raw, true);
}

bool output_end(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "taskq: the output could not be written: %s\n",
            errno != 0 ? strerror(errno) : "an error");
    return false;
}
