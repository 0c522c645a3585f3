// Texts that leave the library: copies the caller owns.
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include "client/taskq.h"
#include "common/buffer.h"
#include "common/slice.h"

// A copy with a NUL behind it. On TASKQ_NO_MEMORY `out` is left alone.
enum taskq_error text_copy(struct taskq_text *out, struct slice s);

// The buffer's memory becomes the text; the buffer is empty afterwards, also at TASKQ_NO_MEMORY.
enum taskq_error text_take(struct taskq_text *out, struct buffer *b);

// Where a length may be TASKQ_NUL.
struct slice text_slice(const char *data, size_t len);

#endif
