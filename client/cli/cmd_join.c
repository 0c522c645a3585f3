#include "client/cli/commands.h"

#include <stdio.h>

static const struct option options[] = {
    {"timeout", 't', OPTION_SECONDS, "TIME", "how long to wait; for ever unless said"},
    {NULL},
};

static int exec(struct cli *c)
{
    cli_interruptible(c);
    enum taskq_error e =
        taskq_join(c->q, c->args.positional[0], option_number(&c->args, "timeout", TASKQ_FOREVER));
    if (e == TASKQ_OK && c->json)
        printf("{}\n");
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_join = {
    .name = "join",
    .usage = "QUEUE [--timeout TIME]",
    .summary = "Wait until every job of a queue is finished",
    .help = "Dead and cancelled jobs are finished as well. Exit code 1 if the time was up first.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
