// A child that lives for many jobs: started, watched and ended over one of the spawner's channels. What
// stands on its standard error goes to the log. One thread at a time.
//
// It ends in steps, none of which waits: child_end_softly closes its input, then SIGTERM and SIGKILL follow,
// each after the grace, from child_look_at_clock.
#ifndef SERVER_POOL_CHILD_H
#define SERVER_POOL_CHILD_H

#include "server/pool/exec_text.h"
#include "server/pool/handler_settings.h"
#include "server/pool/spawner.h"
#include "server/pool/stderr_log.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define CHILD_PAUSE_MS     1000 // after a child that was of no use; doubles
#define CHILD_PAUSE_MAX_MS 60000

struct child {
    struct spawn_channel *channel;
    struct spawn_child pipes;
    struct spawn_exit exit; // of the last one
    bool alive;             // its exit was not read yet
    bool ending;            // it gets nothing to do any more
    bool spawner_gone;
    int64_t grace;   // ms
    int64_t term_at; // INT64_MAX where it is not to be
    int64_t kill_at;
    struct exec_tail tail; // of its standard error
    struct stderr_log log;
};

// What is polled; `out` only where it is asked for.
enum { CHILD_CHANNEL, CHILD_OUT, CHILD_ERR, CHILD_FDS };

// Of handlers that run a command, the settings as the spawner wants them; argv is left to the caller.
struct spawn_spec child_spec(const struct handler_settings *s, const struct spawn_user *user);

// Opens a channel; nothing is started. False with errno; nothing is held.
bool child_init(struct child *c, struct spawner *spawner, const struct handler_settings *s)
    __attribute__((warn_unused_result));
// Kills what is there.
void child_release(struct child *c);

// There must be none. False: `error` says why.
bool child_start(struct child *c, const struct spawn_spec *spec, struct spawn_error *error)
    __attribute__((warn_unused_result));

// What no job can do anything about, and the next one would run into as well.
bool child_machine_lacks_something(const struct spawn_error *e);

void child_close_end(int *fd); // one of `pipes`
void child_end_softly(struct child *c);
void child_end_by(struct child *c, int signo); // SIGTERM or SIGKILL
void child_look_at_clock(struct child *c);

// When child_look_at_clock has something to do.
static inline int64_t child_due(const struct child *c)
{
    return c->term_at < c->kill_at ? c->term_at : c->kill_at;
}

// Fills in CHILD_FDS descriptors.
void child_watch(const struct child *c, struct pollfd *fds, bool out);

// Reads once. `job`: during which it came; 0: none. True: there may be more.
bool child_read_err(struct child *c, uint64_t job);

// True: it is over: `exit` is set, standard error is read to its end, the others can still be read;
// child_bury it then.
bool child_read_exit(struct child *c, uint64_t job);
void child_bury(struct child *c);

// The tail begins anew.
void child_forget_tail(struct child *c);

#endif
