// The daemon's side of a module host (module_host.h): one for each `module` handler, shared by its workers. A
// thread of its own starts the host when a worker wants a seat, watches it, logs what it says, and ends it.
//
// A worker's seat is one end of a stream whose other end a thread of the host serves. It is passed on as soon
// as the host is ready; the worker may write to its own end at once, and reads the end of the stream when it
// got no seat or the host is gone: module_keeper_state tells which.
//
// Any thread, unless said otherwise; a seat belongs to one worker.
#ifndef SERVER_POOL_MODULE_KEEPER_H
#define SERVER_POOL_MODULE_KEEPER_H

#include "common/buffer.h"
#include "server/pool/worker.h"

struct module_keeper;

enum module_seat_state {
    SEAT_NONE,
    SEAT_WAITS,   // the host is not ready
    SEAT_TAKEN,   // it was passed on
    SEAT_REFUSED, // there is no host: it could not be started, or could not load the module
    SEAT_DELAYED, // there is no host, for something that has nothing to do with it
};

// All is the keeper's; start with zeros.
struct module_seat {
    struct module_seat *next;
    enum module_seat_state state;
    int fd;        // the host's end, until it is passed on
    int own_fd;    // the worker's
    uint64_t host; // which one it was passed to
};

// The handler's keeper: the first call makes it. NULL with errno.
struct module_keeper *module_keeper_hold(struct handler *h, struct crew *c);

// The last call ends the host, by and by unless the worker has no time any more, and the keeper. The worker
// has no seat.
void module_keeper_drop(struct module_keeper *k, struct worker *w);

// Wants a seat for a stream; `fd_take` is the host's end. Whatever the function left behind that has a copy
// of it, the stream is at its end when the host is over.
void module_keeper_sit(struct module_keeper *k, struct module_seat *seat, int fd_take, int own_fd);

// The seat is wanted no more; after it the worker closes its own end.
void module_keeper_rise(struct module_keeper *k, struct module_seat *seat);

enum module_seat_state module_keeper_state(struct module_keeper *k, const struct module_seat *seat);

// Kills the host that the seat is in, if it is still that one.
void module_keeper_kill(struct module_keeper *k, const struct module_seat *seat);

// After SEAT_REFUSED: appends why, as an error object.
void module_keeper_why(struct module_keeper *k, struct buffer *b);

// Until when (`mono`) no host is started.
int64_t module_keeper_pause(struct module_keeper *k);

// A job begins and ends; answered: the host is good for something.
void module_keeper_begin(struct module_keeper *k, uint64_t job);
void module_keeper_end(struct module_keeper *k, uint64_t job, bool answered);

#endif
