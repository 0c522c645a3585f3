// The head of an HTTP request: its first line and its fields, checked strictly (RFC 9110, RFC 9112): what two
// programs could read in two ways is refused.
//
// Any thread.
#ifndef ADMIN_HEAD_H
#define ADMIN_HEAD_H

#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_FIELDS_MAX 100

// Slices point into the text; a field that is not there is empty.
struct head {
    struct slice method;
    struct slice path; // without what follows a `?`; "*" stands for itself
    struct slice host; // with its port
    struct slice origin, site, type, authorization, known, expect, coding, agent;
    uint64_t length; // of the body
    bool has_length;
    bool chunked;
    bool close; // the connection is not to be used again
    bool old;   // HTTP/1.0
};

enum head_found { HEAD_PARTIAL, HEAD_WHOLE, HEAD_BROKEN };

// Looks for the end of the head that begins at `text`, which is no line end. *scanned is 0 for a new one, and
// then what the last call left; with HEAD_WHOLE it is the head's length. BROKEN: a line ends in something
// else than CR LF.
enum head_found head_find(const char *text, size_t len, size_t *scanned);

// Reads a whole head. 0, or the HTTP status to refuse it with, and why.
unsigned head_parse(const char *text, size_t len, struct head *out, const char **why);

// Whether a field is this word, in whatever case.
bool head_word(struct slice field, const char *word);

// The token of `Authorization: Bearer TOKEN`; empty: there is none.
struct slice head_token(const struct head *h);

#endif
