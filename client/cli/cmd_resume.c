#include "client/cli/commands.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    for (int i = 0; i < c->args.count; i++) {
        enum taskq_error e = taskq_resume(c->q, c->args.positional[i]);
        if (e != TASKQ_OK)
            return cli_fail(c, e);
        if (c->json)
            printf("{}\n");
    }
    return EXIT_DONE;
}

const struct command command_resume = {
    .name = "resume",
    .usage = "QUEUE…",
    .summary = "End a queue's pause",
    .help = "A queue that was not paused stays as it is.\n",
    .min = 1,
    .max = -1,
    .exec = exec,
};
