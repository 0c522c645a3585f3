#include "client/cli/commands.h"

#include <stdio.h>

static const struct option options[] = {
    {"immediate", 'i', OPTION_FLAG, NULL, "the jobs that nobody has begun die, gets end"},
    {NULL},
};

static int exec(struct cli *c)
{
    enum taskq_error e = taskq_shutdown(c->q, c->args.positional[0], option_given(&c->args, "immediate"));
    if (e == TASKQ_OK && c->json)
        printf("{}\n");
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_shutdown = {
    .name = "shutdown",
    .usage = "QUEUE [--immediate]",
    .summary = "Shut a queue down (not the daemon): it takes no more jobs",
    .help = "Gets go on until it is empty, and then end. It stays shut down until `taskq drop QUEUE`.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
