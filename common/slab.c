#include "common/slab.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNIT        16 // sizes are multiples of it
#define LARGEST     512
#define SIZES       (LARGEST / UNIT + 1)
#define SLAB        ((size_t)64 << 10)
#define BLOCK       ((size_t)2 << 20) // is given back to the system as a whole, and opened as a whole
#define BLOCK_SLABS (BLOCK / SLAB)

// The address space that is reserved, in sizes of the machine's memory: things are not packed perfectly.
#define RESERVE_TIMES 2
#define RESERVE_MOST  ((size_t)16 << 40)

// Under the sanitizers every thing is malloc's, so that they see what is used after it was freed.
#if defined(__SANITIZE_ADDRESS__)
#define PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define PLAIN 1
#endif
#endif
#ifndef PLAIN
#define PLAIN 0
#endif

// Slabs are called by their numbers, from 1 on; 0 is none.
struct slab {
    uint32_t next, prev; // of the slabs of its size with room, or of the empty ones (`next` only)
    uint16_t free;       // the first thing that was freed: its place in the slab in units, plus 1
    uint16_t begun;      // how many things were ever in use
    uint16_t used, room; // how many are, how many can be
    uint8_t units;       // of a thing's size
};

static_assert(SLAB / UNIT < UINT16_MAX, "a place in a slab has 16 bits");

