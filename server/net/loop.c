#include "server/net/loop.h"

#include "server/net/connection.h"
#include "server/net/secure.h"
#include "server/net/stream.h"

#include "common/clock.h"
#include "server/hub.h"
#include "server/rpc/share.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIVEN_AT_ONCE 4 // connections that are opened in one turn

static void on_stop_time(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ((struct loop *)context)->over = true;
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); // one thread
    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

// ---- connections

void loop_link(struct loop *l, struct connection *c)
{
    int64_t now = clock_ns();
    pthread_mutex_lock(&l->lock);
    c->since = l->connections && l->connections->since >= now ? l->connections->since + 1 : now;
    c->next = l->connections;
    if (c->next)
        c->next->prev = c;
    l->connections = c;
    pthread_mutex_unlock(&l->lock);
}

void loop_unhold(struct connection *c)
{
    struct stream *s = c->stream;
    if (!s || !s->held)
        return;
    *s->held = s->next_held;
    if (s->next_held)
        s->next_held->stream->held = s->held;
    s->held = NULL;
}

void loop_unlink(struct loop *l, struct connection *c)
{
    pthread_mutex_lock(&l->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        l->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&l->lock);
    if (l->recheck == c)
        l->recheck = c->next;
    loop_unhold(c);
    atomic_fetch_sub_explicit(&l->connection_count, 1, memory_order_relaxed);
}

void loop_pending(struct loop *l, struct connection *c)
{
    if (c->pending)
        return;
    c->pending = true;
    c->next_pending = NULL;
    if (l->pending_last)
        l->pending_last->next_pending = c;
    else
        l->pending = c;
    l->pending_last = c;
}

void loop_held(struct loop *l, struct connection *c)
{
    struct stream *s = c->stream;
    if (s->held)
        return;
    s->next_held = l->held;
    if (l->held)
        l->held->stream->held = &s->next_held;
    l->held = c;
    s->held = &l->held;
}

static void run_pending(struct loop *l)
{
    struct connection *c = l->pending;
    l->pending = l->pending_last = NULL;
    while (c) {
        struct connection *next = c->next_pending;
        c->pending = false;
        connection_continue(c);
        c = next;
    }
}

static void run_held(struct loop *l)
{
    uint64_t durable = hub_durable(l->dispatch.rpc->hub);
    if (durable == l->durable)
        return;
    l->durable = durable;
    struct connection *c = l->held;
    l->held = NULL;
    while (c) {
        struct connection *next = c->stream->next_held;
        c->stream->held = NULL;
        connection_durable(c); // which holds it again if need be
        c = next;
    }
}

static void close_given(const struct loop_given *g)
{
    if (g->secure)
        secure_close(g->secure);
    else
        close(g->fd);
}

// A crowd that comes in is let in while others are served.
static void take_given(struct loop *l)
{
    struct loop_given given[GIVEN_AT_ONCE];
    pthread_mutex_lock(&l->lock);
    unsigned left = l->given_count - l->given_taken, count = left < GIVEN_AT_ONCE ? left : GIVEN_AT_ONCE;
    for (unsigned i = 0; i < count; i++)
        given[i] = l->given[l->given_taken++];
    l->more_given = count < left;
    if (!l->more_given)
        l->given_count = l->given_taken = 0;
    pthread_mutex_unlock(&l->lock);
    for (unsigned i = 0; i < count; i++) {
        if (l->finishing)
            close_given(&given[i]);
        if (l->finishing || !connection_open(l, given[i].fd, given[i].secure))
            atomic_fetch_sub_explicit(&l->connection_count, 1, memory_order_relaxed);
    }
}

// ---- the thread

// Who may do what has been read again.
static void take_access(struct loop *l)
{
    const struct access *access = l->dispatch.rpc->access;
    if (access == l->dispatch.access)
        return;
    l->dispatch.access = access;
    shares_set(&l->dispatch, l->wire ? NULL : access);
    for (struct connection *c = l->connections; c; c = c->next) {
        c->session.share = 0;
        connection_access(c);
    }
}

#define RECHECKS      4   // in one turn of the loop: each takes as long as many requests
#define RECHECK_STEPS 500 // and so many that need none

