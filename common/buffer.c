#include "common/buffer.h"

#include <stdint.h>
#include <stdlib.h>

#define CAP_MIN 256

bool buffer_reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->cap - b->len >= more)
        return true;
    if (more > SIZE_MAX - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more;
    size_t cap = b->cap <= SIZE_MAX / 2 ? b->cap * 2 : need;
    if (cap < need)
        cap = need;
    if (cap < CAP_MIN)
        cap = CAP_MIN;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    *b = BUFFER_INIT;
}
