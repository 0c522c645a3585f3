#include "client/cli/commands.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    for (int i = 0; i < c->args.count; i++) {
        enum taskq_error e = taskq_pause(c->q, c->args.positional[i]);
        if (e != TASKQ_OK)
            return cli_fail(c, e);
        if (c->json)
            printf("{}\n");
    }
    return EXIT_DONE;
}

const struct command command_pause = {
    .name = "pause",
    .usage = "QUEUE…",
    .summary = "Stop a queue from giving out jobs",
    .help = "Puts go on, and so do the jobs under way. `taskq resume QUEUE` ends it.\n",
    .min = 1,
    .max = -1,
    .exec = exec,
};