static void take_distrust(struct loop *l)
{
    if (atomic_exchange(&l->distrust, false))
        l->recheck = l->connections; // those that come from here on see to it themselves
}

static void recheck_some(struct loop *l)
{
    unsigned checked = 0;
    for (int i = 0; i < RECHECK_STEPS && l->recheck && checked < RECHECKS; i++) {
        struct connection *c = l->recheck;
        l->recheck = c->next;
        checked += connection_recheck(c);
    }
}

static void on_mailbox(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *l = context;
    mailbox_quiet(&l->mailbox); // the waiters in it are seen to at the end of the turn
    l->stopping = atomic_load(&l->stop);
    take_access(l);
    take_distrust(l);
    take_given(l);
}

static void begin_finishing(struct loop *l)
{
    l->finishing = true;
    struct timeval time = {.tv_sec = l->stop_ms / 1000, .tv_usec = l->stop_ms % 1000 * 1000};
    if (event_add(&l->stop_event, &time))
        l->over = true;
    for (struct connection *c = l->connections; c; c = c->next)
        connection_finish(c);
}

// The store has caught up: whoever was not read from is.
static void resume_all(struct loop *l)
{
    for (struct connection *c = l->connections; c; c = c->next)
        loop_pending(l, c);
}

static bool shares_ready(const struct loop *l)
{
    return l->dispatch.listed && shares_next(&l->dispatch) <= clock_ns();
}

static bool has_work(struct loop *l)
{
    return l->pending || dispatch_has_work(&l->dispatch) || dispatch_has_late(&l->dispatch) ||
           mailbox_has(&l->mailbox) || l->recheck || l->more_given || shares_ready(l);
}

// Tasks that rest and sessions that are paused go on when it is time, for which the thread is woken.
static void wake_for_resting(struct loop *l)
{
    int64_t left = dispatch_rests_until(&l->dispatch) - clock_ns() / 1000000;
    struct timeval time = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    if (left <= 0)
        time = (struct timeval){0};
    if (event_add(&l->rest_event, &time))
        dispatch_rested(&l->dispatch, INT64_MAX); // no memory to wait
}

static void on_rested(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context; // the end of the turn sees to it
}

// What events left to be done. A thread posts to its own mailbox without waking itself, so it is always
// looked into.
static void end_turn(struct loop *l)
{
    if (l->more_given)
        take_given(l);
    if (dispatch_uncrowd(&l->dispatch))
        resume_all(l);
    dispatch_completions(&l->dispatch);
    if (dispatch_rests(&l->dispatch))
        dispatch_rested(&l->dispatch, clock_ns() / 1000000);
    if (l->held)
        run_held(l);
    if (l->dispatch.asleep)
        dispatch_rouse(&l->dispatch);
    if (dispatch_has_work(&l->dispatch))
        dispatch_work(&l->dispatch);
    if (l->recheck)
        recheck_some(l);
    dispatch_flush(&l->dispatch);
    if (l->pending) { // some of which closes connections, so their output must have been handed to them
        run_pending(l);
        dispatch_flush(&l->dispatch);
    }
    shares_turn(&l->dispatch);
    if (dispatch_rests(&l->dispatch) && !shares_ready(l))
        wake_for_resting(l);
    if (l->stopping && !l->finishing) // what was posted before the stop is answered by now
        begin_finishing(l);
}

