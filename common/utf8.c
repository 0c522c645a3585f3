#include "common/utf8.h"

#include <assert.h>
#include <string.h>

static inline bool is_between(char byte, unsigned low, unsigned high)
{
    return (unsigned char)byte >= low && (unsigned char)byte <= high;
}

size_t utf8_length(const char *at, const char *end)
{
    unsigned lead = (unsigned char)*at;
    size_t left = (size_t)(end - at);

    if (lead < 0x80)
        return 1;
    if (lead < 0xC2) // a byte from inside a character, or an overlong two
        return 0;
    if (lead < 0xE0)
        return left >= 2 && is_between(at[1], 0x80, 0xBF) ? 2 : 0;
    if (lead < 0xF0) {
        unsigned low = lead == 0xE0 ? 0xA0 : 0x80;  // below it is overlong
        unsigned high = lead == 0xED ? 0x9F : 0xBF; // above it are the surrogates
        return left >= 3 && is_between(at[1], low, high) && is_between(at[2], 0x80, 0xBF) ? 3 : 0;
    }
    if (lead < 0xF5) {
        unsigned low = lead == 0xF0 ? 0x90 : 0x80;  // below it is overlong
        unsigned high = lead == 0xF4 ? 0x8F : 0xBF; // above it is beyond U+10FFFF
        return left >= 4 && is_between(at[1], low, high) && is_between(at[2], 0x80, 0xBF) &&
                       is_between(at[3], 0x80, 0xBF)
                   ? 4
                   : 0;
    }
    return 0;
}

size_t utf8_encode(char out[4], uint32_t c)
{
    assert(c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF));
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool utf8_is_name(const char *text, size_t most)
{
    size_t len = strlen(text);
    if (len < 1 || len > most)
        return false;
    for (const char *at = text, *end = text + len; at < end;) {
        size_t n = utf8_length(at, end);
        if (n == 0 || (unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
        at += n;
    }
    return true;
}
