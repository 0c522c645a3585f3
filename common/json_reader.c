#include "common/json_reader.h"

#include "common/json_plain.h"
#include "common/utf8.h"

#include <assert.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ENDS_TOO_EARLY "the text ends too early"
// The scanners of what is usual are put where they are called, those of the rest are kept out of the way.
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE      __attribute__((noinline))

#define TOO_DEEP(r) ((r)->depth_max == JSON_DEPTH_MAX ? "nested deeper than 128" : "nested too deep")

static const char *fail(struct json_reader *r, const char *at, const char *error)
{
    r->error = error;
    r->at = at;
    return NULL;
}

static bool refuse(struct json_reader *r, const char *at, const char *error)
{
    fail(r, at, error);
    return false;
}

// In the scanners below `p` is the next byte; they return the byte after what they read, or NULL after
// fail().

// Whether a byte is one of a few below 64: one test, not one for each.
#define BIT(c)     (UINT64_C(1) << (c))
#define WHITE_BITS (BIT(' ') | BIT('\n') | BIT('\r') | BIT('\t'))

static inline bool is_space(char c)
{
    return (unsigned char)c <= ' ' && (WHITE_BITS >> c & 1);
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#ifdef __SSE2__
// One bit for each of sixteen bytes, set for those that are not plain.
static inline unsigned odd_bits(const char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    // The comparison is signed: bytes of 0x80 and above are below 0x20 too.
    __m128i odd = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(0x20)),
                               _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                            _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
    return (unsigned)_mm_movemask_epi8(odd);
}
#endif

// Skips a string's plain characters, sixteen or eight at a time while so many are left.
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned odd = odd_bits(p);
        if (odd)
            return p + __builtin_ctz(odd);
    }
#endif
    while (end - p >= 8 && json_are_plain(p))
        p += 8;
    while (p < end && json_is_plain(*p))
        p++;
    return p;
}

static const char *scan_utf8(struct json_reader *r, const char *p)
{
    do {
        size_t n = utf8_length(p, r->end);
        if (n == 0)
            return fail(r, p, "this is not UTF-8");
        p += n;
    } while (p < r->end && (unsigned char)*p >= 0x80);
    return p;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// `p` is after the backslash.
static const char *scan_escape(struct json_reader *r, const char *p)
{
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    switch (*p++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p;
    case 'u':
        for (int i = 0; i < 4; i++, p++) {
            if (p == r->end)
                return fail(r, p, ENDS_TOO_EARLY);
            if (!is_hex(*p))
                return fail(r, p, "\\u takes four hexadecimal digits");
        }
        return p;
    default:
        return fail(r, p - 1, "there is no such escape in JSON");
    }
}

// Any string. `p` is after the opening quote. *escaped is set where there is an escape, else left alone.
static NOINLINE const char *scan_any_string(struct json_reader *r, const char *p, bool *escaped)
{
    for (;;) {
        p = skip_plain(p, r->end);
        if (p == r->end)
            return fail(r, p, ENDS_TOO_EARLY);
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            *escaped = true;
            p = scan_escape(r, p + 1);
        } else if ((unsigned char)*p >= 0x80) {
            p = scan_utf8(r, p);
        } else {
            return fail(r, p, "a control character in a string must be escaped");
        }
        if (!p)
            return NULL;
    }
}

// Where a string ends that is plain throughout and short, as most are: of at most sixteen bytes or, without
// SSE2 and near to the end, fewer than eight. NULL: it is another, or the end is too near to look. `p` is
// after the opening quote; behind what comes back are two bytes of the text.
static ALWAYS_INLINE const char *scan_short_string(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 19) {
        p += __builtin_ctz(odd_bits(p) | 1u << 16); // the sixteenth byte after the quote, if all are plain
        return *p == '"' ? p + 1 : NULL;
    }
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t odd = end - p >= 10 ? json_odd_bits(p) : 0;
    if (odd) {
        p += __builtin_ctzll(odd) / 8;
        return *p == '"' ? p + 1 : NULL;
    }
#endif
    (void)p, (void)end;
    return NULL;
}

// Any string. `p` is after the opening quote.
static ALWAYS_INLINE const char *scan_string(struct json_reader *r, const char *p, bool *escaped)
{
    const char *q = scan_short_string(p, r->end);
    bool found = false; // so that *escaped may stay in a register
    if (!q)
        q = scan_any_string(r, p, &found);
    *escaped = found;
    return q;
}

// Whether eight bytes are digits: all of 0x30 to 0x3F, and still so with 6 added. A carry can spoil only what
// stands above a byte that is none, so the answer holds.
static inline bool are_digits(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return ((x & ones * 0xF0) | ((x + ones * 6) & ones * 0xF0) >> 4) == ones * 0x33;
}

static inline const char *scan_digits(struct json_reader *r, const char *p)
{
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    if (!is_digit(*p))
        return fail(r, p, "a digit was expected");
    while (r->end - p >= 8 && are_digits(p))
        p += 8;
    while (p < r->end && is_digit(*p))
        p++;
    return p;
}

