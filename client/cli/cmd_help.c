#include "client/cli/commands.h"

#include <stdio.h>

static int exec(struct cli *c)
{
    if (c->args.count == 0) {
        command_print_overview();
        return EXIT_DONE;
    }
    const char *name = c->args.positional[0];
    const struct command *command = command_find(name);
    if (command == NULL) {
        const char *guess = command_guess(name);
        fprintf(stderr, "taskq: there is no command `%s`%s%s%s\n", name,
                guess != NULL ? "; did you mean `" : "", guess != NULL ? guess : "",
                guess != NULL ? "`?" : "");
        return EXIT_USAGE;
    }
    command_print_help(command);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "Explain the commands, or one of them",
    .min = 0,
    .max = 1,
    .offline = true,
    .exec = exec,
};
