#include "common/clock.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t read_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct moment clock_now(void)
{
    return (struct moment){.mono = read_ms(CLOCK_BOOTTIME), .wall = read_ms(CLOCK_REALTIME)};
}

struct moment clock_now_ns(int64_t *mono_ns)
{
    *mono_ns = read_ns(CLOCK_BOOTTIME);
    return (struct moment){.mono = *mono_ns / 1000000, .wall = read_ms(CLOCK_REALTIME)};
}

int64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

int64_t clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}