// What may follow the digits of an integer and makes it another number: `.`, `e`, `E`.
static const char *scan_rest_of_number(struct json_reader *r, const char *p, bool *integer)
{
    if (p < r->end && *p == '.') {
        *integer = false;
        if (!(p = scan_digits(r, p + 1)))
            return NULL;
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        *integer = false;
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(r, p);
    }
    return p;
}

static inline const char *scan_number(struct json_reader *r, const char *p, bool *integer)
{
    *integer = true;
    if (*p == '-')
        p++;
    if (p < r->end && *p == '0') {
        p++;
        if (p < r->end && is_digit(*p))
            return fail(r, p, "a number does not begin with 0");
    } else if (!(p = scan_digits(r, p))) {
        return NULL;
    }
    return p < r->end && (*p == '.' || (*p | 0x20) == 'e') ? scan_rest_of_number(r, p, integer) : p;
}

static const char *scan_word(struct json_reader *r, const char *p, const char *word)
{
    for (; *word; p++, word++) {
        if (p == r->end)
            return fail(r, p, ENDS_TOO_EARLY);
        if (*p != *word)
            return fail(r, p, "a value was expected");
    }
    return p;
}

// Anything but a string, object or array. `p` is at its first byte.
static const char *scan_scalar(struct json_reader *r, const char *p, struct json_value *out)
{
    out->escaped = false;
    out->integer = false;
    switch (*p) {
    case '-':
    case '0' ... '9':
        out->type = JSONR_NUMBER;
        return scan_number(r, p, &out->integer);
    case 't':
        out->type = JSONR_TRUE;
        return scan_word(r, p, "true");
    case 'f':
        out->type = JSONR_FALSE;
        return scan_word(r, p, "false");
    case 'n':
        out->type = JSONR_NULL;
        return scan_word(r, p, "null");
    default:
        return fail(r, p, "a value was expected");
    }
}

// A member's name and its colon, white space around both; ends at the value's first byte, which exists.
static NOINLINE const char *scan_any_key(struct json_reader *r, const char *p, struct json_value *key)
{
    p = skip_space(p, r->end);
    *key = (struct json_value){.type = JSONR_STRING, .raw.data = p};
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    if (*p != '"')
        return fail(r, p, "a member's name in quotes was expected");
    if (!(p = scan_string(r, p + 1, &key->escaped)))
        return NULL;
    key->raw.len = (size_t)(p - key->raw.data);
    p = skip_space(p, r->end);
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    if (*p != ':')
        return fail(r, p, "a colon was expected");
    p = skip_space(p + 1, r->end);
    return p < r->end ? p : fail(r, p, ENDS_TOO_EARLY);
}

// The same; a short and plain name without white space behind it, as most writers write them, is found with
// few steps. p < r->end.
static ALWAYS_INLINE const char *scan_key(struct json_reader *r, const char *p, struct json_value *key)
{
    const char *q = *p == '"' ? scan_short_string(p + 1, r->end) : NULL;
    if (q && q[0] == ':' && (unsigned char)q[1] > ' ') {
        *key = (struct json_value){.type = JSONR_STRING, .raw = {p, (size_t)(q - p)}};
        return q + 1;
    }
    struct json_value slow; // so that *key may stay in registers
    p = scan_any_key(r, p, &slow);
    *key = slow;
    return p;
}

static const char *fail_at_separator(struct json_reader *r, const char *p, bool object)
{
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    return fail(r, p, object ? "a comma or } was expected" : "a comma or ] was expected");
}

// Passes a comma, or ends at the bracket that closes: `*closed` tells. NULL after fail().
static ALWAYS_INLINE const char *scan_separator(struct json_reader *r, const char *p, bool object,
                                                bool *closed)
{
    p = skip_space(p, r->end);
    if (p < r->end) {
        *closed = *p == (object ? '}' : ']');
        if (*closed)
            return p;
        if (*p == ',' && (p = skip_space(p + 1, r->end)) < r->end)
            return p;
    }
    return fail_at_separator(r, p, object);
}

// A whole object or array. One bit a level says which, so no call is nested and the stack is bounded.
static const char *scan_container(struct json_reader *r, const char *p)
{
    uint64_t objects[JSON_DEPTH_LIMIT / 64] = {0};
    struct json_value ignored;
    unsigned depth = r->depth;
    bool object, closed;

begin: // p is at { or [
    if (depth == r->depth_max)
        return fail(r, p, TOO_DEEP(r));
    object = *p == '{';
    {
        uint64_t bit = UINT64_C(1) << depth % 64;
        objects[depth / 64] = object ? objects[depth / 64] | bit : objects[depth / 64] & ~bit;
    }
    depth++;
    p = skip_space(p + 1, r->end);
    if (p == r->end)
        return fail(r, p, ENDS_TOO_EARLY);
    if (*p == (object ? '}' : ']'))
        goto end;

next: // p is where a member or element must be, at no white space
    if (object && !(p = scan_key(r, p, &ignored)))
        return NULL;
    if (*p == '{' || *p == '[')
        goto begin;
    p = *p == '"' ? scan_string(r, p + 1, &ignored.escaped) : scan_scalar(r, p, &ignored);
    if (!p)
        return NULL;

separator: // p is after a member or element
    if (!(p = scan_separator(r, p, object, &closed)))
        return NULL;
    if (!closed)
        goto next;

end: // p is at the } or ] that fits
    p++;
    if (--depth == r->depth)
        return p;
    object = objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
    goto separator;
}

