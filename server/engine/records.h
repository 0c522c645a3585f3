// The records that the journal writes, byte by byte. All are little-endian, as every machine is that this
// runs on (asserted in records.c). A change here is a change of the format: raise RECORDS_VERSION.
#ifndef ENGINE_RECORDS_H
#define ENGINE_RECORDS_H

#include <stdint.h>

#define RECORDS_VERSION 2
#define RECORDS_OLDEST  1 // that can be read: it had no HEAD_CANCELLING and no HEAD_LEASE

enum record_kind {
    RECORD_META = 1,  // id 0: struct meta_record
    RECORD_QUEUE = 2, // id: the queue's number; struct queue_record
    RECORD_BODY = 3,  // id: the job's; struct body_record: what never changes, written once
    RECORD_HEAD = 4,  // id: the job's; struct head_record: what changes; missing as long as nothing did
    RECORD_KEY = 5,   // id: the job's; struct key_record: the key of a finished job
};

struct meta_record {
    uint32_t version;      // RECORDS_VERSION
    uint32_t start_number; // of the last start
    uint64_t ids_to;       // ids and queue numbers below this may have been given out
};

enum queue_record_flag { QUEUE_DECLARED = 1, QUEUE_PAUSED = 2, QUEUE_SHUT = 4, QUEUE_SHUT_HARD = 8 };

// Then: `settings` values of 8 bytes in the order of the settings' table (numbers as int64, shares as double,
// a name as its length), the queue's name, and the names that settings have, in order.
struct queue_record {
    uint32_t flags;
    uint16_t settings; // how many; later versions append
    uint16_t name_len;
};

// Which 8-byte fields follow a body_record, in this order; and a flag.
enum body_field {
    BODY_EXPIRES = 1,      // int64: wall clock
    BODY_LEASE = 2,        // int64 ms
    BODY_MAX_ATTEMPTS = 4, // int64
    BODY_KEEP_RESULT = 8,  // int64 ms
    BODY_KEY = 16,         // int64 ms of key_for; the key's bytes stand before the body's
    BODY_SUBMIT = 256,     // no field: its outcome is kept
};

struct body_record {
    uint64_t queue; // its number
    double priority;
    int64_t created; // wall clock, ms
    uint16_t fields; // enum body_field
    uint16_t key_len;
    uint32_t body_len;
};

// HEAD_KEYLESS: a key in the body was given up, as the job died once. HEAD_AT: `when` was given as a time of
// the wall clock.
enum head_flag {
    HEAD_FAILED = 1,
    HEAD_EXPIRED = 2,
    HEAD_DETACHED = 4,
    HEAD_ERROR = 8,
    HEAD_RESULT = 16,
    HEAD_AT = 32,
    HEAD_KEYLESS = 64,
    HEAD_CANCELLING = 128, // with JOB_READY: it was cancelled in somebody's hands, and is not to come back
    HEAD_LEASE = 256       // with HEAD_DETACHED: the length of the lease follows
};

// Then: the origin's name, the error, the result; with HEAD_LEASE the length of the lease, int64 ms, that the
// consumer asked for.
struct head_record {
    uint64_t queue;
    double priority;
    int64_t when;    // wall clock: due, or until when it is kept, or the end of a detached lease
    int64_t expires; // wall clock; 0: never
    uint32_t handouts;
    uint32_t lease_start; // with HEAD_DETACHED: the start number of its delivery token
    uint16_t attempts;
    uint8_t lost;
    uint8_t state;  // enum job_state
    uint8_t reason; // enum dead_reason
    uint8_t origin_len;
    uint16_t flags;
    uint32_t failed_attempts;
    uint32_t error_len;
    uint32_t result_len;
    uint8_t failed_reason; // of the first death, which decides the outcome; `reason` is of the last
    uint8_t unused[3];     // 0
};

// Then: the key.
struct key_record {
    uint64_t queue;
    int64_t until; // wall clock
    uint32_t key_len;
    uint32_t unused; // 0
};

#endif
