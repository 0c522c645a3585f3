#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"error", 'e', OPTION_TEXT, "JSON", "what went wrong; also @FILE, -"},
    {"string", 's', OPTION_FLAG, NULL, "the error is text, and becomes a JSON string"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    struct taskq_text error;
    int code = input_delivery(c, &id, &delivery);
    if (code == EXIT_DONE)
        code = input_option(c, "error", &error);
    if (code != EXIT_DONE)
        return code;
    enum taskq_error e = taskq_bury(c->q, id, delivery, error.data, error.len);
    taskq_text_release(&error);
    if (e == TASKQ_OK && c->json)
        printf("{}\n");
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_bury = {
    .name = "bury",
    .usage = "ID DELIVERY [--error JSON]",
    .summary = "Give a job up: it is dead at once",
    .help = "`taskq jobs QUEUE --state dead` lists the dead, `taskq kick ID` gives one a new start.\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
