#include "server/rpc/timing.h"

#include "common/clock.h"

#include <stdlib.h>

bool timing_init(struct timing *t)
{
    *t = (struct timing){.methods = calloc(METHODS_MAX, sizeof *t->methods)};
    return t->methods;
}

void timing_release(struct timing *t)
{
    free(t->methods);
    *t = (struct timing){0};
}

void timing_took(struct timing *t, unsigned method, int64_t ns)
{
    histogram_add(&t->methods[method], ns > 0 ? (uint64_t)ns : 0, 1);
}

void timing_end(struct timing *t)
{
    int64_t began = t->began;
    t->began = 0;
    if (!t->touched || began - t->read < TIMING_PACE)
        return;
    t->read = clock_mono_ns();
    uint64_t took = t->read > began ? (uint64_t)(t->read - began) : 0;
    for (; t->touched; t->touched &= t->touched - 1) {
        unsigned method = (unsigned)__builtin_ctzll(t->touched);
        histogram_add(&t->methods[method], took, t->pending[method]);
        t->pending[method] = 0;
    }
}
