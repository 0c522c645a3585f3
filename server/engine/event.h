// Events: how the engine's own files say that a job is in another state, for those who listen
// (engine_listen). One test where nobody does.
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "server/engine/core.h"

struct job;
struct listener;
struct queue;
struct watch;
struct wait;

// What a listener counts for in the engine's bytes.
#define LISTENER_BYTES (2 * (uint64_t)EVENTS_ROOM)

// What has to be known beside the job itself.
struct event_note {
    unsigned from, state; // as in struct job_event
    bool moved;
};

// Never call it but through event_note.
void event_tell(struct engine *e, const struct job *j, const struct queue *q, struct event_note note);

// The job, in queue q, left a state for another.
static inline void event_note(struct engine *e, const struct job *j, const struct queue *q,
                              struct event_note note)
{
    if (__builtin_expect(e->listening != 0, 0))
        event_tell(e, j, q, note);
}

// The wait of a listener ends, or goes: it hears no more.
void listener_stop(struct engine *e, struct wait *w);

// What it was told is on its stream, and there may be more; its pause is over; nothing refers to it any more.
void listener_landed(struct engine *e, struct watch *t);
void listener_rested(struct engine *e, struct timer *pace);
void listener_free(struct watch *t);

#endif
