// Starts commands for the daemon: a small process, forked before the daemon's first thread and first job.
//
// Forking from the daemon itself would cost with its memory and could not be done safely between threads;
// the spawner stays small, knows no job, and does one thing: start a command, signal its process group,
// reap it. It is also what makes a retry safe: when the daemon's end of its socket closes, be it by
// spawner_stop() or because the daemon was killed, it kills all that it ever started and exits.
//
// Each pool worker has a channel of its own, a socket pair to the spawner, with at most one running child.
// So a worker's whole path is: send one message (the command and three pipe ends), read the answer, poll the
// channel and the pipes. No reader thread, no lock and no table of waiting callers are in it.
//
//     channel = spawn_channel_open(spawner)           once for each worker thread
//     spawn_channel_spawn(channel, &spec, &child, &error)
//     poll: child.in, child.out, child.err, spawn_channel_fd(channel)
//     spawn_channel_read_exit(channel, &exit)         when the channel is readable
//     spawn_child_close(&child)
//
// A child is the leader of a session and so of a process group. Its exit is reported when the leader is
// reaped AND no process of its group is left: whatever outlives the leader gets SIGTERM at once and SIGKILL
// after the spec's grace. What leaves the group on purpose (setsid) lives on, is reaped by the spawner when
// it ends, and is killed with the daemon. Should the spawner itself be killed, the leaders are killed by the
// kernel.
//
// A child has descriptors 0, 1 and 2 (the pipes) and no others, no blocked and no ignored signals, the
// environment and working directory that the daemon had at spawner_start() as changed by the spec.
#ifndef SERVER_POOL_SPAWNER_H
#define SERVER_POOL_SPAWNER_H

#include "server/pool/spawn_user.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spawner;
struct spawn_channel;

// All that a spec says together (arguments, environment, directory, groups) may take this many bytes.
#define SPAWN_SPEC_MAX (128 * 1024)

// Where a spawn failed. The text goes before strerror(): "cannot run the command: No such file or directory".
#define SPAWN_STEPS(X)                                                                                       \
    X(SPEC, "cannot pass the command on")                                                                    \
    X(PIPE, "cannot make pipes for the command")                                                             \
    X(SPAWNER, "the spawner is gone")                                                                        \
    X(DESCRIPTORS, "the spawner has no descriptor left for the command")                                     \
    X(FORK, "cannot start a process")                                                                        \
    X(SESSION, "cannot give the command a session of its own")                                               \
    X(STDIO, "cannot connect the command's input and output")                                                \
    X(RLIMIT_CPU, "cannot limit the command's CPU time")                                                     \
    X(RLIMIT_MEMORY, "cannot limit the command's memory")                                                    \
    X(RLIMIT_FILES, "cannot limit the command's open files")                                                 \
    X(USER, "cannot become the command's user")                                                              \
    X(CWD, "cannot enter the command's working directory")                                                   \
    X(EXEC, "cannot run the command")

enum spawn_step {
    SPAWN_STEP_NONE = 0,
#define X(constant, text) SPAWN_STEP_##constant,
    SPAWN_STEPS(X)
#undef X
        SPAWN_STEP_COUNT
};

// Any thread.
const char *spawn_step_text(enum spawn_step step);

struct spawn_error {
    enum spawn_step step;
    int error; // an errno value
};

// Where a child without a PATH is looked for.
#define SPAWN_DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

// What to start. All is borrowed for the call; what is zero or NULL is left as the daemon has it.
struct spawn_spec {
    const char *const *argv; // ends with NULL, at least one; no shell. argv[0] without '/' is sought in
                             // the child's PATH; a relative path counts from the child's directory
    const char *const *env;  // "NAME=value" to add or replace, ends with NULL; or NULL. A name alone unsets
    const char *cwd;         // entered with the child's own rights
    const struct spawn_user *user; // also sets HOME, USER, LOGNAME where `env` does not; needs root
    uint64_t cpu_seconds;          // SIGXCPU then, SIGKILL one second later
    bool cpu_renewable;            // no SIGKILL: the limit can be set again (spawn_channel_limit_cpu)
    uint64_t memory_bytes;         // address space
    uint64_t files;                // open descriptors
    bool socket_in;                // `in` is one end of a SOCK_SEQPACKET pair, to write and to read
    unsigned grace_ms; // for what outlives the leader: from SIGTERM to SIGKILL; 0: SIGKILL at once
};

// A started child, with the daemon's ends of its pipes: non-blocking and close-on-exec, the caller's to
// close; set one to -1 when you close it early (closing `in` is the child's end of file).
struct spawn_child {
    pid_t pid; // the leader, and the group's number; for people to read. Signal through the channel only
    uint32_t serial; // which child of the channel this is
    int in, out, err;
};

// Closes what is open (>= 0) of the pipes and sets it to -1.
void spawn_child_close(struct spawn_child *child);

struct spawn_exit {
    int status;                              // as wait(2) gives it: WIFEXITED, WTERMSIG, …
    uint64_t user_us, system_us, max_rss_kb; // the leader and the descendants that it waited for
};

// Forks the spawner. Call it in main before any thread exists. NULL with errno.
struct spawner *spawner_start(void);

// Close the channels first. Kills what still runs, waits for the spawner process (a few seconds at most, and
// so long only for a child that cannot be killed), frees. NULL is fine. One thread.
void spawner_stop(struct spawner *s);

pid_t spawner_pid(const struct spawner *s);

// Readable only once the spawner is gone, which is never in good order: nothing can be spawned any more.
int spawner_fd(const struct spawner *s);

// Any thread; several at once are fine. NULL with errno. Closing kills the channel's child and its group
// (SIGKILL). A channel belongs to one thread at a time.
struct spawn_channel *spawn_channel_open(struct spawner *s);
void spawn_channel_close(struct spawn_channel *c);

// Starts a command and returns when it runs (exec has succeeded). False: nothing runs, `error` says why,
// `child` is untouched. The channel's former child must have been reported by spawn_channel_read_exit().
// Waits for the spawner, which takes well under a millisecond unless the file system that holds the command
// hangs.
bool spawn_channel_spawn(struct spawn_channel *c, const struct spawn_spec *spec, struct spawn_child *child,
                         struct spawn_error *error);

// To poll for POLLIN while a child runs.
int spawn_channel_fd(const struct spawn_channel *c);

// Does not block. 1: the child is over and `exit` is set; 0: not yet (errno EAGAIN); -1: the spawner is gone,
// and the child with it. What the child wrote last may still be in the pipes: read them to their end, which
// is near.
int spawn_channel_read_exit(struct spawn_channel *c, struct spawn_exit *exit);

// Sends a signal to the child's whole group (SIGTERM is followed by SIGCONT, so that a stopped process sees
// it). Any thread, while the channel is open; nothing happens if that child is over, also when the next one
// runs already. False with errno when the spawner is gone.
bool spawn_channel_signal(struct spawn_channel *c, const struct spawn_child *child, int signo);

// From now on the leader alone may use so many seconds of processor time more, and gets SIGXCPU then. For a
// child that was spawned with `cpu_renewable`. False with errno when the spawner is gone.
bool spawn_channel_limit_cpu(struct spawn_channel *c, const struct spawn_child *child, uint64_t seconds);

#endif
