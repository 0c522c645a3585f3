// Bodies, results and errors from the command line: an argument, `@FILE`, or `-` for standard input.
#ifndef CLIENT_CLI_INPUT_H
#define CLIENT_CLI_INPUT_H

#include "client/cli/command.h"
#include "common/buffer.h"
#include "common/slice.h"

// Reads all of what `source` names, and makes JSON text of it: with `string` a JSON string of its bytes
// (without one line end at the end of a file), else it must be JSON already. EXIT_DONE, or says what is wrong
// and how to go on. The caller releases.
int input_value(const struct cli *c, const char *source, bool string, struct taskq_text *json);

// The same for the BODY of a command with BODY_OPTIONS and PUT_OPTIONS.
int input_body(const struct cli *c, const char *source, struct taskq_text *json);

// Why a piece of input cannot be a body; NULL: it can.
const char *input_problem(struct slice text, bool string);

// Makes JSON text of one piece of input, in the same way. `what` names it in the message.
int input_json(const struct cli *c, struct slice text, bool string, const char *what,
               struct taskq_text *json);

// A job's id, or a delivery.
bool input_id(const char *text, uint64_t *id);

// The positional arguments ID [DELIVERY]; without one `*delivery` is 0. EXIT_DONE, or says what is wrong.
int input_delivery(const struct cli *c, uint64_t *id, uint64_t *delivery);

// Which jobs a command is for: the ids that are its positional arguments, or those of a queue: `*queue`
// (NULL: ids), `*state` (NULL: any), `*limit` (0: no bound), from the options of these names. All are looked
// at, so that nothing is done where one is wrong. EXIT_DONE, or says what is wrong.
int input_jobs(const struct cli *c, const char **queue, const char **state, uint64_t *limit);

// The value of an option that is JSON, `@FILE` or `-`, or text with --string; {NULL, 0} where it was not
// given.
int input_option(const struct cli *c, const char *name, struct taskq_text *json);

// Asks on a terminal whether to go on; without one it is yes. With --yes it does not ask.
__attribute__((format(printf, 2, 3))) bool input_confirm(const struct cli *c, const char *format, ...);

#endif
