// libtaskq: a client of taskqd, the queue daemon. Link with `pkg-config --cflags --libs taskq`.
//
//     struct taskq *q;
//     struct taskq_job job;
//     if (taskq_open(&q, NULL, NULL) != TASKQ_OK)
//         … fprintf(stderr, "%s\n", taskq_error_message(q));
//     taskq_put(q, "emails", "{\"to\":\"ann\"}", TASKQ_NUL, NULL, NULL);
//     while (taskq_get(q, "emails", NULL, TASKQ_FOREVER, &job) == TASKQ_OK) {
//         … job.body, job.body_len
//         taskq_ack(q, job.id, job.delivery, NULL, 0);
//         taskq_job_release(&job);
//     }
//     taskq_close(q);
//
// What holds for every function:
//
// Threads. A handle is used by one thread at a time; several threads take a handle each. Only
// taskq_interrupt() may be called from another thread or a signal handler. What does not take a handle may be
// called from any thread. A handle is not used across fork(): the child opens its own.
//
// Errors. TASKQ_OK is 0; TASKQ_NO_MEMORY may come from anything that returns an error. After an error
// taskq_error_message(q) is a sentence about it, the daemon's own where it sent one. Results are written only
// where TASKQ_OK comes back, unless said otherwise. Pointers for results may be NULL where nobody wants them.
//
// Text. Names are NUL-terminated UTF-8. Bodies, results, settings and a job's error are JSON text: a pointer
// and a length in bytes, TASKQ_NUL for NUL-terminated text. They are checked before they are sent
// (TASKQ_USAGE), and pass byte for byte, but for line ends between JSON's tokens, which become spaces (a
// message is a line). For text and bytes that are not JSON there is taskq_json_string().
//
// Times are seconds, fractions allowed, down to the millisecond. A timeout is TASKQ_FOREVER (any negative
// number), 0 (do not wait) or seconds.
//
// Connections. taskq_open() connects; when a connection is lost, the next call connects again. A call whose
// request was sent and whose reply was lost is repeated once by the library where that is safe (what only
// asks, what can be done twice, a put with a `key`); everything else returns TASKQ_LOST: it may have been
// done or not. Jobs that the lost connection held (unless `detached`) are back in their queue; acknowledging
// one is then refused with TASKQ_NOT_RESERVED.
//
// Leases. Until a job from taskq_get() is acknowledged, nacked, released or buried, its lease is renewed at
// every third of it by a thread that the handle starts at its first such job and that taskq_close() ends. So
// the caller may work as long as it takes, and must give every job back in one of the four ways (or
// taskq_renew_stop()). See `renew` in struct taskq_get_options.
#ifndef TASKQ_H
#define TASKQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TASKQ_VERSION "0.1.0"

// What bears it is exported; nothing else is.
#if defined(__GNUC__)
#define TASKQ_API __attribute__((visibility("default")))
#else
#define TASKQ_API
#endif

#define TASKQ_DEFAULT_ADDRESS "127.0.0.1:7480"
#define TASKQ_FOREVER         (-1.0)
#define TASKQ_NUL             ((size_t)-1) // as a length: the text ends at its NUL
#define TASKQ_MAX_JOBS        1000         // the most jobs in one taskq_get_many()

struct taskq; // a handle: one connection, and what is in flight on it

// The daemon's errors have the protocol's codes, the library's own are positive.
enum taskq_error {
    TASKQ_OK = 0,

    // The library's own.
    TASKQ_NO_DAEMON = 1, // no connection could be made; nothing was sent
    TASKQ_LOST = 2,      // the request was sent, but the connection was lost before its reply
    TASKQ_UNSENT = 3,    // the connection was lost before the request was sent: it was not done
    TASKQ_NO_MEMORY = 4,
    TASKQ_USAGE = 5,    // an argument is not what the function takes; nothing was sent
    TASKQ_PROTOCOL = 6, // what came is not what this protocol says; the connection was closed
    TASKQ_UNKNOWN = 7,  // the daemon's error has a code that this library does not know
    TASKQ_NOTHING = 8,  // nothing is in flight
    TASKQ_SYSTEM = 9,   // the system refused something (a thread, a descriptor)
    TASKQ_TLS = 10,     // TLS: who answers cannot be trusted, does not speak it, speaks it where it was not
                        // asked for, or does not accept this client's certificate; nothing was done

    // The daemon's.
    TASKQ_PARSE_ERROR = -32700,
    TASKQ_INVALID_REQUEST = -32600,
    TASKQ_METHOD_NOT_FOUND = -32601,
    TASKQ_INVALID_PARAMS = -32602,
    TASKQ_INTERNAL_ERROR = -32603,
    TASKQ_REQUEST_CANCELLED = -32800, // taskq_interrupt() ended the wait
    TASKQ_EMPTY = -32001,
    TASKQ_FULL = -32002,
    TASKQ_NOT_FOUND = -32003,
    TASKQ_NOT_RESERVED = -32004, // the lease ran out, or the job is another's
    TASKQ_SHUT_DOWN = -32005,
    TASKQ_TIMEOUT = -32006,
    TASKQ_FAILED = -32007,
    TASKQ_CANCELLED = -32008,
    TASKQ_TOO_LARGE = -32009,
    TASKQ_OVERLOADED = -32010,
    TASKQ_DRAINING = -32011,
    TASKQ_STORE_FAILED = -32012,
    TASKQ_UNAUTHORIZED = -32013,
    TASKQ_FORBIDDEN = -32014,
    TASKQ_HTTP = -32015
};

