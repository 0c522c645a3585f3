// Who is connected, over all loops.
#ifndef NET_ROLL_H
#define NET_ROLL_H

#include "common/buffer.h"
#include "server/rpc/rpc.h"

#include <stdbool.h>

struct loop;

// Appends at most `most` connections as JSON objects with commas between, from *place on, which goes on
// behind them: loop by loop, of each the newest first. *count: how many. True: these were the last. Any
// thread.
bool roll_call(struct loop *loops, unsigned loop_count, struct roll_place *place, unsigned most,
               unsigned *count, struct buffer *out);

#endif
