#include "client/cli/commands.h"
#include "client/cli/human.h"

static int exec(struct cli *c)
{
    struct taskq_text answer;
    enum taskq_error e = taskq_stats(c->q, c->args.count > 0 ? c->args.positional[0] : NULL, &answer);
    return human_answer(c, e, &answer);
}

const struct command command_stats = {
    .name = "stats",
    .usage = "[QUEUE]",
    .summary = "Show counts, counters and settings of a queue, or of the daemon",
    .help = "Counters count from the daemon's start.\n",
    .min = 0,
    .max = 1,
    .exec = exec,
};
