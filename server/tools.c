#include "server/tools.h"

#include "common/plural.h"
#include "server/committer.h"
#include "server/dump.h"
#include "server/hub.h"
#include "server/storage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct engine *new_engine(void)
{
    struct engine_config config = {.max_bytes = UINT64_MAX / 2,
                                   .max_queues = UINT64_MAX,
                                   .max_waits = 1,
                                   .start_number = 1,
                                   .first_id = 1,
                                   .seed = 1};
    struct engine *e = engine_new(&config);
    if (!e)
        fprintf(stderr, "taskqd: out of memory\n");
    return e;
}

// Opens for looking only. NULL: said why.
static struct engine *look(const char *data_dir, struct store **store, struct journal_loaded *loaded)
{
    char message[STORE_MESSAGE_MAX];
    struct engine *e = new_engine();
    struct storage_options o = {.path = data_dir, .read_only = true, .max_body = 1 << 20};
    if (e && !storage_open(&o, e, store, loaded, message)) {
        fprintf(stderr, "taskqd: %s\n", message);
        engine_free(e);
        return NULL;
    }
    return e;
}

int tools_check(const char *data_dir)
{
    struct store *store;
    struct journal_loaded loaded;
    struct engine *e = look(data_dir, &store, &loaded);
    if (!e)
        return EXIT_FAILURE;
    struct store_stats s = store_stats(store);
    printf("%s: jobs=%" PRIu64 " queues=%" PRIu64 " keys=%" PRIu64 " segments=%" PRIu64 " log_bytes=%" PRIu64
           " live_bytes=%" PRIu64 " last_batch=%" PRIu64 " starts=%" PRIu32 "\n",
           data_dir, loaded.jobs, loaded.queues, loaded.keys, s.segments, s.log_bytes, s.live_bytes,
           s.last_batch, loaded.start_number);
    if (loaded.orphans)
        printf("%s: %" PRIu64 " %s at its next start\n", data_dir, loaded.orphans,
               plural(loaded.orphans, "record belongs to nothing; the daemon removes it",
                      "records belong to nothing; the daemon removes them"));
    store_close(store);
    engine_free(e);
    return EXIT_SUCCESS;
}

int tools_dump(const char *data_dir)
{
    struct store *store;
    struct journal_loaded loaded;
    struct dump_counts counts;
    struct engine *e = look(data_dir, &store, &loaded);
    if (!e)
        return EXIT_FAILURE;
    bool ok = dump_write(e, stdout, &counts);
    if (!ok)
        fprintf(stderr, "taskqd: the dump cannot be written: %s\n", strerror(errno));
    store_close(store);
    engine_free(e);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool load_lines(struct hub *hub, struct store *store, FILE *in)
{
    struct dump_counts counts;
    char message[DUMP_MESSAGE_MAX];
    struct committer_options o = {.hub = hub, .store = store};
    hub_keep_journal(hub, true);
    struct committer *c = committer_new(&o);
    bool ok = c && committer_flush(c);
    if (ok && !dump_read(hub_engine(hub), in, STORAGE_BODY_MOST, &counts, message)) {
        fprintf(stderr, "taskqd: %s\n", message);
        ok = false;
    }
    // All or nothing is on disk only from here on: what failed above left an empty folder.
    if (ok && (ok = committer_flush(c)))
        printf("loaded jobs=%" PRIu64 " queues=%" PRIu64 "\n", counts.jobs, counts.queues);
    committer_free(c);
    return ok;
}

// The store has to be made for the largest job, and that is not known before: it is no larger than the file.
static uint64_t body_most(FILE *in)
{
    struct stat s;
    uint64_t most = STORAGE_BODY_MOST;
    if (fstat(fileno(in), &s) == 0 && S_ISREG(s.st_mode) && (uint64_t)s.st_size < most)
        most = (uint64_t)s.st_size;
    return most;
}

int tools_load(const char *data_dir, const char *file)
{
    struct stat st;
    FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
        fclose(in);
        in = NULL;
        errno = EISDIR;
    }
    if (!in) {
        fprintf(stderr, "taskqd: %s: %s\n", file, strerror(errno));
        return EXIT_FAILURE;
    }
    char message[STORE_MESSAGE_MAX];
    struct store *store = NULL;
    struct journal_loaded loaded;
    struct engine *e = new_engine();
    struct hub *hub = e ? hub_new(e) : NULL;
    struct storage_options o = {.path = data_dir, .max_body = body_most(in)};
    bool ok = hub && storage_open(&o, e, &store, &loaded, message);
    if (hub && !ok)
        fprintf(stderr, "taskqd: %s\n", message);
    if (ok && (loaded.jobs || loaded.queues)) {
        fprintf(stderr,
                "taskqd: %s has %" PRIu64 " %s and %" PRIu64
                " %s already; a dump is loaded into an empty folder\n",
                data_dir, loaded.jobs, plural(loaded.jobs, "job", "jobs"), loaded.queues,
                plural(loaded.queues, "queue", "queues"));
        ok = false;
    }
    ok = ok && load_lines(hub, store, in);
    store_close(store);
    if (hub)
        hub_free(hub);
    else
        engine_free(e);
    if (in != stdin)
        fclose(in);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
