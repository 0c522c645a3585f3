// Input that is an argument a line: from a file or standard input, read as it comes.
#ifndef CLIENT_CLI_LINES_H
#define CLIENT_CLI_LINES_H

#include "client/cli/command.h"
#include "common/buffer.h"
#include "common/slice.h"

struct lines {
    int fd;
    bool ended;      // of the input
    uint64_t number; // of the line that was taken last, from 1
    uint64_t bytes;  // of the input that were taken
    uint64_t size;   // of the input; 0: not known
    struct buffer in;
    size_t at, seen; // what is before `at` was taken, up to `seen` there is no line end
};

// `source` is a file's name, or NULL for standard input. EXIT_DONE, or says what is wrong.
int lines_open(struct lines *l, const char *source);
void lines_close(struct lines *l);

// The next line that was read, without its end; valid until lines_read(). False: there is no whole one.
bool lines_take(struct lines *l, struct slice *line);

// Reads more; waits for it. False: it could not be read, or a signal came; said, unless it was a signal.
bool lines_read(struct lines *l);

// What of a line is the argument: with --string without a carriage return at its end. False: it is blank, and
// without --string that is none.
bool lines_argument(const struct cli *c, struct slice *line);

// Makes JSON text of the argument of the line that was taken last. EXIT_DONE, or says what is wrong, with the
// line's number. The caller releases.
int lines_json(const struct cli *c, const struct lines *l, struct slice argument, struct taskq_text *json);

#endif
