// What the system says of this process.
#ifndef METRICS_PROCESS_H
#define METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_figures {
    double cpu_seconds;
    uint64_t resident, address_space; // bytes
    double address_space_max;         // -1: no limit
    double descriptors;               // open; -1: they were not counted
    double descriptors_max;           // -1: no limit
    uint64_t threads;
    double began; // Unix time, seconds
};

// False: /proc does not say. With very many descriptors counting them takes milliseconds where the system
// does not keep their number: that is done only if `thorough`. Any thread.
bool process_look(struct process_figures *out, bool thorough);

// Bytes of memory that it has; 0: /proc does not say. Cheap. Any thread.
uint64_t process_resident(void);

#endif
