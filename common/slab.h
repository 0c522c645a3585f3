// Memory for the small things that there are millions of: jobs, and the pages of the map of ids.
//
// Things of one size share slabs of 64 KiB. Freeing one touches nothing but itself and its slab's entry in a
// dense table, where malloc looks at what lies around it in memory: that made deleting in random order slow.
// There is no header before each, and slabs that are empty serve other sizes; where 2 MiB of them are empty,
// the system gets the memory back.
//
// All of it belongs to the process, as malloc's does. Any thread, without locks of the caller's.
#ifndef COMMON_SLAB_H
#define COMMON_SLAB_H

#include <stddef.h>

// Aligned to 16 bytes, not cleared; NULL: no memory. What is larger than 512 bytes comes from malloc.
void *slab_alloc(size_t size);

// NULL is fine.
void slab_free(void *thing);

// Several with one turn of the lock; none of them NULL.
void slab_free_all(void **things, unsigned count);

#endif
