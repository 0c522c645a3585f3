#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    uint64_t id;
    bool cancelled;
    if (!input_id(c->args.positional[0], &id))
        return cli_usage(c, "`%s` is no job's id", c->args.positional[0]);
    enum taskq_error e = taskq_cancel(c->q, id, &cancelled);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"cancelled\":%s}\n", cancelled ? "true" : "false");
    else if (!cancelled)
        fprintf(stderr, "taskq: job %llu has been started or is finished; it was not cancelled\n",
                (unsigned long long)id);
    return cancelled ? EXIT_DONE : EXIT_NO;
}

const struct command command_cancel = {
    .name = "cancel",
    .usage = "ID",
    .summary = "Cancel a job that nobody has started",
    .help = "Exit code 1 if it has been started, or is finished.\n",
    .min = 1,
    .max = 1,
    .exec = exec,
};
