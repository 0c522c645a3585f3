// What is done ahead of and behind the log's writing: the next segment is made ready, one spare file is kept
// as the reserve, and the files of retired segments become spares or go.
//
// The work is done in steps, on a thread of its own (`helper`) or within ahead_run() on the owner's. All
// functions are for the owner's thread.
#ifndef SERVER_STORE_AHEAD_H
#define SERVER_STORE_AHEAD_H

#include "server/store/segment.h"

#include <stdbool.h>
#include <stdint.h>

struct ahead;

struct ahead_ready {
    int fd;
    struct format_head head;
};

// `place` and the descriptors in it must live until ahead_free().
struct ahead *ahead_new(const struct segment_place *place, uint32_t segment_size);

// Stops the thread and frees; an unused ready segment stays on disk.
void ahead_free(struct ahead *a);

// Before ahead_start(), spares first. A spare that was found on disk: false if it is not wanted.
bool ahead_adopt_spare(struct ahead *a, uint32_t number);
// A file that is of the log by its name only: it becomes a spare, or is removed. The folder is to be synced
// afterwards.
enum store_error ahead_adopt_log(struct ahead *a, uint32_t number, uint64_t size,
                                 char message[STORE_MESSAGE_MAX]);

// Begins the work; `next` is the number of the next segment.
enum store_error ahead_start(struct ahead *a, uint32_t next, bool helper, char message[STORE_MESSAGE_MAX]);

// Takes the next segment and asks for the one after it. Waits for (or does) the making. STORE_NO_SPACE: there
// is none for want of space. Another error: see ahead_failed().
enum store_error ahead_take(struct ahead *a, struct ahead_ready *out, char message[STORE_MESSAGE_MAX]);

// Makes room for `count` more to be retired; false without memory.
bool ahead_reserve(struct ahead *a, size_t count);
// The segment is no longer of the log, and a frame on disk says so. Within ahead_reserve(): cannot fail.
void ahead_retire(struct ahead *a, const struct segment *segment);

// Does the work that is due, or wakes the thread up; `again`: also what failed for want of space.
void ahead_run(struct ahead *a, bool again);

// Where it stands. `ready`, `reserve`: whether each exists; `low`: making one of them failed for want of
// space, and they have not both been there since.
struct ahead_state {
    bool ready, reserve, low;
    uint64_t bytes; // of the files that are no segments in use
};
struct ahead_state ahead_state(struct ahead *a);

// The error of a step that failed otherwise than for want of space: the disk is not to be trusted, the store
// fails.
enum store_error ahead_failed(struct ahead *a, char message[STORE_MESSAGE_MAX]);

#endif
