// Reading the configuration again while the daemon runs.
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

struct daemon;

// Reads it, and applies what can be applied: limits, the log's level, queues (declared as at the start),
// handlers. What only a start can change is named in the log, and so is what changes. A configuration that
// cannot be read changes nothing. Main thread, while it does not stop.
void reload(struct daemon *d);

#endif
