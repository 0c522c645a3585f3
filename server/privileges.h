// Another user than the one that started the daemon (run_as): root only binds the addresses and reads the TLS
// key, everything else, from the log's file on, is the user's. When the daemon is up nothing is left of root,
// neither here nor in the process that starts commands.
//
// Main thread.
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include "server/pool/spawn_user.h"
#include "server/settings.h"

#include <stdbool.h>

struct privileges {
    struct spawn_user user;
    bool other; // than the present one: without this nothing below does anything
};

// Whether there is such a user, for who only looks at the settings. False: `why`.
bool privileges_check(const struct settings *s, char why[SETTINGS_WHY_MAX])
    __attribute__((warn_unused_result));

// Takes on the user's groups and environment, makes the data folder for it if there is none, and goes on as
// the user, but can come back. Before the first thread and child. False: `why`.
bool privileges_begin(struct privileges *p, const struct settings *s, char why[SETTINGS_WHY_MAX])
    __attribute__((warn_unused_result));

// This thread, and no other, is root again for a moment: what another one makes meanwhile, as the store does
// its files, is the user's. A thread started in that moment is root too. False: errno.
bool privileges_raise(const struct privileges *p) __attribute__((warn_unused_result));
bool privileges_lower(const struct privileges *p) __attribute__((warn_unused_result));

// Gives the Unix sockets among these addresses to the user, and becomes it for good, with all threads. False:
// `why`.
bool privileges_drop(const struct privileges *p, const struct handler_texts *addresses,
                     char why[SETTINGS_WHY_MAX]) __attribute__((warn_unused_result));

#endif
