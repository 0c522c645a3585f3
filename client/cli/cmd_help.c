#include "client/cli/commands.h"
#include "client/cli/manual.h"

#include <stdio.h>

static const struct option options[] = {
    {"man", 0, OPTION_FLAG, NULL, "print the manual page, for `man -l -`"},
    {"completion", 0, OPTION_TEXT, "SHELL", "print the completion for bash, fish or zsh"},
    {NULL},
};

static int exec(struct cli *c)
{
    const struct option_value *shell = option_get(&c->args, "completion");
    if (option_given(&c->args, "man")) {
        manual_print();
        return EXIT_DONE;
    }
    if (shell->given)
        return completion_print(shell->text)
                   ? EXIT_DONE
                   : cli_usage(c, "there is a completion for bash, fish and zsh, not for %s", shell->text);
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
    .options = options,
    .min = 0,
    .max = 1,
    .offline = true,
    .exec = exec,
};
