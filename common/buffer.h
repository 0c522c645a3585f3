// Bytes that grow at the end. A failure (no memory, or a length beyond what size_t holds) is sticky: what is
// appended after it is dropped, so a caller builds a whole message and looks at `failed` once. One thread at
// a time.
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
    char *data; // `len` bytes, no NUL after them; NULL while nothing was reserved
    size_t len;
    size_t cap;
    bool failed;
};

#define BUFFER_INIT ((struct buffer){0})

// Makes room for `more` bytes after `len`. False: failed.
bool buffer_reserve(struct buffer *b, size_t more);

// Empties it, keeps the memory, forgets a failure.
static inline void buffer_clear(struct buffer *b)
{
    b->len = 0;
    b->failed = false;
}

// Frees the memory and leaves an empty buffer that may be used again.
void buffer_release(struct buffer *b);

// `data` must not point into the buffer.
static inline void buffer_append(struct buffer *b, const void *data, size_t len)
{
    if ((b->failed || b->cap - b->len < len) && !buffer_reserve(b, len))
        return;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void buffer_append_byte(struct buffer *b, char byte)
{
    buffer_append(b, &byte, 1);
}

#endif
