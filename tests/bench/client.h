// The connections of the load generator, and the loop that keeps a number of jobs in flight on each.
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "tests/bench/protocol.h"
#include "tests/bench/stats.h"

#include <stdbool.h>
#include <stdint.h>

#define STEPS_MAX      3
#define CLIENT_SCRATCH (4 << 20)

// A job's way: its steps, one after the other, each when the one before is answered.
struct workload {
    const char *name;
    enum step steps[STEPS_MAX];
    uint32_t step_count;
    uint32_t count; // jobs that go together in one request
};

// One of a connection's jobs (or groups of `count` jobs) in flight.
struct slot {
    int64_t sent; // when its request was made
    uint32_t step;
    uint32_t queue;
    uint32_t count;    // jobs it holds
    struct held *jobs; // room for client.count_max
};

struct connection {
    int fd;
    struct ssl_st *ssl; // TLS; NULL: there is none
    uint32_t index;
    struct session session;
    struct buffer out; // from `sent` on still to be written
    size_t sent;
    struct buffer in;    // what came of an answer that is not all there yet
    struct slot *slots;  // `depth` of them
    uint32_t *in_flight; // ring of slot indices, in the order of their requests
    uint32_t head, flying;
    bool waits_to_write;
};

struct client {
    const struct protocol *protocol;
    const char *address; // HOST:PORT, unix:PATH, or with TLS tls:HOST:PORT
    bool tls;
    uint32_t depth;
    uint32_t queues; // how many in all
    bool aside;      // all goes to a queue of its own instead
    uint32_t count_max;
    size_t body;
    int64_t deadline; // clock_ns() at which the run has failed
    int epoll;
    struct connection *connections;
    uint32_t connected, capacity;
    char *scratch;         // what is read goes here first
    uint64_t first_number; // another one in each run, so that another's jobs are told apart
    uint64_t next_number;
    uint8_t *out_there; // a bit a number: put and not yet got
    uint64_t numbers_max;
    struct histogram *latency; // of every request; NULL: not measured
    struct held *keep;         // the jobs as the last step's answers left them go here, from keep_at on
    uint64_t keep_at;
    const struct held *given; // the jobs that go through the next run, as an earlier one left them
    // the phase that runs
    const struct workload *workload;
    uint64_t jobs, to_start, done;
    const char *failed; // why; NULL: all is well
};

// Room for connections and numbers in all. False: no memory (c->failed says so).
bool client_init(struct client *c, uint32_t connections, uint64_t numbers);
void client_release(struct client *c);

// Opens `n` more connections.
bool client_connect(struct client *c, uint32_t n);

// Runs `jobs` jobs through the workload on the connections from `first`, `n` of them.
bool client_run(struct client *c, const struct workload *w, uint64_t jobs, uint32_t first, uint32_t n);

// One request at a time, for what is measured by hand: sends it, and waits for its answer.
bool client_ask(struct client *c, struct connection *conn, const struct request *r, const struct held *jobs);
bool client_answer(struct client *c, struct connection *conn, const struct request *r, struct held *jobs,
                   uint32_t *count);
bool client_do(struct client *c, struct connection *conn, const struct request *r, struct held *jobs); // both

// A new number of a job, marked as put; a number that must come (again); one that came: false if it was not
// put, or came before.
uint64_t client_number(struct client *c);
void client_expect(struct client *c, uint64_t number);
bool client_got(struct client *c, uint64_t number);

bool client_fail(struct client *c, const char *why);  // false
bool client_wrong(struct client *c, struct slice in); // false; shows what came

#endif
