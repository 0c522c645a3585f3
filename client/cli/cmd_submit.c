#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/cli/put_options.h"

#include <stdio.h>

static const struct option options[] = {
    {"wait", 'w', OPTION_FLAG, NULL, "wait for the result and print it"},
    {"wait-for", 0, OPTION_SECONDS, "TIME", "how long to wait for it; for ever unless said"},
    {"raw", 'r', OPTION_FLAG, NULL, "print a result that is a JSON string as its text"},
    KEEP_RESULT,
    BODY_OPTIONS,
    PUT_OPTIONS,
    PUT_TIMEOUT,
    {NULL},
};

static int exec(struct cli *c)
{
    struct taskq_put_options o;
    struct taskq_text json;
    struct taskq_put_result result;
    int code = put_options_read_submit(c, &o, &json);
    if (code != EXIT_DONE)
        return code;
    cli_interruptible(c);
    enum taskq_error e = taskq_submit(c->q, c->args.positional[0], json.data, json.len, &o, &result);
    taskq_text_release(&json);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (!option_given(&c->args, "wait") && !option_given(&c->args, "wait-for")) {
        put_print(c, &result);
        return EXIT_DONE;
    }
    code = outcome_print(c, result.id, option_number(&c->args, "wait-for", TASKQ_FOREVER), false);
    if (code != EXIT_DONE && !c->json && (cli_interrupted() != 0 || taskq_error_code(c->q) == TASKQ_TIMEOUT))
        fprintf(stderr, "taskq: the job goes on; for its result: taskq result %llu\n",
                (unsigned long long)result.id);
    return code;
}

const struct command command_submit = {
    .name = "submit",
    .usage = "QUEUE BODY|@FILE|- [--wait] [options]",
    .summary = "Put a job whose result is kept, and wait for it if wanted",
    .help = "Prints the job's id, for `taskq result` and `taskq watch`; with --wait the result, and on a "
            "terminal "
            "a\nbar of the job's own reports while it runs. A job that fails is exit code 1.\n\n"
            "  taskq submit wordcount '\"/etc/motd\"' --wait\n",
    .options = options,
    .min = 2,
    .max = 2,
    .exec = exec,
};
