#include "server/net/handshakes.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/access/strangers.h"
#include "server/mailbox.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/net/secure.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define STALE_MS 1000 // who takes longer has to go while somebody waits
#define SAY_MS   1000 // between two lines about what failed
#define NICE     5    // those who are served go before those who come

struct handshake {
    struct handshake *prev, *next; // of its list
    struct loop *loops;
    unsigned loop_count;
    struct secure *secure; // NULL: it waits
    int fd;                // until it has begun
    int place;             // among those who have not said who they are; -1: nobody counts them
    int64_t since;         // ms; given
    int64_t began;         // ms
    bool listening;        // the event is added
    struct event event;    // readable or writable, whatever it waits for
    struct handshakes *all;
};

// The oldest first.
struct list {
    struct handshake *first, *last;
    unsigned count;
};

struct handshakes {
    struct tls *tls;
    pthread_t thread;
    struct event_base *base;
    struct mailbox mailbox; // only to be woken by
    struct event mailbox_event, timer;
    struct list active, waiting; // the thread's own
    bool over;
    int64_t said; // ms; when there was last a line about what failed
    unsigned unsaid;

    atomic_bool stop;
    atomic_uint count, most;
    _Atomic int64_t patience_ms;
    _Atomic uint64_t done, failed;
    pthread_mutex_t lock;
    struct list given; // under the lock
};

static int64_t now_ms(void)
{
    return clock_ns() / 1000000;
}

// ---- lists

static void append(struct list *l, struct handshake *s)
{
    s->prev = l->last;
    s->next = NULL;
    *(l->last ? &l->last->next : &l->first) = s;
    l->last = s;
    l->count++;
}

static void take_out(struct list *l, struct handshake *s)
{
    *(s->prev ? &s->prev->next : &l->first) = s->next;
    *(s->next ? &s->next->prev : &l->last) = s->prev;
    l->count--;
}

// ---- ends

static void count(struct handshakes *h, const struct handshake *s, int by)
{
    atomic_fetch_add_explicit(&h->count, (unsigned)by, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->loops->coming, (unsigned)by, memory_order_relaxed);
}

static void forget(struct handshakes *h, struct handshake *s)
{
    if (s->place >= 0)
        strangers_leave(loop_strangers(s->loops), s->place);
    count(h, s, -1);
    free(s);
}

static void end(struct handshakes *h, struct handshake *s)
{
    if (s->listening)
        event_del(&s->event);
    take_out(s->secure ? &h->active : &h->waiting, s);
    if (s->secure)
        secure_close(s->secure);
    else
        close(s->fd);
    forget(h, s);
}

// One line at a time: who tries on and on must not fill the log.
static void say(struct handshakes *h, struct handshake *s, const char *why)
{
    char peer[PEER_TEXT_MAX];
    int64_t now = now_ms();
    if (h->said && now - h->said < SAY_MS) {
        h->unsaid++;
        return;
    }
    peer_print(s->secure ? secure_fd(s->secure) : s->fd, peer);
    log_event(LOG_HANDSHAKE_FAILED, KV("why", why), KV("peer", peer), KV("unsaid", h->unsaid));
    h->said = now;
    h->unsaid = 0;
}

static void fail(struct handshakes *h, struct handshake *s, const char *why)
{
    atomic_fetch_add_explicit(&h->failed, 1, memory_order_relaxed);
    say(h, s, why);
    end(h, s);
}

// The loop has it from here on.
static void succeed(struct handshakes *h, struct handshake *s)
{
    struct secure *secure = s->secure;
    struct loop *loop = loop_least_loaded(s->loops, s->loop_count, NULL);
    if (s->listening)
        event_del(&s->event);
    take_out(&h->active, s);
    forget(h, s);
    atomic_fetch_add_explicit(&h->done, 1, memory_order_relaxed);
    if (!loop_give_secure(loop, secure))
        log_event(LOG_CLIENT_MEMORY);
}

// ---- under way

