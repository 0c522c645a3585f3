#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"result", 'r', OPTION_TEXT, "JSON", "the result, for a job that was submitted; also @FILE, -"},
    {"string", 's', OPTION_FLAG, NULL, "the result is text, and becomes a JSON string"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    struct taskq_text result;
    int code = input_delivery(c, &id, &delivery);
    if (code == EXIT_DONE)
        code = input_option(c, "result", &result);
    if (code != EXIT_DONE)
        return code;
    enum taskq_error e = taskq_ack(c->q, id, delivery, result.data, result.len);
    taskq_text_release(&result);
    if (e == TASKQ_OK && c->json)
        printf("{}\n");
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_ack = {
    .name = "ack",
    .usage = "ID DELIVERY [--result JSON]",
    .summary = "Acknowledge a job: it is done",
    .help = "ID and DELIVERY are what `taskq get` printed.\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