// The name a program compares ("empty", "lost"), as in the protocol; "unknown" for a number outside the enum.
// Static.
TASKQ_API const char *taskq_error_name(enum taskq_error error);

// A sentence about the error; never NULL, static.
TASKQ_API const char *taskq_error_text(enum taskq_error error);

// The library's version, "0.1.0"; static.
TASKQ_API const char *taskq_version(void);

// Text that the library allocated, with a NUL after its `len` bytes. The caller releases it.
struct taskq_text {
    char *data;
    size_t len;
};

// Frees the text, not the struct, and leaves {NULL, 0}; so twice is fine, and NULL is.
TASKQ_API void taskq_text_release(struct taskq_text *text);

// ---------------------------------------------------------------------------------------- the handle

struct taskq_options {
    double connect_timeout; // for making a connection (looking up the name not included); 0: 5 s
    double reply_timeout;   // how much longer than a request's own timeout its reply may take, before the
                            // connection is given up; 0: 60 s; TASKQ_FOREVER: no bound
    const char *client;     // who this is, for the daemon's log; copied; NULL: nothing is said
    size_t max_reply;       // the longest reply that is taken, in bytes; 0: 256 MiB
    double patience;        // how long a wait for futures goes on trying to reach a daemon that went away;
                            // 0: 30 s; TASKQ_FOREVER: no bound
    const char
        *token_file; // its first line is the token that says who this is, which is sent first on every
                     // connection; NULL: the environment's TASKQ_TOKEN is the token, or TASKQ_TOKEN_FILE
                     // names the file, or none is sent. A file that others can read is refused

    // For taskqs:// alone; with another address they are TASKQ_USAGE. What is NULL is taken from the
    // environment. The files are PEM, and read again for a new connection when they were replaced.
    const char *ca_file;   // the CAs of which one must have issued the daemon's certificate, or that very
                           // certificate; NULL: TASKQ_CA, else those that the system trusts
    const char *cert_file; // this client's certificate and those between it and its CA's, for daemons that
                           // ask for one; NULL: TASKQ_CERT, else none
    const char *key_file;  // its key, not encrypted, in a file that others cannot read; NULL: TASKQ_KEY,
                           // else it stands in cert_file
    const char *tls_name;  // the host's name or IP address that the daemon's certificate must be for; NULL:
                           // TASKQ_TLS_NAME, else what the address says
};

// Connects to `address`: "host:port", "[IPv6]:port" (without a port: 7480), "unix:PATH", or through TLS
// "taskqs://host:port"; NULL takes the environment's TASKQ_ADDR, and where that is not set or empty
// TASKQ_DEFAULT_ADDRESS. `options` NULL: the defaults. `*q` is set whatever comes back, so that
// taskq_error_message() can say what was wrong (NULL only if there was no memory), and the caller closes it.
// Errors: TASKQ_NO_DAEMON, TASKQ_TLS, TASKQ_USAGE (the address, the token, a certificate's file),
// TASKQ_SYSTEM. A handle that failed with TASKQ_NO_DAEMON or TASKQ_TLS may be used: each call tries to
// connect.
//
// TLS is 1.2 at least. The daemon's certificate must be valid, issued by who is trusted, and for the host
// that was asked for (a subject alternative name); there is no way to leave that out, and a connection that
// cannot be made so is not made without TLS either.
TASKQ_API enum taskq_error taskq_open(struct taskq **q, const char *address,
                                      const struct taskq_options *options);

// Closes the connection, ends the renewing thread, frees the handle. NULL is fine. What was in flight is
// given up; jobs held under leases that are not detached go back to their queues.
TASKQ_API void taskq_close(struct taskq *q);

// Where this handle connects to, for messages. Valid until taskq_close().
TASKQ_API const char *taskq_address(const struct taskq *q);

// A sentence about the last call that failed, the daemon's own where it sent one. Never NULL, also for a NULL
// handle. Valid until the next call on the handle.
TASKQ_API const char *taskq_error_message(const struct taskq *q);

// The code the daemon sent with it (also one that the enum does not have), or the enum's number.
TASKQ_API int taskq_error_code(const struct taskq *q);

// The `data` object the daemon sent with it, as JSON text (for TASKQ_FAILED it has `reason`, `attempts` and
// `error`); NULL if there was none. Valid until the next call on the handle. `len` may be NULL.
TASKQ_API const char *taskq_error_data(const struct taskq *q, size_t *len);

