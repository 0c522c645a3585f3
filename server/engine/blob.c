#include "server/engine/blob.h"

#include <stdlib.h>
#include <string.h>

struct blob *blob_new(struct slice text)
{
    struct blob *b = malloc(sizeof *b + text.len);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->len = (uint32_t)text.len;
    if (text.len)
        memcpy(b->data, text.data, text.len);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (b)
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}
