#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"queue", 'q', OPTION_TEXT, "QUEUE", "all jobs of this queue, instead of single ones"},
    {"state", 0, OPTION_TEXT, "STATE", "of the queue's only those: ready, delayed, dead, done, cancelled"},
    {"limit", 'n', OPTION_COUNT, "N", "of the queue's at most N"},
    {"yes", 'y', OPTION_FLAG, NULL, "do not ask"},
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
    if (queue != NULL &&
        !input_confirm(c, "Remove %s jobs of queue %s?", state != NULL ? state : "all", queue))
        return EXIT_NO;
    if (queue != NULL)
        e = taskq_delete_many(c->q, queue, state, limit, &count);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    for (int i = 0; i < c->args.count; i++) {
        uint64_t id;
        input_id(c->args.positional[i], &id);
        e = taskq_delete(c->q, id);
        if (e != TASKQ_OK)
            code = cli_fail(c, e);
        else
            count++;
    }
    printf(c->json ? "{\"count\":%llu}\n" : "%llu deleted\n", (unsigned long long)count);
    return code;
}

const struct command command_delete = {
    .name = "delete",
    .usage = "ID… | -q QUEUE [--state STATE] [-n N]",
    .summary = "Remove jobs",
    .help = "A single job goes in whatever state it is; of a queue, those that are not reserved. With -q it "
            "asks\nfirst, on a terminal. Prints how many jobs it was.\n",
    .options = options,
    .min = 0,
    .max = -1,
    .exec = exec,
};
