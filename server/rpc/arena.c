#include "server/rpc/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)32 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(max_align_t) char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + align - 1) & ~(align - 1);
    if (!a->blocks || a->blocks->size - a->used < size) {
        size_t wanted = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct arena_block *block = malloc(sizeof *block + wanted);
        if (!block)
            return NULL;
        block->next = a->blocks;
        block->size = wanted;
        a->blocks = block;
        a->used = 0;
    }
    void *p = a->blocks->data + a->used;
    a->used += size;
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void arena_reset(struct arena *a)
{
    a->used = 0;
    if (!a->blocks || (!a->blocks->next && a->blocks->size == BLOCK_SIZE))
        return;
    struct arena_block *keep = NULL;
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        if (!keep && b->size == BLOCK_SIZE) {
            keep = b;
            keep->next = NULL;
        } else {
            free(b);
        }
    }
    a->blocks = keep;
}

void arena_release(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = ARENA_INIT;
}
