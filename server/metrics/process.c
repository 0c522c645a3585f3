#include "server/metrics/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n > 0;
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double limit_of(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return -1;
    return (double)limit.rlim_cur;
}

static double count_descriptors(bool thorough)
{
    struct stat s;
    if (stat("/proc/self/fd", &s) == 0 && s.st_size > 0) // newer systems say it there
        return (double)s.st_size;
    if (!thorough)
        return -1;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return -1;
    double count = -1; // the folder's own
    for (const struct dirent *entry; (entry = readdir(d));)
        count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}

bool process_look(struct process_figures *out, bool thorough)
{
    char text[1024];
    unsigned long user, system, size;
    long threads, pages;
    unsigned long long start;
    if (!read_text("/proc/self/stat", text, sizeof text))
        return false;
    const char *after_name = strrchr(text, ')'); // the name may hold anything
    if (!after_name || sscanf(after_name + 1,
                              " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d "
                              "%llu %lu %ld",
                              &user, &system, &threads, &start, &size, &pages) != 6)
        return false;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    *out = (struct process_figures){
        .cpu_seconds = (double)(user + system) / ticks,
        .resident = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE),
        .address_space = size,
        .address_space_max = limit_of(RLIMIT_AS),
        .descriptors = count_descriptors(thorough),
        .descriptors_max = limit_of(RLIMIT_NOFILE),
        .threads = (uint64_t)threads,
        .began =
            round((seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) + (double)start / ticks) * 100) /
            100,
    };
    return true;
}

uint64_t process_resident(void)
{
    char text[128];
    uint64_t pages;
    if (!read_text("/proc/self/statm", text, sizeof text) || sscanf(text, "%*u %" SCNu64, &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
