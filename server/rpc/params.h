// The gate: checks the params of a request against the rows of its method before any of the method's code
// runs, and writes them, typed, into the request.
#ifndef RPC_PARAMS_H
#define RPC_PARAMS_H

#include "common/json_reader.h"
#include "server/rpc/arena.h"
#include "server/rpc/request.h"

#include <stdbool.h>
#include <stdint.h>

// What is taken, and what it becomes.
enum param_type {
    PARAM_QUEUE,         // struct slice: a queue's name, escapes undone
    PARAM_QUEUE_OR_NULL, // struct slice: the same, or empty
    PARAM_TEXT,          // struct slice: a string of low to high bytes, escapes undone
    PARAM_ANY,           // struct slice: the exact text of any value, within limits.body
    PARAM_ID,            // struct slice: the exact text of a request's id
    PARAM_NUMBER,        // double: finite
    PARAM_SHARE,         // double: 0 to 1
    PARAM_SECONDS,       // int64_t: milliseconds, low to high
    PARAM_TIMEOUT,       // int64_t: milliseconds, or FOREVER for null
    PARAM_WHOLE,         // uint64_t: low to high
    PARAM_FLAG,          // bool
    PARAM_ORDER,         // bool: true for "lifo"
    PARAM_STATE,         // unsigned: the bit of a state that is among those of `high`
    PARAM_QUEUES,        // struct param_names: 1 to high different names
    PARAM_IDS,           // struct param_ids: 1 to high
    PARAM_STATES, // unsigned: the bits of a list of states, or of EVENT_DELETED, that are among those of
                  // `high`
    PARAM_OBJECT, // `rows` of its own
};

struct param {
    const char *name;
    uint8_t name_len;
    uint8_t type;
    uint8_t bit;     // in request.seen; each row of a method has its own, those of inner objects too
    uint16_t offset; // in struct request
    uint16_t row_count;
    int64_t low, high;
    const struct param *rows;
};

#define PARAM_BIT(bit) (UINT32_C(1) << (bit))

// Reads a params object at which the reader stands. What is wrong with the params is noted in the request,
// the first such thing; the text is read to the object's end in any case. False only if it is not JSON.
bool params_read(struct arena *arena, uint64_t max_body, struct json_reader *reader, struct request *r);

// For a request that has no params: whether one is missing.
void params_none(struct arena *arena, struct request *r);

#endif
