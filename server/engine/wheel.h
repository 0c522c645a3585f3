// Timers: a hierarchical timing wheel of 1 ms. Adding and removing are O(1) whatever is waiting, and a timer
// is 24 bytes inside what it belongs to. (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987.)
//
// A timer stands at the level of the highest six bits in which its time differs from the wheel's, so
// everything at a lower level is due before everything at a higher one.
#ifndef ENGINE_WHEEL_H
#define ENGINE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_LEVELS 8 /* of six bits: 48 bits of milliseconds, 8,900 years */
#define WHEEL_SLOTS  64
#define WHEEL_END    ((int64_t)1 << 48)

struct timer {
    struct timer *next;
    struct timer **back; // what points here; NULL: not waiting
    uint64_t when : 48;
    uint64_t kind : 4; // the owner's: what it is part of
    uint64_t mark : 4; // the owner's, as the next: bits that cost nothing here
    uint64_t note : 8;
};

struct wheel {
    int64_t now;
    struct timer *due; // taken out of their slot; not all of them need be due yet
    uint64_t used[WHEEL_LEVELS];
    struct timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now);

// Starts t, which must not be waiting, to be due at `when` (at once if that is past; never later than
// WHEEL_END).
void wheel_add(struct wheel *w, struct timer *t, int64_t when);

// Stops t if it is waiting.
void wheel_remove(struct wheel *w, struct timer *t);

static inline bool wheel_waiting(const struct timer *t)
{
    return t->back != 0;
}

// The next timer that is due at `now`, stopped; NULL: none. *budget is lowered by the work done, and NULL
// comes back as well when it is used up: then wheel_next says `now`.
struct timer *wheel_pop(struct wheel *w, int64_t now, int *budget);

// When to call wheel_pop again: never late, sometimes early; INT64_MAX: nothing waits.
int64_t wheel_next(const struct wheel *w);

#endif
