#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/outcome.h"

static const struct option options[] = {
    {"timeout", 't', OPTION_SECONDS, "TIME", "how long to wait; for ever unless said, 0: not at all"},
    {"forget", 'f', OPTION_FLAG, NULL, "the daemon need not keep it any longer"},
    {"raw", 'r', OPTION_FLAG, NULL, "print a result that is a JSON string as its text"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id;
    if (!input_id(c->args.positional[0], &id))
        return cli_usage(c, "`%s` is no job's id", c->args.positional[0]);
    return outcome_print(c, id, option_number(&c->args, "timeout", TASKQ_FOREVER),
                         option_given(&c->args, "forget"));
}

const struct command command_result = {
    .name = "result",
    .usage = "ID [--timeout TIME] [--forget]",
    .summary = "Wait for the result of a submitted job and print it",
    .help = "A job that is dead or cancelled, or not finished in time, is exit code 1. With --json prints\n"
            "{\"id\",\"state\",\"result\"}, or what is known of the failure.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
