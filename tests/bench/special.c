// The works that are no steady stream: a handoff between two connections, and connections that idle.
#include "common/clock.h"
#include "tests/bench/works.h"

// Connections that are busy at a time in `idle`, and what each does then: few, so that the jobs in flight
// leave no memory behind that would be counted as the connections'.
#define BUSY_CONNECTIONS 50
#define BUSY_JOBS        20

// One consumer is blocked in a get; a producer puts. The ping behind the get is sent on the other connection
// and answered before the put, so the server has seen the get by then.
static bool handoff_once(struct run *r, struct connection *consumer, struct connection *producer,
                         bool measured)
{
    struct client *c = &r->client;
    struct held put = {.number = client_number(c)}, got = {0};
    const struct request get = {.step = STEP_GET, .count = 1, .wait = true, .body = c->body};
    const struct request ping = {.step = STEP_PING, .count = 1};
    const struct request job = {.step = STEP_PUT, .count = 1, .body = c->body};
    const struct request ack = {.step = STEP_ACK, .count = 1, .body = c->body};
    uint32_t count = 1;
    if (!client_ask(c, consumer, &get, NULL) || !client_do(c, producer, &ping, NULL))
        return false;
    int64_t began = clock_ns();
    if (!client_ask(c, producer, &job, &put) || !client_answer(c, consumer, &get, &got, &count))
        return false;
    if (measured)
        histogram_add(&r->latency, clock_ns() - began);
    return client_answer(c, producer, &job, &put, &count) && client_got(c, got.number) &&
           client_do(c, consumer, &ack, &got);
}

bool work_handoff(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    if (!client_connect(c, 2))
        return false;
    for (uint64_t i = 0; i < r->warm; i++)
        if (!handoff_once(r, &c->connections[0], &c->connections[1], false))
            return false;
    if (!usage_read(r->server, &r->before))
        return client_fail(c, "the server is gone");
    int64_t began = clock_ns();
    for (uint64_t i = 0; i < r->jobs; i++)
        if (!handoff_once(r, &c->connections[0], &c->connections[1], true))
            return false;
    r->elapsed = clock_ns() - began;
    r->measured = r->jobs;
    return usage_read(r->server, &r->after_all) || client_fail(c, "the server is gone");
}

bool work_idle(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    const struct workload busy = {.steps = {STEP_PUT, STEP_GET, STEP_ACK}, .step_count = 3, .count = 1};
    uint32_t n = r->connections;
    if (!client_connect(c, BUSY_CONNECTIONS) || !client_run(c, &busy, r->warm, 0, BUSY_CONNECTIONS) ||
        !usage_settle(r->server, &r->before))
        return client_fail(c, "the server is gone");
    int64_t began = clock_ns();
    for (uint32_t first = BUSY_CONNECTIONS; first < n + BUSY_CONNECTIONS;) {
        uint32_t some = n + BUSY_CONNECTIONS - first;
        if (some > BUSY_CONNECTIONS)
            some = BUSY_CONNECTIONS;
        if (!client_connect(c, some) ||
            !client_run(c, &busy, (uint64_t)some * c->depth * BUSY_JOBS, first, some))
            return false;
        first += some;
    }
    r->elapsed = clock_ns() - began;
    r->measured = n;
    return usage_settle(r->server, &r->after_all) || client_fail(c, "the server is gone");
}
