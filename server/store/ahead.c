#include "server/store/ahead.h"

#include "server/store/ops.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// One is the reserve, and one more saves the making of a new file when a segment is begun before one is
// retired.
#define SPARES_MOST 2

struct ahead {
    const struct segment_place *place;
    uint32_t segment_size;
    bool threaded;
    pthread_t thread;

    pthread_mutex_t mutex; // for all below
    pthread_cond_t work;   // for the thread: there may be some
    pthread_cond_t done;   // for the owner: a step was taken
    bool stop;
    bool busy;      // a step is under way outside the mutex
    bool no_spare;  // making one failed for want of space, until it is tried again or a file is retired
    bool no_ready;  // the same of turning a spare into the next segment
    bool low;       // either came true, until there are both: to try again is not to have
    uint32_t want;  // the number of the next segment, while it is not ready; else 0
    uint32_t named; // the highest number that a spare's name bears
    bool has_ready;
    struct ahead_ready ready;
    uint32_t spares[SPARES_MOST];
    unsigned spare_count;
    struct segment *retired; // oldest first
    size_t retired_count, retired_capacity;
    enum store_error failed;
    char message[STORE_MESSAGE_MAX];      // of `failed`
    char step_message[STORE_MESSAGE_MAX]; // of the step under way
};

struct ahead *ahead_new(const struct segment_place *place, uint32_t segment_size)
{
    struct ahead *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->place = place;
    a->segment_size = segment_size;
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->done, NULL);
    return a;
}

void ahead_free(struct ahead *a)
{
    if (!a)
        return;
    if (a->threaded) {
        pthread_mutex_lock(&a->mutex);
        a->stop = true;
        pthread_cond_signal(&a->work);
        pthread_mutex_unlock(&a->mutex);
        pthread_join(a->thread, NULL);
    }
    if (a->has_ready)
        a->place->io->close(a->place->io->context, a->ready.fd);
    pthread_cond_destroy(&a->done);
    pthread_cond_destroy(&a->work);
    pthread_mutex_destroy(&a->mutex);
    free(a->retired);
    free(a);
}

bool ahead_adopt_spare(struct ahead *a, uint32_t number)
{
    if (number > a->named)
        a->named = number;
    if (a->spare_count == SPARES_MOST)
        return false;
    a->spares[a->spare_count++] = number;
    return true;
}

static bool keeps(const struct ahead *a, uint64_t size)
{
    return size == a->segment_size && a->spare_count < SPARES_MOST;
}

static enum store_error put_aside(const struct ahead *a, const char *from, const char *to,
                                  char message[STORE_MESSAGE_MAX])
{
    const struct store_io *io = a->place->io;
    int r = to ? io->rename(io->context, a->place->folder, from, to)
               : io->remove(io->context, a->place->folder, from);
    if (r == 0)
        return STORE_OK;
    return store_fail(message, store_error_of(errno), "cannot retire %s/%s: %s", a->place->path, from,
                      strerror(errno));
}

enum store_error ahead_adopt_log(struct ahead *a, uint32_t number, uint64_t size,
                                 char message[STORE_MESSAGE_MAX])
{
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    bool keep = keeps(a, size);
    segment_name(from, number, SEGMENT_LOG);
    segment_name(to, ++a->named, SEGMENT_SPARE);
    enum store_error e = put_aside(a, from, keep ? to : NULL, message);
    if (!e && keep)
        a->spares[a->spare_count++] = a->named;
    return e;
}

// Errors after which the same may work later: nothing of the log was touched, and the disk did not fail.
static bool passing(enum store_error e)
{
    return e == STORE_NO_SPACE || e == STORE_MEMORY;
}

// --- Steps: each is entered and left with the mutex held, and lets go of it for its system calls. ---

enum step { STEP_NONE, STEP_MAKE_READY, STEP_RETIRE, STEP_MAKE_SPARE };

static enum step step_due(const struct ahead *a)
{
    if (a->failed)
        return STEP_NONE;
    if (a->want && a->spare_count > 0 && !a->no_ready)
        return STEP_MAKE_READY;
    if (a->retired_count > 0) // before a spare is made: it may give one
        return STEP_RETIRE;
    if (a->spare_count == 0 && !a->no_spare)
        return STEP_MAKE_SPARE;
    return STEP_NONE;
}

static void unlock_for_step(struct ahead *a)
{
    a->busy = true;
    pthread_mutex_unlock(&a->mutex);
}

static void relock_after_step(struct ahead *a, enum store_error e, bool *passed)
{
    pthread_mutex_lock(&a->mutex);
    a->busy = false;
    if (e && passed && passing(e)) {
        *passed = a->low = true;
    } else if (e) {
        a->failed = e;
        memcpy(a->message, a->step_message, sizeof a->message);
    }
    pthread_cond_broadcast(&a->done);
}

static void step_make_ready(struct ahead *a)
{
    uint32_t spare = a->spares[a->spare_count - 1];
    uint32_t number = a->want;
    unlock_for_step(a);
    struct ahead_ready ready;
    enum store_error e = segment_new_head(a->place, number, a->segment_size, &ready.head, a->step_message);
    if (!e)
        e = segment_use_spare(a->place, spare, &ready.head, &ready.fd, a->step_message);
    relock_after_step(a, e, &a->no_ready);
    if (e)
        return; // if it passes, the spare is still there: its name is the last thing to change
    a->spare_count--;
    a->want = 0;
    a->ready = ready;
    a->has_ready = true;
}

