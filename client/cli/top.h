// `taskq top`: what it knows of the daemon, how that is drawn, and the terminal it is drawn on.
#ifndef CLIENT_CLI_TOP_H
#define CLIENT_CLI_TOP_H

#include "client/cli/command.h"
#include "common/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// What can be sorted by: constant, key, the daemon's name for it, title. Those whose name is "unfinished"
// beside the first are sorted here, of the queues that the daemon gives as its largest.
// clang-format off
#define TOP_SORTS(X) \
    X(BACKLOG,  'b', "unfinished", "backlog") \
    X(READY,    'r', "ready",      "ready") \
    X(DELAYED,  'd', "delayed",    "delayed") \
    X(RESERVED, 'v', "reserved",   "reserved") \
    X(DEAD,     'x', "dead",       "dead") \
    X(OLDEST,   'o', "oldest",     "oldest") \
    X(WAITING,  'w', "waiters",    "waiting") \
    X(PUT,      'p', "unfinished", "put/s") \
    X(TAKEN,    't', "unfinished", "taken/s") \
    X(DONE,     'e', "unfinished", "done/s") \
    X(FAILED,   'f', "unfinished", "failed/s") \
    X(NAME,     'n', "name",       "name")
// clang-format on

enum top_sort {
#define X(constant, key, name, title) TOP_SORT_##constant,
    TOP_SORTS(X)
#undef X
        TOP_SORT_COUNT
};
extern const struct top_sort_row {
    char key;
    const char *name, *title;
} top_sorts[TOP_SORT_COUNT];

// Counters of which rates are made: what is counted, and which of the daemon's are added up for it.
enum top_rate { TOP_PUT, TOP_TAKEN, TOP_DONE, TOP_FAILED, TOP_RATES };

struct top_queue {
    char *name;
    double ready, delayed, reserved, dead, waiting;
    double oldest; // seconds; negative: none is ready
    double counts[TOP_RATES];
    double rates[TOP_RATES]; // a second; negative: not known yet
    bool paused, shut_down;
};

struct top_data {
    struct top_queue *queues, *before; // sorted by the daemon or here; those of the time before, by name
    size_t count, before_count;
    double total;          // queues that there are, of those that fit the filter
    int64_t at, before_at; // clock_ns(); 0: never

    // The daemon as a whole; negative: it may not be asked.
    double daemon_queues, connections, bytes, max_bytes, store_bytes;
    double ready, delayed, reserved, dead;
    double counts[TOP_RATES], before_counts[TOP_RATES], rates[TOP_RATES];
    double workers, busy;
};

// Asks the daemon. `limit`: how many queues are wanted, `filter`: what their names have to have in them, or a
// pattern with `*`; empty: all. After an error what was there stays.
enum taskq_error top_fetch(struct taskq *q, struct top_data *d, enum top_sort sort, const char *filter,
                           size_t limit);
void top_release(struct top_data *d);

struct top_view {
    const char *address;
    enum top_sort sort;
    bool help, frozen;
    const char *filter;  // "": none
    bool typing;         // the filter is being typed
    const char *trouble; // a line about what is wrong; NULL: nothing is
    double interval;
    size_t first;           // row that is shown first
    size_t most;            // queues of a table
    unsigned rows, columns; // of the terminal
    bool colours, ansi;     // ansi false: the whole table as lines
};

// Appends a screen, or with `ansi` false a table.
void top_draw(FILE *out, const struct top_data *d, const struct top_view *v);

// How many queues there is room for.
size_t top_room(const struct top_view *v);

// Appends one JSON object, with so many queues at the most, and a line end.
void top_write_json(struct buffer *out, const struct top_data *d, size_t most);

// ---- the terminal

// Takes the terminal: a screen of its own, keys as they come. It is
// given back by top_screen_leave(), and also where the program ends by a signal that can be caught, or is
// stopped. False: it is none; said.
bool top_screen_enter(void);
void top_screen_leave(void);

// What happened.
enum top_event { TOP_TICK, TOP_KEY, TOP_RESIZED, TOP_GONE /* the terminal is */ };

// Waits for at most `ms`. *key: a byte, or one of these.
enum {
    TOP_KEY_UP = 256,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_ESCAPE
};
enum top_event top_screen_wait(int ms, int *key);

void top_screen_size(unsigned *rows, unsigned *columns);

// Writes all of it. False: the terminal is gone.
bool top_screen_write(const struct buffer *b);

#endif