static void on_event(evutil_socket_t fd, short what, void *context);

static void wait_for(struct handshakes *h, struct handshake *s, short what)
{
    if (s->listening && event_get_events(&s->event) == what)
        return;
    if (s->listening)
        event_del(&s->event);
    s->listening = event_assign(&s->event, h->base, secure_fd(s->secure), what, on_event, s) == 0 &&
                   event_add(&s->event, NULL) == 0;
    if (!s->listening)
        fail(h, s, "of a lack of memory");
}

static void go_on(struct handshakes *h, struct handshake *s)
{
    switch (secure_handshake(s->secure)) {
    case SECURE_DONE:
        succeed(h, s);
        break;
    case SECURE_WANTS_READ:
        wait_for(h, s, EV_READ | EV_PERSIST);
        break;
    case SECURE_WANTS_WRITE:
        wait_for(h, s, EV_WRITE | EV_PERSIST);
        break;
    case SECURE_FAILED:
        fail(h, s, secure_trouble(s->secure));
        break;
    }
}

static void begin(struct handshakes *h, struct handshake *s)
{
    take_out(&h->waiting, s);
    s->secure = secure_new(h->tls, s->fd);
    if (!s->secure) { // no memory, and its socket is closed
        forget(h, s);
        return;
    }
    append(&h->active, s);
    s->began = now_ms();
    go_on(h, s);
}

// ---- bounds

static int64_t due(const struct handshakes *h)
{
    int64_t patience = atomic_load_explicit(&h->patience_ms, memory_order_relaxed), first = INT64_MAX;
    if (h->active.first)
        first = h->active.first->since + patience;
    if (h->waiting.first && h->waiting.first->since + patience < first)
        first = h->waiting.first->since + patience;
    if (h->waiting.first && h->active.first && h->active.first->began + STALE_MS < first)
        first = h->active.first->began + STALE_MS;
    return first;
}

// Lets go who has had its time, and begins with who waits. Both lists are in the order of time.
static void see_to_bounds(struct handshakes *h)
{
    int64_t patience = atomic_load_explicit(&h->patience_ms, memory_order_relaxed), now = now_ms();
    unsigned most = atomic_load_explicit(&h->most, memory_order_relaxed);
    while (h->waiting.first && now >= h->waiting.first->since + patience)
        fail(h, h->waiting.first, "there were too many before it");
    while (h->active.first && now >= h->active.first->since + patience)
        fail(h, h->active.first, "it took too long");
    while (h->waiting.first) {
        if (h->active.count >= most) {
            if (now < h->active.first->began + STALE_MS)
                break;
            fail(h, h->active.first, "it took long, and others wait");
        }
        begin(h, h->waiting.first);
    }
    int64_t next = due(h), left = next > now ? next - now : 0;
    struct timeval time = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    if (next == INT64_MAX)
        event_del(&h->timer);
    else if (event_add(&h->timer, &time))
        log_event(LOG_OUT_OF_MEMORY, KV("so", "handshakes are not bounded in time until one ends"));
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    struct handshake *s = context;
    struct handshakes *h = s->all;
    (void)fd;
    (void)what;
    go_on(h, s);
    see_to_bounds(h);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    see_to_bounds(context);
}

static void on_mailbox(evutil_socket_t fd, short what, void *context)
{
    struct handshakes *h = context;
    (void)fd;
    (void)what;
    mailbox_quiet(&h->mailbox);
    h->over = atomic_load(&h->stop);
    pthread_mutex_lock(&h->lock);
    struct list given = h->given;
    h->given = (struct list){0};
    pthread_mutex_unlock(&h->lock);
    for (struct handshake *s = given.first, *next; s; s = next) {
        next = s->next;
        append(&h->waiting, s);
    }
    see_to_bounds(h);
}

// ---- the thread

