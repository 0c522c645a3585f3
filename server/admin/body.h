// The body of an HTTP request, as it comes in pieces: of a known length, or in chunks (RFC 9112, section 7).
#ifndef ADMIN_BODY_H
#define ADMIN_BODY_H

#include "common/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body {
    unsigned char state;
    bool done;       // all of it is there
    unsigned extra;  // bytes of what stands around the chunks
    unsigned digits; // of the present chunk's length
    uint64_t left;   // of the present chunk, or of all
};

// A new one; not chunked: of `length` bytes.
void body_begin(struct body *b, bool chunked, uint64_t length);

// Takes what there is of it and appends its content; *used: how many bytes of `data` were its. 0, or the
// status to refuse it with: 413 for more than `most` bytes.
unsigned body_take(struct body *b, const char *data, size_t len, uint64_t most, struct buffer *out,
                   size_t *used);

// Makes JSON text one line without changing what it says, or whether it says something: a line end between
// values becomes a space; in a string, where none may stand, another character that may not.
void body_to_line(char *text, size_t len);

#endif
