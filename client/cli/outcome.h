// The outcome of a submitted job, for the commands that wait for one.
#ifndef CLIENT_CLI_OUTCOME_H
#define CLIENT_CLI_OUTCOME_H

#include "client/cli/command.h"

// Waits for it, with a progress bar on a terminal, and prints the result; a job that failed is said on
// standard error. With --json both are printed, as {"id","state",…}. The exit code.
int outcome_print(struct cli *c, uint64_t id, double timeout, bool forget);

// Prints in the same way what a call came to: its result, which is released, or its error.
int outcome_show_result(const struct cli *c, uint64_t id, enum taskq_error e, struct taskq_text *result);

// How an outcome that is an error is printed: one line, without its end. `what` is said first.
void outcome_say_error(const char *what, const struct taskq_outcome *o);

// An outcome as a program gets it: {"id","state",…}, or {"id","error":{"name","message"}} where it has no
// state; with "line" before, unless that is 0. A line on standard output. False: no memory.
bool outcome_print_json(const struct taskq_outcome *o, uint64_t line);

#endif
