// What a command is, and what it runs in. Each stands in a file of its own and is a row of `commands`.
#ifndef CLIENT_CLI_COMMAND_H
#define CLIENT_CLI_COMMAND_H

#include "client/cli/options.h"
#include "client/taskq.h"

// What the program's end says: a row a code, which the help and the manual print.
// clang-format off
#define EXIT_CODES(X) \
    X(EXIT_DONE, 0, "done") \
    X(EXIT_NO, 1, "the answer is no: empty, full, not found, timeout, failed …") \
    X(EXIT_USAGE, 2, "the command line or the input is not what is taken") \
    X(EXIT_NO_DAEMON, 3, "no daemon") \
    X(EXIT_BROKEN, 4, "the connection was lost, the output could not be written, or another failure")
// clang-format on

enum exit_code {
#define X(name, number, text) name = number,
    EXIT_CODES(X)
#undef X
};

struct exit_text {
    int code;
    const char *text;
};
extern const struct exit_text exit_texts[];
extern const size_t exit_text_count;

struct cli {
    const struct command *command;
    struct arguments args;
    bool json;       // --json
    struct taskq *q; // open when a command runs that wants it
};

struct command {
    const char *name;
    const char *alias; // NULL: none
    const char *usage; // behind the name
    const char *summary;
    const char *help;             // more of it, lines with their ends; NULL: none
    const struct option *options; // NULL: only those of every command
    int min, max;                 // positional arguments; max -1: any number
    bool takes_rest;              // has something behind `--`
    bool offline;                 // needs no daemon
    int (*exec)(struct cli *c);
};

// All of them, NULL-terminated, in the order in which the help lists them.
extern const struct command *const commands[];

const struct command *command_find(const char *name);

// The nearest command's name, for a mistyped one; NULL: none is near.
const char *command_guess(const char *name);

// Those of every command, before or behind its name.
extern const struct option options_everywhere[];

void command_print_help(const struct command *command);
void command_print_overview(void);

// Says what is wrong with the command line, on standard error. EXIT_USAGE.
__attribute__((format(printf, 2, 3))) int cli_usage(const struct cli *c, const char *format, ...);

// Says why a call failed, and what can be done; on standard error, with --json as
// {"error":{"name","message"}}. The exit code.
int cli_fail(const struct cli *c, enum taskq_error error);

// The same for an error with its words, which no call gave.
int cli_say_error(const struct cli *c, enum taskq_error error, const char *message);

// The exit code alone.
int cli_exit_code(enum taskq_error error);

// From here on INT and TERM end the wait of the call under way, so that nothing that was promised is lost;
// the program then ends of the signal. A second one ends it at once. NULL: signals do again what they did.
void cli_interruptible(struct cli *c);

// The signal that came; 0: none.
int cli_interrupted(void);

#endif
