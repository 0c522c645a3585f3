#include "tests/bench/stats.h"

#include "common/clock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Below 64 a bucket is a value; from there on each power of two has 64 buckets.
static unsigned bucket_of(uint64_t v)
{
    if (v < HISTOGRAM_SUB)
        return (unsigned)v;
    unsigned shift = 63 - (unsigned)__builtin_clzll(v) - 6; // leaves 7 bits, the first of them a one
    return (shift + 1) * HISTOGRAM_SUB + (unsigned)((v >> shift) - HISTOGRAM_SUB);
}

static int64_t bucket_end(unsigned b)
{
    if (b < HISTOGRAM_SUB)
        return b;
    unsigned shift = b / HISTOGRAM_SUB - 1;
    return (int64_t)(((uint64_t)(HISTOGRAM_SUB + b % HISTOGRAM_SUB + 1) << shift) - 1);
}

void histogram_add(struct histogram *h, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    h->buckets[bucket_of((uint64_t)ns)]++;
    h->count++;
    if (ns > h->max)
        h->max = ns;
}

int64_t histogram_quantile(const struct histogram *h, double quantile)
{
    uint64_t below = (uint64_t)(quantile * (double)h->count), sum = 0;
    if (h->count == 0)
        return 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
        if ((sum += h->buckets[b]) > below)
            return bucket_end(b) < h->max ? bucket_end(b) : h->max;
    return h->max;
}

static bool read_ticks(pid_t pid, struct usage *out)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    unsigned long user = 0, system = 0;
    bool ok = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    const char *behind_name = ok ? strrchr(line, ')') : NULL; // the name may hold anything
    if (!behind_name ||
        sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return false;
    double tick = (double)sysconf(_SC_CLK_TCK);
    out->user = (double)user / tick;
    out->system = (double)system / tick;
    return true;
}

static bool read_resident(pid_t pid, struct usage *out)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    unsigned long kib = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, f))
        found = sscanf(line, "Rss: %lu kB", &kib) == 1;
    fclose(f);
    out->resident = (uint64_t)kib * 1024;
    return found;
}

bool usage_read(pid_t pid, struct usage *out)
{
    clockid_t clock;
    struct timespec t;
    memset(out, 0, sizeof *out);
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return false;
    out->cpu = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    return read_ticks(pid, out) && read_resident(pid, out);
}

bool usage_settle(pid_t pid, struct usage *out)
{
    uint64_t last = 0;
    for (int same = 0, i = 0; i < 100 && same < 30; i++) {
        if (!usage_read(pid, out))
            return false;
        same = out->resident == last ? same + 1 : 0;
        last = out->resident;
        (void)poll(NULL, 0, 100);
    }
    return true;
}
