#include "server/pool/crew.h"

#include "server/hub.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_SIZE (512 * 1024) // a worker's; its buffers are on the heap

bool crew_init(struct crew *c, struct hub *hub, struct spawner *spawner)
{
    *c = (struct crew){.hub = hub, .spawner = spawner};
    c->drained_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->drained_fd < 0)
        return false;
    atomic_init(&c->deadline, INT64_MAX);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    return true;
}

static void say_drained(struct crew *c)
{
    uint64_t one = 1;
    ssize_t written = write(c->drained_fd, &one, sizeof one);
    assert(written == sizeof one);
    (void)written;
}

static void worker_free(struct worker *w)
{
    worker_release(w);
    free(w);
}

static void join(struct worker *w)
{
    if (!w)
        return;
    pthread_join(w->thread, NULL);
    worker_free(w);
}

void crew_release(struct crew *c)
{
    assert(c->alive == 0);
    join(c->ended);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    close(c->drained_fd);
}

void handler_free(struct handler *h)
{
    assert(!h->workers);
    handler_settings_release(&h->settings);
    free(h);
}

// ---- making workers

// The lowest numbers that no worker of the handler has. False: no memory.
static bool choose_numbers(struct crew *c, const struct handler *h, unsigned count, unsigned *numbers)
{
    pthread_mutex_lock(&c->lock);
    unsigned n = count, at = 0;
    for (const struct worker *w = h->workers; w; w = w->next)
        n++; // of so many numbers from 0 on at least `count` are free
    bool *taken = calloc(n, sizeof *taken);
    for (const struct worker *w = h->workers; taken && w; w = w->next)
        if (w->number < n)
            taken[w->number] = true;
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; taken && at < count; i++)
        if (!taken[i])
            numbers[at++] = i;
    free(taken);
    return taken;
}

static bool has_room(struct crew *c, unsigned count)
{
    pthread_mutex_lock(&c->lock);
    bool room = c->alive + count <= CREW_THREADS_MAX;
    pthread_mutex_unlock(&c->lock);
    if (!room)
        errno = EAGAIN;
    return room;
}

static struct worker *make_one(struct crew *c, struct handler *h, unsigned number,
                               const pthread_attr_t *attributes)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (!worker_init(w, c, h, number)) {
        free(w);
        return NULL;
    }
    int error = pthread_create(&w->thread, attributes, worker_main, w);
    if (error) {
        worker_free(w);
        errno = error;
        return NULL;
    }
    return w;
}

// The threads inherit that all signals are blocked.
static bool make(struct crew *c, struct handler *h, const unsigned *numbers, unsigned count,
                 struct worker **out)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    struct worker **end = out;
    int error = pthread_attr_init(&attributes);
    if (error) {
        errno = error;
        return false;
    }
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < count && !error; i++) {
        *end = make_one(c, h, numbers[i], &attributes);
        error = *end ? 0 : errno;
        if (*end)
            end = &(*end)->next;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        crew_discard(c, *out);
        *out = NULL;
        errno = error;
    }
    return error == 0;
}

bool crew_make(struct crew *c, struct handler *h, unsigned count, struct worker **out)
{
    *out = NULL;
    if (count == 0)
        return true;
    if (!has_room(c, count))
        return false;
    unsigned *numbers = malloc(count * sizeof *numbers);
    bool ok = numbers && choose_numbers(c, h, count, numbers) && make(c, h, numbers, count, out);
    int error = errno;
    free(numbers);
    errno = error;
    return ok;
}

void crew_discard(struct crew *c, struct worker *made)
{
    pthread_mutex_lock(&c->lock);
    for (struct worker *w = made; w; w = w->next)
        atomic_store(&w->leaving, true);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    while (made) {
        struct worker *next = made->next;
        join(made);
        made = next;
    }
}

// By number, so that they are shown in order.
static void link_worker(struct worker *w)
{
    struct worker **at = &w->handler->workers;
    while (*at && (*at)->number < w->number)
        at = &(*at)->next;
    w->next = *at;
    *at = w;
}

