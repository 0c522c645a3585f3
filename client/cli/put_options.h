// The options of the commands that put jobs, beside --timeout.
#ifndef CLIENT_CLI_PUT_OPTIONS_H
#define CLIENT_CLI_PUT_OPTIONS_H

#include "client/cli/command.h"

#define PUT_OPTIONS                                                                                          \
    {"priority", 'p', OPTION_NUMBER, "N", "lower goes first; 0 unless said"},                                \
        {"delay", 'd', OPTION_SECONDS, "TIME", "ready only after this time, as 90s, 5m, 2h"},                \
        {"at", 0, OPTION_MOMENT, "MOMENT", "ready at this moment: Unix time, or 2027-01-31T08:00"},          \
        {"lease", 0, OPTION_SECONDS, "TIME", "how long a consumer may take that does not say"},              \
        {"max-attempts", 0, OPTION_COUNT, "N", "dead after so many failed attempts"},                        \
        {"expires", 0, OPTION_SECONDS, "TIME", "dead if it is not finished within this time"},               \
        {"key", 'k', OPTION_TEXT, "KEY",                                                                     \
         "while a job of the queue has this key, nothing more\nis put: safe to repeat"},                     \
        {"key-for", 0, OPTION_SECONDS, "TIME", "the key holds for this time after the job is finished"},     \
    {                                                                                                        \
        "string", 's', OPTION_FLAG, NULL, "what is put is text, and becomes a JSON string"                   \
    }

// Of those that wait for nothing but room.
#define PUT_TIMEOUT                                                                                          \
    {                                                                                                        \
        "timeout", 't', OPTION_SECONDS, "TIME",                                                              \
            "how long to wait while the queue is full;\nfor ever unless said, 0: not at all"                 \
    }

// Of those that take one body.
#define BODY_OPTIONS                                                                                         \
    {                                                                                                        \
        "literal", 0, OPTION_FLAG, NULL,                                                                     \
            "BODY is text as it stands, also if it begins with @\nor is -; for text from elsewhere in a "    \
            "script"                                                                                         \
    }

// Of those that put jobs whose outcome is kept.
#define KEEP_RESULT                                                                                          \
    {                                                                                                        \
        "keep-result", 0, OPTION_SECONDS, "TIME", "how long the daemon keeps the result"                     \
    }

// EXIT_DONE, or says which of them do not go together.
int put_options_read(const struct cli *c, struct taskq_put_options *o);

// Reads the options and the BODY of a command with KEEP_RESULT, BODY_OPTIONS and PUT_OPTIONS. The caller
// releases the body.
int put_options_read_submit(const struct cli *c, struct taskq_put_options *o, struct taskq_text *body);

// Prints what a put came to.
void put_print(const struct cli *c, const struct taskq_put_result *result);

#endif
