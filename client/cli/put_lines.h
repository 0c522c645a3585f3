// Many jobs from input, one a line.
#ifndef CLIENT_CLI_PUT_LINES_H
#define CLIENT_CLI_PUT_LINES_H

#include "client/cli/command.h"

// Puts the lines of `source` (a file's name, or NULL for standard input) as they come. A line that is not
// JSON (without --string) or is refused ends it, when what went before has its outcome. Blank lines are
// passed over, with
// --string they are empty strings. With a key, each job's is KEY:LINE, so that the same input can be put
// again.
int put_lines(struct cli *c, const char *queue, const char *source, const struct taskq_put_options *o);

#endif
