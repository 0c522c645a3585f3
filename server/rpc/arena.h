// Memory for as long as one round of requests: handed out by moving a pointer, given back all at once.
// One thread.
#ifndef RPC_ARENA_H
#define RPC_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; // the newest first
    size_t used;                // of the newest
};

#define ARENA_INIT ((struct arena){0})

// Aligned for any type and not cleared; valid until arena_reset. NULL: no memory.
void *arena_alloc(struct arena *a, size_t size) __attribute__((warn_unused_result));

// A formatted text. NULL: no memory.
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Takes all back and keeps one block of ordinary size for the next round.
void arena_reset(struct arena *a);

void arena_release(struct arena *a);

#endif
