// Dumps: all queues and jobs as JSON lines, for people, for moving to another version, and for looking with
// other tools.
//
// One line a thing: {"queue":{…}} with its settings and state, {"job":{…}} with everything about the job, its
// body last and byte for byte. Times are seconds since 1970, durations seconds. Keys of finished jobs are not
// in it.
#ifndef SERVER_DUMP_H
#define SERVER_DUMP_H

#include "server/engine/engine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DUMP_MESSAGE_MAX 512

struct dump_counts {
    uint64_t queues, jobs;
};

// Writes all that is in the engine. False: writing failed (errno), or no memory.
bool dump_write(struct engine *e, FILE *out, struct dump_counts *counts) __attribute__((warn_unused_result));

// Reads lines into an engine that is empty and used by nobody else. Bodies, results and errors have at most
// max_body bytes. On failure `message` names the line and what is wrong with it; what came before is in the
// engine.
bool dump_read(struct engine *e, FILE *in, uint64_t max_body, struct dump_counts *counts,
               char message[DUMP_MESSAGE_MAX]) __attribute__((warn_unused_result));

#endif
