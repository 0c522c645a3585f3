// Standard output, for people and for programs. That it could be written is looked at once, at the end:
// output_end().
#ifndef CLIENT_CLI_OUTPUT_H
#define CLIENT_CLI_OUTPUT_H

#include "client/taskq.h"
#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdio.h>

// Whether standard output is a terminal; and whether it may have colours (NO_COLOR is not set, TERM not
// dumb).
bool output_terminal(void);
bool output_colours(void);

// JSON text and a line end. On a terminal, control characters that JSON allows are escaped.
void output_json(const char *json, size_t len);

// The same for text that was written to a buffer, which is released. False: there was no memory for it.
bool output_json_take(struct buffer *b);

// JSON text without a line end, to any stream.
void output_json_to(FILE *f, struct slice json);

// A text of any origin: on a terminal control characters and what cannot be seen become `?`. Other bytes, and
// elsewhere, pass.
void output_text(struct slice text);

// The same to any stream, on a terminal or not: so it is one line. Not more than `columns` characters; how
// many they were.
size_t output_text_to(FILE *f, struct slice text, size_t columns);

// A result or body: JSON text and a line end, or with `raw` a JSON string's own bytes and nothing more.
// False: no memory.
bool output_value(const char *json, size_t len, bool raw);

// The same as one of many: a line end comes behind a string's bytes too.
bool output_value_line(const char *json, size_t len, bool raw);

// Flushes. False: it could not be written; said on standard error.
bool output_end(void);

#endif
