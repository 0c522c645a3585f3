// What is far apart in memory is waited for some hundred cycles a piece. Read ahead and several at a time,
// all of it comes in about the time of one. Nothing changes by it but the time that things take.
#ifndef ENGINE_PREFETCH_H
#define ENGINE_PREFETCH_H

#include "server/engine/engine.h"

#define CACHE_LINE 64 // bytes, as on all that this is likely to run on

// Reads the line where p stands, which must be memory that can be read. A load that nothing depends on:
// processors drop prefetch instructions when too many are under way, which cost half of what they should win
// here.
static inline void prefetch(const void *p)
{
    (void)*(const volatile char *)p;
}

// The job's own part, without its body.
void prefetch_job(const struct job *j);

#endif
