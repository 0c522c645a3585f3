// What people write and read: times, numbers, moments.
#ifndef CLIENT_CLI_VALUES_H
#define CLIENT_CLI_VALUES_H

#include "client/cli/options.h"

bool value_seconds(const char *text, double *out);
bool value_number(const char *text, double *out);
bool value_count(const char *text, uint64_t *out);
bool value_moment(const char *text, double *out);

// What such an option's value looks like, for an error.
const char *value_wanted(enum option_type type);

#define VALUE_TEXT 32

// `0.3s`, `5s`, `12s`, `3m12s`, `2h05m`, `3d04h`. Returns `out`.
char *value_show_seconds(double seconds, char out[VALUE_TEXT]);

// The same where it may be far less than a second: "35us", "1.2ms".
char *value_show_short(double seconds, char out[VALUE_TEXT]);

// A Unix time as the local date and time.
char *value_show_moment(double moment, char out[VALUE_TEXT]);

#endif
