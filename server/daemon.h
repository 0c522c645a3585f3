// The daemon: joins engine, store, pool and network, runs until it is told to stop, and takes all apart
// again.
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "server/settings.h"

#include <stdbool.h>

struct privileges;

// Where the settings come from.
struct daemon_source {
    // Reads them again, complete: what the command line said stands over the file. False: `why`, and s is to
    // be released all the same. NULL: there is no file.
    bool (*read)(void *context, struct settings *s, char why[SETTINGS_WHY_MAX]);
    void *context;
};

// Runs with complete settings, which a reload changes, until SIGTERM or SIGINT, and returns the exit status:
// 0 after a clean stop, 1 where it could not start (logged). Main thread, before any other was started.
// `privileges`: begun. `recover`: damaged parts of the log are left out.
int daemon_run(struct settings *s, const struct daemon_source *source, const struct privileges *privileges,
               bool recover);

#endif
