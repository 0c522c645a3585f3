#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdio.h>

static const struct option options[] = {
    {"delay", 'd', OPTION_SECONDS, "TIME", "ready only after this time"},
    {"priority", 'p', OPTION_NUMBER, "N", "another priority"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    const struct option_value *priority = option_get(&c->args, "priority");
    int code = input_delivery(c, &id, &delivery);
    if (code != EXIT_DONE)
        return code;
    enum taskq_error e = taskq_release(c->q, id, delivery, option_number(&c->args, "delay", 0),
                                       priority->given ? &priority->number : NULL);
    if (e == TASKQ_OK && c->json)
        printf("{}\n");
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_release = {
    .name = "release",
    .usage = "ID DELIVERY [--delay TIME] [--priority N]",
    .summary = "Give a job back that was not tried",
    .help = "It takes its old place in the queue, and no attempt is counted.\n",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
