#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/outcome.h"
#include "client/cli/put_options.h"

static const struct option options[] = {
    {"wait", 'w', OPTION_FLAG, NULL, "wait for the result and print it"},
    {"wait-for", 0, OPTION_SECONDS, "TIME", "how long to wait for it; for ever unless said"},
    {"raw", 'r', OPTION_FLAG, NULL, "print a result that is a JSON string as its text"},
    {"keep-result", 0, OPTION_SECONDS, "TIME", "how long the result is kept"},
    PUT_OPTIONS,
    {NULL},
};

static int exec(struct cli *c)
{
    struct taskq_put_options o;
    struct taskq_text json;
    struct taskq_put_result result;
    int code = put_options_read(c, &o);
    o.keep_result = option_number(&c->args, "keep-result", 0);
    if (code == EXIT_DONE)
        code = input_value(c, c->args.positional[1], option_given(&c->args, "string"), &json);
    if (code != EXIT_DONE)
        return code;
    cli_interruptible(c);
    enum taskq_error e = taskq_submit(c->q, c->args.positional[0], json.data, json.len, &o, &result);
    taskq_text_release(&json);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (option_given(&c->args, "wait") || option_given(&c->args, "wait-for"))
        return outcome_print(c, result.id, option_number(&c->args, "wait-for", TASKQ_FOREVER), false);
    put_print(c, &result);
    return EXIT_DONE;
}

const struct command command_submit = {
    .name = "submit",
    .usage = "QUEUE BODY|@FILE|- [--wait] [options]",
    .summary = "Put a job whose result is kept, and wait for it if wanted",
    .help = "Prints the job's id, for `taskq result`; with --wait the result. A job that fails is exit code "
            "1.\n\n"
            "  taskq submit wordcount '\"/etc/motd\"' --wait\n",
    .options = options,
    .min = 2,
    .max = 2,
    .exec = exec,
};
