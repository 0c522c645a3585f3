// What taskqd does with a data folder instead of serving it: check, dump, load.
#ifndef SERVER_TOOLS_H
#define SERVER_TOOLS_H

// Each prints its result on standard output, what is wrong on standard error, and returns the exit status: 0
// done, 1 not. Nothing else runs in the process.

// Reads and verifies all of it, changing nothing.
int tools_check(const char *data_dir);

// Prints all queues and jobs as JSON lines (server/dump.h).
int tools_dump(const char *data_dir);

// Puts the lines of a file ("-": standard input) into a data folder that has no jobs yet.
int tools_load(const char *data_dir, const char *file);

#endif
