// What the daemon and its spawner say to each other over SOCK_SEQPACKET socket pairs. Both ends are one
// program, one build, one machine: structs go as they are, and a message that breaks the rules is a bug, not
// an input.
//
//     main socket   daemon: OPEN + the channel's other end      spawner, on that channel: OPENED
//                   (the spawner sends one OPENED of its own here when it is ready, `error` set if it cannot
//                   be)
//     channel       daemon: SPAWN + three pipe ends             spawner: STARTED or FAILED, later EXITED
//                   daemon: SIGNAL, LIMIT_CPU                   no answer
#ifndef SERVER_POOL_SPAWNER_WIRE_H
#define SERVER_POOL_SPAWNER_WIRE_H

#include <stdint.h>
#include <sys/types.h>

#define SPAWN_ENV_MAX 1024

enum spawn_request_type {
    SPAWN_REQUEST_OPEN = 1,
    SPAWN_REQUEST_SPAWN,
    SPAWN_REQUEST_SIGNAL,
    SPAWN_REQUEST_LIMIT_CPU,
};

// A SPAWN goes on with gid_t groups[ngroups], then strings, each with its NUL: the directory if has_cwd,
// argv, env.
struct spawn_request {
    uint32_t type;
    uint32_t serial; // the child's: a late SIGNAL must not hit the next child of the channel
    int32_t signo;
    uint32_t argc, envc, ngroups;
    uint8_t has_cwd, has_user, cpu_renewable;
    uint32_t grace_ms;
    uid_t uid;
    gid_t gid;
    uint64_t cpu_seconds, memory_bytes, files;
};

enum spawn_reply_type { SPAWN_REPLY_OPENED = 1, SPAWN_REPLY_STARTED, SPAWN_REPLY_FAILED, SPAWN_REPLY_EXITED };

struct spawn_reply {
    uint32_t type;
    uint32_t serial;
    int32_t pid;         // STARTED
    int32_t step, error; // FAILED
    int32_t status;      // EXITED, and the next three
    uint64_t user_us, system_us, max_rss_kb;
};

#endif
