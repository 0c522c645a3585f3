#include "server/state.h"

#include "common/log.h"
#include "server/backup.h"
#include "server/committer.h"
#include "server/engine/journal.h"
#include "server/hub.h"
#include "server/net/loop.h"
#include "server/parts.h"
#include "server/seed.h"
#include "server/storage.h"

#include <stdlib.h>
#include <unistd.h>

bool state_make(struct daemon *d)
{
    const struct settings *s = d->settings;
    struct engine_config config = {.max_bytes = s->memory,
                                   .max_queues = s->max_queues,
                                   .max_waits = (uint32_t)s->max_waits,
                                   .max_subscriptions = (uint32_t)s->max_subscriptions,
                                   // Without a store the tokens of another start are told apart by chance.
                                   .start_number = 1 + (uint32_t)(random_seed() % ((1u << 21) - 2)),
                                   .first_id = 1,
                                   .seed = random_seed()};
    struct engine *e = engine_new(&config);
    d->hub = e ? hub_new(e) : NULL;
    if (!d->hub) {
        engine_free(e);
        log_event(LOG_OUT_OF_MEMORY);
    }
    return d->hub;
}

// ---- the store

static void on_kept(void *arg)
{
    struct daemon *d = arg;
    for (unsigned i = 0; i < d->loop_count; i++)
        loop_durable(&d->loops[i]);
}

static void on_fatal(void *arg)
{
    (void)arg;
    log_event(LOG_ENDED);
    log_flush(LOG_FLUSH_MS);
    _exit(EXIT_FAILURE); // connections close without a reply, the spawner ends its children
}

bool state_load(struct daemon *d, bool recover)
{
    const struct settings *s = d->settings;
    if (s->memory_only)
        return true;
    char message[STORE_MESSAGE_MAX];
    struct storage_options o = {.path = s->data_dir,
                                .recover = recover,
                                .max_body = s->max_body,
                                .segment_size = (uint32_t)s->segment_size};
    struct journal_loaded loaded;
    if (!storage_open(&o, hub_engine(d->hub), &d->store, &loaded, message)) {
        log_event(LOG_START_FAILED, KV("why", message));
        return false;
    }
    log_event(LOG_LOADED, KV("jobs", loaded.jobs), KV("queues", loaded.queues), KV("folder", s->data_dir),
              KV("start", loaded.start_number + 1));
    if (loaded.orphans)
        log_event(LOG_ORPHANS, KV("records", loaded.orphans));
    bool waits = s->durability == DURABILITY_ALWAYS;
    hub_keep_journal(d->hub, waits);
    struct committer_options c = {.hub = d->hub,
                                  .store = d->store,
                                  .interval_ms = waits ? 0 : s->interval,
                                  .kept = on_kept,
                                  .fatal = on_fatal,
                                  .arg = d};
    d->committer = committer_new(&c);
    // The raised start number has to be on disk before anybody is given a delivery token of it.
    d->backups = d->committer ? backups_new(d->committer) : NULL;
    return d->backups && (recover ? committer_settle(d->committer) : committer_flush(d->committer));
}

// ---- the queues

bool state_declare_queues(struct daemon *d)
{
    bool ok = true;
    for (size_t i = 0; i < d->settings->queue_count; i++) {
        const struct queue_section *q = &d->settings->queues[i];
        struct queue_settings now_set;
        const char *why;
        struct moment now = hub_lock(d->hub);
        enum error error = engine_declare(hub_engine(d->hub), now, slice_of(q->name), &q->settings, q->named,
                                          &now_set, &why);
        hub_unlock(d->hub);
        if (error != ERROR_NONE) {
            log_event(LOG_QUEUE_REFUSED, KV("queue", q->name), KV("why", why ? why : error_text(error)));
            ok = false;
        }
    }
    return ok;
}
