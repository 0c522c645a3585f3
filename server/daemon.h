// The daemon: joins engine, store, pool and network, runs until it is told to stop, and takes all apart
// again.
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "server/settings.h"

#include <stdbool.h>

// Runs with complete settings until SIGTERM or SIGINT, and returns the exit status: 0 after a clean stop, 1
// where it could not start (logged). Main thread, before any other was started. `recover`: damaged parts of
// the log are left out.
int daemon_run(const struct settings *s, bool recover);

#endif