static void *run(void *context)
{
    struct loop *l = context;
    mailbox_own(&l->mailbox);
    if (!l->wire)
        shares_set(&l->dispatch, l->dispatch.access);
    take_access(l);
    while (!l->over && !(l->finishing && !l->connections)) {
        event_base_loop(l->base, has_work(l) ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
        end_turn(l);
    }
    shares_set(&l->dispatch, NULL);
    l->pending = l->pending_last = NULL;
    for (struct connection *c = l->connections, *next; c; c = next) {
        next = c->next;
        c->pending = false;
        connection_close(c);
    }
    while (dispatch_work(&l->dispatch))
        ;
    return NULL;
}

bool loop_init(struct loop *l, const struct rpc *rpc, const struct wire *wire)
{
    memset(l, 0, sizeof *l);
    l->wire = wire;
    l->patience_ms = LOOP_PATIENCE;
    if (!mailbox_init(&l->mailbox))
        return false;
    pthread_mutex_init(&l->lock, NULL);
    l->buffer = malloc(LOOP_BUFFER);
    l->base = base_new();
    if (l->buffer && l->base &&
        event_assign(&l->mailbox_event, l->base, l->mailbox.fd, EV_READ | EV_PERSIST, on_mailbox, l) == 0 &&
        event_assign(&l->stop_event, l->base, -1, 0, on_stop_time, l) == 0 &&
        event_assign(&l->rest_event, l->base, -1, 0, on_rested, l) == 0 &&
        event_add(&l->mailbox_event, NULL) == 0 &&
        dispatch_init(&l->dispatch, rpc, wire ? wire->ops : &connection_ops, &l->mailbox))
        return true;
    if (l->base)
        event_base_free(l->base);
    free(l->buffer);
    pthread_mutex_destroy(&l->lock);
    mailbox_release(&l->mailbox);
    return false;
}

bool loop_start(struct loop *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    l->running = pthread_create(&l->thread, NULL, run, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l->running;
}

// ---- what other threads call

static bool give(struct loop *l, struct loop_given take)
{
    bool given = true;
    pthread_mutex_lock(&l->lock);
    if (l->given_count == l->given_cap && l->given_taken > 0) { // room before it grows
        l->given_count -= l->given_taken;
        memmove(l->given, l->given + l->given_taken, l->given_count * sizeof *l->given);
        l->given_taken = 0;
    }
    if (l->given_count == l->given_cap) {
        unsigned cap = l->given_cap ? 2 * l->given_cap : 16;
        struct loop_given *grown = realloc(l->given, cap * sizeof *grown);
        given = grown != NULL;
        if (grown) {
            l->given = grown;
            l->given_cap = cap;
        }
    }
    if (given)
        l->given[l->given_count++] = take;
    pthread_mutex_unlock(&l->lock);
    if (!given) {
        close_given(&take);
        return false;
    }
    atomic_fetch_add_explicit(&l->connection_count, 1, memory_order_relaxed);
    mailbox_wake(&l->mailbox);
    return true;
}

bool loop_give(struct loop *l, int fd_take)
{
    return give(l, (struct loop_given){.fd = fd_take});
}

bool loop_give_secure(struct loop *l, struct secure *take)
{
    return give(l, (struct loop_given){.fd = secure_fd(take), .secure = take});
}

struct strangers *loop_strangers(const struct loop *l)
{
    return l->wire && l->wire->strangers ? l->wire->strangers : l->dispatch.rpc->strangers;
}

struct loop *loop_least_loaded(struct loop *loops, unsigned count, unsigned *total)
{
    struct loop *best = NULL;
    unsigned fewest = 0, sum = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned n = atomic_load_explicit(&loops[i].connection_count, memory_order_relaxed);
        sum += n + atomic_load_explicit(&loops[i].coming, memory_order_relaxed);
        if (!best || n < fewest) {
            best = &loops[i];
            fewest = n;
        }
    }
    if (total)
        *total = sum;
    return best;
}

void loop_durable(struct loop *l)
{
    mailbox_wake(&l->mailbox);
}

void loop_access(struct loop *l)
{
    mailbox_wake(&l->mailbox);
}

void loop_recheck(struct loop *l)
{
    atomic_store(&l->distrust, true);
    mailbox_wake(&l->mailbox);
}

void loop_stop(struct loop *l, int64_t ms)
{
    l->stop_ms = ms;
    atomic_store(&l->stop, true);
    mailbox_wake(&l->mailbox);
}

void loop_join(struct loop *l)
{
    if (l->running)
        pthread_join(l->thread, NULL);
    l->running = false;
}

void loop_release(struct loop *l)
{
    mailbox_own(&l->mailbox);
    l->finishing = true;
    do
        take_given(l); // which only closes them
    while (l->more_given);
    dispatch_completions(&l->dispatch);
    dispatch_release(&l->dispatch);
    dispatch_completions(&l->dispatch);
    event_del(&l->mailbox_event);
    event_del(&l->stop_event);
    event_del(&l->rest_event);
    event_base_free(l->base);
    free(l->buffer);
    free(l->given);
    pthread_mutex_destroy(&l->lock);
    mailbox_release(&l->mailbox);
}
