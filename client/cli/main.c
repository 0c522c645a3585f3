#include "client/cli/command.h"
#include "client/cli/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct option options_everywhere[] = {
    {"address", 'a', OPTION_TEXT, "WHERE",
     "the daemon: HOST:PORT, [IPv6]:PORT, unix:PATH, or with TLS\ntaskqs://HOST:PORT (else TASKQ_ADDR, "
     "else\n" TASKQ_DEFAULT_ADDRESS ")"},
    {"token-file", 0, OPTION_TEXT, "FILE",
     "the file with the token that says who you are; nobody else\nmay read it (else TASKQ_TOKEN, else "
     "TASKQ_TOKEN_FILE)"},
    {"ca", 0, OPTION_TEXT, "FILE",
     "with TLS: the certificates of the CAs to trust (else\nTASKQ_CA, else the system's)"},
    {"cert", 0, OPTION_TEXT, "FILE",
     "with TLS: your certificate, where the daemon asks for one\n(else TASKQ_CERT)"},
    {"cert-key", 0, OPTION_TEXT, "FILE",
     "its key; nobody else may read it (else TASKQ_KEY, else it\nis in the file of the certificate)"},
    {"tls-name", 0, OPTION_TEXT, "NAME",
     "with TLS: what the daemon's certificate must be for (else\nTASKQ_TLS_NAME, else the host of "
     "--address)"},
    {"json", 0, OPTION_FLAG, NULL, "for programs: JSON, one document a line"},
    {"help", 'h', OPTION_FLAG, NULL, "this text"},
    {"version", 'V', OPTION_FLAG, NULL, "the version"},
    {NULL},
};

// How long a daemon that went away is waited for by what waits for many jobs: long enough to start it again.
#define PATIENCE 300.0

static void print_text(const char *text)
{
    if (text != NULL)
        printf("\n%s", text);
}

void command_print_help(const struct command *command)
{
    printf("usage: taskq %s %s\n\n%s\n", command->name, command->usage, command->summary);
    print_text(command->help);
    if (command->options != NULL) {
        printf("\nOptions:\n");
        options_help(command->options);
    }
    printf("\nWith every command:\n");
    options_help(options_everywhere);
    if (command->alias != NULL)
        printf("\nAlso: taskq %s\n", command->alias);
}

void command_print_overview(void)
{
    printf("usage: taskq [-a WHERE] [--json] COMMAND …\n\n"
           "Talks to taskqd, the job queue daemon.\n\nCommands:\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    printf("\n`taskq help COMMAND` says more. With every command:\n");
    options_help(options_everywhere);
    printf("\nExit codes:\n");
    for (size_t i = 0; i < exit_text_count; i++)
        printf("  %d  %s\n", exit_texts[i].code, exit_texts[i].text);
}

// Global options before the command's name count as if they stood behind it.
static void inherit(struct arguments *to, const struct arguments *from)
{
    for (int i = 0; i < OPTIONS_MAX; i++)
        if (from->values[OPTIONS_MAX + i].given && !to->values[OPTIONS_MAX + i].given)
            to->values[OPTIONS_MAX + i] = from->values[OPTIONS_MAX + i];
}

static int unknown(const char *name)
{
    const char *guess = command_guess(name);
    fprintf(stderr, "taskq: there is no command `%s`", name);
    if (guess != NULL)
        fprintf(stderr, "; did you mean `%s`?\n", guess);
    else
        fprintf(stderr, "; `taskq help` lists them\n");
    return EXIT_USAGE;
}

static int check_count(const struct cli *c)
{
    const struct command *command = c->command;
    if (c->args.count < command->min)
        return cli_usage(c, "%s",
                         c->args.count == 0 ? "something is missing" : "something is missing at the end");
    if (command->max >= 0 && c->args.count > command->max)
        return cli_usage(c, "`%s` is too much", c->args.positional[command->max]);
    return EXIT_DONE;
}

// Where no command to run stands behind `--`, what does are arguments that look like options.
static void join_rest(struct arguments *a)
{
    for (char **at = a->rest; at != NULL && *at != NULL; at++)
        a->positional[a->count++] = *at;
    a->rest = NULL;
}

// Options that go through the environment, so that connections that a command makes by itself and commands
// that it runs have them, too.
static const struct {
    const char *option, *variable;
    const char *instead; // of this, which would count more; NULL: of none
} inherited[] = {{"token-file", "TASKQ_TOKEN_FILE", "TASKQ_TOKEN"},
                 {"ca", "TASKQ_CA", NULL},
                 {"cert", "TASKQ_CERT", NULL},
                 {"cert-key", "TASKQ_KEY", NULL},
                 {"tls-name", "TASKQ_TLS_NAME", NULL}};

// False: no memory.
static bool pass_on(const struct cli *c)
{
    for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
        const struct option_value *v = option_get(&c->args, inherited[i].option);
        if (!v->given)
            continue;
        if (setenv(inherited[i].variable, v->text, 1) < 0)
            return false;
        if (inherited[i].instead != NULL)
            unsetenv(inherited[i].instead);
    }
    return true;
}

