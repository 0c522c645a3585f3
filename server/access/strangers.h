// Connections that have not said who they are, where that matters: how many there may be, in all and from one
// address, and how much the log says of them. So a stranger can take neither the daemon's descriptors nor its
// memory nor its disk.
//
// Any thread.
#ifndef ACCESS_STRANGERS_H
#define ACCESS_STRANGERS_H

#include "common/pace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRANGERS_SHARE    4              // of the most there may be one address has at most one in so many
#define STRANGERS_PLACES   4096           // addresses are told apart by a hash; a power of two
#define STRANGER_LINE      ((size_t)8192) // bytes of a line of theirs
#define STRANGER_REQUESTS  100            // that one is listened to
#define STRANGERS_LINES    20             // in the log at once,
#define STRANGERS_LINES_MS 1000           // and one more each time that this has passed

struct strangers {
    atomic_uint most; // a setting
    atomic_uint count;
    _Atomic uint64_t refused; // one too many
    _Atomic uint64_t expired; // had their time
    struct flood lines;       // in the log
    uint64_t seed;            // of the hash, so that nobody can choose whose place it shares
    atomic_uint places[STRANGERS_PLACES];
};

void strangers_init(struct strangers *s, unsigned most, uint64_t seed);

// One more, of this address: its place comes back, for strangers_leave(). -1: there are too many of it or in
// all, which is counted.
int strangers_enter(struct strangers *s, const void *address, size_t len);
void strangers_leave(struct strangers *s, int place);

// Whether they are so many that each should have less time.
bool strangers_crowd(const struct strangers *s);

// Whether the log may have another line about them; it is told how many were left out since the last. `now`
// is clock_ns(); `s` may be NULL: it may.
bool strangers_may_log(struct strangers *s, int64_t now);

#endif
