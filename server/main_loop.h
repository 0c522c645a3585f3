// What the main thread does once all runs: it waits in its own loop of events for the engine's next due time
// (the hub wakes it), for signals, for the end of the spawner and for what is to be recorded, and calls
// reload.h and stop.h.
//
// For those that join the parts. Main thread.
#ifndef SERVER_MAIN_LOOP_H
#define SERVER_MAIN_LOOP_H

#include <stdbool.h>

struct daemon;

// From here on signals wait until the loop runs. False: logged. Before any other thread, which would get
// them.
bool main_loop_take_signals(struct daemon *d) __attribute__((warn_unused_result));

// Makes the loop, to which listeners can be added, and becomes the hub's ticker. After the hub and the
// spawner.
bool main_loop_make(struct daemon *d) __attribute__((warn_unused_result));

// Returns when stop.h breaks the loop.
void main_loop_run(struct daemon *d);

// Also where it was made in part. When nothing of what waits in it is called any more.
void main_loop_free(struct daemon *d);

#endif