// Ends the wait that the handle's thread is in, or the next it would be in: the daemon is asked to take the
// waiting request back, so what it promised is never lost: the call returns TASKQ_REQUEST_CANCELLED, or its
// outcome, if that was quicker (a job that came is the caller's). A taskq_receive() returns with
// TASKQ_REQUEST_CANCELLED, nothing in flight is taken back. From any thread, and from signal handlers.
TASKQ_API void taskq_interrupt(struct taskq *q);

// ------------------------------------------------------------------------------------------- producers

// Start from TASKQ_PUT_OPTIONS_INIT; where a function takes NULL, that is what it stands for.
struct taskq_put_options {
    double priority;       // lower is taken first; default 0
    double delay;          // seconds before the job is ready; 0: at once
    double at;             // instead of `delay`: when it is ready, Unix time; 0: not given
    double lease;          // of the hand-outs that ask for none; 0: the queue's
    unsigned max_attempts; // 1 … 65535; 0: the queue's
    double expires;        // seconds within which the job must be finished, or it dies; 0: never
    const char *key; // while an unfinished job of the queue bears it, a put gives that job's id; NULL: none
    double key_for;  // for so many seconds after the job is finished too
    double timeout;  // how long to wait while the queue is full
    double keep_result; // taskq_submit() only: how long the outcome is kept; 0: the queue's, else 600 s
};
#define TASKQ_PUT_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        0, 0, 0, 0, 0, 0, NULL, 0, TASKQ_FOREVER, 0                                                          \
    }

struct taskq_put_result {
    uint64_t id;
    bool existing; // the key's job was there before; nothing was put
};

// Puts one job. Errors: TASKQ_FULL, TASKQ_SHUT_DOWN, TASKQ_TOO_LARGE, TASKQ_OVERLOADED, TASKQ_DRAINING,
// TASKQ_STORE_FAILED, TASKQ_INVALID_PARAMS; TASKQ_LOST for one without a key.
TASKQ_API enum taskq_error taskq_put(struct taskq *q, const char *queue, const char *body, size_t body_len,
                                     const struct taskq_put_options *options,
                                     struct taskq_put_result *result);

// A put whose outcome is kept for taskq_result(). Errors: as taskq_put().
TASKQ_API enum taskq_error taskq_submit(struct taskq *q, const char *queue, const char *body, size_t body_len,
                                        const struct taskq_put_options *options,
                                        struct taskq_put_result *result);

// One job of a taskq_put_many(): what to put, and what became of it.
struct taskq_item {
    const char *body;
    size_t body_len;
    const char *key;        // NULL: the options' (and two items should not share one)
    enum taskq_error error; // out: TASKQ_OK: put; TASKQ_LOST: sent, nobody knows; TASKQ_UNSENT: not put
    uint64_t id;            // in: 0; out: the job's; an item that has one is passed over
    bool existing;          // out: as in struct taskq_put_result
};

// Puts many jobs, with up to `window` of them in flight (0: 256; at most 1000). Each item's outcome is in
// the item. One that the daemon refuses does not stop the others. When the connection is lost, those that
// were not sent or have a key are sent again on a new one; if that cannot be made or brings no progress, or
// at taskq_interrupt(), the rest is left TASKQ_UNSENT. Returns TASKQ_OK if every item is put, else the error
// of the first that is not. Items that have an id are passed over: so the same call again puts what is
// missing.
//
// `progress`, if not NULL, is called from this thread now and then (at least once a window, and at the end)
// with how many items have their outcome; it must not use the handle. No item's data may change meanwhile.
TASKQ_API enum taskq_error taskq_put_many(struct taskq *q, const char *queue, struct taskq_item *items,
                                          size_t count, size_t window,
                                          const struct taskq_put_options *options,
                                          void (*progress)(size_t done, size_t count, void *arg), void *arg);

// Waits for a submitted job's outcome. `*result` is the result as JSON text (`null` where the job was
// acknowledged without one), the caller's to release. With `forget` the daemon keeps the outcome no longer
// once it is delivered. Errors: TASKQ_TIMEOUT; TASKQ_NOT_FOUND (unknown, or no longer kept); TASKQ_FAILED
// (dead; taskq_error_data() says why); TASKQ_CANCELLED; TASKQ_LOST with `forget`.
TASKQ_API enum taskq_error taskq_result(struct taskq *q, uint64_t id, double timeout, bool forget,
                                        struct taskq_text *result);

// Submits a job and waits for its result, in one request. options->timeout is for both: TASKQ_FULL if there
// was no room, TASKQ_TIMEOUT if there is no outcome yet (taskq_error_data() has the job's `id`, and the job
// goes on). The outcome is kept no longer once it is here. Errors: as taskq_submit() and taskq_result();
// TASKQ_LOST without a key (with one it is asked again, and finds the job that it put).
TASKQ_API enum taskq_error taskq_call(struct taskq *q, const char *queue, const char *body, size_t body_len,
                                      const struct taskq_put_options *options, struct taskq_text *result);

// Cancels a job that has not started. `*cancelled` is false where it had. Errors: TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_cancel(struct taskq *q, uint64_t id, bool *cancelled);

