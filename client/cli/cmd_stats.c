#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"

static int exec(struct cli *c)
{
    struct taskq_text answer;
    enum taskq_error e = taskq_stats(c->q, c->args.count > 0 ? c->args.positional[0] : NULL, &answer);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        output_json(answer.data, answer.len);
    else
        human_object(answer.data, answer.len);
    taskq_text_release(&answer);
    return EXIT_DONE;
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
