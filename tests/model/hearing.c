// Somebody who listens all along, in half of the runs: what it is told fits together, and is in the end what
// the model has.
#include "tests/model/world.h"

#include <stdlib.h>

#define HEARD_MAX 4096

struct hearing {
    struct engine_client *client;
    struct waiter *listening; // NULL: a drain has ended it
    uint64_t events;
    unsigned count;
    struct heard_job {
        uint64_t id;
        unsigned state;
    } jobs[HEARD_MAX];
};

static bool wants(void *context, struct slice queue)
{
    (void)context;
    return queue.len > 0;
}

void hearing_begin(struct world *w)
{
    struct listen_options o = {.states = EVENT_STATES, .wants = wants};
    struct hearing *h = w->hearing = calloc(1, sizeof *h);
    REQUIRE(h && (h->client = engine_client_new(w->e, (struct mailbox *)w)), "no memory");
    REQUIRE(engine_listen(w->e, w->now, h->client, &o, w, &h->listening) == ERROR_NONE, "nobody may listen");
}

static struct heard_job *find(struct hearing *h, uint64_t id)
{
    for (unsigned i = 0; i < h->count; i++)
        if (h->jobs[i].id == id)
            return &h->jobs[i];
    return NULL;
}

static void hear(struct world *w, const struct job_event *v)
{
    struct hearing *h = w->hearing;
    struct heard_job *j = find(h, v->id);
    unsigned long long id = v->id;
    h->events++;
    REQUIRE(v->at <= w->now.wall + 1000000000 && v->queue.len > 0, "an event of no time or no queue");
    if (v->from >= JOB_STATE_COUNT && v->moved) {
        REQUIRE(j && j->state == JOB_DEAD, "job %llu moved and did not die before", id);
    } else if (v->from >= JOB_STATE_COUNT) {
        REQUIRE(!j && h->count < HEARD_MAX, "job %llu is new a second time", id);
        j = &h->jobs[h->count++];
        j->id = v->id;
    } else {
        REQUIRE(j && j->state == v->from, "job %llu left a state in which it was not", id);
    }
    j->state = v->state;
    if (v->state == JOB_DONE || v->state == JOB_CANCELLED || v->state == EVENT_DELETED)
        *j = h->jobs[--h->count]; // no more is heard of it
}

bool hearing_takes(struct world *w, struct waiter *c)
{
    struct job_event v;
    if (c->kind != WAITER_EVENTS && c->kind != WAITER_LISTEN)
        return false;
    REQUIRE(w->hearing && !c->orphan, "news for nobody");
    if (c->kind == WAITER_LISTEN) {
        REQUIRE(c == w->hearing->listening && c->error == ERROR_DRAINING && w->m->draining,
                "an end without reason");
        w->hearing->listening = NULL;
    } else {
        while (waiter_next_event(c, &v))
            hear(w, &v);
        REQUIRE(waiter_missed(c) == 0, "events are missed");
    }
    engine_confirm(w->e, w->now, c);
    return true;
}

// Time passes until no more is told.
static void hear_all(struct world *w)
{
    uint64_t before;
    unsigned rounds = 0;
    do {
        before = w->hearing->events;
        world_pass(w, (EVENTS_PACE + 3) / 4 * 4);
        world_tick(w);
        compare(w, false);
        REQUIRE(++rounds < 1000, "events without end");
    } while (w->hearing->events > before);
}

static void compare_all(struct world *w)
{
    struct hearing *h = w->hearing;
    for (unsigned i = 0; i < w->m->job_count; i++) {
        const struct mjob *m = &w->m->jobs[i];
        const struct heard_job *j = find(h, m->id);
        REQUIRE(m->state == JOB_DONE || m->state == JOB_CANCELLED || (j && j->state == m->state),
                "job %llu was heard of in another state", (unsigned long long)m->id);
    }
    // A job that is held when its queue is dropped is there until its holder or its lease is gone.
    for (unsigned i = 0; i < h->count; i++)
        REQUIRE(model_job(w->m, h->jobs[i].id) || h->jobs[i].state == JOB_RESERVED,
                "job %llu was heard of and is not there", (unsigned long long)h->jobs[i].id);
}

void hearing_end(struct world *w)
{
    struct hearing *h = w->hearing;
    if (!h)
        return;
    say("the end of listening");
    if (h->listening) {
        hear_all(w);
        compare_all(w);
        REQUIRE(engine_wait_cancel(w->e, h->listening), "it has ended before");
    }
    REQUIRE(engine_client_close(w->e, w->now, h->client), "who listens holds nothing");
    free(h);
    w->hearing = NULL;
}
