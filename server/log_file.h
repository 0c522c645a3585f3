// Where the log is written to, by the settings: a file that can be moved away and opened anew, or standard
// error.
#ifndef SERVER_LOG_FILE_H
#define SERVER_LOG_FILE_H

#include <stdbool.h>
#include <stdio.h>

#define LOG_FILE_WHY_MAX 512

// Opens the file, behind what it has, and the log goes on there; NULL: on standard error. False: it stays
// where it was; `why` is one line.
bool log_file_open(const char *path, char why[LOG_FILE_WHY_MAX]) __attribute__((warn_unused_result));

// The same for a daemon that runs: what went wrong is in the log, which may have been moved to where nobody
// looks any more, and so on standard error as well. What is waiting is still written to the
// file that was there before.
void log_file_reopen(const char *path);

// What the log can say, for a person: an event a line.
void log_file_help(FILE *out);

#endif
