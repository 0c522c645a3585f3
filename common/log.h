// The log: one line an event, as key=value pairs (logfmt) or as JSON. Never a body, never a secret.
//
//     log_event(LOG_LISTENING, KV("address", text));
//     log_job(LOG_JOB_UNTOLD, id, KV("handler", name), KV("error", error_text(e)));
//
// Lines are bounded, and whatever a value holds stays one value on one line. What log_event costs is the
// formatting: once log_start was called a thread of the log's own does the writing, so that nobody waits for
// a slow reader; what has no room until it is written is dropped and counted. All of it: any thread, unless
// it says otherwise.
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/log_events.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_event {
#define X(constant, name, level, kind, text) LOG_##constant,
    LOG_EVENTS(X)
#undef X
        LOG_EVENT_COUNT
};

enum log_event_kind { LOG_KIND_PLAIN, LOG_KIND_JOB = 1, LOG_KIND_LIMITED = 2, LOG_KIND_BOTH = 3 };

// A row of the table, for its help and for tests.
struct log_event_row {
    const char *name, *text;
    enum log_level level;
    enum log_event_kind kind;
};
const struct log_event_row *log_event_row(enum log_event event);
const char *log_level_name(enum log_level level);

#define LOG_LINE_MAX  4096         // bytes with its line feed: what a pipe takes in one piece
#define LOG_VALUE_MAX 1024         // of a text; a longer one is cut and ends in an ellipsis
#define LOG_ROOM      (256 * 1024) // bytes that may wait to be written
#define LOG_BURST     20           // lines of a limited event at once,
#define LOG_EVERY_MS  200          // and then one each so often

// ---- writing

struct log_field {
    const char *key; // a plain word
    enum { LOG_TEXT, LOG_UINT, LOG_INT, LOG_REAL, LOG_FLAG } type;
    union {
        struct slice text; // any bytes
        uint64_t u;
        int64_t i;
        double real;
        bool flag;
    };
};

static inline struct log_field log_kv_slice(const char *key, struct slice value)
{
    return (struct log_field){.key = key, .type = LOG_TEXT, .text = value};
}
static inline struct log_field log_kv_text(const char *key, const char *value)
{
    return log_kv_slice(key, slice_of(value ? value : ""));
}
static inline struct log_field log_kv_uint(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_UINT, .u = value};
}
static inline struct log_field log_kv_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = LOG_INT, .i = value};
}
static inline struct log_field log_kv_real(const char *key, double value)
{
    return (struct log_field){.key = key, .type = LOG_REAL, .real = value};
}
static inline struct log_field log_kv_flag(const char *key, bool value)
{
    return (struct log_field){.key = key, .type = LOG_FLAG, .flag = value};
}

// A pair of a line. Texts with no bytes are left out.
#define KV(key, value)                                                                                       \
    _Generic((value),                                                                                        \
        char *: log_kv_text,                                                                                 \
        const char *: log_kv_text,                                                                           \
        struct slice: log_kv_slice,                                                                          \
        bool: log_kv_flag,                                                                                   \
        signed char: log_kv_int,                                                                             \
        short: log_kv_int,                                                                                   \
        unsigned char: log_kv_uint,                                                                          \
        unsigned short: log_kv_uint,                                                                         \
        int: log_kv_int,                                                                                     \
        long: log_kv_int,                                                                                    \
        long long: log_kv_int,                                                                               \
        unsigned: log_kv_uint,                                                                               \
        unsigned long: log_kv_uint,                                                                          \
        unsigned long long: log_kv_uint,                                                                     \
        double: log_kv_real)((key), (value))

void log_write(enum log_event event, uint64_t job, const struct log_field *fields, unsigned count);

#define LOG_FIELDS(...) ((struct log_field[]){{0}, ##__VA_ARGS__})
#define LOG_WRITE(event, job, ...)                                                                           \
    log_write((event), (job), LOG_FIELDS(__VA_ARGS__) + 1,                                                   \
              sizeof LOG_FIELDS(__VA_ARGS__) / sizeof(struct log_field) - 1)

// The same, and on standard error as well where lines go to a file: for what is wrong with that file. Nobody
// waits for whoever reads standard error: if it has no room now the line is only in the file.
void log_write_aloud(enum log_event event, const struct log_field *fields, unsigned count);

// Writes a line about no job: the event, then pairs made with KV.
#define log_event(event, ...) LOG_WRITE(event, 0, ##__VA_ARGS__)

// Writes a line about a job, whose id it bears. 0: about none, for what mostly is about one.
#define log_job(event, job, ...) LOG_WRITE(event, job, ##__VA_ARGS__)

// Writes a line with log_write_aloud.
#define log_aloud(event, ...)                                                                                \
    log_write_aloud((event), LOG_FIELDS(__VA_ARGS__) + 1,                                                    \
                    sizeof LOG_FIELDS(__VA_ARGS__) / sizeof(struct log_field) - 1)

// ---- settings

// Lines below this level are not written.
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

// From now on lines go to this descriptor instead of standard error; -1: to standard error. The descriptor
// before it is closed when its last line is written.
void log_to(int fd_take);

// Where standard error is the systemd journal, lines begin with their priority and leave out the time, which
// the journal has. Call it once, before the first line.
void log_look_for_journal(void);

// Lines are written by a thread from now on. False: no thread, they are written as before, by whoever logs.
bool log_start(void);

// Waits until what was logged is written, for at most `ms`. False: it is not all written.
bool log_flush(int ms);

// Flushes, and whoever logs writes again: the last thing before the end.
void log_stop(int ms);

// Lines that were dropped so far because nobody took them in time.
uint64_t log_dropped(void);

#endif
