// job, jobs, stats.
#include "server/access/identity.h"
#include "server/hub.h"
#include "server/metrics/metrics.h"
#include "server/rpc/dispatch.h"
#include "server/rpc/members.h"
#include "server/rpc/method.h"
#include "server/rpc/permit.h"
#include "server/rpc/reply.h"
#include "server/rpc/session.h"
#include "server/rpc/task.h"

#include "common/json_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// A slice looks at so many rows, and a page ends once it has so many bytes.
#define SLICE_ROWS 100
#define PAGE_BYTES ((size_t)1024 * 1024)
#define PAGE_ROWS  100 // unless `limit` says otherwise

// ---- one job

enum job_parts { JOB_WITH_ALL, JOB_WITH_BODY, JOB_WITHOUT_BODY };

static void write_job(struct buffer *b, const struct job_info *j, struct moment now, enum job_parts parts)
{
    json_write_raw(b, "{");
    write_count(b, "id", j->id);
    write_text(b, "queue", j->queue);
    write_text(b, "state", slice_of(job_state_name(j->state)));
    json_write_key(b, "priority");
    json_write_double(b, j->priority);
    write_count(b, "attempt", j->attempts + (j->state == JOB_RESERVED));
    write_count(b, "lost", j->lost);
    write_count(b, "deliveries", j->deliveries);
    json_write_key(b, "created");
    json_write_seconds(b, j->created);
    write_left(b, "age", now.wall - j->created);
    if (j->state == JOB_DELAYED)
        write_left(b, "due", j->left);
    if (j->state == JOB_RESERVED) {
        write_left(b, "lease", j->left);
        write_text(b, "holder", slice_of(j->detached ? "a delivery" : "a connection or the pool"));
    }
    if (j->cancelling) {
        json_write_key(b, "cancelling");
        json_write_bool(b, true);
    }
    if (parts == JOB_WITH_ALL && j->progress.len) {
        json_write_key(b, "progress");
        json_write_raw(b, "{");
        json_write_slice(b, j->progress);
        json_write_raw(b, "}");
    }
    write_count(b, "max_attempts", j->max_attempts);
    if (j->key.len)
        write_text(b, "key", j->key);
    if (j->expires >= 0)
        write_left(b, "expires", j->expires);
    if (j->state == JOB_DEAD)
        write_text(b, "reason", slice_of(dead_reason_name(j->reason)));
    if (parts == JOB_WITH_ALL && j->error.len)
        write_member(b, "error", j->error);
    if (parts == JOB_WITH_ALL && j->result.len)
        write_member(b, "result", j->result);
    if (j->origin.len)
        write_text(b, "origin", j->origin);
    write_text(b, "why", slice_of(j->why));
    if (parts != JOB_WITHOUT_BODY)
        write_member(b, "body", j->body);
    json_write_raw(b, "}");
}

static const struct param job_rows[] = {
    {PARAM_NAME("id"), .type = PARAM_WHOLE, .bit = 0, .high = INT64_MAX, PARAM_FIELD(queue.id)},
};

static bool job_step(struct task *t)
{
    struct job_info info;
    struct moment now = hub_lock(t->rpc->hub);
    struct engine *e = hub_engine(t->rpc->hub);
    if (!t->session->dispatch->access || permit_job(t->session, e, &t->arena, &t->request))
        t->request.error = engine_job_info(e, now, t->request.in.queue.id, &info);
    if (!t->request.error)
        write_job(&t->out, &info, now, JOB_WITH_ALL);
    hub_unlock(t->rpc->hub);
    return true;
}

// ---- jobs

enum { JOBS_QUEUE, JOBS_STATE, JOBS_AFTER, JOBS_LIMIT, JOBS_BODIES };

#define ALL_STATES ((1 << JOB_STATE_COUNT) - 1)
#define AFTER_MAX  64 // what `next` may have: a state's name, 16 digits of the priority, 16 of the id

static const struct param jobs_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = JOBS_QUEUE, PARAM_FIELD(queue.queue)},
    {PARAM_NAME("state"), .type = PARAM_STATE, .bit = JOBS_STATE, .high = ALL_STATES,
     PARAM_FIELD(queue.states)},
    {PARAM_NAME("after"), .type = PARAM_TEXT, .bit = JOBS_AFTER, .low = 1, .high = AFTER_MAX,
     PARAM_FIELD(queue.after)},
    {PARAM_NAME("limit"), .type = PARAM_WHOLE, .bit = JOBS_LIMIT, .low = 1, .high = 1000,
     PARAM_FIELD(queue.limit)},
    {PARAM_NAME("bodies"), .type = PARAM_FLAG, .bit = JOBS_BODIES, PARAM_FIELD(queue.bodies)},
};

