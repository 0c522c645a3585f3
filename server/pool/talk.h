// One job's way to somebody who works for the daemon in another process, and back: a line with the job out,
// lines with progress and one answer in (answer.h). Knows no process: whoever owns the descriptors polls them
// and calls in. The worker's thread only.
#ifndef SERVER_POOL_TALK_H
#define SERVER_POOL_TALK_H

#include "common/buffer.h"
#include "server/pool/answer.h"
#include "server/pool/line_reader.h"
#include "server/pool/worker.h"

// What an answer has beside the result or error that max_output bounds.
#define TALK_ENVELOPE_MAX (8 * 1024)

// Start with zeros.
struct talk {
    struct buffer out;     // the job's line
    size_t written;        // of it
    struct line_reader in; // to be cleared when somebody else is talked to
    struct progress_report progress;
};

void talk_release(struct talk *t);

// Makes the line of a job. False: no memory.
bool talk_begin(struct talk *t, const struct worker *w) __attribute__((warn_unused_result));

static inline bool talk_written(const struct talk *t)
{
    return t->written == t->out.len;
}

// Writes what the descriptor takes. False: nobody reads there.
bool talk_write(struct talk *t, int fd) __attribute__((warn_unused_result));

enum talk_read {
    TALK_AGAIN,    // nothing, or progress, which was passed on
    TALK_ANSWER,   // the answer: `verdict` is set
    TALK_RUBBISH,  // *why, to go on after "the child's answer "
    TALK_TOO_LONG, // more than max_output
    TALK_END,      // nobody writes there
    TALK_NO_MEMORY,
};

// Reads once and looks at what came.
enum talk_read talk_read(struct talk *t, struct worker *w, int fd, struct verdict *verdict, const char **why);

#endif
