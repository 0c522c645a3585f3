// Command lines from tables: a row an option, of which parsing, checks and help are made.
#ifndef CLIENT_CLI_OPTIONS_H
#define CLIENT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_SECONDS, // 1.5, 90s, 500ms, 5m, 2h, 3d
    OPTION_NUMBER,
    OPTION_COUNT,  // an integer, 0 or more
    OPTION_MOMENT, // Unix time, or 2027-01-31T08:00[:00][Z]
};

struct option {
    const char *name; // without its dashes; NULL ends a table
    char letter;      // 0: none
    enum option_type type;
    const char *argument; // how the help calls it; NULL for a flag
    const char *help;
};

struct option_value {
    bool given;
    const char *text; // as it was given
    double number;    // seconds, number, moment
    uint64_t count;
};

#define OPTIONS_MAX 32

struct arguments {
    const struct option *tables[2]; // the command's, then those of every command
    struct option_value values[2 * OPTIONS_MAX];
    char **positional; // in argv's memory
    int count;
    char **rest; // what stands behind `--`, NULL-terminated; NULL: there was no `--`
};

#define OPTIONS_ERROR 256

// Reads argv[0 … argc), which is put into another order. A word that begins with a dash and a digit is no
// option (it is JSON). With `only_leading` it stops at the first word that is no option: positional[0].
// False: `error` says why.
bool options_parse(struct arguments *a, int argc, char **argv, bool only_leading, char error[OPTIONS_ERROR]);

// The value of an option of the tables. One that is not there is a bug.
const struct option_value *option_get(const struct arguments *a, const char *name);
bool option_given(const struct arguments *a, const char *name);
double option_number(const struct arguments *a, const char *name, double otherwise);

// Prints a table's rows for the help, if there are any.
void options_help(const struct option *table);

#endif