void crew_begin(struct crew *c, struct worker *made)
{
    while (made) {
        struct worker *next = made->next;
        link_worker(made);
        made->begun = true;
        made->handler->wanted++;
        c->alive++;
        made = next;
    }
    pthread_cond_broadcast(&c->changed);
}

// ---- asking them to leave

static bool idle(const struct worker *w)
{
    return atomic_load(&w->running) == 0;
}

static void dismiss(struct worker *w)
{
    atomic_store(&w->leaving, true);
    w->handler->wanted--;
    mailbox_wake(&w->mailbox);
}

void crew_dismiss(struct handler *h, unsigned count)
{
    for (; count > 0; count--) {
        struct worker *best = NULL;
        for (struct worker *w = h->workers; w; w = w->next)
            if (!atomic_load(&w->leaving) && (!best || idle(w) || !idle(best)))
                best = w;
        if (!best)
            return;
        dismiss(best);
    }
}

unsigned crew_call_back(struct handler *h, unsigned count)
{
    unsigned called = 0;
    for (struct worker *w = h->workers; w && called < count; w = w->next)
        if (atomic_load(&w->leaving) && !w->ending) {
            atomic_store(&w->leaving, false);
            h->wanted++;
            called++;
        }
    return called;
}

void crew_retire(struct crew *c, struct handler *h)
{
    assert(h->workers);
    struct handler **end = &c->retired;
    while (*end)
        end = &(*end)->next;
    h->next = NULL;
    h->is_retired = true;
    *end = h;
    for (struct worker *w = h->workers; w; w = w->next)
        if (!atomic_load(&w->leaving))
            dismiss(w);
}

static void wake_handlers(struct handler *h)
{
    for (; h; h = h->next)
        for (struct worker *w = h->workers; w; w = w->next)
            mailbox_wake(&w->mailbox);
}

void crew_wake(struct crew *c)
{
    wake_handlers(c->handlers);
    wake_handlers(c->retired);
    if (c->alive == 0)
        say_drained(c);
}

void crew_await_end(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->alive > 0)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

// ---- on the worker's own thread

bool crew_await_begin(struct worker *w)
{
    struct crew *c = w->crew;
    pthread_mutex_lock(&c->lock);
    while (!w->begun && !atomic_load(&w->leaving))
        pthread_cond_wait(&c->changed, &c->lock);
    bool begun = w->begun;
    pthread_mutex_unlock(&c->lock);
    return begun;
}

bool crew_leave(struct worker *w)
{
    struct crew *c = w->crew;
    pthread_mutex_lock(&c->lock);
    bool leaves = worker_draining(w);
    if (leaves) {
        w->ending = true;
        w->handler->wanted -= !atomic_load(&w->leaving);
        atomic_store(&w->leaving, true);
    }
    pthread_mutex_unlock(&c->lock);
    return leaves;
}

// One worker less. The handler, if it goes with it. Lock held.
static struct handler *sign_off(struct crew *c, struct worker *w)
{
    struct handler *h = w->handler;
    struct worker **own = &h->workers;
    while (*own != w)
        own = &(*own)->next;
    *own = w->next;
    w->handler = NULL;
    c->alive--;
    if (c->alive == 0) {
        if (atomic_load(&c->deadline) != INT64_MAX)
            say_drained(c);
        pthread_cond_broadcast(&c->changed);
    }
    if (!h->is_retired || h->workers)
        return NULL;
    struct handler **at = &c->retired;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    return h;
}

void crew_part(struct worker *w)
{
    struct crew *c = w->crew;
    worker_close(w);
    hub_quiesce(c->hub); // nobody posts to the mailbox any more
    pthread_mutex_lock(&c->lock);
    struct handler *gone = sign_off(c, w);
    struct worker *before = c->ended;
    c->ended = w;
    pthread_mutex_unlock(&c->lock);
    if (gone)
        handler_free(gone);
    join(before);
}
