#include "server/settings_table.h"

#include "common/utf8.h"
#include "server/net/address.h"
#include "server/setting_value.h"
#include "server/settings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void print(struct buffer *out, const char *format, ...)
{
    char text[600]; // longer than any value but lists and texts, which are not printed through it
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buffer_append(out, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

// ---- values as texts

static void print_unit(struct buffer *out, uint64_t n, const struct setting_unit *units)
{
    for (; units->name; units++)
        if (units->factor <= n && n % units->factor == 0)
            break;
    if (units->name)
        print(out, "%" PRIu64 "%s", n / units->factor, units->name);
    else
        print(out, "%" PRIu64, n);
}

static void print_bytes(struct buffer *out, uint64_t n)
{
    static const struct setting_unit units[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {NULL, 0}};
    print_unit(out, n, units);
}

static void print_seconds(struct buffer *out, int64_t ms)
{
    static const struct setting_unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                                {"", 1000},      {"ms", 1},      {NULL, 0}};
    print_unit(out, (uint64_t)ms, units);
}

static void write_quoted(const char *text, struct buffer *out)
{
    buffer_append_byte(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (*text == '$' && text[1] == '{'))
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, *text);
    }
    buffer_append_byte(out, '"');
}

// "a or b", "a, b or c" of words with a space between.
static void print_words(struct buffer *out, const char *words)
{
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, " ");
        bool last = !at[len] || !strchr(at + len + 1, ' ');
        buffer_append(out, at, len);
        at += len;
        if (*at)
            print(out, "%s", last ? " or " : ", ");
        at += *at == ' ';
    }
}

// ---- the types

// Numbers: READ, WRITE and EXPECT are about `row`, `text`, `*field`, `why`, `size` and `out`.
#define FUNCTIONS(type, ctype, READ, WRITE, EXPECT)                                                          \
    static bool read_##type(const struct setting_row *row, const char *text, void *to, char *why,            \
                            size_t size)                                                                     \
    {                                                                                                        \
        ctype *field = to;                                                                                   \
        (void)row;                                                                                           \
        return READ;                                                                                         \
    }                                                                                                        \
    static void write_##type(const struct setting_row *row, const void *from, struct buffer *out)            \
    {                                                                                                        \
        const ctype *field = from;                                                                           \
        (void)row;                                                                                           \
        WRITE;                                                                                               \
    }                                                                                                        \
    static void expect_##type(const struct setting_row *row, struct buffer *out)                             \
    {                                                                                                        \
        (void)row;                                                                                           \
        EXPECT;                                                                                              \
    }
#define KIND(type, ctype, READ, WRITE, EXPECT)                                                               \
    FUNCTIONS(type, ctype, READ, WRITE, EXPECT)                                                              \
    static const struct setting_kind kind_##type = {.size = sizeof(ctype),                                   \
                                                    .read = read_##type,                                     \
                                                    .write = write_##type,                                   \
                                                    .expect = expect_##type};

KIND(COUNT, uint64_t, setting_count(text, row->low, row->high, field, why, size),
     print(out, "%" PRIu64, *field),
     print(out, "a whole number, %" PRId64 " to %" PRId64, row->low, row->high))
KIND(MODE, uint64_t, setting_count(text, row->low, row->high, field, why, size),
     print(out, "0%" PRIo64, *field), print(out, "permissions, 0 to 0%" PRIo64, row->high))
KIND(BYTES, uint64_t, setting_bytes(text, row->low, row->high, field, why, size), print_bytes(out, *field),
     (print(out, "bytes, "), print_bytes(out, (uint64_t)row->low), print(out, " to "),
      print_bytes(out, (uint64_t)row->high)))
KIND(SECONDS, int64_t, setting_seconds(text, row->low, row->high, field, why, size),
     print_seconds(out, *field),
     (print(out, "seconds, "), print_seconds(out, row->low), print(out, " to "),
      print_seconds(out, row->high)))
KIND(SHARE, double, setting_share(text, row->low, row->high, field, why, size), print(out, "%g", *field),
     print(out, "a number, %" PRId64 " to %" PRId64, row->low, row->high))
KIND(FLAG, bool, setting_flag(text, field, why, size), print(out, "%s", *field ? "true" : "false"),
     print(out, "true or false"))