static const char *text_of(const struct cli *c, const char *option)
{
    const struct option_value *v = option_get(&c->args, option);
    return v->given ? v->text : NULL;
}

static int run(struct cli *c)
{
    if (!c->command->takes_rest)
        join_rest(&c->args);
    int code = check_count(c);
    if (code != EXIT_DONE)
        return code;
    if (!pass_on(c))
        return EXIT_BROKEN;
    if (!c->command->offline) {
        struct taskq_options options = {.client = "taskq " TASKQ_VERSION,
                                        .patience = PATIENCE,
                                        .ca_file = text_of(c, "ca"),
                                        .cert_file = text_of(c, "cert"),
                                        .key_file = text_of(c, "cert-key"),
                                        .tls_name = text_of(c, "tls-name")};
        enum taskq_error e = taskq_open(&c->q, text_of(c, "address"), &options);
        if (e != TASKQ_OK)
            return cli_fail(c, e);
    }
    return c->command->exec(c);
}

static int run_command(const struct arguments *before)
{
    char error[OPTIONS_ERROR];
    struct cli c = {.command = command_find(before->positional[0]),
                    .args = {.tables = {NULL, options_everywhere}}};
    if (c.command == NULL)
        return unknown(before->positional[0]);
    c.args.tables[0] = c.command->options;
    if (!options_parse(&c.args, before->count - 1, before->positional + 1, false, error)) {
        c.json = false;
        return cli_usage(&c, "%s", error);
    }
    inherit(&c.args, before);
    c.json = option_given(&c.args, "json");
    if (option_given(&c.args, "help")) {
        command_print_help(c.command);
        return EXIT_DONE;
    }
    int code = run(&c);
    cli_interruptible(NULL);
    taskq_close(c.q);
    return code;
}

int main(int argc, char **argv)
{
    char error[OPTIONS_ERROR];
    struct arguments before = {.tables = {NULL, options_everywhere}};
    int code = EXIT_DONE;
    if (!options_parse(&before, argc > 0 ? argc - 1 : 0, argv + 1, true, error)) {
        fprintf(stderr, "taskq: %s; `taskq help` says more\n", error);
        return EXIT_USAGE;
    }
    if (option_given(&before, "version")) {
        printf("taskq %s\n", taskq_version());
    } else if (before.count > 0) {
        code = run_command(&before);
    } else if (option_given(&before, "help")) {
        command_print_overview();
    } else {
        fprintf(stderr, "usage: taskq COMMAND …; `taskq help` says more\n");
        return EXIT_USAGE;
    }
    if (!output_end() && code == EXIT_DONE)
        code = EXIT_BROKEN;
    if (code != EXIT_DONE && cli_interrupted() != 0) { // the parent is to see of what the program ended
        signal(cli_interrupted(), SIG_DFL);
        raise(cli_interrupted());
    }
    return code;
}
