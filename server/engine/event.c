// Who listens has two buffers of a fixed size: one is filled here while the other is under way to its reader,
// who needs no lock for it. What has no room is counted. Which queues it wants is asked once a queue.
#include "server/engine/event.h"

#include "server/engine/queue.h"
#include "server/engine/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(LISTENERS_MAX <= 32, "the bits of queue.heard_by and engine.listening");

struct heard {
    char *data; // EVENTS_ROOM bytes: records, each with its queue's name behind it
    size_t len;
    uint64_t missed; // since the last record
};

struct listener {
    struct watch watch; // first
    struct timer pace;
    unsigned states;
    listener_filter *wants;
    unsigned slot;
    size_t read; // of `flying`
    struct heard filling, flying;
};

struct record {
    uint64_t id;
    int64_t at;
    uint32_t attempts;
    uint8_t state, from, cause, reason, moved, name_len;
};

static struct listener *listener_of(struct watch *t)
{
    return (struct listener *)t;
}

static struct wait *wait_of(const struct listener *l)
{
    return (struct wait *)l->watch.pub.of;
}

void listener_free(struct watch *t)
{
    struct listener *l = listener_of(t);
    free(l->filling.data);
    free(l->flying.data);
    free(l);
}

// ---- hearing

static void post(struct engine *e, struct listener *l)
{
    struct heard was = l->flying;
    l->flying = l->filling;
    l->filling = (struct heard){.data = was.data};
    l->read = 0;
    watch_post(e, &l->watch);
}

static void hear(struct engine *e, struct listener *l, const struct record *r, const struct queue *q)
{
    struct heard *h = &l->filling;
    if (h->missed || EVENTS_ROOM - h->len < sizeof *r + q->name_len) {
        h->missed++; // all until it is told of them, lest it takes what it has for all there was
    } else {
        memcpy(h->data + h->len, r, sizeof *r);
        memcpy(h->data + h->len + sizeof *r, q->name, q->name_len);
        h->len += sizeof *r + q->name_len;
    }
    if (!l->watch.flying_at && !wheel_waiting(&l->pace))
        post(e, l);
}

static uint32_t heard_by(struct engine *e, struct queue *q)
{
    if (q->heard_turn == e->listen_turn)
        return q->heard_by;
    q->heard_turn = e->listen_turn;
    q->heard_by = 0;
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        struct listener *l = e->listeners[i];
        if (l && l->wants(wait_of(l)->pub.context, queue_name(q)))
            q->heard_by |= UINT32_C(1) << i;
    }
    return q->heard_by;
}

void event_tell(struct engine *e, const struct job *j, const struct queue *q, struct event_note note)
{
    uint32_t by = heard_by(e, (struct queue *)(uintptr_t)q);
    bool dead = note.state == JOB_DEAD;
    if (!by)
        return;
    struct record r = {
        .id = j->id,
        .at = e->wall,
        .attempts = j->attempts,
        .state = (uint8_t)note.state,
        .from = (uint8_t)note.from,
        .cause = e->cause,
        .reason = dead ? j->timer.mark : 0,
        .moved = note.moved,
        .name_len = q->name_len,
    };
    for (; by; by &= by - 1) {
        struct listener *l = e->listeners[__builtin_ctz(by)];
        if (l->states & (1u << note.state))
            hear(e, l, &r, q);
    }
}

// ---- on the way

void listener_landed(struct engine *e, struct watch *t)
{
    struct listener *l = listener_of(t);
    e->promise = e->journal ? journal_marked(e) : 0; // what it is told has happened for certain
    if (!wait_of(l)->completed)
        wheel_add(&e->wheel, &l->pace, e->now + EVENTS_PACE);
}

void listener_rested(struct engine *e, struct timer *pace)
{
    struct listener *l = OWNER_OF(struct listener, pace, pace);
    if (l->filling.len > 0 || l->filling.missed > 0)
        post(e, l);
}

bool waiter_next_event(struct waiter *w, struct job_event *out)
{
    struct listener *l = listener_of((struct watch *)w);
    struct record r;
    if (l->read == l->flying.len)
        return false;
    memcpy(&r, l->flying.data + l->read, sizeof r);
    l->read += sizeof r;
    *out = (struct job_event){
        .id = r.id,
        .at = r.at,
        .attempts = r.attempts,
        .state = r.state,
        .from = r.from,
        .cause = (enum event_cause)r.cause,
        .reason = (enum dead_reason)r.reason,
        .moved = r.moved,
        .queue = {l->flying.data + l->read, r.name_len},
    };
    l->read += r.name_len;
    return true;
}

uint64_t waiter_missed(const struct waiter *w)
{
    return ((const struct listener *)w)->flying.missed;
}

// ---- its beginning and end

static struct listener *listener_new(struct wait *w, const struct listen_options *o)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->filling.data = malloc(EVENTS_ROOM);
    l->flying.data = malloc(EVENTS_ROOM);
    if (!l->filling.data || !l->flying.data) {
        listener_free(&l->watch);
        return NULL;
    }
    l->watch.pub.kind = WAITER_EVENTS;
    l->watch.pub.mailbox = w->pub.mailbox;
    l->watch.pub.of = &w->pub;
    l->pace.kind = TIMER_EVENTS;
    l->states = o->states;
    l->wants = o->wants;
    return l;
}

enum error engine_listen(struct engine *e, struct moment now, struct engine_client *c,
                         const struct listen_options *o, void *context, struct waiter **waiting)
{
    struct wait *w;
    unsigned slot = 0;
    engine_begin(e, now);
    if (e->draining)
        return ERROR_DRAINING;
    while (slot < LISTENERS_MAX && e->listeners[slot])
        slot++;
    if (slot == LISTENERS_MAX || e->bytes + LISTENER_BYTES > e->config.max_bytes)
        return ERROR_OVERLOADED;
    enum error error = wait_new(e, c, WAITER_LISTEN, NULL, 0, FOREVER, context, &w);
    if (error)
        return error;
    struct listener *l = listener_new(w, o);
    if (!l) {
        wait_free(e, w);
        return ERROR_OVERLOADED;
    }
    w->watch = &l->watch;
    l->slot = slot;
    e->listeners[slot] = l;
    e->listening |= UINT32_C(1) << slot;
    e->bytes += LISTENER_BYTES;
    engine_listeners_changed(e);
    *waiting = &w->pub;
    return ERROR_NONE;
}

void listener_stop(struct engine *e, struct wait *w)
{
    struct listener *l = w->watch ? listener_of(w->watch) : NULL;
    if (!l || e->listeners[l->slot] != l)
        return;
    wheel_remove(&e->wheel, &l->pace);
    e->listeners[l->slot] = NULL;
    e->listening &= ~(UINT32_C(1) << l->slot);
    e->bytes -= LISTENER_BYTES;
    engine_listeners_changed(e);
}

void engine_listeners_changed(struct engine *e)
{
    e->listen_turn++;
}

const char *event_state_name(unsigned state)
{
    return state == EVENT_DELETED ? "deleted" : job_state_name((enum job_state)state);
}

const char *event_cause_name(enum event_cause cause)
{
    static const char *const names[] = {"", "failed", "lease", "lost", "released"};
    return names[cause];
}
