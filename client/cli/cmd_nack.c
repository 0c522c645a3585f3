#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/values.h"

#include <stdio.h>
#include <string.h>

static const struct option options[] = {
    {"error", 'e', OPTION_TEXT, "JSON", "what went wrong; also @FILE, -"},
    {"string", 's', OPTION_FLAG, NULL, "the error is text, and becomes a JSON string"},
    {"delay", 'd', OPTION_SECONDS, "TIME", "try again after this time; the queue's backoff unless said"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    struct taskq_text error;
    const char *state;
    double delay;
    char text[VALUE_TEXT];
    int code = input_delivery(c, &id, &delivery);
    if (code == EXIT_DONE)
        code = input_option(c, "error", &error);
    if (code != EXIT_DONE)
        return code;
    enum taskq_error e = taskq_nack(c->q, id, delivery, error.data, error.len,
                                    option_number(&c->args, "delay", TASKQ_FOREVER), &state, &delay);
    taskq_text_release(&error);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"state\":\"%s\",\"delay\":%g}\n", state, delay);
    else if (strcmp(state, "delayed") == 0)
        printf("tried again in %s\n", value_show_seconds(delay, text));
    else
        printf("%s\n", state);
    return EXIT_DONE;
}

const struct command command_nack = {
    .name = "nack",
    .usage = "ID DELIVERY [--error JSON] [--delay TIME]",
    .summary = "Say that an attempt failed: the job is tried again later",
    .help = "After its last attempt the job is dead. Prints which it is.\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
