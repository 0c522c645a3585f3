// Jobs that leave a backlog one by one, in the order in which they were put or in a random one.
#include "common/clock.h"
#include "tests/bench/works.h"

#include <stdlib.h>

#define LAY_COUNT 100 // jobs in a request while the backlog is laid
#define SEED      88172645463325252u

// Any order does that is none; the same one each time. (Marsaglia's xorshift; Fisher and Yates.)
static void shuffle(struct held *jobs, uint64_t count)
{
    uint64_t x = SEED;
    for (uint64_t i = count; i > 1; i--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        struct held last = jobs[i - 1];
        jobs[i - 1] = jobs[x % i];
        jobs[x % i] = last;
    }
}

static int by_id(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool lay(struct run *r, enum step step)
{
    const struct workload w = {.steps = {step}, .step_count = 1, .count = LAY_COUNT};
    r->client.keep_at = 0;
    return client_run(&r->client, &w, r->jobs, 0, r->connections);
}

static bool measure(struct run *r, const struct workload *load)
{
    struct client *c = &r->client;
    c->latency = &r->latency;
    if (!usage_read(r->server, &r->before))
        return client_fail(c, "the server is gone");
    int64_t began = clock_ns();
    if (!client_run(c, load, r->jobs, 0, r->connections))
        return false;
    r->elapsed = clock_ns() - began;
    r->measured = r->jobs;
    return usage_read(r->server, &r->after_all) || client_fail(c, "the server is gone");
}

bool work_remove(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    struct held *jobs = calloc(r->jobs, sizeof *jobs);
    bool held = w->load.steps[0] == STEP_ACK;
    if (!c->protocol->ids) {
        free(jobs);
        return client_fail(c, "this protocol cannot say that");
    }
    c->keep = jobs;
    bool ok = jobs || client_fail(c, "no memory");
    ok = ok && client_connect(c, r->connections) && lay(r, STEP_PUT) && (!held || lay(r, STEP_GET));
    c->keep = NULL;
    if (ok) {
        qsort(jobs, r->jobs, sizeof *jobs, by_id);
        if (r->shuffled)
            shuffle(jobs, r->jobs);
        c->given = jobs;
        ok = measure(r, &w->load);
    }
    c->given = NULL;
    free(jobs);
    return ok;
}
