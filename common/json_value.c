#include "common/json_value.h"

#include "common/utf8.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The magnitude and sign of an integer; false if the magnitude is above `max`.
static bool read_integer(const struct json_value *v, uint64_t max, uint64_t *magnitude, bool *negative)
{
    if (v->type != JSONR_NUMBER || !v->integer)
        return false;
    const char *p = v->raw.data, *end = p + v->raw.len;
    uint64_t n = 0;
    *negative = *p == '-';
    p += *negative;
    if (end - p <= 15) { // which no limit is below
        assert(max >= UINT64_C(999999999999999));
        for (; p < end; p++)
            n = n * 10 + (unsigned)(*p - '0');
    }
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *magnitude = n;
    return true;
}

bool json_value_int64(const struct json_value *v, int64_t *out)
{
    uint64_t n;
    bool negative;
    if (!read_integer(v, (uint64_t)INT64_MAX + 1, &n, &negative) || (!negative && n > INT64_MAX))
        return false;
    *out = negative ? -(int64_t)(n / 2) - (int64_t)(n - n / 2) : (int64_t)n;
    return true;
}

bool json_value_uint53(const struct json_value *v, uint64_t *out)
{
    uint64_t n;
    bool negative;
    if (!read_integer(v, (UINT64_C(1) << 53) - 1, &n, &negative) || (negative && n > 0))
        return false;
    *out = n;
    return true;
}

// A number as sign, significant digits and a power of ten. The halfway point between two doubles has at most
// 767 significant digits, so of those beyond DIGITS only matters whether any is not 0: then one 1 stands for
// them all.
#define DIGITS 800
#define EXPONENT_BIG                                                                                         \
    INT64_C(                                                                                                 \
        10000000000000000)   // beyond any length of text, so digits before and after the point cannot undo it
#define EXPONENT_ENDS 100000 // beyond it every number of DIGITS digits is 0 or infinite

struct decimal {
    bool negative;
    size_t count;             // of digits: no leading zeros, so 0 has none
    int64_t exponent;         // value = digits * 10^exponent
    uint64_t low;             // the digits as one integer, while count <= 19
    char digits[DIGITS + 40]; // room for the 1, an exponent and a NUL
};

static void read_decimal(struct slice text, struct decimal *d)
{
    const char *p = text.data, *end = p + text.len;
    bool fraction = false, rest = false;

    d->count = 0, d->exponent = 0, d->low = 0;
    d->negative = *p == '-';
    for (p += d->negative; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        d->exponent -= fraction;
        if (d->count == 0 && *p == '0')
            continue;
        if (d->count < DIGITS) {
            d->low = d->low * 10 + (unsigned)(*p - '0');
            d->digits[d->count++] = *p;
        } else {
            d->exponent++;
            rest |= *p != '0';
        }
    }
    if (rest) {
        d->digits[d->count++] = '1';
        d->exponent--;
    }
    if (p < end) { // at e or E
        int64_t exponent = 0;
        p++;
        bool negative = *p == '-';
        if (!is_digit(*p))
            p++;
        for (; p < end; p++)
            if (exponent < EXPONENT_BIG)
                exponent = exponent * 10 + (*p - '0');
        d->exponent += negative ? -exponent : exponent;
    }
}

bool json_value_double(const struct json_value *v, double *out)
{
    struct decimal d;
    if (v->type != JSONR_NUMBER)
        return false;
    read_decimal(v->raw, &d);
    if (d.count == 0) {
        *out = d.negative ? -0.0 : 0.0;
        return true;
    }
    double n;
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
    // Both operands are exact, so the one rounding of the operation is the right one.
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d.count <= 15 && d.exponent >= -22 && d.exponent <= 22) {
        n = (double)d.low;
        n = d.exponent < 0 ? n / powers[-d.exponent] : n * powers[d.exponent];
        *out = d.negative ? -n : n;
        return true;
    }
#endif
    // As an integer and an exponent it has no decimal point, which is the only thing that a locale would
    // change.
    int exponent = d.exponent > EXPONENT_ENDS    ? EXPONENT_ENDS
                   : d.exponent < -EXPONENT_ENDS ? -EXPONENT_ENDS
                                                 : (int)d.exponent;
    snprintf(d.digits + d.count, sizeof d.digits - d.count, "e%d", exponent);
    int saved = errno;
    n = strtod(d.digits, NULL);
    errno = saved;
    if (!isfinite(n))
        return false;
    *out = d.negative ? -n : n;
    return true;
}

bool json_value_bool(const struct json_value *v, bool *out)
{
    if (v->type != JSONR_TRUE && v->type != JSONR_FALSE)
        return false;
    *out = v->type == JSONR_TRUE;
    return true;
}

static unsigned hex_digit(char c)
{
    return is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static uint32_t read_hex4(const char *p)
{
    return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]);
}

// Unescapes what `*p`, at a backslash, begins, moves `*p` past it and returns how many bytes it made; 0: a
// lone surrogate.
static size_t unescape(const char **p, const char *end, char out[4])
{
    const char *at = *p + 2;
    uint32_t c;
    switch (at[-1]) {
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        c = read_hex4(at);
        at += 4;
        break;
    default: // the quote, the backslash, the slash
        c = (unsigned char)at[-1];
        break;
    }
    if (c >= 0xD800 && c <= 0xDFFF) {
        if (c >= 0xDC00 || end - at < 6 || at[0] != '\\' || at[1] != 'u')
            return 0;
        uint32_t low = read_hex4(at + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return 0;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
    }
    *p = at;
    return utf8_encode(out, c);
}

// The bytes of what comes next, escaped or not, as unescape() has it.
static inline size_t next_piece(const char **p, const char *end, char out[4])
{
    if (**p == '\\')
        return unescape(p, end, out);
    out[0] = *(*p)++;
    return 1;
}

static bool refuse(const char **why, const char *text)
{
    if (why)
        *why = text;
    return false;
}

bool json_value_string(const struct json_value *v, char *buf, size_t cap, struct slice *out, const char **why)
{
    if (v->type != JSONR_STRING)
        return refuse(why, "it is not a string");
    struct slice inner = json_value_inner(v);
    if (!v->escaped) {
        if (inner.len > cap)
            return refuse(why, "it is too long");
        *out = inner;
        return true;
    }

    const char *p = inner.data, *end = p + inner.len;
    size_t len = 0;
    while (p < end) {
        char made[4];
        size_t n = next_piece(&p, end, made);
        if (n == 0)
            return refuse(why, "an escaped surrogate in it lacks its other half");
        if (n > cap - len)
            return refuse(why, "it is too long");
        memcpy(buf + len, made, n);
        len += n;
    }
    *out = (struct slice){.data = buf, .len = len};
    return true;
}

bool json_escaped_string_is(const struct json_value *v, const char *text)
{
    struct slice inner = json_value_inner(v);
    const char *p = inner.data, *end = p + inner.len;
    while (p < end) {
        char made[4];
        size_t n = next_piece(&p, end, made);
        if (n == 0)
            return false;
        for (size_t i = 0; i < n; i++, text++)
            if (*text == 0 || *text != made[i])
                return false;
    }
    return *text == 0;
}
