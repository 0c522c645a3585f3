// A job in a module's host: made of the daemon's line, shown to the function with the calls that it may use
// (taskq_module.h), and turned into the line that answers. One thread at a time.
#ifndef SERVER_POOL_MODULE_TASK_H
#define SERVER_POOL_MODULE_TASK_H

#include "common/buffer.h"
#include "common/slice.h"
#include "server/pool/taskq_module.h"

#include <stdbool.h>
#include <stdint.h>

// What a thread keeps from job to job; start with zeros and the stream.
struct module_desk {
    int fd; // the stream to the daemon
    struct buffer out;
    struct buffer queue, body; // of the job, each with a NUL
};

void module_desk_release(struct module_desk *d); // not the stream
void module_desk_shrink(struct module_desk *d);  // what a large job left

struct module_task {
    struct taskq_task task; // the first: a pointer to it is one to the whole
    struct module_desk *desk;
    struct buffer result, error;
    bool no_memory, buried;
    double delay; // negative: none
    int64_t reported;
};

// False: no memory, or it is no job. To be released in any case.
bool module_task_init(struct module_task *t, struct module_desk *d, struct slice line)
    __attribute__((warn_unused_result));
void module_task_release(struct module_task *t);

// Answers after the function has returned `status`. False: there was no memory for what it said, and nothing
// is answered.
bool module_task_answer(struct module_task *t, int status) __attribute__((warn_unused_result));

#endif
