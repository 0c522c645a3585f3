// Whether what a handler runs is there, looked at before its first job needs it. Only what is certain is
// told: a program that may be in a folder that this process cannot look into, on a PATH that it does not
// know, or that an access list may open to the handler's user is taken to be fine.
//
// Main thread. A file may come or go later: this starts and refuses nothing.
#ifndef SERVER_POOL_HANDLER_FILES_H
#define SERVER_POOL_HANDLER_FILES_H

#include "server/pool/handler_settings.h"

#include <sys/types.h>

// What is known of the daemon that will run the handlers.
struct handler_daemon {
    bool here;      // it is this process: the handlers start in its folder, with its PATH
    bool user_sure; // `user` is whom handlers without a user of their own run as
    uid_t user;
};

struct handler_fault {
    const char *setting;       // command, module or cwd
    const char *file;          // as that setting has it
    char why[HANDLER_WHY_MAX]; // what is wrong, and what to do
};

// False: nothing is known to be wrong. Else *fault, which points into s. `s` is checked.
bool handler_files_fault(const struct handler_settings *s, const struct handler_daemon *d,
                         struct handler_fault *fault);

// For a check of settings whose daemon would be started later, elsewhere, by somebody else, but with this
// run_as, which may be NULL. False: `why` is about the first handler that something is wrong with.
bool handler_files_check(const struct handler_settings *handlers, size_t count, const char *run_as,
                         char why[HANDLER_WHY_MAX]) __attribute__((warn_unused_result));

// For the daemon itself: a warning in the log for each handler that something is wrong with.
void handler_files_warn(const struct handler_settings *handlers, size_t count);

#endif
