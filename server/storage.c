#include "server/storage.h"

#include "common/log.h"
#include "common/plural.h"
#include "server/engine/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// Progress is worth a line only where people would begin to wonder.
#define PROGRESS_NS 2000000000

// A job's records are so much longer at the most than its body, its error and its result: the parts of fixed
// size, key, queue of origin.
#define RECORD_SIZE_MARGIN 1024

struct loading {
    struct journal_load *load;
    char *message;
    int64_t said; // clock_ns of the last line
    uint64_t records;
    uint64_t longest[RECORD_KEY + 1]; // bytes, by kind
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
    if (r->kind <= RECORD_KEY && r->length > l->longest[r->kind])
        l->longest[r->kind] = r->length;
    enum error error = journal_load_record(l->load, r->kind, r->id, r->deleted ? NULL : r->bytes, r->length,
                                           r->segment, &place, &why);
    *old = (struct store_place){place.segment, place.length};
    if (error == ERROR_NONE)
        return STORE_OK;
    if (error == ERROR_OVERLOADED)
        snprintf(l->message, STORE_MESSAGE_MAX, "out of memory after %" PRIu64 " %s", l->records,
                 plural(l->records, "record", "records"));
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
    log_event(LOG_LOADING, KV("mib", done >> 20), KV("of", total >> 20),
              KV("percent", total ? (unsigned)(100 * done / total) : 100u), KV("records", l->records));
}

// What one job may need in a batch besides its body: the head with an error and a result.
static uint64_t head_most(const struct storage_options *o)
{
    return 2 * o->max_body + RECORD_SIZE_MARGIN;
}

// All of one job has to fit into a batch, whatever it was put with.
static bool fits(const struct storage_options *o, const struct store *store, const struct loading *l,
                 char message[STORE_MESSAGE_MAX])
{
    uint64_t head = head_most(o), body = o->max_body + RECORD_SIZE_MARGIN;
    if (head < l->longest[RECORD_HEAD])
        head = l->longest[RECORD_HEAD];
    if (body < l->longest[RECORD_BODY])
        body = l->longest[RECORD_BODY];
    if (o->read_only || STORE_RECORD_SIZE(head) + STORE_RECORD_SIZE(body) <= store_batch_max(store))
        return true;
    if (l->longest[RECORD_BODY] > o->max_body + RECORD_SIZE_MARGIN || l->longest[RECORD_HEAD] > head_most(o))
        snprintf(message, STORE_MESSAGE_MAX,
                 "%s holds jobs that are larger than max_body (up to %" PRIu64
                 " bytes): they do not fit unless it is raised again",
                 o->path, l->longest[RECORD_BODY]);
    else
        snprintf(message, STORE_MESSAGE_MAX,
                 "segment_size is too small for max_body: at least %" PRIu64 " bytes",
                 4 * (head + body) + 16384);
    return false;
}

static bool load(const struct storage_options *o, struct store *store, struct engine *e,
                 struct journal_loaded *loaded, char message[STORE_MESSAGE_MAX])
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
        snprintf(message, STORE_MESSAGE_MAX, "out of memory after loading %" PRIu64 " %s", loaded->jobs,
                 plural(loaded->jobs, "job", "jobs"));
        return false;
    }
    return fits(o, store, &l, message);
}

bool storage_open(const struct storage_options *o, struct engine *e, struct store **store,
                  struct journal_loaded *loaded, char message[STORE_MESSAGE_MAX])
{
    *store = NULL;
    // A body and a head of the largest kind have to fit into one batch; the store leaves room for two of
    // these.
    uint64_t half = (o->max_body + head_most(o) + RECORD_SIZE_MARGIN) / 2;
    uint32_t size = o->segment_size ? o->segment_size : store_segment_size_for(half);
    if (!size) {
        snprintf(message, STORE_MESSAGE_MAX,
                 "max_body is more than the store can hold: it takes bodies of up to %" PRIu64 " bytes",
                 STORAGE_BODY_MOST);
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
    if (!load(o, s, e, loaded, message)) {
        store_close(s);
        return false;
    }
    *store = s;
    return true;
}