static void *run(void *context)
{
    struct handshakes *h = context;
    mailbox_own(&h->mailbox);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); // of this thread alone
    while (!h->over)
        event_base_loop(h->base, EVLOOP_ONCE);
    while (h->active.first)
        end(h, h->active.first);
    while (h->waiting.first)
        end(h, h->waiting.first);
    return NULL;
}

static bool start_thread(struct handshakes *h)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error == 0;
}

static bool make(struct handshakes *h)
{
    h->base = event_base_new();
    return h->base &&
           event_assign(&h->mailbox_event, h->base, h->mailbox.fd, EV_READ | EV_PERSIST, on_mailbox, h) ==
               0 &&
           event_assign(&h->timer, h->base, -1, 0, on_timer, h) == 0 &&
           event_add(&h->mailbox_event, NULL) == 0 && start_thread(h);
}

static void release(struct handshakes *h)
{
    if (h->base)
        event_base_free(h->base);
    pthread_mutex_destroy(&h->lock);
    mailbox_release(&h->mailbox);
    free(h);
}

struct handshakes *handshakes_start(struct tls *tls, unsigned most, int64_t ms)
{
    struct handshakes *h = calloc(1, sizeof *h);
    if (!h || !mailbox_init(&h->mailbox)) {
        free(h);
        return NULL;
    }
    pthread_mutex_init(&h->lock, NULL);
    h->tls = tls;
    handshakes_limit(h, most, ms);
    if (make(h))
        return h;
    int error = errno;
    release(h);
    errno = error;
    return NULL;
}

void handshakes_stop(struct handshakes *h)
{
    atomic_store(&h->stop, true);
    mailbox_wake(&h->mailbox);
    pthread_join(h->thread, NULL);
    assert(!h->active.first && !h->waiting.first);
    for (struct handshake *s = h->given.first, *next; s; s = next) {
        next = s->next;
        close(s->fd);
        forget(h, s);
    }
    h->given = (struct list){0};
}

void handshakes_free(struct handshakes *h)
{
    if (h)
        release(h);
}

// ---- what other threads call

// Whoever has not shaken hands is a stranger like those who have not said who they are: so many in all, and
// fewer of one address. False: there are too many.
static bool enter(struct handshakes *h, struct handshake *s)
{
    struct strangers *all = loop_strangers(s->loops);
    char key[PEER_KEY_MAX], peer[PEER_TEXT_MAX];
    s->place = all ? strangers_enter(all, key, peer_key(s->fd, key)) : -1;
    if (s->place >= 0 || !all)
        return true;
    atomic_fetch_add_explicit(&h->failed, 1, memory_order_relaxed);
    if (strangers_may_log(all, clock_ns())) {
        peer_print(s->fd, peer);
        log_event(LOG_STRANGER_TURNED_AWAY, KV("peer", peer));
    }
    return false;
}

bool handshakes_give(struct handshakes *h, int fd_take, struct loop *loops, unsigned loop_count)
{
    struct handshake *s = malloc(sizeof *s);
    if (s)
        *s = (struct handshake){
            .loops = loops, .loop_count = loop_count, .fd = fd_take, .since = now_ms(), .all = h};
    if (!s || !enter(h, s)) {
        close(fd_take);
        free(s);
        return false;
    }
    count(h, s, 1);
    pthread_mutex_lock(&h->lock);
    append(&h->given, s);
    pthread_mutex_unlock(&h->lock);
    mailbox_wake(&h->mailbox);
    return true;
}

void handshakes_limit(struct handshakes *h, unsigned most, int64_t ms)
{
    atomic_store(&h->most, most);
    atomic_store(&h->patience_ms, ms);
    mailbox_wake(&h->mailbox);
}

unsigned handshakes_count(const struct handshakes *h)
{
    return atomic_load_explicit(&h->count, memory_order_relaxed);
}

struct handshakes_figures handshakes_figures(const struct handshakes *h)
{
    return (struct handshakes_figures){atomic_load_explicit(&h->done, memory_order_relaxed),
                                       atomic_load_explicit(&h->failed, memory_order_relaxed)};
}
