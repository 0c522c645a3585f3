// Listening to the changes of jobs' states.
#include "client/events.h"

#include "client/call.h"

#include <string.h>

void events_notified(struct taskq *q, struct slice params)
{
    struct event_listener *l = &q->listener;
    if (l->heard == NULL || l->ended)
        return;
    l->ended = !l->heard(params.data, params.len, l->arg);
    if (l->ended)
        taskq_interrupt(q); // which takes the request back
}

enum taskq_error taskq_events(struct taskq *q, const char *const *queues, size_t queue_count,
                              const char *const *states, size_t state_count,
                              bool (*heard)(const char *event, size_t len, void *arg), void *arg)
{
    struct taskq_reply reply;
    request_begin(q, "events");
    if (queue_count > 0)
        request_texts(q, "queues", queues, queue_count);
    if (state_count > 0)
        request_texts(q, "states", states, state_count);
    q->listener = (struct event_listener){.heard = heard, .arg = arg};
    enum taskq_error e = call(q, &(struct call){.waits = true, .timeout = TASKQ_FOREVER}, &reply);
    bool ended = q->listener.ended;
    q->listener = (struct event_listener){0};
    return ended && e == TASKQ_REQUEST_CANCELLED ? TASKQ_OK : e;
}
