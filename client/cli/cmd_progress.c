#include "client/cli/commands.h"
#include "client/cli/input.h"

#include <stdlib.h>

static const struct option options[] = {
    {"done", 'd', OPTION_NUMBER, "N", "so much is done"},
    {"total", 'n', OPTION_NUMBER, "N", "of so much"},
    {"message", 'm', OPTION_TEXT, "TEXT", "what it does now"},
    {NULL},
};

// Within `taskq work` the job's id and delivery are in the environment.
static int from_environment(const struct cli *c, uint64_t *id, uint64_t *delivery)
{
    const char *id_text = getenv("TASKQ_ID"), *delivery_text = getenv("TASKQ_DELIVERY");
    *delivery = 0;
    if (id_text == NULL)
        return cli_usage(c, "which job? Its ID (or TASKQ_ID in the environment, as `taskq work` sets it)");
    if (!input_id(id_text, id) || (delivery_text != NULL && !input_id(delivery_text, delivery)))
        return cli_usage(c, "TASKQ_ID and TASKQ_DELIVERY are not what `taskq work` makes of them");
    return EXIT_DONE;
}

static int exec(struct cli *c)
{
    uint64_t id, delivery;
    struct taskq_report report = {.done = option_number(&c->args, "done", -1),
                                  .total = option_number(&c->args, "total", -1),
                                  .message = option_get(&c->args, "message")->text};
    int code = c->args.count > 0 ? input_delivery(c, &id, &delivery) : from_environment(c, &id, &delivery);
    if (code != EXIT_DONE)
        return code;
    if (report.message == NULL && !option_given(&c->args, "done"))
        return cli_usage(c, "how far is it? --done N, --message TEXT or both");
    if ((option_given(&c->args, "done") && report.done < 0) ||
        (option_given(&c->args, "total") && report.total < 0))
        return cli_usage(c, "--done and --total are 0 or more");
    enum taskq_error e = taskq_progress(c->q, id, delivery, &report);
    return e == TASKQ_OK ? EXIT_DONE : cli_fail(c, e);
}

const struct command command_progress = {
    .name = "progress",
    .usage = "[ID [DELIVERY]] [--done N [--total N]] [--message TEXT]",
    .summary = "Say how far a job is that you hold",
    .help = "Whoever waits for the job sees it (`taskq watch ID`, `taskq submit --wait`), and so does `taskq "
            "job ID`."
            "\nIn a command that `taskq work` runs, the job need not be named. Exit code 1 with the error "
            "`cancelled`\nmeans that somebody wants the job ended.\n\n"
            "  taskq progress --done 3 --total 10 --message 'resizing'\n",
    .options = options,
    .min = 0,
    .max = 2,
    .exec = exec,
};
