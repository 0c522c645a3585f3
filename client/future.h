// Futures from the inside. All that a handle's futures need goes over its one connection, and the caller's
// thread does it while it waits: no thread, no descriptor a future.
//
// A future is bound to a connection by its `submit` with `notify`, or by a `result` that waits. When the
// connection is lost, what was sent and may not be sent again ends as lost; everything else is sent, or asked
// for, again on the next one.
#ifndef CLIENT_FUTURE_H
#define CLIENT_FUTURE_H

#include "client/list.h"
#include "client/taskq.h"
#include "common/buffer.h"
#include "common/slice.h"

struct flight_entry;

// Where ended futures go, and how many are to come.
struct future_sink {
    struct list ended; // by `link`
    size_t open;
};

// A state is a place: future_move() alone changes it.
enum future_state {
    FUTURE_TO_SUBMIT, // its submit is to be sent: in `to_submit`
    FUTURE_SUBMITTED, // it is in flight: in `flying`
    FUTURE_TOLD,      // the daemon will tell this connection: in `told`
    FUTURE_TO_ASK,    // its result is to be asked for: in `to_ask`
    FUTURE_ASKED,     // it is in flight: in `flying`
    FUTURE_ENDED,     // it has its outcome: in its sink, or handed out
};

struct taskq_future {
    struct taskq *q; // NULL: the handle is closed
    enum future_state state;
    struct list link;
    struct list news;            // in `news` of the set while a report is to be handed out
    struct taskq_future *beside; // in its bucket of the table
    bool in_table;
    struct future_sink *sink;
    struct taskq_future_options options;

    struct buffer submit; // the request, until it is answered
    bool repeatable;      // it may be sent twice: it has a key
    bool maybe_put;       // it was sent once, and its reply was lost
    uint64_t request;     // in flight

    struct taskq_report report;
    bool reported;
    char *report_message;

    struct taskq_outcome outcome;
    char *memory; // what it points to

    size_t index; // a map's
    void *tag;
};

// A handle's.
struct future_set {
    struct list to_submit, to_ask, flying, told, news;
    struct future_sink next;     // for taskq_future_next()
    struct future_sink calls;    // with an `ended` callback: for taskq_dispatch()
    size_t watched;              // open ones with any callback
    struct taskq_future **table; // by job
    size_t buckets, count;
    size_t submitting, asking; // requests in flight
    size_t unfinished;         // that are to be asked for or are
    double patience;           // how long a daemon that is away is tried for; negative: for ever
    int64_t trouble_since;     // clock_ns(); 0: there is none
    int64_t retry_at, pause;   // nothing is sent before
    enum taskq_error given_up; // the next wait is to fail with this
};

void futures_init(struct future_set *s);

// The handle closes: what is open ends as lost, and belongs to no handle from here on.
void futures_close(struct taskq *q);

// The future for the request that is in the handle, a `submit` with `notify` whose params are written but for
// what this adds; futures_send() sends it. `*out` is the caller's. NULL options: the defaults.
enum taskq_error future_begin(struct taskq *q, bool repeatable, const struct taskq_future_options *options,
                              struct future_sink *sink, struct taskq_future **out);

// What came for a request of a future's; `e` is taken out of the flight. NULL future: nobody wants it.
void futures_answered(struct taskq *q, struct flight_entry *e, const struct taskq_reply *reply);

// A notification from the daemon. What is none of a future's is passed over.
void futures_notified(struct taskq *q, struct slice method, struct slice params);

// The connection is gone and all it said is read: each goes where a new one will find it.
void futures_lost(struct taskq *q);

// Sends what is to be sent and may be, if there is a connection. Fails the call for lack of memory.
enum taskq_error futures_send(struct taskq *q);

// Goes on until `there` says so, `deadline` (clock_ns(); negative: none), taskq_interrupt(), or nobody is
// there to talk to. Fails the call.
enum taskq_error futures_until(struct taskq *q, int64_t deadline, bool (*there)(const void *arg),
                               const void *arg);

// The same for the result of a job.
enum taskq_error future_begin_asking(struct taskq *q, uint64_t id, const struct taskq_future_options *options,
                                     struct future_sink *sink, struct taskq_future **out);

// Ends it without the daemon's word.
void future_end(struct taskq_future *f, enum taskq_error error, const char *message);

// Whether its submit was taken back before there was room for it: then it is a cancelled one.
bool future_was_taken_back(struct taskq_future *f);

#endif
