// Appends JSON to a buffer. Whether it is well formed is the caller's to see to; commas come by themselves.
// No locale matters. A failure sticks in the buffer; look at it once at the end.
//
//     json_write_raw(b, "{");
//     json_write_key(b, "id");
//     json_write_uint(b, 7);
//     json_write_key(b, "body");
//     json_write_slice(b, body);
//     json_write_raw(b, "}\n");
#ifndef COMMON_JSON_WRITER_H
#define COMMON_JSON_WRITER_H

#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdint.h>

// JSON text as it is: punctuation, or a value that somebody else wrote.
static inline void json_write_raw(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

static inline void json_write_slice(struct buffer *b, struct slice text)
{
    buffer_append(b, text.data, text.len);
}

// Before an element of an array: a comma, unless it is the first. No value ends in `[`, so the byte before
// tells.
static inline void json_write_comma(struct buffer *b)
{
    if (b->len > 0 && b->data[b->len - 1] != '[' && b->data[b->len - 1] != '{')
        buffer_append_byte(b, ',');
}

// `"name":`, with a comma before it unless it is the object's first. `name` is a plain word that needs no
// escaping.
static inline void json_write_key(struct buffer *b, const char *name)
{
    json_write_comma(b);
    buffer_append_byte(b, '"');
    buffer_append(b, name, strlen(name));
    buffer_append(b, "\":", 2);
}

// A string of valid UTF-8: `"`, `\` and control characters are escaped, the rest passes.
void json_write_string(struct buffer *b, struct slice text);

// A string of any bytes (what a process printed): as above, and U+FFFD stands for what is not UTF-8.
void json_write_bytes(struct buffer *b, struct slice bytes);

void json_write_uint(struct buffer *b, uint64_t n);
void json_write_int(struct buffer *b, int64_t n);
void json_write_bool(struct buffer *b, bool value);

// A text that reads back as the same double, as short as 15, 16 or 17 digits allow; whole numbers below 2^53
// as integers. What JSON has no number for (infinite, not a number) becomes null.
void json_write_double(struct buffer *b, double value);

// Milliseconds as seconds: 1500 is 1.5, 60000 is 60.
void json_write_seconds(struct buffer *b, int64_t ms);

#endif
