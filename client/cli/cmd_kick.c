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
    const struct option_value *queue = option_get(&c->args, "queue");
    const char *state = option_get(&c->args, "state")->text;
    uint64_t count = 0, limit = option_get(&c->args, "limit")->count;
    enum taskq_error e = TASKQ_OK;
    int code = EXIT_DONE;
    if (queue->given == (c->args.count > 0))
        return cli_usage(c, "which jobs? Their ids, or -q QUEUE");
    if (!queue->given && (state != NULL || option_given(&c->args, "limit")))
        return cli_usage(c, "--state and --limit go with -q QUEUE");
    if (option_given(&c->args, "limit") && limit == 0)
        return cli_usage(c, "--limit is at least 1");
    for (int i = 0; i < c->args.count; i++) {
        uint64_t id; // all are looked at before the first is touched
        if (!input_id(c->args.positional[i], &id))
            return cli_usage(c, "`%s` is no job's id", c->args.positional[i]);
    }
    if (queue->given)
        e = taskq_kick_many(c->q, queue->text, state, limit, &count);
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