// Cancels a job that has not started, or asks that one that runs be ended: the daemon's own workers end it,
// other consumers hear of it by the TASKQ_CANCELLED of their next taskq_touch() or taskq_progress(). It is
// cancelled when its holder has answered or is gone. `*cancelled` is false where it was finished.
TASKQ_API enum taskq_error taskq_cancel_running(struct taskq *q, uint64_t id, bool *cancelled);

// ------------------------------------------------------------------------------------------- consumers

enum taskq_renew {
    TASKQ_RENEW_AUTO = 0, // renew until the job is given back
    TASKQ_RENEW_OFF = 1   // the caller does it with taskq_touch(), or lets the lease run out
};

struct taskq_get_options {
    double lease;           // seconds; 0: 60 where leases are renewed, else the job's or its queue's
    bool auto_ack;          // acknowledged as soon as it is handed over: at most once
    bool detached;          // the lease outlives the connection
    enum taskq_renew renew; // who keeps the lease alive
};

struct taskq_job {
    uint64_t id;
    uint64_t delivery; // proves which hand-out this is: what is given back goes with it
    const char *queue; // NUL-terminated
    const char *body;  // JSON text, with a NUL after its body_len bytes
    size_t body_len;
    double priority;
    unsigned attempt; // 1 for the first
    void *memory;     // the library's
};

// Frees what the job points to, not the job: it is still reserved. Twice is fine.
TASKQ_API void taskq_job_release(struct taskq_job *job);

struct taskq_jobs {
    struct taskq_job *jobs; // released all at once with taskq_jobs_release()
    size_t count;
    void *memory; // the library's
};

// The same for all of them.
TASKQ_API void taskq_jobs_release(struct taskq_jobs *jobs);

// Waits for a job of one queue. The caller releases it. Errors: TASKQ_EMPTY (none within `timeout`),
// TASKQ_SHUT_DOWN (none, and none will come), TASKQ_REQUEST_CANCELLED, TASKQ_OVERLOADED, TASKQ_LOST (with
// `detached` a job may have been handed out, which comes back when its lease is over; with `auto_ack` one may
// be gone).
TASKQ_API enum taskq_error taskq_get(struct taskq *q, const char *queue,
                                     const struct taskq_get_options *options, double timeout,
                                     struct taskq_job *job);

// Waits for 1 to `max` jobs (1 … TASKQ_MAX_JOBS) of `nqueues` queues (1 … 64), the most urgent over all
// first. Errors: as taskq_get().
TASKQ_API enum taskq_error taskq_get_many(struct taskq *q, const char *const *queues, size_t nqueues,
                                          size_t max, const struct taskq_get_options *options, double timeout,
                                          struct taskq_jobs *jobs);

// The four ways to give a job back, all with the `delivery` that came with it; 0 leaves it out, and then only
// the connection that holds the job is heard. Renewing ends with the call. Errors: TASKQ_NOT_RESERVED,
// TASKQ_NOT_FOUND, TASKQ_LOST, TASKQ_STORE_FAILED; TASKQ_CANCELLED: somebody cancelled the job while it ran,
// and it has ended with that.
//
// Done. `result` is JSON text, or NULL for none.
TASKQ_API enum taskq_error taskq_ack(struct taskq *q, uint64_t id, uint64_t delivery, const char *result,
                                     size_t result_len);

// It failed, try again later: counts an attempt. `error` is JSON text or NULL; `delay` seconds, or
// TASKQ_FOREVER for the queue's backoff. What it came to: `*state` is "delayed", "ready" or "dead", static;
// `*delay_out` the seconds until it is ready.
TASKQ_API enum taskq_error taskq_nack(struct taskq *q, uint64_t id, uint64_t delivery, const char *error,
                                      size_t error_len, double delay, const char **state, double *delay_out);

// It was not tried: back to its place, not counted. `priority` NULL: as it was.
TASKQ_API enum taskq_error taskq_release(struct taskq *q, uint64_t id, uint64_t delivery, double delay,
                                         const double *priority);

// Give it up: to the dead at once. `error` is JSON text or NULL.
TASKQ_API enum taskq_error taskq_bury(struct taskq *q, uint64_t id, uint64_t delivery, const char *error,
                                      size_t error_len);

// Acknowledges many jobs that this connection holds, in few requests. `errors`, if not NULL, has room for
// `count` outcomes. Returns TASKQ_OK if all are acknowledged, else the first job's error that is not, or what
// stopped it (the jobs not reached then have TASKQ_UNSENT, those of the lost request TASKQ_LOST).
TASKQ_API enum taskq_error taskq_ack_many(struct taskq *q, const uint64_t *ids, size_t count,
                                          enum taskq_error *errors);

// Renews a lease now: `lease` seconds from now, 0 for what it was given with. `*left`: the seconds it now
// has. TASKQ_CANCELLED: see taskq_progress().
TASKQ_API enum taskq_error taskq_touch(struct taskq *q, uint64_t id, uint64_t delivery, double lease,
                                       double *left);