// Any value. `p` is at its first byte.
static inline bool read_value(struct json_reader *r, const char *p, struct json_value *out)
{
    out->raw.data = p;
    if (*p == '"') {
        out->type = JSONR_STRING;
        out->integer = false;
        p = scan_string(r, p + 1, &out->escaped);
    } else if (*p == '{' || *p == '[') {
        out->type = *p == '{' ? JSONR_OBJECT : JSONR_ARRAY;
        out->escaped = false;
        out->integer = false;
        p = scan_container(r, p);
    } else {
        p = scan_scalar(r, p, out);
    }
    if (!p)
        return false;
    out->raw.len = (size_t)(p - out->raw.data);
    r->at = p;
    return true;
}

void json_reader_init(struct json_reader *r, const char *data, size_t len)
{
    if (!data) // so that no arithmetic is done on NULL
        data = "", len = 0;
    *r = (struct json_reader){.at = data, .end = data + len, .start = data, .depth_max = JSON_DEPTH_MAX};
}

bool json_reader_value(struct json_reader *r, struct json_value *out)
{
    assert(r->depth_max <= JSON_DEPTH_LIMIT);
    if (r->error)
        return false;
    const char *p = skip_space(r->at, r->end);
    if (p == r->end)
        return refuse(r, p, ENDS_TOO_EARLY);
    return read_value(r, p, out);
}

static bool begin(struct json_reader *r, char bracket, const char *otherwise)
{
    assert(r->depth_max <= JSON_DEPTH_LIMIT);
    if (r->error)
        return false;
    const char *p = skip_space(r->at, r->end);
    if (p == r->end)
        return refuse(r, p, ENDS_TOO_EARLY);
    if (*p != bracket)
        return refuse(r, p, otherwise);
    if (r->depth == r->depth_max)
        return refuse(r, p, TOO_DEEP(r));
    r->depth++;
    r->first = true;
    r->at = p + 1;
    return true;
}

bool json_reader_object_begin(struct json_reader *r)
{
    return begin(r, '{', "an object was expected");
}

bool json_reader_array_begin(struct json_reader *r)
{
    return begin(r, '[', "an array was expected");
}

// Passes the comma before the next member or element, if one is due, and ends at its first byte, which
// exists. NULL at the end, which is passed, or after fail().
static inline const char *next(struct json_reader *r, bool object)
{
    if (r->error)
        return NULL;
    assert(r->depth > 0);
    const char *p = skip_space(r->at, r->end);
    bool first = r->first;
    r->first = false;
    if (p < r->end && *p == (object ? '}' : ']')) {
        r->depth--;
        r->at = p + 1;
        return NULL;
    }
    if (!first) {
        if (p == r->end || *p != ',')
            return fail_at_separator(r, p, object);
        p = skip_space(p + 1, r->end);
    }
    return p < r->end ? p : fail(r, p, ENDS_TOO_EARLY);
}

bool json_reader_member(struct json_reader *r, struct json_value *key, struct json_value *value)
{
    const char *p = next(r, true);
    return p && (p = scan_key(r, p, key)) && read_value(r, p, value);
}

bool json_reader_key(struct json_reader *r, struct json_value *key)
{
    const char *p = next(r, true);
    if (!p || !(p = scan_key(r, p, key)))
        return false;
    r->at = p;
    return true;
}

bool json_reader_element(struct json_reader *r, struct json_value *value)
{
    const char *p = next(r, false);
    return p && read_value(r, p, value);
}

char json_reader_peek(struct json_reader *r)
{
    if (r->error)
        return 0;
    r->at = skip_space(r->at, r->end);
    return r->at < r->end ? *r->at : 0;
}

bool json_reader_end(struct json_reader *r)
{
    if (r->error)
        return false;
    const char *p = r->at = skip_space(r->at, r->end);
    if (p < r->end)
        return refuse(r, p, "something follows where the text should end");
    if (r->depth > 0)
        return refuse(r, p, ENDS_TOO_EARLY);
    return true;
}

size_t json_reader_offset(const struct json_reader *r)
{
    return (size_t)(r->at - r->start);
}

bool json_text_valid(const char *data, size_t len)
{
    struct json_reader r;
    struct json_value ignored;
    json_reader_init(&r, data, len);
    return json_reader_value(&r, &ignored) && json_reader_end(&r);
}
