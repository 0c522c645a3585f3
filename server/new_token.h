// taskqd --new-token NAME.
#ifndef SERVER_NEW_TOKEN_H
#define SERVER_NEW_TOKEN_H

// Prints a new token, alone on the first line, and the section of the configuration that lets it in; on
// standard error what to do with both. It is kept nowhere. The exit status.
int new_token(const char *name);

#endif
