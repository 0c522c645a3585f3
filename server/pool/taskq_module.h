/* Functions for taskq's `module` handlers: a shared object that the daemon has run in a process of its own.
 *
 *     #include <taskq_module.h>
 *     TASKQ_MODULE
 *
 *     int twice(struct taskq_task *task)
 *     {
 *         char text[32];
 *         snprintf(text, sizeof text, "%ld", 2 * strtol(task->body, NULL, 10));
 *         return taskq_task_result(task, text, strlen(text));
 *     }
 *
 *     cc -shared -fPIC -o twice.so twice.c
 *
 *     handler "twice" {
 *         kind = module
 *         module = "/usr/local/lib/twice.so"
 *         function = "twice"
 *         workers = 4
 *     }
 *
 * The process (the host) loads the object once and calls the function for each job, `workers` of them at a
 * time, each on a thread of its own: the function must be safe to be called by several threads at once. The
 * threads stay, so that what is _Thread_local is kept from job to job. If the host ends, by a crash or by
 * exit(), each of the jobs that it ran is counted as lost once, not as failed, and is tried again in a new
 * host. The daemon and other handlers do not notice.
 *
 * Nothing of taskq has to be linked: the calls below go through a table that comes with each task. Standard
 * input is /dev/null; what is written on standard output and standard error goes to the daemon's log.
 *
 * This header is C99 and C++. Within one version only calls are added, at the end of the table; what was
 * built with an older header runs on. */
#ifndef TASKQ_MODULE_H
#define TASKQ_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TASKQ_MODULE_EXTERN extern "C"
#else
#define TASKQ_MODULE_EXTERN
#endif

#define TASKQ_MODULE_VERSION 1

/* Once in each shared object, in one of its files: says which version it was built for. One that was built
 * for another version is not loaded, and its jobs fail with an error that says so. */
#define TASKQ_MODULE                                                                                         \
    TASKQ_MODULE_EXTERN __attribute__((visibility("default"))) unsigned taskq_module_version(void);          \
    TASKQ_MODULE_EXTERN __attribute__((visibility("default"))) unsigned taskq_module_version(void)           \
    {                                                                                                        \
        return TASKQ_MODULE_VERSION;                                                                         \
    }

struct taskq_task;

/* What a function is. 0: the job is done, and its result is what taskq_task_result() was given, else null.
 * Anything else: the attempt has failed, with what taskq_task_error() was given, else {"status":N}. */
typedef int taskq_function(struct taskq_task *task);

/* For the calls below; use those. `size` is that of the table as the host has it. */
struct taskq_task_calls {
    size_t size;
    int (*result)(struct taskq_task *task, const char *json, size_t len);
    int (*error)(struct taskq_task *task, const char *json, size_t len);
    int (*error_text)(struct taskq_task *task, const char *text);
    void (*delay)(struct taskq_task *task, double seconds);
    void (*bury)(struct taskq_task *task);
    void (*progress)(struct taskq_task *task, double done, double total, const char *message);
    int (*cancelled)(struct taskq_task *task);
};

/* A job while a function runs it. All is the host's and valid until the function returns. */
struct taskq_task {
    const struct taskq_task_calls *calls;
    uint64_t id;
    uint64_t delivery;
    unsigned attempt;  /* 1 for the first */
    const char *queue; /* in UTF-8 */
    const char *body;  /* JSON text in UTF-8 in one line; a NUL follows, which body_len does not count */
    size_t body_len;
};

/* The calls belong to the thread on which the function was called, while it runs. Texts that are passed stay
 * the caller's and are copied. */

/* Sets the result: `len` bytes of JSON text; of several calls the last one counts. Returns 0, so that it can
 * stand in `return`; -1: no memory, and the job will be tried again. What is not JSON fails the attempt. */
static inline int taskq_task_result(struct taskq_task *task, const char *json, size_t len)
{
    return task->calls->result(task, json, len);
}

/* Sets the error, which counts where the function does not return 0: `len` bytes of JSON text. Returns -1,
 * for `return`. */
static inline int taskq_task_error(struct taskq_task *task, const char *json, size_t len)
{
    return task->calls->error(task, json, len);
}

/* The same with a plain text, which becomes a JSON string. */
static inline int taskq_task_error_text(struct taskq_task *task, const char *text)
{
    return task->calls->error_text(task, text);
}

/* If this attempt fails: the next one comes after so many seconds (0 to 1e9) instead of the queue's backoff.
 */
static inline void taskq_task_delay(struct taskq_task *task, double seconds)
{
    task->calls->delay(task, seconds);
}

/* If this attempt fails: there is no other. */
static inline void taskq_task_bury(struct taskq_task *task)
{
    task->calls->bury(task);
}

/* Says how far the job is: `done` of `total` (finite, from 0 on; a negative one says nothing), and a message
 * in UTF-8 of at most 1,024 bytes (NULL: none). Without either of done and message nothing happens. Call it
 * as often as you like: what is more than some dozens a second is not sent. */
static inline void taskq_task_progress(struct taskq_task *task, double done, double total,
                                       const char *message)
{
    task->calls->progress(task, done, total, message);
}

/* Not 0: the job was cancelled or deleted, its time is over, or the daemon stops. What the function returns
 * is of no interest any more; if it does not return within the handler's `grace`, the host is killed, and the
 * other jobs that it runs are lost with it. Costs a system call; no thread is ever interrupted. */
static inline int taskq_task_cancelled(struct taskq_task *task)
{
    return task->calls->cancelled(task);
}

#ifdef __cplusplus
}
#endif

#endif
