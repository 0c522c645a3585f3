// A line on standard error that shows how far something is, if that is a terminal; otherwise nothing.
#ifndef CLIENT_CLI_PROGRESS_H
#define CLIENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;      // standard error is a terminal
    int64_t started; // clock_ns()
    int64_t next;    // when it is drawn again
    uint64_t total;  // bytes of input; 0: not known
};

void progress_start(struct progress *p, uint64_t total);

// `jobs` are put, `bytes` of the input are used.
void progress_show(struct progress *p, uint64_t jobs, uint64_t bytes);

// Wipes the line.
void progress_end(struct progress *p);

#endif