// How far a job is.
struct taskq_report {
    double done;         // negative: not said
    double total;        // of this many; negative: not known
    const char *message; // up to 1024 bytes of UTF-8; NULL: none
};

// Says how far this consumer's job is, for whoever waits for it and for taskq_job_info(). At least one of
// `done` and `message` is said. The daemon keeps the last report only, in memory. It renews no lease. Errors:
// TASKQ_CANCELLED: somebody wants the job ended: stop, and give it back (in whichever way: the answer is
// TASKQ_CANCELLED again, and that is the job's end); TASKQ_NOT_RESERVED, TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_progress(struct taskq *q, uint64_t id, uint64_t delivery,
                                          const struct taskq_report *report);

// The library stops renewing this job's lease (the job stays reserved until the lease runs out). No request.
TASKQ_API void taskq_renew_stop(struct taskq *q, uint64_t id);

// --------------------------------------------------------------------------------------------- futures
//
// A future stands for a job's outcome. Tens of thousands may be open on one handle: the daemon tells when a
// job ends, over the handle's one connection, and no thread is started for any of them.
//
//     struct taskq_future *f;
//     taskq_future_submit(q, "thumbnails", body, TASKQ_NUL, NULL, NULL, &f);
//     … submit more, do something else …
//     if (taskq_future_wait(f, 60) == TASKQ_OK) {
//         const struct taskq_outcome *o = taskq_future_outcome(f);
//         puts(o->error == TASKQ_OK ? o->result : o->message);
//     }
//     taskq_future_free(f);
//
// Who does the work. The caller's thread, while it is in a function of the handle: every function that reads
// takes what came for futures, and taskq_future_wait(), taskq_future_next(), taskq_dispatch() and taskq_map()
// also send what is still to be sent and see to lost connections. Callbacks are called by taskq_dispatch()
// alone, on the thread that calls it, and may use the handle and free futures.
//
// Lost connections. What the daemon would have told belongs to the connection. So after a loss those four
// connect again, trying for as long as options.patience says, and ask for the `result` of every open future,
// so that no outcome is missed, however many came while nobody was connected. (While more than 400 are to be
// asked for they take turns; each is asked for about every two seconds.) A submit whose reply was lost is
// sent again where that is safe: it has a `key`; without one its future ends with TASKQ_LOST. A job that is
// gone meanwhile (the daemon keeps an outcome for keep_result seconds) is TASKQ_NOT_FOUND.
//
// Bounds. At most 400 submits are unanswered at a time; the rest is kept, and sent while one of those four
// waits. The daemon tells a connection of 65,536 jobs at most; what it refuses for now (TASKQ_OVERLOADED,
// TASKQ_DRAINING) is submitted again a little later, within options.patience.

struct taskq_future;

// What became of a job. The texts are the future's.
struct taskq_outcome {
    uint64_t id; // 0: it was never put
    // TASKQ_OK: done. TASKQ_FAILED: dead. TASKQ_CANCELLED. TASKQ_NOT_FOUND: deleted, or no longer kept. Or
    // why it was not submitted, as taskq_submit() says; TASKQ_LOST: nobody knows.
    enum taskq_error error;
    const char *message; // a sentence; never NULL
    const char *result;  // done: JSON text with a NUL behind it
    size_t result_len;
    const char *reason;    // dead: "attempts", "lost", "buried", "expired" or "shut_down"
    unsigned attempts;     // dead: how many were counted
    const char *job_error; // dead: the last error, JSON text with a NUL behind it; NULL if there was none
    size_t job_error_len;
};

// Zeroed is the default: no callbacks.
struct taskq_future_options {
    // The callback form: taskq_dispatch() calls it once, when the outcome is there. The future stays the
    // caller's to free, there or later.
    void (*ended)(struct taskq_future *f, void *arg);
    // Called by taskq_dispatch() with the newest report; never after `ended`, and not for every report.
    void (*progressed)(struct taskq_future *f, const struct taskq_report *report, void *arg);
    void *arg;
    bool progress; // without the callback: reports are wanted for taskq_future_report()
};

// Submits a job, as taskq_submit(), but does not wait: why it could not be put is in the outcome. `options`
// and `future_options` may be NULL. The caller frees `*f`. Errors: TASKQ_USAGE, TASKQ_NO_DAEMON.
TASKQ_API enum taskq_error taskq_future_submit(struct taskq *q, const char *queue, const char *body,
                                               size_t body_len, const struct taskq_put_options *options,
                                               const struct taskq_future_options *future_options,
                                               struct taskq_future **f);

// The future of a job that was submitted before, from wherever. The caller frees it. Errors: as above.
TASKQ_API enum taskq_error taskq_future_of(struct taskq *q, uint64_t id,
                                           const struct taskq_future_options *future_options,
                                           struct taskq_future **f);

// Waits until the future has its outcome; 0 polls, which reads what came. Calls no callback. Errors:
// TASKQ_TIMEOUT, TASKQ_REQUEST_CANCELLED (taskq_interrupt()), TASKQ_NO_DAEMON and what else kept it from the
// daemon for as long as options.patience allows; after any of them the future is open and may be waited for
// again.
TASKQ_API enum taskq_error taskq_future_wait(struct taskq_future *f, double timeout);

