#include "client/cli/commands.h"
#include "client/cli/human.h"

static int exec(struct cli *c)
{
    struct taskq_text answer;
    enum taskq_error e = taskq_hello(c->q, &answer);
    return human_answer(c, e, &answer);
}

const struct command command_hello = {
    .name = "hello",
    .usage = "",
    .summary = "Show who the daemon is, its limits, and whether jobs are on disk",
    .help = "`durability` is always, interval or memory.\n",
    .min = 0,
    .max = 0,
    .exec = exec,
};
