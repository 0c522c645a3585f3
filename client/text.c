#include "client/text.h"

#include <stdlib.h>

enum taskq_error text_copy(struct taskq_text *out, struct slice s)
{
    char *data = malloc(s.len + 1);
    if (data == NULL)
        return TASKQ_NO_MEMORY;
    if (s.len > 0)
        memcpy(data, s.data, s.len);
    data[s.len] = '\0';
    *out = (struct taskq_text){.data = data, .len = s.len};
    return TASKQ_OK;
}

enum taskq_error text_take(struct taskq_text *out, struct buffer *b)
{
    buffer_append_byte(b, '\0');
    if (b->failed) {
        buffer_release(b);
        return TASKQ_NO_MEMORY;
    }
    *out = (struct taskq_text){.data = b->data, .len = b->len - 1};
    *b = BUFFER_INIT;
    return TASKQ_OK;
}

struct slice text_slice(const char *data, size_t len)
{
    if (data == NULL)
        return (struct slice){NULL, 0};
    return (struct slice){.data = data, .len = len == TASKQ_NUL ? strlen(data) : len};
}

void taskq_text_release(struct taskq_text *text)
{
    if (text == NULL)
        return;
    free(text->data);
    *text = (struct taskq_text){NULL, 0};
}
