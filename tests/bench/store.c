// How fast the store is by itself, on a real folder: commits of 64 records of 150 bytes, random deletes from
// a backlog while cleaning, and the loading of a log, beside plain reading and checksumming of the same
// files.
//
//     bench_store FOLDER [MILLIONS-OF-RECORDS]        the folder is made, and removed again
#include "server/store/store.h"
#include "common/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define LENGTH 150
#define BATCH  64
#define BULK   2000 // records a batch while the backlog is written

struct bench {
    struct store *store;
    struct store_place *places;
    uint64_t records;
    uint64_t *marked;
    size_t marked_count;
    uint64_t loaded;
    const char *folder;
};

static void must(enum store_error e, const struct store *store)
{
    if (!e)
        return;
    fprintf(stderr, "bench_store: %s\n", store ? store_message(store) : store_error_text(e));
    exit(EXIT_FAILURE);
}

static double since(int64_t start)
{
    return (double)(clock_ns() - start) / 1e9;
}

static enum store_error take(void *arg, const struct store_record *r, struct store_place *old)
{
    struct bench *b = arg;
    if (r->id >= b->records)
        return STORE_STOPPED;
    *old = b->places[r->id];
    b->places[r->id] = (struct store_place){r->deleted ? 0 : r->segment, r->length};
    b->loaded++;
    return STORE_OK;
}

static void open_store(struct bench *b)
{
    char message[STORE_MESSAGE_MAX];
    struct store_options o = {.path = b->folder, .helper = true};
    memset(b->places, 0, b->records * sizeof *b->places);
    b->loaded = 0;
    if (store_open_log(&o, &b->store, message)) {
        fprintf(stderr, "bench_store: %s\n", message);
        exit(EXIT_FAILURE);
    }
    must(store_load(b->store, &(struct store_loader){.arg = b, .record = take}), b->store);
}

static void put(struct bench *b, uint32_t segment, uint64_t id)
{
    memset(store_batch_put(b->store, 1, id, LENGTH, b->places[id]), (int)id, LENGTH);
    b->places[id] = (struct store_place){segment, LENGTH};
}

static void commit(struct bench *b, uint64_t first, uint64_t count)
{
    uint32_t segment;
    must(store_batch_begin(b->store, (size_t)count * STORE_RECORD_SIZE(LENGTH), &segment), b->store);
    for (uint64_t i = 0; i < count; i++)
        put(b, segment, (first + i) % b->records);
    must(store_commit(b->store), b->store);
}

static void lives(void *arg, struct store_ref *refs, unsigned count, uint32_t segment)
{
    struct bench *b = arg;
    for (unsigned i = 0; i < count; i++) {
        refs[i].lives = b->places[refs[i].id].segment == segment && b->marked_count < BULK;
        if (refs[i].lives)
            b->marked[b->marked_count++] = refs[i].id;
    }
}

// Deletes 64 a batch, the cleaning's share with them.
static double bench_deletes(struct bench *b, uint64_t count, uint64_t step, uint64_t *at)
{
    int64_t start = clock_ns();
    for (uint64_t done = 0; done < count; done += BATCH) {
        uint32_t segment;
        uint64_t bytes = BATCH * STORE_RECORD_SIZE(0) + b->marked_count * STORE_RECORD_SIZE(LENGTH);
        must(store_batch_begin(b->store, (size_t)bytes, &segment), b->store);
        for (size_t i = 0; i < b->marked_count; i++)
            if (b->places[b->marked[i]].segment && b->places[b->marked[i]].segment != segment)
                put(b, segment, b->marked[i]);
        b->marked_count = 0;
        for (int i = 0; i < BATCH; i++, *at = (*at + step) % b->records) {
            store_batch_delete(b->store, 1, *at, b->places[*at]);
            b->places[*at].segment = 0;
        }
        must(store_commit(b->store), b->store);
        if (store_clean_wanted(b->store))
            must(store_clean_next(b->store, lives, b), b->store);
    }
    return (double)count / since(start);
}

static void fill(struct bench *b)
{
    for (uint64_t id = 0; id < b->records; id += BULK)
        commit(b, id, b->records - id < BULK ? b->records - id : BULK);
}

