#include "tests/bench/protocol.h"

#define DIGITS 12

void body_write(struct buffer *out, size_t len, uint64_t number)
{
    if (!buffer_reserve(out, len))
        return;
    char *at = out->data + out->len;
    memset(at, 'x', len);
    at[0] = at[len - 1] = '"';
    for (int i = DIGITS; i >= 1; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    out->len += len;
}

bool body_read(struct slice body, size_t len, uint64_t *number)
{
    if (body.len != len || body.data[0] != '"' || body.data[len - 1] != '"')
        return false;
    *number = 0;
    for (int i = 1; i <= DIGITS; i++) {
        if (body.data[i] < '0' || body.data[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(body.data[i] - '0');
    }
    return true;
}

void number_write(struct buffer *out, uint64_t number)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    buffer_append(out, digits + n, sizeof digits - n);
}

void queue_write(struct buffer *out, uint32_t queue)
{
    buffer_append(out, "queue-", 6);
    number_write(out, queue);
}

bool number_read(struct slice *in, uint64_t *number)
{
    size_t n = 0;
    *number = 0;
    for (; n < in->len && in->data[n] >= '0' && in->data[n] <= '9' && n < 18; n++)
        *number = *number * 10 + (uint64_t)(in->data[n] - '0');
    in->data += n;
    in->len -= n;
    return n > 0;
}

bool line_read(struct slice in, size_t end, struct slice *line, size_t *used)
{
    const char *lf = in.len ? memchr(in.data, '\n', in.len) : NULL;
    if (!lf)
        return false;
    *used = (size_t)(lf - in.data) + 1;
    *line = (struct slice){in.data, *used >= end ? *used - end : 0};
    return true;
}

enum answer counted_body_read(struct slice in, struct slice digits, size_t len, uint64_t *number,
                              uint32_t *count, size_t *used)
{
    uint64_t said;
    if (!number_read(&digits, &said) || said != len)
        return ANSWER_WRONG;
    if (in.len - *used < len + 2)
        return ANSWER_PARTIAL;
    if (!body_read((struct slice){in.data + *used, len}, len, number))
        return ANSWER_WRONG;
    *used += len + 2;
    *count = 1;
    return ANSWER_DONE;
}
