// The works that are no steady stream: each asks one thing after the other and looks at one moment.
#include "common/clock.h"
#include "tests/bench/works.h"

#include <stdlib.h>

// Connections that are busy at a time in `idle`, and what each does then: few, so that the jobs in flight
// leave no memory behind that would be counted as the connections'.
#define BUSY_CONNECTIONS 50
#define BUSY_JOBS        20

static bool ask_and_wait(struct client *c, struct connection *conn, const struct request *r,
                         struct held *jobs)
{
    uint32_t count = r->count;
    return client_ask(c, conn, r, jobs) && client_answer(c, conn, r, jobs, &count);
}

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
    if (!client_ask(c, consumer, &get, NULL) || !ask_and_wait(c, producer, &ping, NULL))
        return false;
    int64_t began = clock_ns();
    if (!client_ask(c, producer, &job, &put) || !client_answer(c, consumer, &get, &got, &count))
        return false;
    if (measured)
        histogram_add(&r->latency, clock_ns() - began);
    return client_answer(c, producer, &job, &put, &count) && client_got(c, got.number) &&
           ask_and_wait(c, consumer, &ack, &got);
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

// What a bystander sees: put, get and ack on a queue of its own, one at a time, until `end`.
static bool bystander(struct run *r, struct connection *conn, int64_t end)
{
    struct client *c = &r->client;
    struct request q = {.queue = 1, .count = 1, .body = c->body};
    const enum step steps[] = {STEP_PUT, STEP_GET, STEP_ACK};
    while (clock_ns() < end)
        for (int i = 0; i < 3; i++) {
            static const uint64_t number = 7; // its jobs are not among those that are counted
            struct held job = {.number = number};
            static struct held held;
            int64_t began = clock_ns();
            q.step = steps[i];
            if (!ask_and_wait(c, conn, &q, q.step == STEP_PUT ? &job : &held))
                return false;
            histogram_add(&r->latency, clock_ns() - began);
        }
    return true;
}

// Every job comes once, and none is missing.
static bool collect(struct run *r, struct connection *conn, double lease)
{
    struct client *c = &r->client;
    struct request get = {.step = STEP_GET, .wait = true, .body = c->body, .lease = lease};
    struct held *jobs = c->connections[0].slots[0].jobs;
    for (uint64_t left = r->jobs; left > 0;) {
        uint32_t count = get.count = left < c->count_max ? (uint32_t)left : c->count_max;
        if (!client_ask(c, conn, &get, NULL) || !client_answer(c, conn, &get, jobs, &count))
            return false;
        for (uint32_t i = 0; i < count; i++)
            if (!client_got(c, jobs[i].number))
                return false;
        left -= count;
    }
    return true;
}

static bool put_all(struct run *r, struct connection *conn, double at)
{
    struct client *c = &r->client;
    struct held *jobs = c->connections[0].slots[0].jobs;
    struct request put = {.step = STEP_PUT, .body = c->body, .at = at};
    for (uint64_t left = r->jobs; left > 0; left -= put.count) {
        put.count = left < c->count_max ? (uint32_t)left : c->count_max;
        for (uint32_t i = 0; i < put.count; i++)
            jobs[i].number = client_number(c);
        if (!ask_and_wait(c, conn, &put, jobs))
            return false;
    }
    return true;
}

static bool timers_begin(struct run *r)
{
    struct client *c = &r->client;
    if (!c->protocol->timers)
        return client_fail(c, "this protocol cannot say that");
    return client_connect(c, 2) &&
           (usage_read(r->server, &r->before) || client_fail(c, "the server is gone"));
}

static bool timers_end(struct run *r, int64_t began)
{
    r->elapsed = clock_ns() - began;
    r->measured = r->jobs;
    return usage_read(r->server, &r->after_all) ||
           client_fail(r->client.failed ? &r->client : &r->client, "the server is gone");
}

bool work_delayed(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    if (!timers_begin(r))
        return false;
    int64_t began = clock_ns();
    double at = (double)clock_now().wall / 1000 + r->after;
    if (!put_all(r, &c->connections[0], at))
        return false;
    if ((double)clock_now().wall / 1000 >= at)
        return client_fail(c, "putting took too long: --after is too short");
    int64_t end = began + (int64_t)((r->after + 1) * 1e9);
    return bystander(r, &c->connections[1], end) && collect(r, &c->connections[0], 0) && timers_end(r, began);
}

bool work_leases(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    if (!timers_begin(r) || !put_all(r, &c->connections[0], 0))
        return false;
    int64_t began = clock_ns();
    if (!collect(r, &c->connections[0], r->after))
        return false;
    int64_t taken = clock_ns();
    if ((double)(taken - began) / 1e9 >= r->after)
        return client_fail(c, "getting took too long: --after is too short");
    for (uint64_t i = 0; i < r->jobs; i++) // they must come again
        c->out_there[i / 8] |= (uint8_t)(1u << (i % 8));
    return bystander(r, &c->connections[1], taken + (int64_t)((r->after + 1) * 1e9)) &&
           collect(r, &c->connections[0], 0) && timers_end(r, began);
}
