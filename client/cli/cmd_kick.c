#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"queue", 'q', OPTION_TEXT, "QUEUE", "all jobs of this queue, instead of single ones"},
    {"state", 0, OPTION_TEXT, "STATE", "of the queue's only those: dead or delayed"},
    {"limit", 'n', OPTION_COUNT, "N", "of the queue's at most N"},
    {NULL},
};

static int exec(struct cli *c)
{
    const char *queue, *state;
    uint64_t count = 0, limit;
    enum taskq_error e = TASKQ_OK;
    int code = input_jobs(c, &queue, &state, &limit);
    if (code != EXIT_DONE)
        return code;
    if (queue != NULL)
        e = taskq_kick_many(c->q, queue, state, limit, &count);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    for (int i = 0; i < c->args.count; i++) {
        uint64_t id, n;
        input_id(c->args.positional[i], &id);
        e = taskq_kick(c->q, id, &n);
        if (e != TASKQ_OK) {
            code = cli_fail(c, e);
        } else if (n == 0) {
            fprintf(stderr, "taskq: job %llu is neither dead nor delayed\n", (unsigned long long)id);
            code = EXIT_NO;
        } else {
            count += n;
        }
    }
    printf(c->json ? "{\"count\":%llu}\n" : "%llu made ready\n", (unsigned long long)count);
    return code;
}

const struct command command_kick = {
    .name = "kick",
    .usage = "ID… | -q QUEUE [--state STATE] [-n N]",
    .summary = "Make dead or delayed jobs ready",
    .help = "A dead job begins anew: its attempts are forgotten. Prints how many jobs it was.\n",
    .options = options,
    .min = 0,
    .max = -1,
    .exec = exec,
};
