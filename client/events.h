// What came for who listens. The caller's thread.
#ifndef CLIENT_EVENTS_H
#define CLIENT_EVENTS_H

#include "client/handle.h"
#include "common/slice.h"

// The notification `event`; its params are JSON.
void events_notified(struct taskq *q, struct slice params);

#endif
