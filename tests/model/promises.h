// What was answered, and how many marks have to be on disk before the answer may leave. Once they are, the
// disk has to show what was said, whatever else it does not show yet.
#ifndef TESTS_MODEL_PROMISES_H
#define TESTS_MODEL_PROMISES_H

#include "tests/model/kept.h"

#define NOBODY UINT64_MAX // as a promise: nobody was told

struct promise {
    uint64_t id; // of a job that is so, or is no more
    uint64_t marks;
};

struct promises {
    struct mjob jobs[MODEL_JOBS]; // as they were before the step
    unsigned job_count;
    struct mqueue queues[QUEUES];
    struct promise told[MODEL_JOBS]; // by the step, beside its own answer
    unsigned told_count;
    struct promise open[MODEL_JOBS];
    unsigned open_count;
    uint64_t open_queues[QUEUES];
};

void promises_init(struct promises *p); // also at a start: all that is known is on disk

void promises_begin(struct promises *p, const struct model *m);
// Somebody is told of a job as it is after this step.
void promises_tell(struct promises *p, uint64_t id, uint64_t marks);
// The step's own answer waits for so many.
void promises_end(struct promises *p, struct model *m, uint64_t marks);

// So many are on disk.
void promises_check(struct promises *p, struct kept *k, struct model *m, uint64_t marks);

#endif
