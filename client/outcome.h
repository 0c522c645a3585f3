// A job's outcome from the daemon's text: the object that `finished` and `result` carry and that their errors
// have as data.
#ifndef CLIENT_OUTCOME_H
#define CLIENT_OUTCOME_H

#include "client/taskq.h"
#include "common/slice.h"

// `*memory` holds what the outcome points to, one block, the caller's to free. TASKQ_PROTOCOL: it is no
// outcome. TASKQ_NO_MEMORY.
enum taskq_error outcome_parse(struct slice object, struct taskq_outcome *out, char **memory);

// An outcome that is an error of the call: the job was never put, or nobody knows.
enum taskq_error outcome_of_error(uint64_t id, enum taskq_error error, const char *message,
                                  struct taskq_outcome *out, char **memory);

#endif
