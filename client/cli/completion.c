// Completion of the command line. Beside the table's words it offers the daemon's queues where a command
// takes one.
#include "client/cli/commands.h"
#include "client/cli/manual.h"

#include <stdio.h>
#include <string.h>

// The names of the queues, a line each, in every shell; names that JSON escapes are left out. The daemon gets
// a second, so that one that does not answer does not hold up the shell.
#define QUEUES                                                                                               \
    "timeout 1 taskq queues --json 2>/dev/null | sed -n 's/^{\"queue\":\"\\([^\"\\\\]*\\)\".*/\\1/p'"

static const char *const states = "ready delayed reserved dead done cancelled";

// What a command's first argument, or an option's, is completed with.
enum what { FILES, QUEUE_NAMES, STATES, COMMAND_NAMES };

static enum what what_of(const char *argument)
{
    static const struct {
        const char *prefix;
        enum what what;
    } rows[] = {{"QUEUE", QUEUE_NAMES},
                {"[QUEUE", QUEUE_NAMES},
                {"STATE", STATES},
                {"[COMMAND", COMMAND_NAMES}};
    for (size_t i = 0; argument != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strncmp(argument, rows[i].prefix, strlen(rows[i].prefix)) == 0)
            return rows[i].what;
    return FILES;
}

static void print_names(void)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", commands[i]->name);
}

// A text within single quotes, as all three shells take it; `bare` leaves out what zsh would read as its own.
static void print_quoted(const char *text, bool bare)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            putchar(' ');
        else if (*text == '\'')
            fputs("'\\''", stdout);
        else if (bare && strchr("[]:", *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

// ---- bash

static void bash_reply(enum what what)
{
    switch (what) {
    case QUEUE_NAMES:
        printf("mapfile -t COMPREPLY < <(compgen -W \"$(" QUEUES ")\" -- \"$word\")");
        break;
    case STATES:
        printf("mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")", states);
        break;
    case COMMAND_NAMES:
        printf("mapfile -t COMPREPLY < <(compgen -W '");
        print_names();
        printf("' -- \"$word\")");
        break;
    case FILES:
        printf("mapfile -t COMPREPLY < <(compgen -f -- \"$word\")");
        break;
    }
}

static void bash_options(const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++)
        printf(" --%s", table->name);
}

// A case of `command:--option` for each option that takes an argument.
static void bash_arguments(const char *command, const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (table->argument == NULL)
            continue;
        printf("    %s:--%s", command, table->name);
        if (table->letter != 0)
            printf(" | %s:-%c", command, table->letter);
        printf(")\n        ");
        bash_reply(what_of(table->argument));
        printf("\n        return ;;\n");
    }
}

static void print_bash(void)
{
    printf("# bash completion for taskq, made from its table of commands\n"
           "_taskq() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "        -a | --address) i=$((i + 1)) ;;\n"
           "        -*) ;;\n"
           "        *) command=${COMP_WORDS[i]}; break ;;\n"
           "        esac\n"
           "    done\n"
           "    case $command:$before in\n");
    bash_arguments("*", options_everywhere);
    for (size_t i = 0; commands[i] != NULL; i++)
        bash_arguments(commands[i]->name, commands[i]->options);
    printf("    esac\n"
           "    case $word in\n"
           "    -*)\n"
           "        local options='");
    bash_options(options_everywhere);
    printf("'\n        case $command in\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        if (commands[i]->options != NULL) {
            printf("        %s) options+='", commands[i]->name);
            bash_options(commands[i]->options);
            printf("' ;;\n");
        }
    printf("        esac\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
           "        return ;;\n"
           "    esac\n"
           "    case $command in\n"
           "    '')\n        ");
    bash_reply(COMMAND_NAMES);
    printf(" ;;\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        if (commands[i]->max != 0 && what_of(commands[i]->usage) != FILES) {
            printf("    %s)\n        ", commands[i]->name);
            bash_reply(what_of(commands[i]->usage));
            printf(" ;;\n");
        }
    printf("    *)\n        ");
    bash_reply(FILES);
    printf(" ;;\n    esac\n}\ncomplete -F _taskq taskq\n");
}

// ---- zsh

