// What is made of the table of commands for others to show: the manual page and the shells' completion. So
// neither can lag behind the program.
#ifndef CLIENT_CLI_MANUAL_H
#define CLIENT_CLI_MANUAL_H

#include <stdbool.h>

// taskq(1), in the man macros, on standard output.
void manual_print(void);

// The completion for `shell` (bash, fish, zsh), on standard output. False: there is none for that one.
bool completion_print(const char *shell);

#endif
