#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"running", 0, OPTION_FLAG, NULL, "also if it has been started: its worker is told to end it"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id;
    bool cancelled;
    if (!input_id(c->args.positional[0], &id))
        return cli_usage(c, "`%s` is no job's id", c->args.positional[0]);
    bool running = option_given(&c->args, "running");
    enum taskq_error e =
        running ? taskq_cancel_running(c->q, id, &cancelled) : taskq_cancel(c->q, id, &cancelled);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"cancelled\":%s}\n", cancelled ? "true" : "false");
    else if (!cancelled)
        fprintf(stderr, "taskq: job %llu %s; it was not cancelled\n", (unsigned long long)id,
                running ? "is finished" : "has been started (then: --running) or is finished");
    return cancelled ? EXIT_DONE : EXIT_NO;
}

const struct command command_cancel = {
    .name = "cancel",
    .usage = "ID [--running]",
    .summary = "Cancel a job that nobody has started, or one that runs",
    .help =
        "Exit code 1 if it has been started, or is finished. With --running a job that runs is ended: the "
        "daemon's\nown workers and `taskq work` end its command (TERM, then KILL), other consumers are told "
        "by "
        "the\nanswer to their next touch or progress. It is cancelled when they have answered.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
