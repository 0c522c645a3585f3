#include "server/admin/body.h"

#include <string.h>

#define EXTRA_MAX  8192 // extensions of chunks and fields behind them, of a whole body
#define DIGITS_MAX 15   // of a chunk's length, in hexadecimal

enum state {
    PLAIN,
    SIZE,
    EXTENSION,
    SIZE_END,
    DATA,
    DATA_CR,
    DATA_LF,
    FIELD_START,
    FIELD,
    FIELD_END,
    LAST_END
};

void body_begin(struct body *b, bool chunked, uint64_t length)
{
    *b = (struct body){.state = chunked ? SIZE : PLAIN, .left = chunked ? 0 : length};
    b->done = !chunked && length == 0;
}

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// In the line of a chunk's length. False: it is none.
static bool take_size(struct body *b, char c)
{
    int digit = hexadecimal(c);
    if (digit >= 0) {
        b->left = 16 * b->left + (uint64_t)digit;
        return ++b->digits <= DIGITS_MAX;
    }
    b->state = c == '\r' ? SIZE_END : EXTENSION;
    return b->digits > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
}

static bool expect(struct body *b, char c, char expected, enum state next)
{
    b->state = (unsigned char)next;
    return c == expected;
}

static bool is_text(char c)
{
    return (unsigned char)c >= ' ' || c == '\t';
}

// One byte of what stands around the chunks. False: it is broken.
static bool take_byte(struct body *b, char c)
{
    switch ((enum state)b->state) {
    case SIZE:
        return take_size(b, c);
    case EXTENSION:
        if (c == '\r')
            b->state = SIZE_END;
        return c == '\r' || (is_text(c) && ++b->extra <= EXTRA_MAX);
    case SIZE_END:
        return expect(b, c, '\n', b->left > 0 ? DATA : FIELD_START);
    case DATA_CR:
        return expect(b, c, '\r', DATA_LF);
    case DATA_LF:
        b->digits = 0;
        return expect(b, c, '\n', SIZE);
    case FIELD_START:
    case FIELD:
        if (c == '\r')
            b->state = b->state == FIELD ? FIELD_END : LAST_END;
        else
            b->state = FIELD;
        return c == '\r' || (is_text(c) && ++b->extra <= EXTRA_MAX);
    case FIELD_END:
        return expect(b, c, '\n', FIELD_START);
    case LAST_END:
        b->done = true;
        return c == '\n';
    case PLAIN:
    case DATA:
        break;
    }
    return false;
}

unsigned body_take(struct body *b, const char *data, size_t len, uint64_t most, struct buffer *out,
                   size_t *used)
{
    size_t at = 0;
    *used = 0;
    while (!b->done) {
        bool content = b->state == PLAIN || b->state == DATA;
        if (content && (b->left > most || out->len > most - b->left))
            return 413;
        if (at == len)
            break;
        if (!content) {
            if (!take_byte(b, data[at++]))
                return 400;
            continue;
        }
        size_t n = len - at < b->left ? len - at : (size_t)b->left;
        buffer_append(out, data + at, n);
        at += n;
        b->left -= n;
        if (b->left == 0 && b->state == DATA)
            b->state = DATA_CR;
        else if (b->left == 0)
            b->done = true;
    }
    *used = at;
    return 0;
}

void body_to_line(char *text, size_t len)
{
    bool string = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            string = !string;
        else if (text[i] == '\\' && string && i + 1 < len && text[i + 1] != '\n')
            i++;
        else if (text[i] == '\n')
            text[i] = string ? '\r' : ' ';
    }
}
