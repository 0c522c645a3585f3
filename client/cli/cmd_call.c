#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/cli/put_options.h"

static const struct option options[] = {
    {"raw", 'r', OPTION_FLAG, NULL, "print a result that is a JSON string as its text"},
    KEEP_RESULT,
    BODY_OPTIONS,
    PUT_OPTIONS,
    {"timeout", 't', OPTION_SECONDS, "TIME",
     "how long to wait, for room in the queue and for the result;\nfor ever unless said"},
    {NULL},
};

static int exec(struct cli *c)
{
    struct taskq_put_options o;
    struct taskq_text json, result;
    int code = put_options_read_submit(c, &o, &json);
    if (code != EXIT_DONE)
        return code;
    cli_interruptible(c);
    enum taskq_error e = taskq_call(c->q, c->args.positional[0], json.data, json.len, &o, &result);
    taskq_text_release(&json);
    return outcome_show_result(c, 0, e, &result);
}

const struct command command_call = {
    .name = "call",
    .usage = "QUEUE BODY|@FILE|- [options]",
    .summary = "Put a job, wait for its result and print it",
    .help = "As `taskq submit --wait`, in one request, and the daemon keeps the result no longer once it is "
            "here. If\n"
            "it is not waited for to the end, the job goes on. A job that fails is exit code 1.\n\n"
            "  taskq call wordcount --string /etc/motd\n",
    .options = options,
    .min = 2,
    .max = 2,
    .exec = exec,
};
