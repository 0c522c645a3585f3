// Writes HTTP responses.
#ifndef ADMIN_RESPONSE_H
#define ADMIN_RESPONSE_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

#include <stdbool.h>

#define RESPONSE_JSON "application/json"
#define RESPONSE_TEXT "text/plain; charset=utf-8"

struct response {
    unsigned status;
    const char *type;   // of the content; NULL: there is none
    const char *fields; // more of them, each with its CR LF; NULL: none
    struct slice content;
    bool head;  // only the head is sent, as it would stand before the content
    bool close; // the last on its connection
    bool old;   // to a client of HTTP/1.0
};

// Appends the whole response.
void response_write(struct buffer *b, const struct response *r);

// Appends the content that says why a request was refused: the reply that JSON-RPC gives to what it could not
// read. `text` is a sentence; NULL: the error's own.
void response_error(struct buffer *b, enum error error, const char *text);

#endif
