#include "server/admin/head.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 16
#define DIGITS_MAX 18 // of a length: no more fits for sure

enum head_found head_find(const char *text, size_t len, size_t *scanned)
{
    while (*scanned < len) {
        const char *newline = memchr(text + *scanned, '\n', len - *scanned);
        if (!newline) {
            *scanned = len;
            break;
        }
        size_t at = (size_t)(newline - text);
        if (at == 0 || text[at - 1] != '\r')
            return HEAD_BROKEN;
        *scanned = at + 1;
        if (at >= 2 && text[at - 2] == '\n')
            return HEAD_WHOLE;
    }
    return HEAD_PARTIAL;
}

// ---- characters

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.data[i]))
            return false;
    return s.len > 0;
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '!' || s.data[i] > '~')
            return false;
    return s.len > 0;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.data[i] < ' ' && s.data[i] != '\t') || s.data[i] == 127)
            return false;
    return true;
}

static struct slice cut(struct slice *rest, size_t len, size_t skip)
{
    struct slice part = {rest->data, len};
    rest->data += len + skip;
    rest->len -= len + skip;
    return part;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (*s.data == ' ' || *s.data == '\t'))
        s.data++, s.len--;
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static size_t find(struct slice s, char c)
{
    const char *at = s.len > 0 ? memchr(s.data, c, s.len) : NULL;
    return at ? (size_t)(at - s.data) : s.len;
}

// The next line, without its end: a line feed here always stands behind a carriage return.
static struct slice next_line(struct slice *rest)
{
    size_t newline = find(*rest, '\n');
    return cut(rest, newline - 1, 2);
}

static bool begins(struct slice s, const char *prefix)
{
    return s.len >= strlen(prefix) && strncasecmp(s.data, prefix, strlen(prefix)) == 0;
}

bool head_word(struct slice field, const char *word)
{
    return field.len == strlen(word) && begins(field, word);
}

struct slice head_token(const struct head *h)
{
    if (!begins(h->authorization, "Bearer "))
        return (struct slice){0};
    return trim((struct slice){h->authorization.data + 7, h->authorization.len - 7});
}

// ---- the first line

// "/path?query", "*", or a whole address, whose host then stands for the field's.
static bool parse_target(struct slice target, struct head *out, struct slice *authority)
{
    size_t scheme = begins(target, "http://") ? 7 : begins(target, "https://") ? 8 : 0;
    if (scheme) {
        cut(&target, 0, scheme);
        *authority = cut(&target, find(target, '/'), 0);
        if (authority->len == 0)
            return false;
        if (target.len == 0)
            target = SLICE("/");
    }
    out->path = (struct slice){target.data, find(target, '?')};
    return target.data[0] == '/' || slice_equal(target, "*");
}

static unsigned parse_line(struct slice line, struct head *out, struct slice *authority, const char **why)
{
    size_t first = find(line, ' ');
    if (first == line.len) {
        *why = "the first line is not that of an HTTP request";
        return 400;
    }
    out->method = cut(&line, first, 1);
    size_t second = find(line, ' ');
    struct slice target = cut(&line, second, second < line.len);
    if (!is_token(out->method) || out->method.len > METHOD_MAX || !is_visible(target) ||
        !parse_target(target, out, authority)) {
        *why = "the first line is not that of an HTTP request";
        return 400;
    }
    out->old = slice_equal(line, "HTTP/1.0");
    if (out->old || slice_equal(line, "HTTP/1.1"))
        return 0;
    *why = "HTTP/1.1 is spoken here";
    bool version = line.len == 8 && begins(line, "HTTP/") && is_digit(line.data[5]) && line.data[6] == '.' &&
                   is_digit(line.data[7]);
    return version ? 505 : 400;
}

// ---- the fields

// Those that matter here, which may stand in a head once; others may be what they want.
enum { FIELD_HOST, FIELD_CODING }; // whose absence is something else than an empty one
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    [FIELD_HOST] = {"host", offsetof(struct head, host)},
    [FIELD_CODING] = {"transfer-encoding", offsetof(struct head, coding)},
    {"origin", offsetof(struct head, origin)},
    {"sec-fetch-site", offsetof(struct head, site)},
    {"content-type", offsetof(struct head, type)},
    {"authorization", offsetof(struct head, authorization)},
    {"if-none-match", offsetof(struct head, known)},
    {"expect", offsetof(struct head, expect)},
    {"user-agent", offsetof(struct head, agent)},
};

static bool parse_length(struct slice value, struct head *out)
{
    if (out->has_length || value.len == 0 || value.len > DIGITS_MAX)
        return false;
    out->has_length = true;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.data[i]))
            return false;
        out->length = 10 * out->length + (uint64_t)(value.data[i] - '0');
    }
    return true;
}

static void parse_connection(struct slice value, struct head *out, bool *keep)
{
    while (value.len > 0) {
        size_t comma = find(value, ',');
        struct slice word = trim(cut(&value, comma, comma < value.len));
        out->close |= head_word(word, "close");
        *keep |= head_word(word, "keep-alive");
    }
}

// What was seen of the fields that are known, by their rows, one bit each.
struct seen {
    unsigned fields;
    bool keep;
};

static bool parse_field(struct slice line, struct head *out, struct seen *seen)
{
    size_t colon = find(line, ':');
    if (colon == line.len)
        return false;
    struct slice name = cut(&line, colon, 1), value = trim(line);
    if (!is_token(name) || !is_value(value))
        return false;
    if (head_word(name, "content-length"))
        return parse_length(value, out);
    if (head_word(name, "connection"))
        parse_connection(value, out, &seen->keep);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!head_word(name, fields[i].name))
            continue;
        if (seen->fields & (1u << i))
            return false;
        seen->fields |= 1u << i;
        *(struct slice *)((char *)out + fields[i].offset) = value;
    }
    return true;
}

// What the fields say about the body.
static unsigned check_body(struct head *out, bool has_coding, const char **why)
{
    if (!has_coding)
        return 0;
    *why = "a body has either a length or the transfer coding chunked";
    if (out->has_length || out->old)
        return 400;
    out->chunked = head_word(out->coding, "chunked");
    return out->chunked ? 0 : 501;
}

unsigned head_parse(const char *text, size_t len, struct head *out, const char **why)
{
    struct slice rest = {text, len}, authority = {0};
    struct seen seen = {0};
    *out = (struct head){0};
    unsigned status = parse_line(next_line(&rest), out, &authority, why), count = 0;
    while (status == 0 && rest.len > 2) {
        if (++count > HEAD_FIELDS_MAX) {
            *why = "there are too many fields in the head";
            return 431;
        }
        if (!parse_field(next_line(&rest), out, &seen)) {
            *why = "a field of the head is broken, or stands there twice";
            return 400;
        }
    }
    if (status == 0 && !out->old && !(seen.fields & (1u << FIELD_HOST))) {
        *why = "the field Host is missing";
        return 400;
    }
    if (authority.len > 0)
        out->host = authority;
    if (out->old && !seen.keep)
        out->close = true;
    return status ? status : check_body(out, seen.fields & (1u << FIELD_CODING), why);
}
