// The list of commands, in the order of the help. A new one is a file cmd_NAME.c and a line here.
#ifndef CLIENT_CLI_COMMANDS_H
#define CLIENT_CLI_COMMANDS_H

#include "client/cli/command.h"

// clang-format off
#define COMMANDS(X) \
    X(put) \
    X(submit) \
    X(result) \
    X(call) \
    X(map) \
    X(watch) \
    X(cancel) \
    X(get) \
    X(ack) \
    X(nack) \
    X(release) \
    X(bury) \
    X(touch) \
    X(progress) \
    X(work) \
    X(job) \
    X(jobs) \
    X(kick) \
    X(delete) \
    X(top) \
    X(events) \
    X(queues) \
    X(stats) \
    X(declare) \
    X(pause) \
    X(resume) \
    X(join) \
    X(shutdown) \
    X(drop) \
    X(pool) \
    X(backup) \
    X(who) \
    X(hello) \
    X(ping) \
    X(bench) \
    X(raw) \
    X(help)
// clang-format on

#define X(name) extern const struct command command_##name;
COMMANDS(X)
#undef X

#endif
