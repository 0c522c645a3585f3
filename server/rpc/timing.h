// How long requests take, by method: counted by one network thread, summed up by whoever asks.
//
// A request lasts from when its round takes the lock until the replies of its turn of the loop are handed to
// the connections. The first is read from the clock anyway; the second is read once for all requests of a
// turn, and not more often than each TIMING_PACE: what is answered within so short a time of the reading
// before waits to be counted with the next.
#ifndef RPC_TIMING_H
#define RPC_TIMING_H

#include "common/histogram.h"
#include "server/rpc/method.h"

#include <stdbool.h>

#define TIMING_PACE 100000 // ns

struct timing {
    struct histogram *methods;     // METHODS_MAX, ns; other threads may read them
    uint32_t pending[METHODS_MAX]; // requests of each that are answered and not counted
    uint64_t touched;              // methods of which there are such
    int64_t began;                 // of this turn, once a round of it took the lock; 0: none did
    int64_t read;                  // when the clock was read last
};

// False: no memory.
bool timing_init(struct timing *t) __attribute__((warn_unused_result));
void timing_release(struct timing *t);

// A round has taken the lock then.
static inline void timing_begin(struct timing *t, int64_t locked_at)
{
    if (!t->began)
        t->began = locked_at;
}

// One of its requests is answered in this turn.
static inline void timing_answered(struct timing *t, unsigned method)
{
    t->pending[method]++;
    t->touched |= (uint64_t)1 << method;
}

// A request that waited, or a slow one, is answered.
void timing_took(struct timing *t, unsigned method, int64_t ns);

// The turn's replies are handed on.
void timing_end(struct timing *t);

#endif