// The next future to have its outcome, in the order in which they end: of those without an `ended` callback
// that taskq_future_wait() has not returned for. Errors: as taskq_future_wait(); TASKQ_NOTHING: none is open.
TASKQ_API enum taskq_error taskq_future_next(struct taskq *q, double timeout, struct taskq_future **f);

// Waits until there is something for a callback, and calls those for which there is. Errors: as
// taskq_future_wait(); TASKQ_NOTHING: no future with callbacks is open.
TASKQ_API enum taskq_error taskq_dispatch(struct taskq *q, double timeout);

// The outcome, NULL while there is none. No request. Valid until the future is freed.
TASKQ_API const struct taskq_outcome *taskq_future_outcome(const struct taskq_future *f);

// The job's id; 0 while the daemon has not answered.
TASKQ_API uint64_t taskq_future_id(const struct taskq_future *f);

// The newest report of how far it is. False: there is none. Its message is valid until the next call on the
// handle.
TASKQ_API bool taskq_future_report(const struct taskq_future *f, struct taskq_report *report);

// Cancels the job if it has not started; with `running` also one that has, as taskq_cancel_running().
// `*cancelled` says whether that could be; the outcome comes as any other. Errors: as taskq_cancel().
TASKQ_API enum taskq_error taskq_future_cancel(struct taskq_future *f, bool running, bool *cancelled);

// Frees the future. The job goes on. NULL is fine, and so is a future whose handle is closed (one that was
// open then has TASKQ_LOST for its outcome).
TASKQ_API void taskq_future_free(struct taskq_future *f);

// What taskq_map() is to do next.
enum taskq_map_step {
    TASKQ_MAP_END = 0,  // there are no more arguments
    TASKQ_MAP_ITEM = 1, // the item is filled
    TASKQ_MAP_LATER = 2 // not yet: take outcomes that came, and ask again
};

struct taskq_map_item {
    const char *body; // JSON text; copied
    size_t body_len;
    const char *key; // copied; NULL: as options.put.key says
    void *tag;       // the caller's, given back with the outcome
};

// Start from TASKQ_MAP_OPTIONS_INIT.
struct taskq_map_options {
    struct taskq_put_options
        put;             // for each job. The key of argument N (from 0) is "KEY:N"; without a key
                         // one is made up for the run, which holds a minute longer than options.patience,
                         // so that no argument is lost or put twice when the connection is
    size_t in_flight;    // submitted and not given to `each` yet, at most; 0: 1000; at most 60,000
    bool unordered;      // outcomes as they come; false: in the order of the arguments
    bool cancel_running; // at a stop, what runs is cancelled too
};
#define TASKQ_MAP_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        TASKQ_PUT_OPTIONS_INIT, 0, false, false                                                              \
    }

// A job for each argument, and its outcome. `next` is called for one argument after the other, and `each` for
// one outcome after the other, `index` being the argument's number from 0; false ends the map. Both are
// called by this thread. What `next` may do with the handle: taskq_flush() and taskq_fd(), to wait for what
// came as well as for its own input before it says TASKQ_MAP_LATER. `each` must not use the handle.
//
// When the map is ended (by `each`, taskq_interrupt(), or for lack of a daemon) nothing more is asked of
// `next`, what was not started is cancelled, and what was is left to run. `each` is called for these too:
// with TASKQ_CANCELLED, or with TASKQ_REQUEST_CANCELLED for what runs on.
//
// Errors: TASKQ_FAILED: an outcome was not TASKQ_OK; TASKQ_REQUEST_CANCELLED: it was ended; as
// taskq_future_wait().
TASKQ_API enum taskq_error
taskq_map(struct taskq *q, const char *queue, const struct taskq_map_options *options,
          enum taskq_map_step (*next)(struct taskq_map_item *item, void *arg),
          bool (*each)(size_t index, void *tag, const struct taskq_outcome *outcome, void *arg), void *arg);

// -------------------------------------------------------------------------------- requests in flight
//
// The calls above wait for their reply. These only send: up to thousands may be in flight, and
// taskq_receive() hands out the replies as they come, not always in the order of the requests (a get that
// waits does not hold up the rest). What is sent gathers in the handle until it is worth a write, and goes
// out at the latest when the handle's thread waits: in taskq_receive(), taskq_flush() or any other call. The
// daemon lets a connection have 1024 requests that wait (gets, full puts, results); more are
// TASKQ_OVERLOADED.
//
// Each sets `*request` (never 0), which the reply bears. The errors they return are TASKQ_USAGE and those of
// a connection that cannot be made; everything else comes with the reply. Nothing is repeated for the caller.

// As taskq_put(); read its reply with taskq_reply_put().
TASKQ_API enum taskq_error taskq_put_send(struct taskq *q, const char *queue, const char *body,
                                          size_t body_len, const struct taskq_put_options *options,
                                          uint64_t *request);

