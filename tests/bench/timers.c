// What a bystander feels when very many timers of others fire at once: delayed jobs that fall due, leases
// that run out. taskq alone has both in its protocol to the millisecond.
#include "common/clock.h"
#include "tests/bench/works.h"

#define BYSTANDERS_JOB 7 // the number of the bystander's job, which is not among those that are counted
#define WELL_BEFORE    50000000 // ns

// What a bystander sees: put, get and ack on a queue of its own, one at a time, until `end`.
static bool bystander(struct run *r, int64_t end, struct histogram *seen)
{
    struct client *c = &r->client;
    struct request request = {.queue = 1, .count = 1, .body = c->body};
    const enum step steps[] = {STEP_PUT, STEP_GET, STEP_ACK};
    struct held job = {.number = BYSTANDERS_JOB};
    while (clock_ns() < end)
        for (int i = 0; i < 3; i++) {
            int64_t began = clock_ns();
            request.step = steps[i];
            if (!client_do(c, &c->connections[1], &request, &job))
                return false;
            histogram_add(seen, clock_ns() - began);
        }
    return job.number == BYSTANDERS_JOB || client_fail(c, "the bystander got another's job");
}

// Before the timers fire, and from then on for a second; `fires` is the first.
static bool watch(struct run *r, int64_t fires)
{
    return bystander(r, fires - WELL_BEFORE, &r->quiet) && bystander(r, fires + 1000000000, &r->latency);
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
        if (!client_do(c, conn, &put, jobs))
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
    return usage_read(r->server, &r->after_all) || client_fail(&r->client, "the server is gone");
}

bool work_delayed(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    if (!timers_begin(r))
        return false;
    int64_t began = clock_ns(), fires = began + (int64_t)(r->after * 1e9);
    if (!put_all(r, &c->connections[0], (double)clock_now().wall / 1000 + r->after))
        return false;
    if (clock_ns() > fires - WELL_BEFORE)
        return client_fail(c, "putting took too long: --after is too short");
    return watch(r, fires) && collect(r, &c->connections[0], 0) && timers_end(r, began);
}

// The jobs are got over some time, so their leases run out over as much.
bool work_leases(struct run *r, const struct work *w)
{
    struct client *c = &r->client;
    (void)w;
    if (!timers_begin(r) || !put_all(r, &c->connections[0], 0))
        return false;
    int64_t began = clock_ns(), fires = began + (int64_t)(r->after * 1e9);
    if (!collect(r, &c->connections[0], r->after))
        return false;
    if (clock_ns() > fires - WELL_BEFORE)
        return client_fail(c, "getting took too long: --after is too short");
    for (uint64_t i = 0; i < r->jobs; i++)
        client_expect(c, c->first_number + i);
    return watch(r, fires) && collect(r, &c->connections[0], 0) && timers_end(r, began);
}
