#include "client/cli/commands.h"
#include "common/clock.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    int64_t start = clock_ns();
    enum taskq_error e = taskq_ping(c->q);
    double seconds = (double)(clock_ns() - start) / 1e9;
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        printf("{\"seconds\":%.6f}\n", seconds);
    else
        printf("%s answers in %.3f ms\n", taskq_address(c->q), seconds * 1000);
    return EXIT_DONE;
}

const struct command command_ping = {
    .name = "ping",
    .usage = "",
    .summary = "See whether the daemon is there, and how fast",
    .min = 0,
    .max = 0,
    .exec = exec,
};