// As taskq_get_many(), or with `max` 0 as taskq_get(); read its reply with taskq_reply_jobs().
TASKQ_API enum taskq_error taskq_get_send(struct taskq *q, const char *const *queues, size_t nqueues,
                                          size_t max, const struct taskq_get_options *options, double timeout,
                                          uint64_t *request);

// As taskq_ack(). The lease is no longer renewed from here on.
TASKQ_API enum taskq_error taskq_ack_send(struct taskq *q, uint64_t id, uint64_t delivery, const char *result,
                                          size_t result_len, uint64_t *request);

// Any method: `params` is a JSON object, or NULL.
TASKQ_API enum taskq_error taskq_send(struct taskq *q, const char *method, const char *params,
                                      size_t params_len, uint64_t *request);

// Asks the daemon to take a waiting request back. Its reply still comes: TASKQ_REQUEST_CANCELLED, or what
// was quicker.
TASKQ_API enum taskq_error taskq_send_cancel(struct taskq *q, uint64_t request);

struct taskq_reply {
    uint64_t request;
    enum taskq_error error; // TASKQ_LOST and TASKQ_UNSENT too, one for each request that was in flight
    int code;               // the daemon's code, where `error` is TASKQ_UNKNOWN
    const char *message;    // of an error, NUL-terminated; NULL without one
    const char *result;     // JSON text, NULL with an error
    size_t result_len;
    const char *data; // of an error, JSON text; NULL if there was none
    size_t data_len;
    int64_t lease_ms; // the library's: how taskq_reply_jobs() renews
    bool detached;    // the library's
};

// The next reply. What it points to is valid until the next call on the handle. Errors (of this call, not of
// the request): TASKQ_TIMEOUT (none came), TASKQ_NOTHING (none can come), TASKQ_REQUEST_CANCELLED
// (taskq_interrupt()). A lost connection is told by the replies; the next thing sent connects again.
TASKQ_API enum taskq_error taskq_receive(struct taskq *q, double timeout, struct taskq_reply *reply);

// How many requests have no reply yet that taskq_receive() would hand out.
TASKQ_API size_t taskq_in_flight(const struct taskq *q);

// Sends what has gathered. Replies that come meanwhile are kept. Errors: TASKQ_LOST.
TASKQ_API enum taskq_error taskq_flush(struct taskq *q);

// What a put's reply says, before the next call on the handle. The reply's own error comes back as this
// call's; TASKQ_PROTOCOL where it is the reply to something else.
TASKQ_API enum taskq_error taskq_reply_put(struct taskq *q, const struct taskq_reply *reply,
                                           struct taskq_put_result *result);

// The jobs in a get's reply, in the same way. Their leases are renewed from here on. The caller releases
// them.
TASKQ_API enum taskq_error taskq_reply_jobs(struct taskq *q, const struct taskq_reply *reply,
                                            struct taskq_jobs *jobs);

// For a caller's own event loop: the connection's descriptor, -1 while there is none. When it is readable:
// taskq_receive(q, 0, …) until it returns TASKQ_TIMEOUT; do taskq_flush() before waiting. It changes when the
// handle connects again.
TASKQ_API int taskq_fd(const struct taskq *q);

// ----------------------------------------------------------------------------------------- administration
//
// What these tell has many members and gets more with time, so it comes as JSON text, an object as
// the protocol's description says; taskq_json_member() picks from it. The caller releases it.

// Everything about one job. TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_job_info(struct taskq *q, uint64_t id, struct taskq_text *info);

// A page of a queue's jobs, at most `limit` (1 … 1000; 0: 100). `state`: "ready", "delayed", "reserved",
// "dead", "done", "cancelled", or NULL for all in that order. `after`: the `next` of the page before,
// unescaped, or NULL. TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_jobs_page(struct taskq *q, const char *queue, const char *state,
                                           const char *after, unsigned limit, bool bodies,
                                           struct taskq_text *page);

// A page of queues with their counts, in the order of their names' bytes. `after`: a name, or NULL.
TASKQ_API enum taskq_error taskq_queues_page(struct taskq *q, const char *after, unsigned limit,
                                             struct taskq_text *page);

// One queue's counts, counters and settings (TASKQ_NOT_FOUND); with NULL the whole daemon's.
TASKQ_API enum taskq_error taskq_stats(struct taskq *q, const char *queue, struct taskq_text *stats);

// Sets what `settings` (a JSON object with members as `maxsize`, or NULL) names and leaves the rest.
// `*now`: all of the queue's settings.
TASKQ_API enum taskq_error taskq_declare(struct taskq *q, const char *queue, const char *settings,
                                         size_t settings_len, struct taskq_text *now);

// One job, in whatever state, is removed. TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_delete(struct taskq *q, uint64_t id);

// Jobs of a queue in `state` ("ready", "delayed", "dead", "done", "cancelled"; NULL: all of these) are
// removed, at most `limit` (0: no bound). `*count`: how many. TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_delete_many(struct taskq *q, const char *queue, const char *state,
                                             uint64_t limit, uint64_t *count);

