// The daemon's answers for people: objects as aligned lines, times as ages. The daemon's answers are JSON
// that the library has checked.
#ifndef CLIENT_CLI_HUMAN_H
#define CLIENT_CLI_HUMAN_H

#include "client/cli/command.h"
#include "common/slice.h"

#include <stdbool.h>

// An object's members a line each; objects in it are indented below their name.
void human_object(const char *json, size_t len);

// What a call gave that gives an object: shown, with --json as it is, and released; or why it failed. The
// exit code.
int human_answer(const struct cli *c, enum taskq_error e, struct taskq_text *answer);

// A member's text as people read it: strings without quotes, known times as ages. Written to `out`; false:
// there is no such member, or it is null.
bool human_member(const char *json, size_t len, const char *name, char *out, size_t cap);

// A member as a number; 0 where there is none.
double human_number(const char *json, size_t len, const char *name);
bool human_true(const char *json, size_t len, const char *name);

#endif
