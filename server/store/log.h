// The log's own state, for the files that work on it: log.c, load.c, clean.c, snapshot.c.
#ifndef SERVER_STORE_LOG_H
#define SERVER_STORE_LOG_H

#include "server/store/ahead.h"
#include "server/store/ops.h"
#include "server/store/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A walk through the oldest segment; see clean.c.
struct clean {
    uint32_t segment;                // that is being walked; 0: none
    int fd;                          // -1 once the walk is at its end
    uint64_t seed;                   // of its frames
    uint64_t offset;                 // of the next frame
    uint64_t frame_at;               // of the frame whose records are being walked
    uint32_t frame_length, position; // of its records; 0, 0: none
    uint8_t *window;                 // a part of the file
    size_t window_capacity, window_length;
    uint64_t window_at;
    uint64_t credit; // bytes committed since the last call
};

struct batch {
    bool begun;
    uint8_t *bytes; // the frame: head and records
    size_t capacity, used;
    size_t most; // of the records, as promised
    uint32_t count;
};

struct log {
    struct store base;
    struct store_options options; // path is ours
    struct segment_place place;
    int lock; // -1: none
    enum store_error failed;
    bool loaded;

    // In use, oldest first, numbers without gap; the last one is being written to.
    struct segment *segments;
    size_t first, count, capacity; // segments[first] to segments[first + count - 1]
    uint64_t in_use, live;         // bytes of their files, bytes of live records
    uint32_t damaged_to;           // cleaning goes on until this segment is retired; 0: none is damaged

    int fd; // of the current segment
    uint64_t seed;
    uint64_t last_batch;

    struct batch batch;
    struct ahead *ahead;
    struct clean clean;
    unsigned snapshots;          // that hold the segments
    struct store_stats counters; // the counters among the members
};

static inline struct log *log_of(struct store *store)
{
    return (struct log *)store;
}

static inline struct segment *log_oldest(const struct log *log)
{
    return &log->segments[log->first];
}

static inline struct segment *log_current(const struct log *log)
{
    return &log->segments[log->first + log->count - 1];
}

// The segment of that number, NULL if it is not in use.
static inline struct segment *log_segment(const struct log *log, uint32_t number)
{
    uint32_t oldest = log->count ? log_oldest(log)->number : 0;
    if (log->count == 0 || number < oldest || number - oldest >= log->count)
        return NULL;
    return &log->segments[log->first + (number - oldest)];
}

// Makes room for one more segment; false without memory.
bool log_reserve_segment(struct log *log);
// Adds the next one.
void log_add_segment(struct log *log, const struct segment *segment);

// Ends the current segment and goes to the next one.
enum store_error log_next_segment(struct log *log);

// Commits a frame without records: only to say that the oldest segments are retired.
enum store_error log_commit_empty(struct log *log);

// Counts a put of `size` bytes (0: a delete) into `segment`, and out of where the record lived.
// False if there is no such place: the owner and the log do not agree.
bool log_count_live(struct log *log, uint32_t segment, uint64_t size, struct store_place old);

// folder.c: on failure `message` has a line; what was opened is in `log`, for log_close().
enum store_error folder_open(struct log *log, char *message);
enum store_error folder_lock(struct log *log, char *message);

// load.c
enum store_error log_load(struct store *store, const struct store_loader *loader);

// clean.c
bool log_clean_wanted(const struct store *store);
enum store_error log_clean_next(struct store *store, store_lives *lives, void *arg);
void log_clean_release(struct log *log);

// snapshot.c
enum store_error log_snapshot_begin(struct store *store, struct store_snapshot **out);
void log_snapshot_end(struct store *store, struct store_snapshot *snapshot);

#endif