static void write_word(const char *words, uint64_t n, struct buffer *out)
{
    for (; n > 0; n--)
        words += strcspn(words, " ") + 1;
    buffer_append(out, words, strcspn(words, " "));
}
KIND(CHOICE, uint64_t, setting_choice(text, row->words, field, why, size),
     write_word(row->words, *field, out), print_words(out, row->words))

static bool read_word(const char *text, const char *words, unsigned *n, char *why, size_t size)
{
    uint64_t index;
    if (!setting_choice(text, words, &index, why, size))
        return false;
    *n = (unsigned)index;
    return true;
}

#define WORD(constant, name, text) " " name
static const char kind_list[] = HANDLER_KINDS(WORD), input_list[] = HANDLER_INPUTS(WORD);
static const char *const kind_words = kind_list + 1, *const input_words = input_list + 1;
#undef WORD

static bool read_order(const char *text, bool *lifo, char *why, size_t size)
{
    unsigned n;
    if (!read_word(text, "fifo lifo", &n, why, size))
        return false;
    *lifo = n;
    return true;
}
KIND(ORDER, bool, read_order(text, field, why, size), print(out, "%s", *field ? "lifo" : "fifo"),
     print(out, "fifo or lifo"))

static bool read_kind(const char *text, enum handler_kind *kind, char *why, size_t size)
{
    unsigned n;
    if (!read_word(text, kind_words, &n, why, size))
        return false;
    *kind = (enum handler_kind)n;
    return true;
}
KIND(KIND, enum handler_kind, read_kind(text, field, why, size), print(out, "%s", handler_kind_name(*field)),
     print_words(out, kind_words))

static bool read_input(const char *text, enum handler_input *input, char *why, size_t size)
{
    unsigned n;
    if (!read_word(text, input_words, &n, why, size))
        return false;
    *input = (enum handler_input)n;
    return true;
}
KIND(INPUT, enum handler_input, read_input(text, field, why, size),
     print(out, "%s", handler_input_name(*field)), print_words(out, input_words))

static bool read_hash(const char *text, struct token_hash *hash, char *why, size_t size)
{
    if (token_hash_parse(text, hash))
        return true;
    if (strncmp(text, TOKEN_PREFIX, sizeof TOKEN_PREFIX - 1) == 0)
        snprintf(why, size, "this is a token, which nobody should read here; its SHA-256 is expected");
    else
        snprintf(why, size, "a SHA-256 as %d hexadecimal digits is expected", 2 * TOKEN_HASH_BYTES);
    return false;
}

static void write_hash(const struct token_hash *hash, struct buffer *out)
{
    static const struct token_hash none;
    char text[2 * TOKEN_HASH_BYTES + 1];
    if (token_hash_equal(hash, &none))
        return;
    token_hash_print(hash, text);
    write_quoted(text, out);
}
FUNCTIONS(HASH, struct token_hash, read_hash(text, field, why, size), write_hash(field, out),
          print(out, "%d hexadecimal digits", 2 * TOKEN_HASH_BYTES))
static const struct setting_kind kind_HASH = {.secret = true, // a token may stand there by mistake
                                              .size = sizeof(struct token_hash),
                                              .read = read_HASH,
                                              .write = write_HASH,
                                              .expect = expect_HASH};

static bool read_role(const char *text, unsigned *roles, char *why, size_t size)
{
    unsigned n;
    if (!read_word(text, role_words(), &n, why, size))
        return false;
    *roles |= 1u << n;
    return true;
}

static void write_roles(unsigned roles, struct buffer *out)
{
    bool first = true;
    buffer_append_byte(out, '{');
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if (!(roles & (1u << i)))
            continue;
        print(out, first ? "\"" : ", \"");
        write_word(role_words(), i, out);
        print(out, "\"");
        first = false;
    }
    buffer_append_byte(out, '}');
}
FUNCTIONS(ROLES, unsigned, read_role(text, field, why, size), write_roles(*field, out),
          (print(out, "a list of "), print_words(out, role_words())))
static const struct setting_kind kind_ROLES = {
    .list = true, .size = sizeof(unsigned), .read = read_ROLES, .write = write_ROLES, .expect = expect_ROLES};

struct name {
    char text[QUEUE_NAME_MAX + 1];
};
static bool read_name(const char *text, struct name *name, char *why, size_t size)
{
    if (*text && !utf8_is_name(text, QUEUE_NAME_MAX)) {
        snprintf(why, size,
                 "a queue's name of at most %d bytes of UTF-8 without control characters is expected",
                 QUEUE_NAME_MAX);
        return false;
    }
    strcpy(name->text, text);
    return true;
}
KIND(NAME, struct name, read_name(text, field, why, size), write_quoted(field->text, out),
     print(out, "a queue's name, or nothing"))