// The order in which states are listed.
static const enum job_state listed[] = {JOB_READY, JOB_DELAYED, JOB_RESERVED,
                                        JOB_DEAD,  JOB_DONE,    JOB_CANCELLED};
#define LISTED_COUNT ((int)(sizeof listed / sizeof *listed))
_Static_assert(sizeof listed / sizeof *listed == JOB_STATE_COUNT, "a state is not listed");

// A page's end as text: the state's place in the order, the cursor's priority bit for bit, its id.
static void write_next(struct buffer *b, int state, const struct job_cursor *c)
{
    char text[AFTER_MAX];
    uint64_t priority;
    memcpy(&priority, &c->priority, sizeof priority);
    snprintf(text, sizeof text, "\"%d-%d-%" PRIx64 "-%" PRIx64 "\"", state, c->started, priority, c->id);
    json_write_raw(b, text);
}

static bool read_next(struct slice after, int *state, struct job_cursor *c)
{
    char text[AFTER_MAX + 1];
    unsigned place, started;
    uint64_t priority, id;
    int used = 0;
    memcpy(text, after.data, after.len);
    text[after.len] = '\0';
    if (sscanf(text, "%1u-%1u-%16" SCNx64 "-%16" SCNx64 "%n", &place, &started, &priority, &id, &used) != 4 ||
        (size_t)used != after.len || place >= (unsigned)LISTED_COUNT || started > 1)
        return false;
    *state = (int)place;
    *c = (struct job_cursor){.started = started, .id = id};
    memcpy(&c->priority, &priority, sizeof priority);
    return c->priority == c->priority;
}

static void jobs_check(struct call *call, struct request *r)
{
    (void)call;
    int state;
    struct job_cursor cursor;
    if (r->in.queue.after.len && !read_next(r->in.queue.after, &state, &cursor))
        request_refuse(r, ERROR_INVALID_PARAMS, SLICE("after"), "after must be the next of the page before");
}

struct job_page {
    struct buffer *out;
    struct moment now;
    enum job_parts parts;
};

static void visit_job(void *context, const struct job_info *info)
{
    struct job_page *page = context;
    json_write_comma(page->out);
    write_job(page->out, info, page->now, page->parts);
}

static bool state_wanted(const struct queue_params *in, int state)
{
    return !in->states || (in->states & JOB_STATE_BIT(listed[state]));
}

static bool jobs_step(struct task *t)
{
    struct request *r = &t->request;
    const struct queue_params *in = &r->in.queue;
    if (!t->begun) {
        t->at.jobs.state = 0;
        if (in->after.len)
            (void)read_next(in->after, &t->at.jobs.state, &t->at.jobs.cursor); // checked before
        json_write_raw(&t->out, "{\"jobs\":[");
    }
    while (t->at.jobs.state < LISTED_COUNT && !state_wanted(in, t->at.jobs.state)) {
        t->at.jobs.state++;
        t->at.jobs.cursor = (struct job_cursor){0};
    }

    unsigned limit = in->limit ? (unsigned)in->limit : PAGE_ROWS, visited = 0,
             slice = limit - t->at.jobs.count;
    bool more = false;
    if (slice > (in->bodies ? SLICE_ROWS / 10 : SLICE_ROWS))
        slice = in->bodies ? SLICE_ROWS / 10 : SLICE_ROWS;
    if (t->at.jobs.state < LISTED_COUNT) {
        struct job_page page = {.out = &t->out, .parts = in->bodies ? JOB_WITH_BODY : JOB_WITHOUT_BODY};
        page.now = hub_lock(t->rpc->hub);
        r->error = engine_list_jobs(hub_engine(t->rpc->hub), page.now, in->queue, listed[t->at.jobs.state],
                                    &t->at.jobs.cursor, slice, visit_job, &page, &visited, &more);
        hub_unlock(t->rpc->hub);
        if (r->error)
            return true;
        t->at.jobs.count += visited;
        if (!more) {
            t->at.jobs.state++;
            t->at.jobs.cursor = (struct job_cursor){0};
        }
    }
    while (t->at.jobs.state < LISTED_COUNT && !state_wanted(in, t->at.jobs.state))
        t->at.jobs.state++;
    bool over = t->at.jobs.state == LISTED_COUNT;
    if (!over && t->at.jobs.count < limit && t->out.len < PAGE_BYTES)
        return false;
    json_write_raw(&t->out, "],\"next\":");
    if (over)
        json_write_raw(&t->out, "null");
    else
        write_next(&t->out, t->at.jobs.state, &t->at.jobs.cursor);
    json_write_raw(&t->out, "}");
    return true;
}

