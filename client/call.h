// A call that waits for its reply: what stands behind every function of taskq.h that is not about requests in
// flight. The request is in the handle (request.h), ended or not.
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "client/handle.h"
#include "client/request.h"

struct call {
    bool repeatable;  // doing it twice is as good as once, so a lost reply is no loss
    bool waits;       // taskq_interrupt() ends it
    double timeout;   // the request's own; TASKQ_FOREVER: none
    int64_t lease_ms; // as in struct flight_entry
    bool detached;
};

// Ends the request, sends it, waits. Fails the call with whatever went wrong, the reply's error included.
enum taskq_error call(struct taskq *q, const struct call *c, struct taskq_reply *reply);

// A call that does not wait, and takes no more of its reply than that it is no error.
enum taskq_error call_plain(struct taskq *q, bool repeatable);

// A call of which nothing is known: it may wait, and is not repeated. `out`, the result's text, may be NULL.
enum taskq_error call_raw(struct taskq *q, struct taskq_text *out);

// A call that does not wait and wants the result's text, or its `count`; both may be NULL.
enum taskq_error call_text(struct taskq *q, bool repeatable, struct taskq_text *out);
enum taskq_error call_count(struct taskq *q, bool repeatable, uint64_t *count);

// Fails the call because the reply's result is not what the method gives.
enum taskq_error call_bad_result(struct taskq *q);

// Sends the request without waiting for its reply. `*request` may be NULL.
enum taskq_error call_send(struct taskq *q, int64_t lease_ms, bool detached, uint64_t *request);

// Asks for a request to be taken back.
void call_cancel(struct taskq *q, uint64_t request);

// clock_ns() when the reply of a request that has a timeout of its own is overdue; negative: never.
int64_t call_deadline(const struct taskq *q, double timeout);

#endif