// ---- the types that point to something

static bool read_TEXT(const struct setting_row *row, const char *text, void *field, char *why, size_t size)
{
    (void)row;
    snprintf(why, size, "out of memory");
    return handler_text_set(field, text);
}

static void write_TEXT(const struct setting_row *row, const void *field, struct buffer *out)
{
    const char *text = *(char *const *)field;
    (void)row;
    if (text)
        write_quoted(text, out);
}

static void expect_TEXT(const struct setting_row *row, struct buffer *out)
{
    (void)row;
    print(out, "a text");
}

static bool read_TEXTS(const struct setting_row *row, const char *text, void *field, char *why, size_t size)
{
    struct handler_texts *texts = field;
    if (texts->count >= (size_t)row->high) {
        snprintf(why, size, "at most %d are taken", (int)row->high);
        return false;
    }
    snprintf(why, size, "out of memory");
    return handler_texts_add(texts, text);
}

static void write_TEXTS(const struct setting_row *row, const void *field, struct buffer *out)
{
    const struct handler_texts *texts = field;
    (void)row;
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < texts->count; i++) {
        if (i > 0)
            print(out, ", ");
        write_quoted(texts->items[i], out);
    }
    buffer_append_byte(out, '}');
}

static void expect_TEXTS(const struct setting_row *row, struct buffer *out)
{
    print(out, "a list of at most %" PRId64 " texts", row->high);
}

static bool read_ADDRESSES(const struct setting_row *row, const char *text, void *field, char *why,
                           size_t size)
{
    return ((row->words && strcmp(text, row->words) == 0) || address_check(text, why, size)) &&
           read_TEXTS(row, text, field, why, size);
}

static void expect_ADDRESSES(const struct setting_row *row, struct buffer *out)
{
    print(out, "a list of at most %" PRId64 " addresses", row->high);
}

const struct setting_kind setting_kind_text = {.read = read_TEXT, .write = write_TEXT, .expect = expect_TEXT};
static const struct setting_kind kind_TEXTS = {
    .list = true, .texts = true, .read = read_TEXTS, .write = write_TEXTS, .expect = expect_TEXTS};
static const struct setting_kind kind_ADDRESSES = {
    .list = true, .texts = true, .read = read_ADDRESSES, .write = write_TEXTS, .expect = expect_ADDRESSES};
#define kind_TEXT setting_kind_text

// ---- the rows: of each table that of OBJECT's fields

#define LIVE  true
#define START false
#define END                                                                                                  \
    {                                                                                                        \
        NULL, NULL, 0, 0, NULL, 0, false, NULL                                                               \
    }
#define ROW(field, type, low, high, value, text) ROW_WHEN(field, type, low, high, value, NULL, LIVE, text)
#define ROW_WHEN(field, type, low, high, value, words, when, text)                                           \
    {#field, &kind_##type, low, high, words, offsetof(OBJECT, field), when, text},

#define OBJECT struct settings
const struct setting_row daemon_rows[] = {SETTINGS(ROW_WHEN) END};
#undef OBJECT
#define OBJECT struct queue_settings
const struct setting_row queue_rows[] = {QUEUE_SETTINGS(ROW) END};
#undef OBJECT
#define OBJECT struct handler_settings
const struct setting_row handler_rows[] = {HANDLER_SETTINGS(ROW) END};
#undef OBJECT
#define OBJECT struct identity
const struct setting_row token_rows[] = {TOKEN_SETTINGS(ROW) END};
#undef OBJECT
#define OBJECT struct quotas
const struct setting_row quota_rows[] = {QUOTAS(ROW) END};
#undef OBJECT
#define OBJECT struct grant
const struct setting_row grant_rows[] = {GRANT_SETTINGS(ROW) END};
#undef OBJECT

bool setting_equal(const struct setting_row *row, const void *a, const void *b)
{
    struct buffer one = BUFFER_INIT, two = BUFFER_INIT;
    row->kind->write(row, setting_field(row, a), &one);
    row->kind->write(row, setting_field(row, b), &two);
    bool equal = !one.failed && !two.failed && one.len == two.len &&
                 (one.len == 0 || memcmp(one.data, two.data, one.len) == 0);
    buffer_release(&one);
    buffer_release(&two);
    return equal;
}
