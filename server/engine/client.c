// Clients: who holds leases and waits.
#include "common/slab.h"
#include "server/engine/event.h"
#include "server/engine/retry.h"
#include "server/engine/waiter.h"

#include <stdlib.h>
#include <string.h>

struct engine_client *engine_client_new(struct engine *e, struct mailbox *mailbox)
{
    struct engine_client *c = slab_alloc(sizeof *c);
    if (!c)
        return NULL;
    if (!e->client_free) {
        // Slots double and their free ones are chained by number.
        uint32_t slots = e->client_slots ? 2 * e->client_slots : 16;
        struct engine_client **bigger = realloc(e->clients, slots * sizeof *bigger);
        if (!bigger) {
            slab_free(c);
            return NULL;
        }
        e->clients = bigger;
        for (uint32_t i = slots; i-- > e->client_slots;)
            if (i) { // number 0 is the detached leases', and means "none" in the chain
                e->clients[i] = (struct engine_client *)(((uintptr_t)e->client_free << 1) | 1);
                e->client_free = i;
            }
        e->client_slots = slots;
    }
    memset(c, 0, sizeof *c);
    c->mailbox = mailbox;
    c->number = e->client_free;
    e->client_free = (uint32_t)((uintptr_t)e->clients[c->number] >> 1);
    e->clients[c->number] = c;
    e->client_count++;
    return c;
}

bool client_slot_used(const struct engine *e, uint32_t number)
{
    return !((uintptr_t)e->clients[number] & 1);
}

void client_hold(struct engine *e, uint32_t number, struct job *j)
{
    struct engine_client *c = e->clients[number];
    j->prev = NULL;
    j->next = c->first;
    if (j->next)
        j->next->prev = j;
    c->first = j;
    ++*(number == 0 ? &e->detached_count : &e->held_count);
}

void client_drop(struct engine *e, struct job *j)
{
    struct engine_client *c = e->clients[j->holder];
    *(j->prev ? &j->prev->next : &c->first) = j->next;
    if (j->next)
        j->next->prev = j->prev;
    --*(j->holder == 0 ? &e->detached_count : &e->held_count);
}

void engine_client_watch_revokes(struct engine_client *c)
{
    c->watches_revokes = true;
}

bool engine_client_revoked(struct engine_client *c)
{
    bool revoked = c->revoked;
    c->revoked = false;
    return revoked;
}

void client_wake(struct engine *e, uint32_t number)
{
    struct engine_client *c = e->clients[number];
    if (!c->watches_revokes)
        return;
    c->revoked = true;
    if (c->woken)
        return;
    c->woken = true;
    c->woken_next = e->woken_first;
    e->woken_first = c;
}

struct mailbox *engine_take_woken(struct engine *e)
{
    struct engine_client *c = e->woken_first;
    if (!c)
        return NULL;
    e->woken_first = c->woken_next;
    c->woken = false;
    return c->mailbox;
}

static void forget_woken(struct engine *e, struct engine_client *c)
{
    struct engine_client **at = &e->woken_first;
    while (*at != c)
        at = &(*at)->woken_next;
    *at = c->woken_next;
}

// What was handed to a waiter and not confirmed comes back as if nothing had been.
static void take_back_handed(struct engine *e, struct wait *w)
{
    struct job *j =
        w->pub.kind == WAITER_GET && w->pub.error == ERROR_NONE ? job_find(e, w->pub.taken.id) : NULL;
    if (j && j->state == JOB_RESERVED && engine_token(e, j) == w->pub.taken.delivery &&
        (j->flags & JOB_HANDING))
        job_come_back(e, j, BACK_RELEASED, NULL, 0);
}

// Its waits are no more: what has not completed goes, what has is nobody's. Subscriptions go in slices.
static void give_up_waits(struct engine *e, struct engine_client *c)
{
    while (c->flying) {
        struct wait *w = (struct wait *)c->flying->pub.of;
        if (w->pub.kind == WAITER_LISTEN && !w->completed)
            listener_stop(e, w);
        watch_leave(w->watch);
        w->watch = NULL;
    }
    while (c->waits) {
        struct wait *w = c->waits;
        if (!w->completed || w->silent) {
            wait_free(e, w);
            continue;
        }
        client_forget(w);
        take_back_handed(e, w);
        w->pub.orphan = true;
        w->subscribed = NULL; // goes with the client's others
    }
}

bool engine_client_close(struct engine *e, struct moment now, struct engine_client *c)
{
    int left = SLICE_OF_WORK;
    engine_begin(e, now);
    c->closing = true;
    give_up_waits(e, c);
    for (; c->owned && left > 0; left--)
        queue_drop(e, c->owned);
    for (; c->first && left > 0; left--)
        job_come_back(e, c->first, BACK_LOST, NULL, -1);
    for (; c->subscriptions && left > 0; left--)
        wait_free(e, c->subscriptions);
    bool done = !c->first && !c->owned && !c->subscriptions;
    if (done) {
        if (c->woken)
            forget_woken(e, c);
        e->clients[c->number] = (struct engine_client *)(((uintptr_t)e->client_free << 1) | 1);
        e->client_free = c->number;
        e->client_count--;
        slab_free(c);
    }
    engine_settle(e);
    return done;
}
