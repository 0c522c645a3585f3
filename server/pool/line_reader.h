// Cuts what comes through a pipe or a socket into lines. One thread at a time; start with zeros.
#ifndef SERVER_POOL_LINE_READER_H
#define SERVER_POOL_LINE_READER_H

#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct line_reader {
    struct buffer bytes;
    size_t at;   // the first byte of `bytes` that no line was made of
    size_t seen; // up to here there is no newline
};

void line_reader_release(struct line_reader *r);

// Forgets what was read.
void line_reader_clear(struct line_reader *r);

enum fill {
    FILL_SOME,      // something was read
    FILL_AGAIN,     // there is nothing now
    FILL_END,       // there will be nothing any more
    FILL_NO_MEMORY, // nothing was read
};

// Reads once from a descriptor that does not block. Slices of lines are void after it.
enum fill line_reader_fill(struct line_reader *r, int fd);

// As if these bytes had been read.
enum fill line_reader_add(struct line_reader *r, const char *data, size_t len);

enum line {
    LINE_READ,     // `line` is one, without its newline
    LINE_MORE,     // there is no whole line
    LINE_TOO_LONG, // the next line has more than `max` bytes, whether it has an end or not
};

// The next line of what was read.
enum line line_reader_next(struct line_reader *r, size_t max, struct slice *line);

// Nothing is left of what was read.
static inline bool line_reader_empty(const struct line_reader *r)
{
    return r->at == r->bytes.len;
}

#endif
