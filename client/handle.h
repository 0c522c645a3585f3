// The inside of a handle, for the library's own files.
//
// Threads: the caller's thread owns everything but what stands under `lock`; the renewing thread touches only
// that. The caller's thread alone replaces `channel`, under the lock, so it may read it without; through TLS
// it also receives under the lock.
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "client/address.h"
#include "client/channel.h"
#include "client/flight.h"
#include "client/future.h"
#include "client/lease_table.h"
#include "client/taskq.h"
#include "common/buffer.h"

#include <pthread.h>

// A reply that came while another was waited for.
struct arrival {
    struct arrival *next;
    struct flight_entry entry;
    size_t len;
    char line[];
};

// Who hears of events, during taskq_events().
struct event_listener {
    bool (*heard)(const char *event, size_t len, void *arg); // NULL: nobody
    void *arg;
    bool ended; // heard said so
};

struct taskq {
    struct address address;
    bool unusable; // taskq_open() failed for good
    char *address_text;
    char *client;            // NULL: not said
    char *token;             // NULL: there is none
    struct tls_context *tls; // NULL: plain
    int64_t connect_ns;      // negative: no bound
    int64_t reply_ns;        // negative: no bound
    size_t max_reply;

    int wake; // an eventfd: taskq_interrupt()
    uint64_t next_request;
    struct flight flight;
    struct arrival *arrivals, **arrivals_end;
    struct arrival *current; // the one whose reply the caller looks at
    struct future_set futures;
    struct event_listener listener;

    struct buffer in; // what was read: in_at … in.len is not taken yet, up to in_seen there is no line end
    size_t in_at, in_seen;
    bool unread;  // there may be more to read than poll() sees
    bool heard;   // the daemon has answered something on this connection
    bool settled; // after a loss: what was in flight has its fate

    struct buffer request;     // the request being built, from behind its id
    const char *request_fault; // what is wrong with it; NULL: nothing
    bool request_first;        // no param was written yet

    struct buffer message;  // a reply's error message, with its NUL
    struct buffer farewell; // the daemon's last words on this connection, with their NUL; empty: none
    char *error_message;    // of the last failed call; NULL: error_text has it
    const char *error_text; // static
    int error_code;
    struct taskq_text error_data;

    pthread_mutex_t lock;
    struct channel channel;
    struct buffer out; // what is not sent yet, from out_at on
    size_t out_at;
    uint64_t queued, sent; // bytes of this connection

    struct lease_table leases;
    int64_t renew_at; // when the renewing thread wakes by itself; INT64_MAX: when it is told
    pthread_cond_t renew_cond;
    pthread_t renewer;
    int renew_wake; // an eventfd: ends what the renewing thread waits for outside the lock
    bool renewer_runs, renewer_stop;
};

// Fails a call: keeps the sentence and gives `error` back. With TASKQ_NO_MEMORY nothing is allocated.
__attribute__((format(printf, 3, 4))) enum taskq_error handle_fail(struct taskq *q, enum taskq_error error,
                                                                   const char *format, ...);

// Fails a call with what a reply says; one without an error is TASKQ_OK.
enum taskq_error handle_fail_reply(struct taskq *q, const struct taskq_reply *reply);

#endif
