#include "server/backup.h"

#include "common/log.h"
#include "server/mailbox.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static_assert(BACKUP_TEXT_MAX >= STORE_MESSAGE_MAX, "a message of the store is the text of an error");

struct backups {
    struct committer *committer;
    pthread_mutex_t lock;
    pthread_t thread;
    bool joinable; // a thread was started and not joined yet
    bool running;
    atomic_bool stop;
};

// Shared by its thread and by who asked, who may be gone before it ends.
struct backup {
    struct backups *all;
    struct mailbox *mailbox;
    atomic_uint users;
    atomic_bool ended; // result is complete
    struct backup_result result;
    char folder[];
};

struct backups *backups_new(struct committer *committer)
{
    struct backups *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->committer = committer;
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

void backups_free(struct backups *b)
{
    if (!b)
        return;
    atomic_store(&b->stop, true);
    if (b->joinable)
        pthread_join(b->thread, NULL);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

void backup_leave(struct backup *b)
{
    if (b && atomic_fetch_sub(&b->users, 1) == 1)
        free(b);
}

bool backup_ended(struct backup *b, struct backup_result *out)
{
    if (!atomic_load(&b->ended))
        return false;
    *out = b->result;
    return true;
}

// What the folder is to blame for, the asker can put right; else it is the disk.
static enum error error_of(enum store_error e)
{
    switch (e) {
    case STORE_OK:
        return ERROR_NONE;
    case STORE_MISSING:
    case STORE_NOT_A_FOLDER:
    case STORE_PERMISSION:
    case STORE_READ_ONLY:
    case STORE_OPTION:
        return ERROR_INVALID_PARAMS;
    case STORE_STOPPED:
        return ERROR_DRAINING;
    default:
        return ERROR_STORE_FAILED;
    }
}

static bool goes_on(void *arg, uint64_t done, uint64_t total)
{
    const struct backups *all = arg;
    (void)done, (void)total;
    return !atomic_load(&all->stop);
}

static void copy(struct backup *b)
{
    struct committer *committer = b->all->committer;
    struct backup_result *r = &b->result;
    struct store_snapshot *snapshot = committer_snapshot_begin(committer, r->text);
    if (!snapshot) {
        r->error = ERROR_STORE_FAILED;
        return;
    }
    store_snapshot_size(snapshot, &r->segments, &r->bytes);
    r->error = error_of(store_snapshot_copy(snapshot, b->folder, goes_on, b->all, r->text));
    committer_snapshot_end(committer, snapshot);
}

static void *run(void *arg)
{
    struct backup *b = arg;
    struct backups *all = b->all;
    copy(b);
    if (b->result.error == ERROR_NONE)
        log_event(LOG_BACKUP_DONE, KV("folder", b->folder), KV("segments", b->result.segments),
                  KV("bytes", b->result.bytes));
    else
        log_event(LOG_BACKUP_FAILED, KV("folder", b->folder), KV("why", b->result.text));
    struct mailbox *mailbox = b->mailbox;
    pthread_mutex_lock(&all->lock); // first of all: whoever hears of the end may ask for the next
    all->running = false;
    pthread_mutex_unlock(&all->lock);
    atomic_store(&b->ended, true);
    backup_leave(b);
    mailbox_wake(mailbox);
    return NULL;
}

static bool start(struct backups *all, struct backup *b)
{
    sigset_t every, before;
    if (all->joinable) // it has ended, or is about to
        pthread_join(all->thread, NULL);
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    all->joinable = all->running = pthread_create(&all->thread, NULL, run, b) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return all->running;
}

struct backup *backup_begin(void *context, struct slice folder, struct mailbox *mailbox, enum error *why)
{
    struct backups *all = context;
    struct backup *b = calloc(1, sizeof *b + folder.len + 1);
    *why = ERROR_OVERLOADED;
    if (!b)
        return NULL;
    b->all = all;
    b->mailbox = mailbox;
    atomic_init(&b->users, 2);
    memcpy(b->folder, folder.data, folder.len);
    pthread_mutex_lock(&all->lock);
    bool started = !all->running && start(all, b);
    pthread_mutex_unlock(&all->lock);
    if (!started) {
        free(b);
        return NULL;
    }
    return b;
}
