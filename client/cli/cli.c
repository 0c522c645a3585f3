#include "client/cli/command.h"
#include "client/cli/output.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_usage(const struct cli *c, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "taskq %s: ", c->command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: taskq %s %s\n`taskq help %s` says more\n", c->command->name, c->command->usage,
            c->command->name);
    return EXIT_USAGE;
}

int cli_exit_code(enum taskq_error error)
{
    switch (error) {
    case TASKQ_OK:
        return EXIT_DONE;
    case TASKQ_EMPTY:
    case TASKQ_FULL:
    case TASKQ_NOT_FOUND:
    case TASKQ_NOT_RESERVED:
    case TASKQ_SHUT_DOWN:
    case TASKQ_TIMEOUT:
    case TASKQ_FAILED:
    case TASKQ_CANCELLED:
    case TASKQ_REQUEST_CANCELLED:
    case TASKQ_TOO_LARGE:
        return EXIT_NO;
    case TASKQ_USAGE:
    case TASKQ_INVALID_PARAMS:
    case TASKQ_INVALID_REQUEST:
    case TASKQ_PARSE_ERROR:
    case TASKQ_METHOD_NOT_FOUND:
        return EXIT_USAGE;
    case TASKQ_NO_DAEMON:
        return EXIT_NO_DAEMON;
    default:
        return EXIT_BROKEN;
    }
}

// What can be done about it; NULL: the message says enough.
static const char *advice(enum taskq_error error)
{
    switch (error) {
    case TASKQ_NO_DAEMON:
        return "start one with `taskqd -m`, or say where it is with -a or TASKQ_ADDR";
    case TASKQ_LOST:
        return "look with `taskq jobs` or `taskq job`; a put with --key can be repeated safely";
    case TASKQ_NOT_RESERVED:
        return "give the delivery that `taskq get` printed with the job; `taskq job ID` says where the job "
               "is";
    case TASKQ_SHUT_DOWN:
        return "`taskq drop QUEUE` removes the queue, so that it can begin anew";
    case TASKQ_FULL:
        return "wait with --timeout, or raise the bound with `taskq declare QUEUE --maxsize N`";
    case TASKQ_UNAUTHORIZED:
        return "give a token with --token-file, or in TASKQ_TOKEN";
    case TASKQ_HTTP:
    case TASKQ_PROTOCOL:
        return "is the port that of a taskqd? 7480 is the usual one";
    default:
        return NULL;
    }
}

int cli_say_error(const struct cli *c, enum taskq_error error, const char *message)
{
    const char *more = advice(error);
    if (c->json) {
        struct taskq_text text = {NULL, 0};
        if (taskq_json_string(message, TASKQ_NUL, &text) == TASKQ_OK)
            fprintf(stderr, "{\"error\":{\"name\":\"%s\",\"message\":%s}}\n", taskq_error_name(error),
                    text.data);
        taskq_text_release(&text);
    } else {
        const char *between = error == TASKQ_NO_DAEMON ? ": " : "\n  ";
        fprintf(stderr, "taskq: %s%s%s\n", message, more != NULL ? between : "", more != NULL ? more : "");
    }
    return cli_exit_code(error);
}

int cli_fail(const struct cli *c, enum taskq_error error)
{
    if (error == TASKQ_REQUEST_CANCELLED && cli_interrupted() != 0)
        return EXIT_NO; // whoever sent the signal knows
    return cli_say_error(c, error, taskq_error_message(c->q));
}

static struct taskq *interrupted_handle;
static volatile sig_atomic_t interrupted_by;

static void on_signal(int number)
{
    if (interrupted_by != 0)
        _exit(128 + number);
    interrupted_by = number;
    taskq_interrupt(interrupted_handle);
}

void cli_interruptible(struct cli *c)
{
    struct sigaction action = {.sa_handler = c != NULL ? on_signal : SIG_DFL};
    if (c != NULL)
        interrupted_handle = c->q;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cli_interrupted(void)
{
    return interrupted_by;
}
