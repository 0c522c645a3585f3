// One JSON value as json_reader.h yields it, a slice of checked text, and what can be asked of it. Nothing
// here allocates or depends on the locale. Any thread.
#ifndef COMMON_JSON_VALUE_H
#define COMMON_JSON_VALUE_H

#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Not JSON_…: jansson has those.
enum jsonr_type {
    JSONR_NULL,
    JSONR_FALSE,
    JSONR_TRUE,
    JSONR_NUMBER,
    JSONR_STRING,
    JSONR_ARRAY,
    JSONR_OBJECT
};

struct json_value {
    struct slice raw; // its exact bytes, no white space around them; a string's with its quotes
    enum jsonr_type type;
    bool escaped; // a string with a backslash in it
    bool integer; // a number without fraction and exponent
};

// What follows takes a value that a reader yielded; a function that returns bool returns false if it is of
// another type or out of range.

// Integers only: `1.0` and `1e2` are refused as are numbers that do not fit. uint53: 0 … 2^53 - 1.
bool json_value_int64(const struct json_value *v, int64_t *out);
bool json_value_uint53(const struct json_value *v, uint64_t *out);

// The double nearest to any number, whatever the locale; false where that is infinite (`1e400`).
bool json_value_double(const struct json_value *v, double *out);

bool json_value_bool(const struct json_value *v, bool *out);

// A string's bytes in UTF-8, at most `cap` of them. Without escapes `*out` points into the text itself and
// `buf` is left alone; otherwise it is unescaped into `buf` (of `cap` bytes). No NUL is added, but "\u0000"
// is a byte like any other. False: `*why` (unless `why` is NULL) is a static text that says it is no string,
// too long, or holds a lone surrogate.
bool json_value_string(const struct json_value *v, char *buf, size_t cap, struct slice *out,
                       const char **why);

// What stands between a string's quotes, escapes as they are; empty for other types.
static inline struct slice json_value_inner(const struct json_value *v)
{
    return v->type == JSONR_STRING ? (struct slice){v->raw.data + 1, v->raw.len - 2} : (struct slice){0};
}

// json_string_is() for a string with escapes.
bool json_escaped_string_is(const struct json_value *v, const char *text);

// Whether this is a string that, unescaped, is exactly `text`. False for other types.
static inline bool json_string_is(const struct json_value *v, const char *text)
{
    if (v->type != JSONR_STRING)
        return false;
    return v->escaped ? json_escaped_string_is(v, text) : slice_equal(json_value_inner(v), text);
}

#endif
