#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"

static int exec(struct cli *c)
{
    struct taskq_text answer;
    enum taskq_error e = taskq_hello(c->q, &answer);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        output_json(answer.data, answer.len);
    else
        human_object(answer.data, answer.len);
    taskq_text_release(&answer);
    return EXIT_DONE;
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