// The one exception to having no globals: it stands where malloc's own would.
static struct {
    pthread_mutex_t lock;
    bool tried;
    _Atomic(char *) base; // of all slabs; NULL: nothing is reserved
    atomic_size_t span;   // bytes reserved there
    struct slab *slabs;   // an entry for each of them
    uint8_t *block_used;  // how many slabs of a block are not empty
    uint32_t opened;      // so many of them are memory that can be used
    uint32_t begun;       // so many of them were ever in use
    uint32_t empty;       // of those, the first that is empty
    uint32_t with_room[SIZES];
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- slabs

static void *reserve(size_t bytes, int protection)
{
    void *at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

// Address space alone; where even that is not to be had (a limit on it), everything is malloc's.
static void reserve_all(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    memory.tried = true;
    if (PLAIN || pages <= 0 || page <= 0)
        return;
    size_t span = (size_t)pages * (size_t)page;
    span = span > RESERVE_MOST / RESERVE_TIMES ? RESERVE_MOST : span * RESERVE_TIMES;
    span = (span + BLOCK - 1) / BLOCK * BLOCK;
    char *at = reserve(span + BLOCK, PROT_NONE);
    memory.slabs = at ? reserve(span / SLAB * sizeof(struct slab), PROT_READ | PROT_WRITE) : NULL;
    memory.block_used = memory.slabs ? reserve(span / BLOCK, PROT_READ | PROT_WRITE) : NULL;
    if (!memory.block_used) {
        if (memory.slabs)
            munmap(memory.slabs, span / SLAB * sizeof(struct slab));
        if (at)
            munmap(at, span + BLOCK);
        return;
    }
    char *base = (char *)(((uintptr_t)at + BLOCK - 1) / BLOCK * BLOCK);
    atomic_store(&memory.span, span);
    atomic_store(&memory.base, base);
}

static char *slab_memory(uint32_t number)
{
    return atomic_load_explicit(&memory.base, memory_order_relaxed) + (number - 1) * SLAB;
}

static struct slab *slab_of(uint32_t number)
{
    return &memory.slabs[number - 1];
}

// The number of a slab that nothing is in. 0: no memory.
static uint32_t take_empty(void)
{
    uint32_t number = memory.empty;
    if (number) {
        memory.empty = slab_of(number)->next;
        return number;
    }
    if (memory.begun == memory.opened) {
        if (memory.opened == atomic_load_explicit(&memory.span, memory_order_relaxed) / SLAB ||
            mprotect(slab_memory(memory.opened + 1), BLOCK, PROT_READ | PROT_WRITE))
            return 0;
        memory.opened += BLOCK_SLABS;
    }
#ifdef MADV_POPULATE_WRITE
    // All of its pages at once cost less than one by one; a process that has little takes only what it uses.
    if (memory.begun >= BLOCK_SLABS)
        (void)madvise(slab_memory(memory.begun + 1), SLAB, MADV_POPULATE_WRITE);
#endif
    return ++memory.begun;
}

static void link_with_room(struct slab *s, uint32_t number)
{
    s->prev = 0;
    s->next = memory.with_room[s->units];
    if (s->next)
        slab_of(s->next)->prev = number;
    memory.with_room[s->units] = number;
}

static void unlink_with_room(struct slab *s)
{
    if (s->next)
        slab_of(s->next)->prev = s->prev;
    if (s->prev)
        slab_of(s->prev)->next = s->next;
    else
        memory.with_room[s->units] = s->next;
}

static uint32_t slab_begin(unsigned units)
{
    if (!memory.tried)
        reserve_all();
    uint32_t number = take_empty();
    if (!number)
        return 0;
    struct slab *s = slab_of(number);
    *s = (struct slab){.units = (uint8_t)units, .room = (uint16_t)(SLAB / UNIT / units)};
    memory.block_used[(number - 1) / BLOCK_SLABS]++;
    link_with_room(s, number);
    return number;
}

static void slab_end(struct slab *s, uint32_t number)
{
    uint32_t block = (number - 1) / BLOCK_SLABS;
    unlink_with_room(s);
    s->next = memory.empty;
    memory.empty = number;
    if (--memory.block_used[block] == 0)
        (void)madvise(slab_memory(1) + block * BLOCK, BLOCK, MADV_DONTNEED); // it reads as zeros then, unread
}

// ---- things in slabs

static void *take_thing(uint32_t number)
{
    struct slab *s = slab_of(number);
    char *bytes = slab_memory(number), *thing;
    if (s->free) {
        thing = bytes + (size_t)(s->free - 1) * UNIT;
        s->free = *(uint16_t *)thing;
    } else {
        thing = bytes + (size_t)s->begun++ * s->units * UNIT;
    }
    if (++s->used == s->room)
        unlink_with_room(s);
    return thing;
}

static bool is_ours(const char *thing)
{
    const char *base = atomic_load_explicit(&memory.base, memory_order_relaxed);
    return base &&
           (uintptr_t)thing - (uintptr_t)base < atomic_load_explicit(&memory.span, memory_order_relaxed);
}

static void give_back(char *thing)
{
    size_t place = (size_t)(thing - slab_memory(1));
    uint32_t number = (uint32_t)(place / SLAB) + 1;
    struct slab *s = slab_of(number);
    assert(s->used > 0 && place % UNIT == 0);
    *(uint16_t *)thing = s->free;
    s->free = (uint16_t)(place % SLAB / UNIT + 1);
    if (s->used-- == s->room)
        link_with_room(s, number);
    // One of each size is kept, so that a count that swings about nothing does not make and end it each time.
    if (s->used == 0 && (s->next || s->prev))
        slab_end(s, number);
}

void *slab_alloc(size_t size)
{
    void *thing = NULL;
    unsigned units = size ? (unsigned)((size + UNIT - 1) / UNIT) : 1;
    if (PLAIN || size > LARGEST)
        return malloc(size);
    pthread_mutex_lock(&memory.lock);
    uint32_t number = memory.with_room[units];
    if (!number)
        number = slab_begin(units);
    if (number)
        thing = take_thing(number);
    pthread_mutex_unlock(&memory.lock);
    return thing ? thing : malloc(size);
}

void slab_free_all(void **things, unsigned count)
{
    bool locked = false;
    for (unsigned i = 0; i < count; i++) {
        if (!is_ours(things[i])) {
            free(things[i]);
            continue;
        }
        if (!locked)
            pthread_mutex_lock(&memory.lock);
        locked = true;
        give_back(things[i]);
    }
    if (locked)
        pthread_mutex_unlock(&memory.lock);
}

void slab_free(void *thing)
{
    if (thing)
        slab_free_all(&thing, 1);
}
