// The handlers that need no code of the user's: they run on the worker's own thread.
#ifndef SERVER_POOL_HANDLER_BUILTIN_H
#define SERVER_POOL_HANDLER_BUILTIN_H

#include "server/pool/worker.h"

extern const struct kind handler_echo;  // the result is the body
extern const struct kind handler_sleep; // sleeps for the body's seconds, 1.5 or {"seconds":1.5}
extern const struct kind handler_noop;  // does nothing
extern const struct kind handler_fail;  // fails; the error is the body

#endif
