// What the daemon knows: the engine under its hub, the store that keeps it, and the queues of the settings.
// It has to be whole before anybody can ask for it.
//
// For those that join the parts. Main thread. The committer's thread, which runs once the network threads do
// (wiring.h), tells those what is on disk, and ends the process where the disk fails.
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include <stdbool.h>

struct daemon;

// Makes the empty engine and its hub. False: no memory (logged).
bool state_make(struct daemon *d) __attribute__((warn_unused_result));

// Loads what is on disk, if jobs are to be kept there, and raises the start number on it. `recover`: damaged
// parts of the log are left out. False: it cannot be, which is logged where the store does not say so itself.
bool state_load(struct daemon *d, bool recover) __attribute__((warn_unused_result));

// Declares the queues of the settings, also when they were read again. False: one could not be, which is
// logged; the others are.
bool state_declare_queues(struct daemon *d);

#endif
