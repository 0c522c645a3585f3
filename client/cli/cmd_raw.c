#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/output.h"

static int exec(struct cli *c)
{
    struct taskq_text params = {NULL, 0}, result;
    int code = c->args.count > 1 ? input_value(c, c->args.positional[1], false, &params) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    cli_interruptible(c);
    enum taskq_error e = taskq_call_raw(c->q, c->args.positional[0], params.data, &result);
    taskq_text_release(&params);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    output_json(result.data, result.len);
    taskq_text_release(&result);
    return EXIT_DONE;
}

const struct command command_raw = {
    .name = "raw",
    .usage = "METHOD [PARAMS | @FILE | -]",
    .summary = "Call any method of the protocol",
    .help = "PARAMS is a JSON object. Prints the result as it came.\n\n"
            "  taskq raw stats '{\"queue\":\"emails\"}'\n",
    .min = 1,
    .max = 2,
    .exec = exec,
};