// Reads all files of the log as the loading does, and checksums them: what the loading is measured by.
static double read_plainly(const struct bench *b, uint64_t *bytes)
{
    char *buffer = malloc(STORE_SEGMENT_DEFAULT);
    DIR *folder = opendir(b->folder);
    if (!buffer || !folder)
        exit(EXIT_FAILURE);
    uint64_t sum = 0;
    int64_t start = clock_ns();
    *bytes = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        int fd =
            strstr(entry->d_name, ".log") ? openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        ssize_t n = pread(fd, buffer, STORE_SEGMENT_DEFAULT, 0);
        close(fd);
        sum += XXH3_64bits(buffer, n > 0 ? (size_t)n : 0);
        *bytes += n > 0 ? (uint64_t)n : 0;
    }
    double took = since(start);
    closedir(folder);
    free(buffer);
    return sum ? took : took + 1e-9;
}

// Writes and syncs as many bytes as a commit has, at the same places of a file that is written already: the
// least that a commit can take here.
static double write_plainly(const struct bench *b, uint64_t commits)
{
    const size_t length = 48 + BATCH * STORE_RECORD_SIZE(LENGTH);
    char path[512], *zeros = calloc(1, STORE_SEGMENT_DEFAULT);
    snprintf(path, sizeof path, "%s/plain", b->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || !zeros || pwrite(fd, zeros, STORE_SEGMENT_DEFAULT, 0) < 0 || fsync(fd) < 0)
        exit(EXIT_FAILURE);
    memset(zeros, 'x', length);
    int64_t start = clock_ns();
    for (uint64_t i = 0, at = 4096; i < commits; i++, at += length) {
        if (at + length > STORE_SEGMENT_DEFAULT)
            at = 4096;
        if (pwrite(fd, zeros, length, (off_t)at) < 0 || fdatasync(fd) < 0)
            exit(EXIT_FAILURE);
    }
    double took = since(start);
    close(fd);
    unlink(path);
    free(zeros);
    return (double)commits / took;
}

static void bench_commits(struct bench *b)
{
    const uint64_t commits = 5000;
    int64_t start = clock_ns();
    for (uint64_t i = 0; i < commits; i++)
        commit(b, i * BATCH, BATCH);
    double took = since(start);
    struct store_stats s = store_stats(b->store);
    printf("a plain write and sync of as much: %.0f/s\n", write_plainly(b, 2000));
    printf("commits of %d x %d bytes: %.0f/s, %.0f records/s, sync %.0f us on average, %.1f ms at most\n",
           BATCH, LENGTH, (double)commits / took, (double)(commits * BATCH) / took,
           (double)s.sync_ns / (double)s.commits / 1e3, (double)s.sync_max_ns / 1e6);
}

static void remove_folder(const char *folder)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "bench_store: %s is still there\n", folder);
}

int main(int argc, char **argv)
{
    if (argc < 2 || mkdir(argv[1], 0700) != 0) {
        fprintf(stderr, "usage: bench_store NEW-FOLDER [MILLIONS-OF-RECORDS]\n");
        return 2;
    }
    struct bench b = {.folder = argv[1],
                      .records = argc > 2 ? strtoull(argv[2], NULL, 10) * 1000000 : 1000000};
    b.places = calloc(b.records, sizeof *b.places);
    b.marked = calloc(BULK, sizeof *b.marked);
    if (!b.places || !b.marked)
        return EXIT_FAILURE;

    open_store(&b);
    bench_commits(&b);
    fill(&b);
    store_close(b.store);

    uint64_t bytes;
    read_plainly(&b, &bytes); // so that both find the files in memory
    double plain = read_plainly(&b, &bytes);
    int64_t start = clock_ns();
    open_store(&b);
    double took = since(start);
    printf("loading %.1f million records (%.0f MB): %.2f s, %.1f million/s; plain reading with checksums: "
           "%.2f s\n",
           (double)b.loaded / 1e6, (double)bytes / 1e6, took, (double)b.loaded / took / 1e6, plain);

    // Half of them in order, then all again and half of them at random (a step that meets each once).
    uint64_t at = 0, count = b.records / 2 / BATCH * BATCH;
    double ordered = bench_deletes(&b, count, 1, &at);
    fill(&b);
    at = 0;
    uint64_t step = 7368787; // a prime
    double random = bench_deletes(&b, count, step % b.records, &at);
    struct store_stats s = store_stats(b.store);
    printf("deletes from a backlog of %.1f million, %d a batch: %.0f/s in order, %.0f/s in random order "
           "(%.2f times)\n",
           (double)b.records / 1e6, BATCH, ordered, random, ordered / random);
    printf("files %.0f MB, live %.0f MB, %llu segments cleaned\n", (double)s.disk_bytes / 1e6,
           (double)s.live_bytes / 1e6, (unsigned long long)s.cleaned_segments);
    store_close(b.store);
    remove_folder(b.folder);
    free(b.places);
    free(b.marked);
    return EXIT_SUCCESS;
}
