// Work on a whole queue that goes on in slices after the call that began it: a dropped queue's jobs go, a
// queue that was shut down at once is emptied. The effect is there at once (nothing of it can be taken or
// found); only the labour is spread.
#ifndef ENGINE_WORK_H
#define ENGINE_WORK_H

#include "server/engine/core.h"
#include "server/engine/queue.h"

void work_begin(struct engine *e, struct queue *q, enum queue_work work);

// Goes on with what there is; lowers *budget by what it did.
void work_go_on(struct engine *e, int *budget);

#endif
