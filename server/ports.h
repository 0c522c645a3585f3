// The addresses that the daemon listens on, and how many connections there may be on them. What is accepted
// goes to the network threads (wiring.h); the listeners themselves wait in the main thread's loop.
//
// For those that join the parts. Main thread.
#ifndef SERVER_PORTS_H
#define SERVER_PORTS_H

#include "server/settings.h"

#include <stdbool.h>

struct daemon;

// Whether addresses of complete settings may be listened on as far as others can reach them, for a check of
// them. False: `why`. Opens nothing; may ask the resolver.
bool ports_check(const struct settings *s, char why[SETTINGS_WHY_MAX]) __attribute__((warn_unused_result));

// Listens on the addresses of the settings, or on the sockets that a service manager passed on, and accepts
// from now on. False: logged; stop.h closes what is open. After the network threads.
bool ports_open(struct daemon *d) __attribute__((warn_unused_result));

// How many connections there may be at a time; HTTP's are counted apart.
unsigned ports_connections_most(const struct daemon *d);

#endif
