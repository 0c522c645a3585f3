// Measuring many queues at little cost each: what a page of queues, the metrics and the history need.
#ifndef ENGINE_MEASURE_H
#define ENGINE_MEASURE_H

#include "server/engine/queue.h"

// The age in ms of the oldest ready job, of the 100 most urgent priorities; -1: there is none. Adds to
// *looked how many priorities were looked at.
int64_t queue_oldest(const struct engine *e, const struct queue *q, int *looked);

// The first queue whose name comes after this one in byte order. NULL: there is none, or no memory.
struct queue *queue_after(const struct engine *e, struct slice name);

#endif
