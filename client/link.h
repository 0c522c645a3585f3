// A handle's connection: bytes out, lines in, and what happens when it ends. The caller's thread.
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "client/handle.h"
#include "common/slice.h"

// How a wait ended.
enum link_event {
    LINK_PROGRESS, // something was read or written
    LINK_TIMEOUT,
    LINK_WOKEN, // by taskq_interrupt(), which is used up
    LINK_LOST   // link_lose() was called
};

// Connects if there is no connection, or one that the daemon has closed while nothing was in flight.
// `interruptible`: taskq_interrupt() ends it (TASKQ_REQUEST_CANCELLED). Fails the call with a sentence.
enum taskq_error link_ensure(struct taskq *q, bool interruptible);

// Makes a connection, plain or through TLS, before `deadline` (clock_ns(); negative: none); `wake`, if it is
// not -1, ends it when it is readable. Errors, with a sentence's end in `why`: TASKQ_NO_DAEMON, TASKQ_TLS,
// TASKQ_REQUEST_CANCELLED, TASKQ_SYSTEM, TASKQ_NO_MEMORY. Any thread.
enum taskq_error link_dial(const struct taskq *q, struct channel *out, int64_t deadline, int wake,
                           char why[TLS_WHY]);

// Appends the line that says who this is, which comes before all else. Without a token: nothing. Any thread.
void link_write_auth(const struct taskq *q, struct buffer *b);

// Puts a request's line in the out buffer: `{"jsonrpc":"2.0","id":N` and q->request. Sends what is much;
// while the daemon does not take it, waits, reading what it says. The connection may be lost at the end: then
// the entry has its fate. `*request`: N. Only TASKQ_NO_MEMORY fails.
enum taskq_error link_queue(struct taskq *q, int64_t lease_ms, bool detached, uint64_t *request);

// Puts a notification's line in the out buffer: no reply. Without a connection or memory it is dropped.
void link_notify(struct taskq *q, struct slice line);

// Sends what it can without waiting. False: the connection was lost.
bool link_flush(struct taskq *q);

// Sends and waits for something to read, until `deadline` (clock_ns(), negative: none).
enum link_event link_step(struct taskq *q, int64_t deadline, bool interruptible);

// The next whole line that was read, without its end; valid until the next link_ call that reads.
bool link_line(struct taskq *q, struct slice *line);

// Ends the connection. `why` is a sentence's end ("it was closed"), copied. The lines that were read stay,
// and what is in flight without a reply among them gets its fate when they are used up: link_settle().
void link_lose(struct taskq *q, const char *why);

// Drops what was read: it is not to be trusted.
void link_discard(struct taskq *q);

// After a loss, when the lines that were read are used up.
void link_settle(struct taskq *q);

// Sends as much as the socket takes. False: the connection is broken, errno says how. Under the lock; also
// the renewing thread's.
bool link_send_locked(struct taskq *q);

#endif
