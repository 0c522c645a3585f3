// A command that is run for a job: the body on its standard input, its output collected. It leads a process
// group of its own, so that all of it can be signalled.
#ifndef CLIENT_CLI_CHILD_H
#define CLIENT_CLI_CHILD_H

#include "client/taskq.h"
#include "common/buffer.h"
#include "common/slice.h"

#include <pthread.h>
#include <sys/types.h>

#define CHILD_TAIL_MAX 4096 // bytes of standard error that are kept

struct child {
    pthread_mutex_t lock;
    pid_t pid; // 0: none runs. Under the lock: another thread may signal it
};

struct child_end {
    int spawn_error; // errno: it could not be started; otherwise 0
    bool exited;     // with `status`; otherwise by the signal `status`
    int status;
    bool too_much;      // more output than out_max
    struct buffer out;  // what it printed on standard output
    struct buffer tail; // the end of what it printed on standard error, which was also passed on
};

// What else is done while a command runs.
struct child_hook {
    int (*fd)(void *arg);    // something to look at as well; -1: nothing now
    void (*look)(void *arg); // it is readable, or CHILD_LOOK_MS have passed
    void *arg;
};

#define CHILD_LOOK_MS 1000

// Whether there is such a command that can be run. 0, or an errno.
int child_check(const char *command);

// Runs the command to its end. The caller releases the buffers of `end`. Errors: TASKQ_NO_MEMORY,
// TASKQ_SYSTEM.
enum taskq_error child_run(struct child *c, char **command, const struct taskq_job *job, struct slice input,
                           size_t out_max, const struct child_hook *hook, struct child_end *end);

// Signals the command's group, if one runs. Any thread.
void child_signal(struct child *c, int number);

#endif
