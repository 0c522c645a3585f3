// What the metrics want to know of the daemon's parts. For those who join them.
#ifndef SERVER_FIGURES_H
#define SERVER_FIGURES_H

#include <stdbool.h>

struct daemon;

// Makes the daemon's metrics and its history. False: no memory (logged).
bool figures_start(struct daemon *d);

#endif
