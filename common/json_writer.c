#include "common/json_writer.h"

#include "common/json_plain.h"
#include "common/utf8.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_escaped(struct buffer *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

    if (c >= 0x20) { // the quote, the backslash
        buffer_append(b, (char[]){'\\', (char)c}, 2);
    } else if (letters[c]) {
        buffer_append(b, (char[]){'\\', letters[c]}, 2);
    } else {
        buffer_append(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 0xF]}, 6);
    }
}

static void write_string(struct buffer *b, struct slice s, bool check)
{
    const char *p = s.len > 0 ? s.data : "", *end = p + s.len;
    const char *run = p; // what passes as it is, up to p

    buffer_append_byte(b, '"');
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (end - p >= 8 && json_are_plain(p)) {
            p += 8;
            continue;
        }
        if (json_is_plain(*p)) {
            p++;
            continue;
        }
        size_t n = check && c >= 0x80 ? utf8_length(p, end) : 1;
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
            p += n;
            continue;
        }
        buffer_append(b, run, (size_t)(p - run));
        if (n == 0)
            buffer_append(b, "\xEF\xBF\xBD", 3);
        else
            write_escaped(b, c);
        run = ++p;
    }
    buffer_append(b, run, (size_t)(p - run));
    buffer_append_byte(b, '"');
}

void json_write_string(struct buffer *b, struct slice text)
{
    write_string(b, text, false);
}

void json_write_bytes(struct buffer *b, struct slice bytes)
{
    write_string(b, bytes, true);
}

void json_write_uint(struct buffer *b, uint64_t n)
{
    // Two digits a division.
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940"
        "4142434445464748495051525354555657585960616263646566676869707172737475767778798081"
        "828384858687888990919293949596979899";
    char text[20], *p = text + sizeof text;
    for (; n >= 100; n /= 100)
        memcpy(p -= 2, pairs + 2 * (n % 100), 2);
    if (n >= 10)
        memcpy(p -= 2, pairs + 2 * n, 2);
    else
        *--p = (char)('0' + n);
    buffer_append(b, p, (size_t)(text + sizeof text - p));
}

void json_write_int(struct buffer *b, int64_t n)
{
    if (n < 0)
        buffer_append_byte(b, '-');
    json_write_uint(b, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void json_write_bool(struct buffer *b, bool value)
{
    json_write_raw(b, value ? "true" : "false");
}

static void write_zeros(struct buffer *b, int count)
{
    while (count-- > 0)
        buffer_append_byte(b, '0');
}

// d.ddd…e±x, as printf writes it, whatever the locale's decimal point is: its digits without trailing zeros,
// and x.
static size_t split_exponent(const char *text, char digits[18], int *exponent)
{
    size_t count = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            digits[count++] = *text;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    *exponent = atoi(text + 1);
    return count;
}

// The digits stand for d.ddd… times ten to the exponent.
static void write_decimal(struct buffer *b, const char *digits, size_t count, int exponent)
{
    int after = (int)count - 1 - exponent; // digits after the point
    if (exponent < -5 || exponent > 20) {
        buffer_append(b, digits, 1);
        if (count > 1) {
            buffer_append_byte(b, '.');
            buffer_append(b, digits + 1, count - 1);
        }
        buffer_append_byte(b, 'e');
        json_write_int(b, exponent);
    } else if (after <= 0) {
        buffer_append(b, digits, count);
        write_zeros(b, -after);
    } else if (exponent < 0) {
        buffer_append(b, "0.", 2);
        write_zeros(b, -exponent - 1);
        buffer_append(b, digits, count);
    } else {
        buffer_append(b, digits, (size_t)exponent + 1);
        buffer_append_byte(b, '.');
        buffer_append(b, digits + exponent + 1, (size_t)after);
    }
}

void json_write_double(struct buffer *b, double value)
{
    if (!isfinite(value)) {
        json_write_raw(b, "null");
        return;
    }
    if (fabs(value) < 0x1p53 && value == (double)(int64_t)value && !(value == 0 && signbit(value))) {
        json_write_int(b, (int64_t)value);
        return;
    }
    if (signbit(value))
        buffer_append_byte(b, '-');
    value = fabs(value);

    char text[64], digits[18];
    // Fifteen digits always survive, so fewer need not be tried, except near zero, where a double holds
    // fewer.
    for (int precision = value < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (precision == 17 || strtod(text, NULL) == value)
            break;
    }
    int exponent;
    size_t count = split_exponent(text, digits, &exponent);
    write_decimal(b, digits, count, exponent);
}

void json_write_seconds(struct buffer *b, int64_t ms)
{
    uint64_t n = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    unsigned rest = (unsigned)(n % 1000);
    if (ms < 0)
        buffer_append_byte(b, '-');
    json_write_uint(b, n / 1000);
    if (rest > 0) {
        char text[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10), (char)('0' + rest % 10)};
        size_t len = rest % 10 ? 4 : rest % 100 ? 3 : 2;
        buffer_append(b, text, len);
    }
}
