// The characters of a JSON string that stand for themselves: ASCII without control characters, `"` and `\`.
// Any thread.
#ifndef COMMON_JSON_PLAIN_H
#define COMMON_JSON_PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

// The top bits of those of eight bytes, as a number in memory's order, that are not plain. A borrow can spoil
// only what stands above a byte that is not plain, so the lowest bit is right, and 0 is.
static inline uint64_t json_odd_bits(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t x;
    memcpy(&x, p, sizeof x);
    uint64_t quote = x ^ ones * '"', backslash = x ^ ones * '\\';
    return ((x - ones * 0x20) | (quote - ones) | (backslash - ones) | x) & tops;
}

// Whether each of eight bytes is plain.
static inline bool json_are_plain(const char *p)
{
    return json_odd_bits(p) == 0;
}

#endif
