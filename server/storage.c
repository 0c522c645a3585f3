#include "server/storage.h"

#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// Progress is worth a line only where people would begin to wonder.
#define PROGRESS_NS 2000000000

struct loading {
    struct journal_load *load;
    char *message;
    int64_t said; // clock_ns of the last line
    uint64_t records;
};

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"?", "meta", "queue", "job", "job state", "key"};
    return kind < sizeof names / sizeof *names ? names[kind] : names[0];
}

static enum store_error on_record(void *arg, const struct store_record *r, struct store_place *old)
{
    struct loading *l = arg;
    struct journal_place place;
    const char *why;
    l->records++;
    enum error error = journal_load_record(l->load, r->kind, r->id, r->deleted ? NULL : r->bytes, r->length,
                                           r->segment, &place, &why);
    *old = (struct store_place){place.segment, place.length};
    if (error == ERROR_NONE)
        return STORE_OK;
    if (error == ERROR_OVERLOADED)
        snprintf(l->message, STORE_MESSAGE_MAX, "out of memory after %" PRIu64 " records", l->records);
    else
        snprintf(l->message, STORE_MESSAGE_MAX,
                 "segment %" PRIu32 ": the %s record of id %" PRIu64 " cannot be read: %s", r->segment,
                 kind_name(r->kind), r->id, why);
    return STORE_STOPPED;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct loading *l = arg;
    int64_t now = clock_ns();
    if (now - l->said < PROGRESS_NS)
        return;
    l->said = now;
    log_info("loading: %" PRIu64 " of %" PRIu64 " MiB (%u %%) records=%" PRIu64, done >> 20, total >> 20,
             total ? (unsigned)(100 * done / total) : 100u, l->records);
}

static bool load(struct store *store, struct engine *e, struct journal_loaded *loaded,
                 char message[STORE_MESSAGE_MAX])
{
    struct loading l = {.load = journal_load_begin(e, clock_now()), .message = message, .said = clock_ns()};
    if (!l.load) {
        snprintf(message, STORE_MESSAGE_MAX, "out of memory");
        return false;
    }
    struct store_loader loader = {.arg = &l, .record = on_record, .progress = on_progress};
    message[0] = '\0';
    if (store_load(store, &loader) != STORE_OK) {
        if (!message[0]) // the store's own words, unless it was a record
            snprintf(message, STORE_MESSAGE_MAX, "%s", store_message(store));
        journal_load_abandon(l.load);
        return false;
    }
    if (journal_load_end(l.load, clock_now(), loaded) != ERROR_NONE) {
        snprintf(message, STORE_MESSAGE_MAX, "out of memory after loading %" PRIu64 " jobs", loaded->jobs);
        return false;
    }
    return true;
}

bool storage_open(const struct storage_options *o, struct engine *e, struct store **store,
                  struct journal_loaded *loaded, char message[STORE_MESSAGE_MAX])
{
    *store = NULL;
    // A body and a head of the largest kind have to fit into one batch.
    uint32_t size = o->segment_size ? o->segment_size : store_segment_size_for(2 * o->max_body + 65536);
    if (!size) {
        snprintf(message, STORE_MESSAGE_MAX, "max_body is more than the store can hold in one record");
        return false;
    }
    struct store_options options = {.path = o->path,
                                    .mode = o->read_only ? STORE_READ : STORE_WRITE,
                                    .recover = o->recover,
                                    .helper = !o->read_only,
                                    .segment_size = size,
                                    .slack = o->slack};
    struct store *s;
    if (store_open_log(&options, &s, message) != STORE_OK)
        return false;
    if (!load(s, e, loaded, message)) {
        store_close(s);
        return false;
    }
    *store = s;
    return true;
}
