#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "common/plural.h"

#include <stdio.h>

static const struct option options[] = {
    {"yes", 'y', OPTION_FLAG, NULL, "do not ask"},
    {NULL},
};

static int exec(struct cli *c)
{
    const char *queue = c->args.positional[0];
    uint64_t count;
    if (!input_confirm(c, "Remove queue %s with all its jobs and settings?", queue))
        return EXIT_NO;
    enum taskq_error e = taskq_drop(c->q, queue, &count);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"count\":%llu}\n", (unsigned long long)count);
    else
        printf("dropped with %llu %s\n", (unsigned long long)count, plural(count, "job", "jobs"));
    return EXIT_DONE;
}

const struct command command_drop = {
    .name = "drop",
    .usage = "QUEUE [--yes]",
    .summary = "Remove a queue with all its jobs and settings",
    .help = "Asks first, on a terminal.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
