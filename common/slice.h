// Bytes that belong to somebody else: a pointer and a length, not NUL-terminated. Valid as long as their
// owner says.
#ifndef COMMON_SLICE_H
#define COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; // may be NULL when len is 0
    size_t len;
};

// The slice of a string literal.
#define SLICE(literal) ((struct slice){.data = "" literal, .len = sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){.data = text, .len = strlen(text)};
}

static inline bool slice_same(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

// Whether the slice is exactly this NUL-terminated text. For a literal the length is a constant.
static inline bool slice_equal(struct slice s, const char *text)
{
    return slice_same(s, slice_of(text));
}

#endif
