// The token that says who a client is: from a file or from the environment.
#ifndef CLIENT_TOKEN_H
#define CLIENT_TOKEN_H

#include "client/secret_file.h"
#include "client/taskq.h"

#include <stddef.h>

#define TOKEN_MAX 255 // bytes
#define TOKEN_WHY SECRET_FILE_WHY

// The token of the file, else what TASKQ_TOKEN has, else that of the file that TASKQ_TOKEN_FILE names, as a
// new string; NULL: there is none. Errors, with a sentence in `why` that never has a token in it:
// TASKQ_USAGE, TASKQ_NO_MEMORY.
enum taskq_error token_find(const char *file, char **token, char why[TOKEN_WHY]);

// Overwrites and frees. NULL is fine.
void token_drop(char *token);

#endif