// A dead or delayed job is made ready. `*count`: 0 if it was neither. TASKQ_NOT_FOUND.
TASKQ_API enum taskq_error taskq_kick(struct taskq *q, uint64_t id, uint64_t *count);

// The dead or delayed jobs of a queue (`state` "dead", "delayed", or NULL for both) are made ready.
TASKQ_API enum taskq_error taskq_kick_many(struct taskq *q, const char *queue, const char *state,
                                           uint64_t limit, uint64_t *count);

// Gets of the queue wait, puts go on.
TASKQ_API enum taskq_error taskq_pause(struct taskq *q, const char *queue);

// Ends a pause.
TASKQ_API enum taskq_error taskq_resume(struct taskq *q, const char *queue);

// Waits until every job of the queue is finished. TASKQ_TIMEOUT.
TASKQ_API enum taskq_error taskq_join(struct taskq *q, const char *queue, double timeout);

// Shuts a queue down: no more puts; gets go on until it is empty, or with `immediate` end now, and what
// waited is dead.
TASKQ_API enum taskq_error taskq_shutdown(struct taskq *q, const char *queue, bool immediate);

// Removes a queue with all its jobs and settings. `*count`: how many jobs.
TASKQ_API enum taskq_error taskq_drop(struct taskq *q, const char *queue, uint64_t *count);

// Listens: `heard` is called from this thread for every change of a job's state as it happens, in the queues
// whose names fit one of these patterns (`*` stands for any run of bytes; none: all that may be read), to one
// of these states ("delayed", "ready", "reserved", "done", "dead", "cancelled", "deleted"; none: all).
// `event` is an object as the protocol has it ({"id","queue","state","from","at",…}, or {"missed":N} in the
// place of N that came faster than they were taken), valid during the call; `heard` must not use the handle.
// It goes on until `heard` gives false (TASKQ_OK), taskq_interrupt() (TASKQ_REQUEST_CANCELLED), or the
// connection is lost (TASKQ_LOST): what happens until the next call is not told then. TASKQ_DRAINING: the
// daemon stops. TASKQ_OVERLOADED: too many listen.
TASKQ_API enum taskq_error taskq_events(struct taskq *q, const char *const *queues, size_t queue_count,
                                        const char *const *states, size_t state_count,
                                        bool (*heard)(const char *event, size_t len, void *arg), void *arg);

// The daemon's worker pool: handlers, workers, what each runs.
TASKQ_API enum taskq_error taskq_pool(struct taskq *q, struct taskq_text *pool);

// Sets how many workers (1 to 1,024) a handler has until the daemon reads its configuration again or is
// started anew; those that are taken away finish their job first. `pool` (NULL: not wanted) is as
// taskq_pool's, after it. TASKQ_NOT_FOUND: there is no such handler. TASKQ_OVERLOADED: the machine has no
// more threads or descriptors; the handler has as many workers as could be made.
TASKQ_API enum taskq_error taskq_pool_resize(struct taskq *q, const char *handler, unsigned workers,
                                             struct taskq_text *pool);

// Who the daemon is, its limits and durability.
TASKQ_API enum taskq_error taskq_hello(struct taskq *q, struct taskq_text *hello);

// Whether the daemon is there.
TASKQ_API enum taskq_error taskq_ping(struct taskq *q);

// Any method by its name, for what this library does not know yet. `params`: a NUL-terminated JSON object, or
// NULL. It is waited for without a bound (the params may have a timeout of their own), and never repeated.
TASKQ_API enum taskq_error taskq_call_raw(struct taskq *q, const char *method, const char *params,
                                          struct taskq_text *result);

// ------------------------------------------------------------------------------------------------ JSON

// Whether this is exactly one JSON value (RFC 8259, UTF-8, at most 128 deep).
TASKQ_API bool taskq_json_valid(const char *json, size_t len);

// A JSON string of text or any bytes; U+FFFD stands for what is not UTF-8.
TASKQ_API enum taskq_error taskq_json_string(const char *bytes, size_t len, struct taskq_text *json);

// The bytes that a JSON string stands for (which may hold a NUL). TASKQ_USAGE: it is not a string, or holds a
// lone surrogate.
TASKQ_API enum taskq_error taskq_json_unstring(const char *json, size_t len, struct taskq_text *bytes);

// An object's member: `*value` points to its JSON text inside `json`. False: there is none, or `json` is no
// object.
TASKQ_API bool taskq_json_member(const char *json, size_t len, const char *name, const char **value,
                                 size_t *value_len);

// An array's elements, one a call: `*at` starts at 0. False at the end, or where `json` is no array.
TASKQ_API bool taskq_json_element(const char *json, size_t len, size_t *at, const char **value,
                                  size_t *value_len);

// A number's value. False: it is not a number, or too large for a double.
TASKQ_API bool taskq_json_double(const char *json, size_t len, double *value);

// An integer's value, 0 … 2^53 - 1. False: it is something else.
TASKQ_API bool taskq_json_uint(const char *json, size_t len, uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
