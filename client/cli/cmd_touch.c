#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/values.h"

#include <stdio.h>

static const struct option options[] = {
    {"lease", 0, OPTION_SECONDS, "TIME", "from now; as long as before unless said"},
    {NULL},
};

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    double left;
    char text[VALUE_TEXT];
    int code = input_delivery(c, &id, &delivery);
    if (code != EXIT_DONE)
        return code;
    enum taskq_error e = taskq_touch(c->q, id, delivery, option_number(&c->args, "lease", 0), &left);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"lease\":%g}\n", left);
    else
        printf("held for %s\n", value_show_seconds(left, text));
    return EXIT_DONE;
}

const struct command command_touch = {
    .name = "touch",
    .usage = "ID DELIVERY [--lease TIME]",
    .summary = "Renew a job's lease",
    .options = options,
    .min = 1,
    .max = 2,
    .exec = exec,
};
