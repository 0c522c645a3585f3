#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/put_lines.h"
#include "client/cli/put_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option options[] = {
    {"lines", 'l', OPTION_FLAG, NULL, "each line of @FILE or of standard input is a job"},
    BODY_OPTIONS,
    PUT_OPTIONS,
    PUT_TIMEOUT,
    {NULL},
};

static int exec(struct cli *c)
{
    const char *queue = c->args.positional[0];
    const char *body = c->args.count > 1 ? c->args.positional[1] : NULL;
    struct taskq_put_options o;
    int code = put_options_read(c, &o);
    if (code != EXIT_DONE)
        return code;
    if (body == NULL && !option_given(&c->args, "lines") && isatty(STDIN_FILENO) == 1)
        return cli_usage(c, "what is to be put? A BODY, or - for what you type");
    if (option_given(&c->args, "literal") && (body == NULL || option_given(&c->args, "lines")))
        return cli_usage(c, "--literal wants a BODY, and no --lines");
    if (body == NULL || option_given(&c->args, "lines")) {
        bool file = body != NULL && body[0] == '@';
        if (body != NULL && !file && strcmp(body, "-") != 0)
            return cli_usage(c, "--lines wants @FILE or -");
        return put_lines(c, queue, file ? body + 1 : NULL, &o);
    }

    struct taskq_text json;
    struct taskq_put_result result;
    code = input_body(c, body, &json);
    if (code != EXIT_DONE)
        return code;
    cli_interruptible(c);
    enum taskq_error e = taskq_put(c->q, queue, json.data, json.len, &o, &result);
    taskq_text_release(&json);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    put_print(c, &result);
    return EXIT_DONE;
}

const struct command command_put = {
    .name = "put",
    .usage = "QUEUE [BODY | @FILE | -] [--lines] [options]",
    .summary = "Put a job on a queue, or one for each line of the input",
    .help = "BODY is JSON, or with --string any text; @FILE and - take it from a file or from standard "
            "input, and\n"
            "with --literal they are text like any other.\n"
            "Without a BODY each line of standard input is a job. Prints the job's id; with --json {\"id\"}, "
            "and\n"
            "`\"existing\":true` where --key found it there already. With lines, a job's key is KEY:LINE.\n\n"
            "  taskq put emails '{\"to\":\"ann\"}'\n"
            "  find /data -type f | taskq put --string files\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
