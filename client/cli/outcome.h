// The outcome of a submitted job, for submit and result.
#ifndef CLIENT_CLI_OUTCOME_H
#define CLIENT_CLI_OUTCOME_H

#include "client/cli/command.h"

// Waits for it and prints the result; a job that failed is said on standard error. With --json both are
// printed, as {"id","state",…}. The exit code.
int outcome_print(struct cli *c, uint64_t id, double timeout, bool forget);

#endif
