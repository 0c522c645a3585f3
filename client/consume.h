// What the consumers' calls share: jobs from a reply's text.
#ifndef CLIENT_CONSUME_H
#define CLIENT_CONSUME_H

#include "client/taskq.h"
#include "common/slice.h"

// Reads a get's result, with `jobs` or a job itself. TASKQ_PROTOCOL: it is neither. The caller releases.
enum taskq_error jobs_parse(struct slice result, struct taskq_jobs *out);

#endif
