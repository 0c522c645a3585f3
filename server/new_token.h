// taskqd --new-token NAME [PATTERN ROLE…]
#ifndef SERVER_NEW_TOKEN_H
#define SERVER_NEW_TOKEN_H

#include <stddef.h>

// Prints a new token, alone on the first line, and the section of the configuration that lets it in; on
// standard error what to do with both. It is kept nowhere. `grant` is a pattern and roles, or nothing. The
// exit status.
int new_token(const char *name, char *const *grant, size_t count);

#endif
