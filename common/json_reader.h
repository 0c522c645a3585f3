// A strict JSON reader that works in place: it accepts exactly what RFC 8259's grammar does, in UTF-8, one
// pass over the caller's bytes, and yields slices into them. It builds no tree, never allocates and never
// reads beyond the end, so the text need not be NUL-terminated. Any thread, one reader a thread; a reader
// needs no release.
//
// Two bounds are its own: nesting is at most `depth_max` deep, and a NUL or bad UTF-8 (overlong forms,
// surrogates, beyond U+10FFFF) is an error. A lone surrogate written as an escape ("\ud800") is within the
// grammar and passes; it cannot be turned into UTF-8, which json_value_string() then says. Duplicate members
// pass; who cares must look.
//
// To walk an object (arrays are alike); each member's value is read whole, to go inside it start another
// reader on its `raw`:
//
//     struct json_reader r;
//     struct json_value key, value;
//     json_reader_init(&r, data, len);
//     if (json_reader_object_begin(&r))
//         while (json_reader_member(&r, &key, &value))
//             if (json_string_is(&key, "id")) …
//     if (!json_reader_end(&r))
//         … r.error, json_reader_offset(&r)
#ifndef COMMON_JSON_READER_H
#define COMMON_JSON_READER_H

#include "common/json_value.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_DEPTH_MAX 128 // what json_reader_init() allows: [[]] is 2 deep
#define JSON_DEPTH_LIMIT                                                                                     \
    256 // what depth_max may be raised to, for replies that wrap what was once a request's value

struct json_reader {
    const char *at; // the next byte; where the error is, if there is one
    const char *end;
    const char *start;
    const char
        *error;     // a static text for a person; NULL while all is well. Sticky: every call fails after it
    unsigned depth; // objects and arrays begun and not ended
    unsigned depth_max; // JSON_DEPTH_MAX; may be set after json_reader_init()
    bool first;         // nothing of the object or array just begun has been read
};

// `data` stays the caller's and must outlive the reader and every value it yields.
void json_reader_init(struct json_reader *r, const char *data, size_t len);

// Reads one whole value, white space before it included; what is inside is checked too. False at an error.
bool json_reader_value(struct json_reader *r, struct json_value *out);

// Begins an object or array; false (an error) if something else comes. To look first: json_reader_peek().
bool json_reader_object_begin(struct json_reader *r);
bool json_reader_array_begin(struct json_reader *r);

// The next member or element. False at its end, which is read too, or at an error (`r->error` tells which).
bool json_reader_member(struct json_reader *r, struct json_value *key, struct json_value *value);
bool json_reader_element(struct json_reader *r, struct json_value *value);

// The next member's name alone. Its value must be read next: by json_reader_value(), or by beginning an
// object or array, which saves reading twice what is to be gone into.
bool json_reader_key(struct json_reader *r, struct json_value *key);

// Passes `text` if it is exactly what comes next in the object begun: members and the name of one more with
// its colon, or such a name alone behind its comma, without white space; that member's value must be read
// next. Comparing is quicker than reading, where nearly all texts have the same members.
static inline bool json_reader_pass(struct json_reader *r, struct slice text)
{
    if (r->error || (size_t)(r->end - r->at) < text.len || memcmp(r->at, text.data, text.len) != 0)
        return false;
    r->first = false;
    r->at += text.len;
    return true;
}

// Skips white space and returns the next byte, without reading it; 0 at the end or after an error.
char json_reader_peek(struct json_reader *r);

// True if all went well and only white space is left; anything else becomes the error.
bool json_reader_end(struct json_reader *r);

// How many bytes into the text the reader is; after an error, where it is.
size_t json_reader_offset(const struct json_reader *r);

// Whether this is exactly one JSON value, white space around it allowed, at most JSON_DEPTH_MAX deep.
bool json_text_valid(const char *data, size_t len);

#endif