static void step_make_spare(struct ahead *a)
{
    uint32_t number = ++a->named;
    unlock_for_step(a);
    enum store_error e = segment_make_spare(a->place, number, a->segment_size, a->step_message);
    relock_after_step(a, e, &a->no_spare);
    if (!e)
        a->spares[a->spare_count++] = number;
}

static void step_retire(struct ahead *a)
{
    struct segment s = a->retired[0];
    bool keep = !s.damaged && keeps(a, s.size);
    uint32_t number = s.damaged ? s.number : ++a->named;
    unlock_for_step(a);
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    segment_name(from, s.number, SEGMENT_LOG);
    segment_name(to, number, s.damaged ? SEGMENT_DAMAGED : SEGMENT_SPARE);
    enum store_error e =
        s.missing ? STORE_OK : put_aside(a, from, keep || s.damaged ? to : NULL, a->step_message);
    relock_after_step(a, e, NULL);
    a->retired_count--;
    memmove(a->retired, a->retired + 1, a->retired_count * sizeof *a->retired);
    if (e)
        return;
    a->no_spare = false;
    if (keep)
        a->spares[a->spare_count++] = number;
}

static bool step(struct ahead *a)
{
    switch (step_due(a)) {
    case STEP_NONE:
        return false;
    case STEP_MAKE_READY:
        step_make_ready(a);
        break;
    case STEP_RETIRE:
        step_retire(a);
        break;
    case STEP_MAKE_SPARE:
        step_make_spare(a);
        break;
    }
    if (a->has_ready && a->spare_count > 0)
        a->low = false;
    return true;
}

static void *helper(void *arg)
{
    struct ahead *a = arg;
    pthread_mutex_lock(&a->mutex);
    while (!a->stop)
        if (!step(a))
            pthread_cond_wait(&a->work, &a->mutex);
    pthread_mutex_unlock(&a->mutex);
    return NULL;
}

// --- The owner's side ---

enum store_error ahead_start(struct ahead *a, uint32_t next, bool threaded, char message[STORE_MESSAGE_MAX])
{
    a->want = next;
    if (!threaded)
        return STORE_OK;
    sigset_t all, before; // signals are the owner's business
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&a->thread, NULL, helper, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return store_fail(message, STORE_MEMORY, "cannot start the store's thread: %s", strerror(r));
    a->threaded = true;
    return STORE_OK;
}

enum store_error ahead_take(struct ahead *a, struct ahead_ready *out, char message[STORE_MESSAGE_MAX])
{
    pthread_mutex_lock(&a->mutex);
    while (!a->has_ready && (a->busy || step_due(a) != STEP_NONE)) {
        if (a->threaded)
            pthread_cond_wait(&a->done, &a->mutex);
        else
            step(a);
    }
    enum store_error e = STORE_OK;
    if (a->has_ready) {
        *out = a->ready;
        a->has_ready = false;
        a->want = out->head.number + 1;
        pthread_cond_signal(&a->work);
    } else if (a->failed) {
        e = a->failed;
        memcpy(message, a->message, sizeof a->message);
    } else {
        e = store_fail(message, STORE_NO_SPACE, "%s", a->step_message);
    }
    pthread_mutex_unlock(&a->mutex);
    return e;
}

bool ahead_reserve(struct ahead *a, size_t count)
{
    bool ok = true;
    pthread_mutex_lock(&a->mutex);
    size_t need = a->retired_count + count;
    if (need > a->retired_capacity) {
        struct segment *more = realloc(a->retired, 2 * need * sizeof *more);
        ok = more != NULL;
        if (ok) {
            a->retired = more;
            a->retired_capacity = 2 * need;
        }
    }
    pthread_mutex_unlock(&a->mutex);
    return ok;
}

void ahead_retire(struct ahead *a, const struct segment *segment)
{
    pthread_mutex_lock(&a->mutex);
    assert(a->retired_count < a->retired_capacity);
    a->retired[a->retired_count++] = *segment;
    pthread_cond_signal(&a->work);
    pthread_mutex_unlock(&a->mutex);
}

void ahead_run(struct ahead *a, bool again)
{
    pthread_mutex_lock(&a->mutex);
    if (again)
        a->no_spare = a->no_ready = false;
    if (a->threaded)
        pthread_cond_signal(&a->work);
    else
        while (step(a))
            ;
    pthread_mutex_unlock(&a->mutex);
}

struct ahead_state ahead_state(struct ahead *a)
{
    pthread_mutex_lock(&a->mutex);
    struct ahead_state s = {
        .ready = a->has_ready,
        .reserve = a->spare_count > 0,
        .low = a->low,
        .bytes = ((a->has_ready ? 1u : 0u) + a->spare_count) * (uint64_t)a->segment_size,
    };
    for (size_t i = 0; i < a->retired_count; i++)
        s.bytes += a->retired[i].size;
    pthread_mutex_unlock(&a->mutex);
    return s;
}

enum store_error ahead_failed(struct ahead *a, char message[STORE_MESSAGE_MAX])
{
    pthread_mutex_lock(&a->mutex);
    enum store_error e = a->failed;
    if (e)
        memcpy(message, a->message, sizeof a->message);
    pthread_mutex_unlock(&a->mutex);
    return e;
}