// ---- stats

static const struct param stats_rows[] = {
    {PARAM_NAME("queue"), .type = PARAM_QUEUE, .bit = 0, PARAM_FIELD(queue.queue)},
};

static void write_numbers(struct buffer *b, const struct queue_gauges *gauges,
                          const struct queue_counters *counters)
{
    json_write_key(b, "gauges");
    json_write_raw(b, "{");
#define X(name, metric, label, text) write_count(b, #name, gauges->name);
    QUEUE_GAUGES(X)
#undef X
    json_write_raw(b, "}");
    write_counters(b, counters);
}

static bool stats_step(struct task *t)
{
    struct request *r = &t->request;
    struct buffer *b = &t->out;
    struct hub *hub = t->rpc->hub;
    struct queue_info queue;
    struct engine_info daemon;
    struct hub_load load;
    bool one = r->in.queue.queue.len > 0;

    struct moment now = hub_lock(hub);
    if (one)
        r->error = engine_queue_info(hub_engine(hub), now, r->in.queue.queue, &queue);
    else
        engine_info(hub_engine(hub), &daemon);
    hub_load(hub, &load);
    hub_unlock(hub);
    if (r->error)
        return true;

    json_write_raw(b, "{");
    if (one) {
        write_text(b, "queue", r->in.queue.queue);
        write_flags(b, &queue);
        json_write_key(b, "settings");
        json_write_raw(b, "{");
        write_queue_settings(b, &queue.settings);
        json_write_raw(b, "}");
        write_numbers(b, &queue.gauges, &queue.counters);
    } else {
        write_count(b, "queues", daemon.queues);
        write_count(b, "clients",
                    t->rpc->connection_count ? t->rpc->connection_count(t->rpc->connection_context) : 0);
        write_count(b, "auth_failures", t->rpc->auth_failures ? *t->rpc->auth_failures : 0);
        write_count(b, "bytes", daemon.bytes);
        write_count(b, "max_bytes", daemon.max_bytes);
        write_numbers(b, &daemon.gauges, &daemon.counters);
        json_write_key(b, "lock");
        json_write_raw(b, "{");
        write_count(b, "taken", load.locks);
        write_count(b, "waited", load.waits);
        write_count(b, "requests", load.requests);
        write_count(b, "held_ns", (uint64_t)load.held_ns);
        json_write_raw(b, "}");
        if (t->rpc->metrics) {
            json_write_key(b, "metrics");
            metrics_report(t->rpc->metrics, b);
        }
        if (t->rpc->tls_report) {
            json_write_key(b, "tls");
            t->rpc->tls_report(t->rpc->tls_context, b);
        }
        if (t->rpc->store_report) {
            json_write_key(b, "store");
            t->rpc->store_report(t->rpc->store_context, b);
        }
    }
    json_write_raw(b, "}");
    return true;
}

const struct method methods_look[] = {
    {METHOD("job", JOB, ROLE_READ), METHOD_PARAMS(job_rows, queue), .flags = METHOD_LOOKS | METHOD_SILENT,
     .required = PARAM_BIT(0), .step = job_step},
    {METHOD("jobs", QUEUE, ROLE_READ), METHOD_PARAMS(jobs_rows, queue), .flags = METHOD_LOOKS | METHOD_SILENT,
     .required = PARAM_BIT(JOBS_QUEUE), .check = jobs_check, .step = jobs_step},
    {METHOD("stats", QUEUE_OR_DAEMON, ROLE_READ), METHOD_PARAMS(stats_rows, queue),
     .flags = METHOD_LOOKS | METHOD_SILENT, .step = stats_step},
    {0},
};
