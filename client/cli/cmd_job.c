#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/input.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    int code = EXIT_DONE;
    for (int i = 0; i < c->args.count; i++) {
        uint64_t id;
        struct taskq_text info;
        if (!input_id(c->args.positional[i], &id))
            return cli_usage(c, "`%s` is no job's id", c->args.positional[i]);
        enum taskq_error e = taskq_job_info(c->q, id, &info);
        int one = human_answer(c, e, &info);
        if (one != EXIT_DONE)
            code = one;
        else if (!c->json && i + 1 < c->args.count)
            putchar('\n');
    }
    return code;
}

const struct command command_job = {
    .name = "job",
    .usage = "ID…",
    .summary = "Show everything about a job, and why it is not running",
    .help = "With --json a line a job.\n",
    .min = 1,
    .max = -1,
    .exec = exec,
};
