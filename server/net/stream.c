#include "server/net/stream.h"

#include <stdlib.h>
#include <string.h>

#define COMPACT_FROM ((size_t)64 * 1024)

struct stream *stream_new(void)
{
    return calloc(1, sizeof(struct stream));
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    buffer_release(&s->bytes);
    free(s->marks);
    free(s);
}

static bool append_mark(struct stream *s, struct mark m)
{
    if (s->mark_count > 0 && s->marks[s->mark_count - 1].promise >= m.promise)
        return true; // waits behind that one anyway
    if (s->mark_count == s->mark_cap) {
        unsigned cap = s->mark_cap ? 2 * s->mark_cap : 4;
        struct mark *grown = realloc(s->marks, cap * sizeof *grown);
        if (!grown)
            return false;
        s->marks = grown;
        s->mark_cap = cap;
    }
    s->marks[s->mark_count++] = m;
    return true;
}

// Moves what is left to the front, once what is gone is the larger part.
static void compact(struct stream *s)
{
    if (s->sent < COMPACT_FROM || s->sent < s->bytes.len / 2)
        return;
    memmove(s->bytes.data, s->bytes.data + s->sent, s->bytes.len - s->sent);
    s->bytes.len -= s->sent;
    for (unsigned i = 0; i < s->mark_count; i++)
        s->marks[i].at -= s->sent;
    s->sent = 0;
}

bool stream_append(struct stream *s, const char *data, size_t len, const struct mark *marks,
                   unsigned mark_count)
{
    compact(s);
    size_t start = s->bytes.len;
    buffer_append(&s->bytes, data, len);
    if (s->bytes.failed)
        return false;
    for (unsigned i = 0; i < mark_count; i++)
        if (!append_mark(s, (struct mark){start + marks[i].at, marks[i].promise}))
            return false;
    return true;
}

size_t stream_len(const struct stream *s)
{
    return s->bytes.len - s->sent;
}

size_t stream_ready(const struct stream *s, uint64_t durable)
{
    for (unsigned i = 0; i < s->mark_count; i++)
        if (s->marks[i].promise > durable)
            return (size_t)s->marks[i].at - s->sent;
    return stream_len(s);
}

const char *stream_head(const struct stream *s)
{
    return s->bytes.data + s->sent;
}

// Marks whose bytes have begun to leave are kept: only the later ones matter.
void stream_advance(struct stream *s, size_t sent)
{
    unsigned past = 0;
    s->sent += sent;
    while (past < s->mark_count && s->marks[past].at < s->sent)
        past++;
    if (past > 0) {
        s->mark_count -= past;
        memmove(s->marks, s->marks + past, s->mark_count * sizeof *s->marks);
    }
}
