// `taskq work`: what its parts share. A thread a slot, each with a handle of its own: it takes a job, runs
// the command, gives the job back, and takes the next. The first thread waits for signals.
#ifndef CLIENT_CLI_WORK_H
#define CLIENT_CLI_WORK_H

#include "client/cli/child.h"
#include "client/cli/command.h"

#include <pthread.h>
#include <stdatomic.h>

struct work {
    const char *address; // NULL: as taskq_open()
    const char *const *queues;
    size_t nqueues;
    char **command; // NULL-terminated
    double lease;   // 0: the library's
    double timeout; // how long a slot waits for a job before it ends
    double grace;   // between TERM and KILL for the command of a job that is cancelled
    bool once;      // one job, and that is all
    bool json, raw;
    atomic_bool stopping; // no new jobs
    atomic_bool killed;   // what ran was killed by the user: its jobs are given back
    atomic_int code;      // the exit code
    atomic_ullong done, failed;
    int ended; // an eventfd: a slot has ended
};

struct worker {
    struct work *work;
    struct taskq *q;
    pthread_t thread;
    struct child child;
    // While a command runs: whether somebody wants it ended, which the answer to a touch says.
    const struct taskq_job *job;
    uint64_t touch;        // the request under way; 0: none
    int64_t touch_at;      // when the next is sent; clock_ns()
    enum taskq_error gone; // TASKQ_CANCELLED, or TASKQ_NOT_FOUND: the job was deleted; TASKQ_OK: neither
    int64_t kill_at;       // when its command is killed
};

// A slot's life; `arg` is its struct worker, with an open handle.
void *worker_main(void *arg);

#endif
