#include "tests/model/storage.h"

#include "tests/crash/disk.h"
#include "tests/model/world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *storage_name(enum storage_kind kind)
{
    static const char *const names[STORAGE_COUNT] = {"none", "memory", "log", "folder"};
    return names[kind];
}

bool storage_of_name(const char *name, enum storage_kind *kind)
{
    for (int i = 0; i < STORAGE_COUNT; i++)
        if (strcmp(name, storage_name((enum storage_kind)i)) == 0) {
            *kind = (enum storage_kind)i;
            return true;
        }
    return false;
}

void storage_new(struct world *w, enum storage_kind kind, const struct engine_config *config)
{
    struct storage *s = calloc(1, sizeof *s);
    REQUIRE(s, "no memory");
    w->s = s;
    s->kind = kind;
    s->config = *config;
    if (kind == STORAGE_LOG)
        s->disk = disk_new(w->chance);
    if (kind == STORAGE_FOLDER) {
        snprintf(s->folder, sizeof s->folder, "/tmp/taskq-model-XXXXXX");
        REQUIRE(mkdtemp(s->folder), "no temporary folder");
    }
    storage_start(w);
    storage_settle(w);
}

void storage_count(const struct storage *s, struct storage_totals *sum)
{
    struct storage_totals now = s->totals;
    struct store_stats stats = store_stats(s->store);
    sum->restarts += now.restarts;
    sum->stops += now.stops;
    sum->jobs += now.jobs;
    sum->leases += now.leases;
    sum->keys += now.keys;
    sum->commits += now.commits + stats.commits;
    sum->rewritten += now.rewritten;
    sum->cleaned += now.cleaned + stats.cleaned_segments;
}

static void folder_remove(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(path);
}

void storage_free(struct storage *s)
{
    if (!s)
        return;
    store_close(s->store);
    disk_free(s->disk);
    if (s->kind == STORAGE_FOLDER)
        folder_remove(s->folder);
    free(s);
}

void storage_tell(struct world *w, uint64_t id, uint64_t marks)
{
    if (w->s)
        promises_tell(&w->s->promises, id, marks);
}

void storage_step(struct world *w)
{
    struct storage *s = w->s;
    if (!s)
        return;
    if (one_in(w, 200)) {
        storage_restart(w);
    } else if (one_in(w, 12)) {
        storage_settle(w);
    } else if (storage_waits(w) && one_in(w, 6)) {
        storage_commit(w, any(w, 2000));
    } else if (one_in(w, 4) && s->kept.count) { // as the cleaning asks for it
        const struct kept_record *r = &s->kept.records[any(w, s->kept.count)];
        storage_rewrite(w, r->kind, r->id, r->place.segment);
    }
}
