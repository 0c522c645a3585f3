#include "server/pool/line_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_MIN 4096
#define KEEP_MAX (256 * 1024) // a larger buffer is not kept once it is empty

void line_reader_release(struct line_reader *r)
{
    buffer_release(&r->bytes);
    r->at = r->seen = 0;
}

void line_reader_clear(struct line_reader *r)
{
    buffer_clear(&r->bytes);
    r->at = r->seen = 0;
}

// Room for at least `more` bytes behind what is left. A long line makes it double, so that it is not moved
// often.
static bool make_room(struct line_reader *r, size_t more)
{
    struct buffer *b = &r->bytes;
    if (line_reader_empty(r)) {
        line_reader_clear(r);
        if (b->cap > KEEP_MAX)
            buffer_release(b);
    } else if (r->at > 0 && b->cap - b->len < more) {
        memmove(b->data, b->data + r->at, b->len - r->at);
        b->len -= r->at;
        r->seen -= r->at;
        r->at = 0;
    }
    if (b->cap - b->len >= more || buffer_reserve(b, more > b->len ? more : b->len))
        return true;
    b->failed = false; // what was read so far is as good as before
    return false;
}

enum fill line_reader_fill(struct line_reader *r, int fd)
{
    if (!make_room(r, READ_MIN))
        return FILL_NO_MEMORY;
    ssize_t n = read(fd, r->bytes.data + r->bytes.len, r->bytes.cap - r->bytes.len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return FILL_AGAIN;
    if (n <= 0)
        return FILL_END;
    r->bytes.len += (size_t)n;
    return FILL_SOME;
}

enum fill line_reader_add(struct line_reader *r, const char *data, size_t len)
{
    if (!make_room(r, len))
        return FILL_NO_MEMORY;
    buffer_append(&r->bytes, data, len);
    return FILL_SOME;
}

enum line line_reader_next(struct line_reader *r, size_t max, struct slice *line)
{
    const char *from = r->bytes.data + r->seen;
    const char *end = line_reader_empty(r) ? NULL : memchr(from, '\n', r->bytes.len - r->seen);
    size_t len = end ? (size_t)(end - r->bytes.data) - r->at : r->bytes.len - r->at;
    if (len > max)
        return LINE_TOO_LONG;
    if (!end) {
        r->seen = r->bytes.len;
        return LINE_MORE;
    }
    *line = (struct slice){r->bytes.data + r->at, len};
    r->at += len + 1;
    r->seen = r->at;
    return LINE_READ;
}
