// One request between its line and its reply: what was asked, typed and checked, and what came of it.
//
// Slices point into the line, or into the arena of the round. One thread.
#ifndef RPC_REQUEST_H
#define RPC_REQUEST_H

#include "common/error.h"
#include "common/slice.h"
#include "server/engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct method;
struct wait;

// Lists that a param may hold, in the arena.
struct param_names {
    struct slice *items;
    unsigned count;
};
struct param_ids {
    uint64_t *items;
    unsigned count;
};

// The params of the methods. Numbers have the width that their type of param writes (rpc/params.h).
struct put_params { // put, submit, call
    struct slice queue, body, key;
    double priority;
    int64_t delay, at, lease, expires, key_for, keep_result, timeout;
    uint64_t max_attempts;
    bool notify, progress;
    struct job *job; // made of all this before the lock is taken
};

struct get_params {
    struct slice queue;
    struct param_names queues; // `queue` too, once it is checked
    int64_t timeout, lease;
    uint64_t max; // 0: one job, not in a list
    bool auto_ack, detached;
};

struct held_params { // what is done to a job that one holds
    uint64_t id, delivery;
    struct slice value; // ack: result; nack, bury: error
    struct slice message;
    double done, total; // progress
    struct blob *blob;  // a copy of the value, or the text of the progress
    int64_t delay, lease;
    double priority;
    struct param_ids ids;
};

struct result_params {
    uint64_t id;
    int64_t timeout;
    bool forget, progress, running;
};

struct queue_params { // what asks about jobs and queues, or sweeps them
    uint64_t id, limit;
    struct slice queue, after, match;
    struct slice client; // or another text
    unsigned states;     // JOB_STATE_BITs; 0: not said. Or what to sort by
    int64_t timeout;
    bool bodies, immediate; // or counters
};

#define EVENTS_QUEUES_MAX 64
struct events_params {
    struct param_names queues; // patterns; none: all
    unsigned states;           // bits of the states to hear of, and of EVENT_DELETED
};

struct declare_params {
    struct slice queue, dead_letter;
    struct queue_settings settings;
    unsigned named; // bits as for engine_declare
    bool owned;
};

struct backup;
struct backup_params {
    struct slice folder;
    struct backup *running;
    void (*leave)(struct backup *running);
};

struct pool_params {
    struct slice handler;
    uint64_t workers;
};

struct take_back_params {
    struct slice id;
};

#define REQUEST_NO_OFFSET SIZE_MAX
#define PARAM_ECHO_MAX    255 // a longer member's name is not repeated in an error
#define REQUEST_ID_MAX    1024

struct request {
    const struct method *method; // NULL: it was refused before it was known
    struct slice id;             // its exact text; empty: a notification
    const char *start;           // of its text in the input
    uint32_t seen;               // which params were given: the bits of the method's rows
    enum error error;
    const char *text;   // says more than error_text; NULL: that will do
    struct slice param; // which member it is about, as it stands between quotes in JSON; empty: none
    size_t offset;      // where a syntax error is, or REQUEST_NO_OFFSET
    uint64_t job;       // the one that the outcome or the error is about; 0: the error says none
    uint64_t promise;   // what its reply waits for
    bool quick;         // of a method that can be slow: this one is not
    uint8_t number;     // of the method, once it is known
    bool waits;         // the reply comes when a waiter is completed
    union {
        struct put_params put;
        struct get_params get;
        struct held_params held;
        struct result_params result;
        struct queue_params queue;
        struct declare_params declare;
        struct take_back_params take_back;
        struct events_params events;
        struct backup_params backup;
        struct pool_params pool;
    } in;
    union {
        struct put_result put;
        bool flag;      // cancel
        uint64_t count; // ack with ids
        struct {
            struct taken *jobs;
            unsigned count;
        } get;
        struct {
            unsigned acked, failed;
            enum error *errors; // one for each id
        } ack;
        struct nack_result nack;
        int64_t left; // touch
        struct outcome outcome;
        struct wait *taken_back; // $/cancelRequest: the one that is to be answered
    } out;
};

// Makes it an error. `text` may be NULL; it and `param` must live as long as the request.
void request_refuse(struct request *r, enum error error, struct slice param, const char *text);

// Gives back what the request holds outside the arena. For every request, once, whatever became of it.
void request_release(struct request *r);

#endif
