// What a start costs, on a data folder that a daemon left: loading it into an engine, beside reading the same
// files, checksumming them, and as many allocations.
//
//     bench_replay load FOLDER           seconds, processor time and jobs, as JSON
//     bench_replay plain FOLDER JOBS     the same of the plain reading, for so many jobs of 100 bytes
//
// Each is a process of its own, so that neither finds the other's memory. Both read the files once before.
#include "common/clock.h"
#include "server/engine/job.h"
#include "server/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define BODY 102 // bytes of JSON

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_replay: %s\n", what);
    exit(EXIT_FAILURE);
}

static double processor_time(void)
{
    struct timespec t;
    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "no clock of the processor's");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Reads every file of the log, a segment at a time into one piece of memory. Gives the bytes.
static uint64_t read_files(const char *folder, char *buffer, XXH64_hash_t *sum)
{
    DIR *d = opendir(folder);
    uint64_t bytes = 0;
    must(d, "the folder cannot be opened");
    for (struct dirent *entry; (entry = readdir(d));) {
        if (!strstr(entry->d_name, ".log"))
            continue;
        int fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
        must(fd >= 0, "a segment cannot be opened");
        for (ssize_t n; (n = read(fd, buffer, STORE_SEGMENT_MAX)) > 0; bytes += (uint64_t)n)
            *sum ^= XXH3_64bits(buffer, (size_t)n);
        close(fd);
    }
    closedir(d);
    return bytes;
}

// What the map of ids and the jobs allocate.
static void allocate(uint64_t jobs)
{
    for (uint64_t i = 0; i < jobs; i++) {
        must(malloc(offsetof(struct job, data) + BODY), "no memory");
        if (i % ID_PAGE == 0)
            must(malloc((ID_PAGE + 2) * sizeof(void *)), "no memory");
    }
}

static uint64_t load(const char *folder)
{
    const struct engine_config config = {.max_bytes = UINT64_MAX / 2,
                                         .max_queues = 1000000,
                                         .max_waits = 1,
                                         .start_number = 1,
                                         .first_id = 1,
                                         .seed = 1};
    const struct storage_options options = {.path = folder, .read_only = true, .max_body = 1 << 20};
    char message[STORE_MESSAGE_MAX] = "no memory";
    struct engine *e = engine_new(&config);
    struct store *store;
    struct journal_loaded loaded = {0};
    must(e && storage_open(&options, e, &store, &loaded, message), message);
    return loaded.jobs; // all of it goes with the process
}

int main(int argc, char **argv)
{
    bool plain = argc == 4 && strcmp(argv[1], "plain") == 0;
    if (!plain && !(argc == 3 && strcmp(argv[1], "load") == 0)) {
        fputs("usage: bench_replay load FOLDER | plain FOLDER JOBS\n", stderr);
        return 2;
    }
    char *buffer = malloc(STORE_SEGMENT_MAX);
    XXH64_hash_t sum = 0;
    must(buffer, "no memory");
    uint64_t bytes = read_files(argv[2], buffer, &sum), jobs = plain ? strtoull(argv[3], NULL, 10) : 0;
    double busy = processor_time();
    int64_t began = clock_ns();
    if (plain) {
        read_files(argv[2], buffer, &sum);
        allocate(jobs);
    } else {
        jobs = load(argv[2]);
    }
    printf("{\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"jobs\":%llu,\"bytes\":%llu,\"sum\":%llu}\n",
           (double)(clock_ns() - began) / 1e9, processor_time() - busy, (unsigned long long)jobs,
           (unsigned long long)bytes, (unsigned long long)sum);
    return EXIT_SUCCESS;
}
