// A slow request under way: it is done in slices, so that neither the lock nor the thread is held for long.
// What stands behind it on its connection waits; other connections go on.
#ifndef RPC_TASK_H
#define RPC_TASK_H

#include "common/buffer.h"
#include "server/rpc/arena.h"
#include "server/rpc/request.h"
#include "server/rpc/rpc.h"

#include <stdbool.h>

struct session;
struct batch;
struct identity;

struct task {
    struct task *next; // of the dispatcher's
    const struct rpc *rpc;
    struct session *session; // NULL: closed, the work is finished all the same
    struct batch *batch;
    const struct identity *who; // kept for the trail of what is not done at once: at its end the session may
    const char *peer;           // be closed; in `arena`. NULL: nothing is kept
    struct request request;
    struct arena arena;
    struct buffer out; // the result object
    bool begun;
    int64_t began_ns;    // clock_ns()
    int64_t rests_until; // ms as clock_ns() has it: goes on then; all rest equally long. 0: it does not rest
    bool asleep;         // there is nothing to do before the thread is woken; set by the step
    union {              // where it is
        struct sweep sweep;
        struct {
            int state; // index into the states' order
            struct job_cursor cursor;
            unsigned count;
        } jobs;
        struct {
            struct slice after;
            unsigned count;
            char *last;              // room for a name
            struct ranking *largest; // NULL: by names
        } queues;
        struct {
            struct roll_place place;
            unsigned count;
        } who;
    } at;
    char text[]; // the request's own copy of its text
};

// One slice. True: it is done, request.error or `out` says how.
bool task_step(struct task *t);

// Whether it may be dropped half-way: it only looks.
bool task_only_looks(const struct task *t);

void task_free(struct task *t);

#endif