static const char *zsh_action(enum what what)
{
    static const char *const actions[] = {[FILES] = "_files",
                                          [QUEUE_NAMES] = "_taskq_queues",
                                          [STATES] = "_taskq_states",
                                          [COMMAND_NAMES] = "_taskq_commands"};
    return actions[what];
}

static void zsh_options(const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        printf(" \\\n            ");
        if (table->letter != 0)
            printf("'(-%c --%s)'{-%c,--%s}", table->letter, table->name, table->letter, table->name);
        else
            printf("--%s", table->name);
        printf("'[");
        print_quoted(table->help, true);
        printf("]%s%s%s%s'", table->argument != NULL ? ":" : "",
               table->argument != NULL ? table->argument : "", table->argument != NULL ? ":" : "",
               table->argument != NULL ? zsh_action(what_of(table->argument)) : "");
    }
}

static void print_zsh(void)
{
    printf("#compdef taskq\n"
           "# zsh completion for taskq, made from its table of commands\n"
           "_taskq_queues() {\n"
           "    local -a names=(\"${(@f)$(" QUEUES ")}\")\n"
           "    compadd -a names\n"
           "}\n"
           "_taskq_states() { compadd %s }\n"
           "_taskq_commands() {\n"
           "    local -a names=(\n",
           states);
    for (size_t i = 0; commands[i] != NULL; i++) {
        printf("        '%s:", commands[i]->name);
        print_quoted(commands[i]->summary, false);
        printf("'\n");
    }
    printf("    )\n"
           "    _describe command names\n"
           "}\n"
           "_taskq() {\n"
           "    local context state line\n"
           "    typeset -A opt_args\n"
           "    _arguments -C");
    zsh_options(options_everywhere);
    printf(" \\\n            '1:command:_taskq_commands' '*::argument:->rest'\n"
           "    [[ $state == rest ]] || return\n"
           "    case $words[1] in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        printf("    %s)\n        _arguments", commands[i]->name);
        zsh_options(commands[i]->options);
        zsh_options(options_everywhere);
        if (commands[i]->max != 0)
            printf(" \\\n            '*:argument:%s'", zsh_action(what_of(commands[i]->usage)));
        printf(" ;;\n");
    }
    printf("    esac\n}\n_taskq \"$@\"\n");
}

// ---- fish

static void fish_options(const char *command, const struct option *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        printf("complete -c taskq");
        if (command != NULL)
            printf(" -n '__fish_seen_subcommand_from %s'", command);
        if (table->letter != 0)
            printf(" -s %c", table->letter);
        printf(" -l %s", table->name);
        if (table->argument != NULL)
            switch (what_of(table->argument)) {
            case QUEUE_NAMES:
                printf(" -x -a '(__taskq_queues)'");
                break;
            case STATES:
                printf(" -x -a '%s'", states);
                break;
            case COMMAND_NAMES:
            case FILES:
                printf(" -r");
                break;
            }
        printf(" -d '");
        print_quoted(table->help, false);
        printf("'\n");
    }
}

static void print_fish(void)
{
    printf("# fish completion for taskq, made from its table of commands\n"
           "function __taskq_queues\n"
           "    " QUEUES "\n"
           "end\n");
    fish_options(NULL, options_everywhere);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *c = commands[i];
        printf("complete -c taskq -f -n __fish_use_subcommand -a %s -d '", c->name);
        print_quoted(c->summary, false);
        printf("'\n");
        fish_options(c->name, c->options);
        if (c->max != 0 && what_of(c->usage) == QUEUE_NAMES)
            printf("complete -c taskq -f -n '__fish_seen_subcommand_from %s' -a '(__taskq_queues)'\n",
                   c->name);
        if (c->max != 0 && what_of(c->usage) == COMMAND_NAMES) {
            printf("complete -c taskq -f -n '__fish_seen_subcommand_from %s' -a '", c->name);
            print_names();
            printf("'\n");
        }
    }
}

bool completion_print(const char *shell)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } rows[] = {{"bash", print_bash}, {"fish", print_fish}, {"zsh", print_zsh}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].shell, shell) == 0) {
            rows[i].print();
            return true;
        }
    return false;
}
