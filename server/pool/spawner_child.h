// Starts one command from the spawner's process.
#ifndef SERVER_POOL_SPAWNER_CHILD_H
#define SERVER_POOL_SPAWNER_CHILD_H

#include "server/pool/spawner.h"
#include "server/pool/spawner_wire.h"

#include <sys/resource.h>

// `message` is a SPAWN request with all that follows it, `size` bytes; `fds` become the command's 0, 1 and 2
// and stay the caller's. `nofile` is the limit that the command gets when the request names none. The pid, or
// -1 with `error` set and nothing left behind. Only for a process of one thread.
pid_t spawner_child_start(char *message, size_t size, const int fds[3], const struct rlimit *nofile,
                          struct spawn_error *error);

#endif
