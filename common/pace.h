// So many at once, and then one each time that a while has passed: a token bucket, kept as one number. Each
// that is taken moves `due` by its share of time; `due` may be ahead of the clock by what may come at once.
//
// Times are clock_ns(), or any other clock that is used for all calls. Any thread.
#ifndef COMMON_PACE_H
#define COMMON_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
    _Atomic int64_t due; // when all that was taken would have been taken one by one; 0: nothing was taken
};

struct pace_rate {
    int64_t each;  // ns from one to the next, more than 0
    int64_t ahead; // ns: as many as fit into it may come at once
};

// How many there may be now; 0 or less: none.
int64_t pace_room(const struct pace *p, const struct pace_rate *r, int64_t now);

// Takes one. False: there may be none now.
bool pace_take(struct pace *p, const struct pace_rate *r, int64_t now) __attribute__((warn_unused_result));

// As pace_room, and where there is none, takes the next one there will be: it comes at *until.
int64_t pace_room_or_turn(struct pace *p, const struct pace_rate *r, int64_t now, int64_t *until);

// So many were taken, whether or not there was room; fewer than 0: were given back.
void pace_move(struct pace *p, const struct pace_rate *r, int64_t count, int64_t now);

// How many of those that may come at once are used up, or more than those where some have yet to come.
int64_t pace_used(const struct pace *p, const struct pace_rate *r, int64_t now);

// What is left out, and counted, where it comes quicker than its pace.
struct flood {
    struct pace pace;
    _Atomic uint64_t left_out; // since the last that was not
};

// Whether one more may pass; then *left_out were not to before. Else it is counted.
bool flood_pass(struct flood *f, const struct pace_rate *r, int64_t now, uint64_t *left_out)
    __attribute__((warn_unused_result));

// Whether there were some left out that can be told of now, though no other came: *left_out of them.
bool flood_settle(struct flood *f, const struct pace_rate *r, int64_t now, uint64_t *left_out)
    __attribute__((warn_unused_result));

#endif
