// What the load generator asks of a server, in the server's own protocol: one `struct protocol` for each.
//
// A job's body is a JSON string, so that every peer carries the same bytes: a quote, the job's number in
// twelve digits, a filling, a quote. The number says which job came back, and whether it came once.
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include "common/buffer.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define BODY_MIN     14
#define BODY_NUMBERS UINT64_C(1000000000000) // numbers are below
#define NOT_A_QUEUE  UINT32_MAX

enum step { STEP_PUT, STEP_GET, STEP_ACK, STEP_DELETE, STEP_PING };

// A job that the client has put, or holds.
struct held {
    uint64_t number;   // what its body says
    uint64_t id;       // the server's, where it gives one
    uint64_t delivery; // taskq's
};

struct request {
    enum step step;
    uint32_t tag;   // comes back in the answer where the protocol carries ids
    uint32_t queue; // the queue's number
    uint32_t count; // how many jobs; GET: at most
    bool wait;      // GET: until there is a job
    size_t body;    // bytes of a body
    double at;      // PUT: ready at this Unix time; 0: at once. taskq alone
    double lease;   // GET: seconds; 0: the server's. taskq alone
};

// What a connection's server remembers of it (beanstalkd's tubes).
struct session {
    uint32_t used, watched;
};

enum answer {
    ANSWER_PARTIAL, // more bytes are needed
    ANSWER_DONE,    // as asked; GET: *count jobs
    ANSWER_EMPTY,   // GET: there is none
    ANSWER_WRONG,   // anything else: the run fails
};

struct protocol {
    const char *name;
    bool bulk;   // GET and ACK of more than one job
    bool timers; // `at` and `lease`
    bool ids;    // PUT gives ids by which a job can be deleted
    // Appends the request. PUT: jobs[i].number are given; ACK: jobs as GET left them; DELETE: one, as PUT
    // left it.
    void (*ask)(struct buffer *out, struct session *session, const struct request *request,
                const struct held *jobs);
    // Reads one answer from the front of `in` and says how many bytes it took. `request` is the one it must
    // answer. GET: fills jobs[0 … *count). PUT: their ids, where the server gives them.
    enum answer (*read)(struct slice in, const struct request *request, struct held *jobs, uint32_t *count,
                        size_t *used);
};

extern const struct protocol protocol_taskq, protocol_beanstalkd, protocol_redis;

void body_write(struct buffer *out, size_t len, uint64_t number);
bool body_read(struct slice body, size_t len, uint64_t *number); // false: not a body of this length

// "queue-12" without a NUL.
void queue_write(struct buffer *out, uint32_t queue);
void number_write(struct buffer *out, uint64_t number);

// The digits at the front of `in`, as a number; false if there is none. `in` moves behind them.
bool number_read(struct slice *in, uint64_t *number);

// The line at the front of `in`, without its end (`end` bytes: 1 for LF, 2 for CRLF); false: not all there.
bool line_read(struct slice in, size_t end, struct slice *line, size_t *used);

// The body of `len` bytes and CRLF behind a line, at *used of `in`; the line named its length in `digits`.
enum answer counted_body_read(struct slice in, struct slice digits, size_t len, uint64_t *number,
                              uint32_t *count, size_t *used);

#endif
