// What a child writes on standard error, in the daemon's log: a line for a line, with the job and the
// handler. How much of it gets there in a time is bounded, so that no child can flood the log; what was left
// out is counted and said. One thread at a time.
#ifndef SERVER_POOL_STDERR_LOG_H
#define SERVER_POOL_STDERR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STDERR_LINE_MAX 1024 // a longer one goes on in the next
#define STDERR_BURST    100  // so many lines at once,
#define STDERR_EVERY_MS 100  // and then one each so often

struct stderr_log {
    const char *handler;
    char line[STDERR_LINE_MAX];
    size_t len;        // of the line that has no end yet
    int64_t credit_ms; // one line costs STDERR_EVERY_MS
    int64_t counted;   // `mono` until which credit was given
    uint64_t left_out;
};

// `handler` is the handler's name, and must outlive it.
void stderr_log_init(struct stderr_log *l, const char *handler);

// `job`: during which this came; 0: none.
void stderr_log_add(struct stderr_log *l, uint64_t job, const char *data, size_t len);

// No more comes for this job: what has no newline is a line as well.
void stderr_log_end(struct stderr_log *l, uint64_t job);

// No more comes at all: what was left out is said.
void stderr_log_close(struct stderr_log *l);

#endif
