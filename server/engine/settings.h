// A queue's settings: one row each. `declare`, `stats`, the configuration's queue sections and their help all
// come from this table.
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define QUEUE_NAME_MAX 255

// Seconds on the outside, milliseconds inside. COUNT and BYTES are whole numbers, SHARE is 0 to 1, NAME is a
// queue's name ("" = none), ORDER is "fifo" or "lifo", FLAG is true or false.
enum setting_type {
    SETTING_ORDER,
    SETTING_COUNT,
    SETTING_BYTES,
    SETTING_SECONDS,
    SETTING_SHARE,
    SETTING_NAME,
    SETTING_FLAG
};

#define SETTING_SECONDS_MAX 1000000000000LL /* 1e9 s in ms */

#define QUEUE_SETTINGS(X)                                                                                    \
    /* field, type, lowest, highest, default, text */                                                        \
    X(order, ORDER, 0, 1, 0, "which of the jobs of one priority is taken first: fifo or lifo")               \
    X(maxsize, COUNT, 0, 9007199254740991, 0,                                                                \
      "how many jobs may be ready or delayed; more wait or are refused; 0 = no bound")                       \
    X(lease, SECONDS, 1, SETTING_SECONDS_MAX, 60000, "how long a consumer holds a job before it comes back") \
    X(max_attempts, COUNT, 1, 65535, 25, "failed attempts after which a job is dead")                        \
    X(max_lost, COUNT, 1, 255, 10, "lost consumers after which a job is dead")                               \
    X(backoff_base, SECONDS, 0, SETTING_SECONDS_MAX, 1000,                                                   \
      "pause after the first failed attempt; it doubles with each")                                          \
    X(backoff_cap, SECONDS, 0, SETTING_SECONDS_MAX, 3600000, "longest pause between attempts")               \
    X(backoff_jitter, SHARE, 0, 1, 0.1,                                                                      \
      "share of the pause that is left to chance, so that retries do not come at once")                      \
    X(dead_letter, NAME, 0, 0, 0,                                                                            \
      "queue to which a dying job moves, once; none, or one that is shut down: it is kept as dead here")     \
    X(concurrency, COUNT, 0, 4294967295, 0, "how many jobs may be reserved at a time; 0 = no bound")         \
    X(durable, FLAG, 0, 1, 1, "whether its jobs are kept on disk")                                           \
    X(keep_result, SECONDS, 0, SETTING_SECONDS_MAX, 600000,                                                  \
      "how long the outcome of a submitted job is kept")                                                     \
    X(keep_dead, SECONDS, 0, SETTING_SECONDS_MAX, 15552000000, "how long a dead job is kept")                \
    X(keep_result_bytes, BYTES, 0, 9007199254740991, 67108864,                                               \
      "bytes of kept outcomes; over it the oldest go")                                                       \
    X(keep_dead_bytes, BYTES, 0, 9007199254740991, 268435456, "bytes of dead jobs; over it the oldest go")

// Plain data, copied by value.
struct queue_settings {
    bool order; // true: lifo
    uint64_t maxsize;
    int64_t lease; // ms, as all SECONDS
    uint64_t max_attempts;
    uint64_t max_lost;
    int64_t backoff_base;
    int64_t backoff_cap;
    double backoff_jitter;
    char dead_letter[QUEUE_NAME_MAX + 1];
    uint64_t concurrency;
    bool durable;
    int64_t keep_result;
    int64_t keep_dead;
    uint64_t keep_result_bytes;
    uint64_t keep_dead_bytes;
};

// The defaults of the table.
extern const struct queue_settings queue_settings_default;

// Which of them a `declare` names: bits (1u << QUEUE_SETTING_order) ….
enum queue_setting {
#define X(field, type, low, high, value, text) QUEUE_SETTING_##field,
    QUEUE_SETTINGS(X)
#undef X
        QUEUE_SETTING_COUNT
};

#endif
