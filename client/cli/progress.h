// A line on standard error that shows how far something is, if that is a terminal; otherwise nothing.
#ifndef CLIENT_CLI_PROGRESS_H
#define CLIENT_CLI_PROGRESS_H

#include "client/taskq.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;      // standard error is a terminal
    bool drawn;      // the line is there now
    int64_t started; // clock_ns()
    int64_t next;    // when it is drawn again
    uint64_t total;  // bytes of input; 0: not known
};

void progress_start(struct progress *p, uint64_t total);

// `jobs` are put, `bytes` of the input are used.
void progress_show(struct progress *p, uint64_t jobs, uint64_t bytes);

// `part` (0 … 1; negative: not known) of something, and what there is to say, cut to the terminal's width.
// Not more than ten times a second.
__attribute__((format(printf, 3, 4))) void progress_draw(struct progress *p, double part, const char *format,
                                                         ...);

// How far a job is by its own report, NULL: it has said nothing yet; and since when this is watched.
void progress_draw_report(struct progress *p, uint64_t id, const struct taskq_report *report);

// Makes room for lines on standard output, where that is a terminal too.
void progress_give_way(struct progress *p);

// Wipes the line.
void progress_end(struct progress *p);

// A report in words, without its message: "3 of 10 (30%)", "3", or "". Returns `out`.
const char *progress_words(const struct taskq_report *report, char *out, size_t cap);

#endif
