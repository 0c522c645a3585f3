// What becomes of a command's output: JSON texts for results and errors. No process, no engine. Any thread.
#ifndef SERVER_POOL_EXEC_TEXT_H
#define SERVER_POOL_EXEC_TEXT_H

#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_TAIL_MAX 4096

// The last EXEC_TAIL_MAX bytes of all that was added; start with zeros.
struct exec_tail {
    size_t len;
    bool cut; // there was more
    char bytes[2 * EXEC_TAIL_MAX];
};

void exec_tail_add(struct exec_tail *t, const char *data, size_t len);

// Begins at a character, where it is UTF-8. Valid until the next add.
struct slice exec_tail_slice(const struct exec_tail *t);

// Appends the result that `printed` is. One JSON value with white space around it: the value, byte for byte,
// except that line breaks between its tokens become spaces, as a result travels in one line. Anything else: a
// JSON string, without one newline at its end, and with U+FFFD for what is not UTF-8. A failure sticks in
// `b`.
void exec_result_write(struct buffer *b, struct slice printed);

enum exec_end {
    EXEC_EXIT,    // value: the exit status
    EXEC_SIGNAL,  // value: the signal
    EXEC_TIMEOUT, // value: ms
    EXEC_OUTPUT,  // value: how many bytes were allowed
};

// Appends the error object that handler_exec.h lists.
void exec_error_write(struct buffer *b, enum exec_end end, int64_t value, struct slice tail);

// Appends {"answer":"the child's answer why","stderr":"…"}.
void exec_answer_write(struct buffer *b, const char *why, struct slice tail);

// Appends {"name":"text: detail"}; no detail: NULL.
void exec_refusal_write(struct buffer *b, const char *name, const char *text, const char *detail);

// What the command is to read: the body, or with `unquote` what a JSON string stands for (into `b`). False:
// *why says why it stands for nothing. Without memory `b` has failed.
bool exec_input(struct buffer *b, struct slice body, bool unquote, struct slice *input, const char **why)
    __attribute__((warn_unused_result));

#endif
