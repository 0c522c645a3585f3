#include "tests/bench/works.h"

#include "common/clock.h"

#include <string.h>

#define FILL_COUNT 100

static bool lay_aside(struct run *r);

// Warms up, lays the backlog down, and then measures the workload.
static bool steady(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    struct workload load = w->load;
    if (r->count > 1)
        load.count = r->count;
    if (w->load.steps[0] == STEP_GET && c->queues > 1 && c->queues <= r->connections)
        return client_fail(c,
                           "what connections put and get would not come out even: one queue, or very many");
    if (!client_connect(c, r->connections) || !lay_aside(r))
        return false;
    if (r->warm > 0 && !client_run(c, &load, r->warm, 0, r->connections))
        return false;
    if (!run_fill(r, r->preload))
        return false;
    c->latency = &r->latency;
    if (!usage_read(r->server, &r->before))
        return client_fail(c, "the server is gone");
    int64_t began = clock_ns();
    if (!client_run(c, &load, r->jobs, 0, r->connections))
        return false;
    r->elapsed = clock_ns() - began;
    r->measured = r->jobs;
    return usage_read(r->server, &r->after_all) || client_fail(c, "the server is gone");
}

bool run_fill(struct run *r, uint64_t jobs)
{
    // One at a time where the queues must come out even, in the order in which `drain` empties them.
    const struct workload fill = {.steps = {STEP_PUT},
                                  .step_count = 1,
                                  .count = r->client.queues <= r->client.connected ? FILL_COUNT : 1};
    return jobs == 0 || client_run(&r->client, &fill, jobs, 0, r->client.connected);
}

// They stay, so cleaning the log has to carry them along.
static bool lay_aside(struct run *r)
{
    const struct workload fill = {.steps = {STEP_PUT},
                                  .step_count = 1,
                                  .count = r->client.protocol->bulk ? FILL_COUNT : 1};
    r->client.aside = true;
    bool laid = r->aside == 0 || client_run(&r->client, &fill, r->aside, 0, r->client.connected);
    r->client.aside = false;
    return laid;
}

const struct work works[] = {
    {"put", "put jobs", steady, {.steps = {STEP_PUT}, .step_count = 1, .count = 1}},
    {"cycle",
     "put, get, ack",
     steady,
     {.steps = {STEP_PUT, STEP_GET, STEP_ACK}, .step_count = 3, .count = 1}},
    {"drain",
     "get and ack what --preload put",
     steady,
     {.steps = {STEP_GET, STEP_ACK}, .step_count = 2, .count = 1}},
    {"ping", "the cheapest request there is", steady, {.steps = {STEP_PING}, .step_count = 1, .count = 1}},
    {"delete",
     "delete --jobs ready jobs by their ids",
     work_remove,
     {.steps = {STEP_DELETE}, .step_count = 1, .count = 1}},
    {"ack",
     "acknowledge --jobs jobs that are held",
     work_remove,
     {.steps = {STEP_ACK}, .step_count = 1, .count = 1}},
    {"handoff", "from a put to a get that is blocked on another connection", work_handoff, {0}},
    {"idle", "memory of connections that were busy once", work_idle, {0}},
    {"delayed", "requests while --jobs delayed jobs fall due at once", work_delayed, {0}},
    {"leases", "requests while --jobs leases run out at once", work_leases, {0}},
    {0},
};

const struct work *work_find(const char *name)
{
    for (const struct work *w = works; w->name; w++)
        if (strcmp(w->name, name) == 0)
            return w;
    return NULL;
}
