#include "client/cli/commands.h"
#include "common/clock.h"
#include "common/plural.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MAX        10000000
#define CONNECTIONS_MAX 1000
#define IN_FLIGHT_MAX   1000
#define BODY_MIN        2
#define BODY_MAX        (64 << 20)
#define SINGLE_MAX      1000 // jobs of the last part, which is slow
#define LOOK_EACH       0.25 // seconds: how often a lane looks whether it is to end
#define LAST_WAIT       5    // seconds that a lane which is to end waits for the next of its replies

static const struct option options[] = {
    {"jobs", 'n', OPTION_COUNT, "N", "how many; 100000 unless said"},
    {"connections", 'c', OPTION_COUNT, "N", "4 unless said"},
    {"in-flight", 'f', OPTION_COUNT, "N", "requests in flight on each connection; 64 unless said"},
    {"body", 'b', OPTION_COUNT, "BYTES", "the size of a body; 100 unless said"},
    {NULL},
};

enum part { PUT, TAKE };

struct bench {
    const char *address;
    char queue[64];
    char *body;
    size_t body_len, connections, in_flight;
    uint64_t jobs;
    enum part part;
    atomic_bool stop;
    int64_t *times; // of each job, ns
};

// What one slot of a lane has in flight: a put, a get, or the ack that follows it.
struct slot {
    uint64_t request; // 0: nothing
    int64_t began;
    bool acking;
};

// A connection and its thread.
struct lane {
    struct bench *bench;
    pthread_t thread;
    struct taskq *q;
    uint64_t jobs, started, done;
    size_t flying; // slots with a request
    int64_t *times;
    struct slot *slots;
    enum taskq_error error; // why nothing more is started
};

struct numbers {
    double per_second, p50, p99; // seconds
};

// ---- one connection

static enum taskq_error ask(struct lane *l, struct slot *s)
{
    static const struct taskq_get_options get = {.renew = TASKQ_RENEW_OFF};
    const struct bench *b = l->bench;
    const char *queue = b->queue;
    if (b->part == PUT)
        return taskq_put_send(l->q, queue, b->body, b->body_len, NULL, &s->request);
    s->acking = false;
    return taskq_get_send(l->q, &queue, 1, 0, &get, 0, &s->request);
}

static enum taskq_error next(struct lane *l, struct slot *s)
{
    if (l->started == l->jobs)
        return TASKQ_OK;
    l->started++;
    s->began = clock_ns();
    return ask(l, s);
}

// A job came: acknowledges it.
static enum taskq_error got(struct lane *l, struct slot *s, const struct taskq_reply *reply)
{
    struct taskq_jobs jobs;
    enum taskq_error e = taskq_reply_jobs(l->q, reply, &jobs);
    if (e != TASKQ_OK)
        return e;
    uint64_t id = jobs.jobs[0].id, delivery = jobs.jobs[0].delivery;
    taskq_jobs_release(&jobs);
    s->acking = true;
    return taskq_ack_send(l->q, id, delivery, NULL, 0, &s->request);
}

// What the slot that the reply is for does next; `request` is 0 when that is nothing.
static enum taskq_error go_on(struct lane *l, struct slot *s, const struct taskq_reply *reply)
{
    if (reply->error != TASKQ_OK)
        return taskq_reply_put(l->q, reply, NULL); // which leaves the daemon's words in the handle
    if (l->bench->part == TAKE && !s->acking)
        return got(l, s, reply);
    l->times[l->done++] = clock_ns() - s->began;
    return next(l, s);
}

static void answered(struct lane *l, const struct taskq_reply *reply)
{
    struct slot *s = l->slots;
    while (s->request != reply->request)
        s++; // one of the slots has it
    s->request = 0;
    if (l->error == TASKQ_OK)
        l->error = go_on(l, s, reply);
    if (s->request == 0)
        l->flying--;
}

// A lane that is to end still waits for its replies: a put that arrives after the queue was dropped would
// make it anew.
static void lane_run(struct lane *l)
{
    int64_t heard = clock_ns();
    for (size_t i = 0; i < l->bench->in_flight && l->error == TASKQ_OK; i++) {
        l->error = next(l, &l->slots[i]);
        l->flying += l->slots[i].request != 0;
    }
    while (l->flying > 0) {
        struct taskq_reply reply;
        enum taskq_error e = taskq_receive(l->q, LOOK_EACH, &reply);
        if (l->error == TASKQ_OK && (cli_interrupted() != 0 || atomic_load(&l->bench->stop)))
            l->error = TASKQ_REQUEST_CANCELLED;
        if (e == TASKQ_OK) {
            answered(l, &reply);
            heard = clock_ns();
        } else if (e != TASKQ_TIMEOUT ||
                   (l->error != TASKQ_OK && clock_ns() - heard > LAST_WAIT * 1000000000LL)) {
            l->error = l->error != TASKQ_OK ? l->error : e;
            return;
        }
    }
}

static void *lane_main(void *arg)
{
    struct lane *l = arg;
    lane_run(l);
    if (l->error != TASKQ_OK)
        atomic_store(&l->bench->stop, true);
    return NULL;
}

// ---- all of them

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct numbers numbers_of(int64_t *times, uint64_t count, int64_t took)
{
    qsort(times, count, sizeof *times, compare);
    return (struct numbers){
        .per_second = (double)count * 1e9 / (double)took,
        .p50 = (double)times[count / 2] / 1e9,
        .p99 = (double)times[count - 1 - count / 100] / 1e9,
    };
}

// The lane whose error says most: not one that only stopped because another did.
static struct lane *first_failure(struct lane *lanes, size_t n)
{
    struct lane *failed = NULL;
    for (size_t i = 0; i < n; i++)
        if (lanes[i].error != TASKQ_OK && (failed == NULL || failed->error == TASKQ_REQUEST_CANCELLED))
            failed = &lanes[i];
    return failed;
}

static int fail(struct cli *c, struct taskq *whose, enum taskq_error e)
{
    struct taskq *own = c->q;
    c->q = whose;
    int code = cli_fail(c, e);
    c->q = own;
    return code;
}

static int run_part(struct cli *c, struct bench *b, enum part part, struct lane *lanes, struct numbers *out)
{
    size_t n = b->connections, running = 0;
    int64_t began = clock_ns();
    b->part = part;
    for (size_t i = 0; i < n; i++)
        lanes[i].started = lanes[i].done = lanes[i].flying = 0;
    while (running < n && pthread_create(&lanes[running].thread, NULL, lane_main, &lanes[running]) == 0)
        running++;
    if (running < n)
        atomic_store(&b->stop, true);
    for (size_t i = 0; i < running; i++)
        pthread_join(lanes[i].thread, NULL);
    *out = numbers_of(b->times, b->jobs, clock_ns() - began);
    struct lane *failed = first_failure(lanes, running);
    if (failed != NULL)
        return fail(c, failed->q, failed->error);
    if (running == n)
        return EXIT_DONE;
    fprintf(stderr, "taskq: only %zu of %zu %s could be started\n", running, n,
            plural(n, "thread", "threads"));
    return EXIT_BROKEN;
}

// Put, get and acknowledge one job after the other: what a job takes where nothing is under way.
static int run_single(struct cli *c, struct bench *b, struct numbers *out)
{
    static const struct taskq_get_options get = {.renew = TASKQ_RENEW_OFF};
    uint64_t count = b->jobs < SINGLE_MAX ? b->jobs : SINGLE_MAX;
    int64_t began = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct taskq_job job;
        int64_t from = clock_ns();
        enum taskq_error e = taskq_put(c->q, b->queue, b->body, b->body_len, NULL, NULL);
        if (e == TASKQ_OK)
            e = taskq_get(c->q, b->queue, &get, 0, &job);
        if (e == TASKQ_OK) {
            e = taskq_ack(c->q, job.id, job.delivery, NULL, 0);
            taskq_job_release(&job);
        }
        if (e != TASKQ_OK)
            return cli_fail(c, e);
        if (cli_interrupted() != 0)
            return EXIT_NO;
        b->times[i] = clock_ns() - from;
    }
    *out = numbers_of(b->times, count, clock_ns() - began);
    return EXIT_DONE;
}

// ---- what is said

static const char *const part_names[][2] = {{"put", "put"},
                                            {"take", "get, ack"},
                                            {"single", "one at a time"}};

static void print(const struct cli *c, const struct bench *b, const struct numbers *parts)
{
    if (c->json)
        printf("{\"jobs\":%llu,\"connections\":%zu,\"in_flight\":%zu,\"body\":%zu",
               (unsigned long long)b->jobs, b->connections, b->in_flight, b->body_len);
    else
        printf("%-14s %12s %12s %12s\n", "", "jobs/s", "p50", "p99");
    for (int i = 0; i < 3; i++) {
        const struct numbers *n = &parts[i];
        if (c->json)
            printf(",\"%s\":{\"jobs_per_second\":%.0f,\"p50\":%.9f,\"p99\":%.9f}", part_names[i][0],
                   n->per_second, n->p50, n->p99);
        else
            printf("%-14s %12.0f %9.3f ms %9.3f ms\n", part_names[i][1], n->per_second, n->p50 * 1e3,
                   n->p99 * 1e3);
    }
    if (c->json)
        printf("}\n");
}

// ---- from the command line to there and back

static bool lanes_open(struct cli *c, struct bench *b, struct lane *lanes, int *code)
{
    uint64_t given = 0;
    for (size_t i = 0; i < b->connections; i++) {
        struct lane *l = &lanes[i];
        struct taskq_options o = {.client = "taskq bench"};
        l->bench = b;
        l->times = b->times + given;
        l->jobs = b->jobs / b->connections + (i < b->jobs % b->connections);
        given += l->jobs;
        l->slots = calloc(b->in_flight, sizeof *l->slots);
        enum taskq_error e = l->slots != NULL ? taskq_open(&l->q, b->address, &o) : TASKQ_NO_MEMORY;
        if (e != TASKQ_OK) {
            *code = fail(c, l->q, e);
            return false;
        }
    }
    return true;
}

static int run(struct cli *c, struct bench *b, struct lane *lanes)
{
    struct numbers parts[3];
    int code = EXIT_DONE;
    if (lanes_open(c, b, lanes, &code)) {
        code = run_part(c, b, PUT, lanes, &parts[0]);
        if (code == EXIT_DONE)
            code = run_part(c, b, TAKE, lanes, &parts[1]);
        if (code == EXIT_DONE)
            code = run_single(c, b, &parts[2]);
    }
    for (size_t i = 0; i < b->connections; i++) {
        taskq_close(lanes[i].q);
        free(lanes[i].slots);
    }
    // A signal may have ended this handle's next wait in advance: then once more.
    cli_interruptible(NULL);
    if (taskq_drop(c->q, b->queue, NULL) == TASKQ_REQUEST_CANCELLED)
        (void)taskq_drop(c->q, b->queue, NULL);
    if (code == EXIT_DONE)
        print(c, b, parts);
    return code;
}

static bool counted(const struct cli *c, const char *name, uint64_t usual, uint64_t least, uint64_t most,
                    uint64_t *out)
{
    const struct option_value *v = option_get(&c->args, name);
    *out = v->given ? v->count : usual;
    if (*out >= least && *out <= most)
        return true;
    cli_usage(c, "--%s is from %llu to %llu", name, (unsigned long long)least, (unsigned long long)most);
    return false;
}

static int exec(struct cli *c)
{
    uint64_t jobs, connections, in_flight, body;
    if (!counted(c, "jobs", 100000, 1, JOBS_MAX, &jobs) ||
        !counted(c, "connections", 4, 1, CONNECTIONS_MAX, &connections) ||
        !counted(c, "in-flight", 64, 1, IN_FLIGHT_MAX, &in_flight) ||
        !counted(c, "body", 100, BODY_MIN, BODY_MAX, &body))
        return EXIT_USAGE;
    struct bench b = {.address = taskq_address(c->q),
                      .body = malloc(body),
                      .body_len = body,
                      .connections = connections,
                      .in_flight = in_flight,
                      .jobs = jobs,
                      .times = calloc(jobs, sizeof *b.times)};
    struct lane *lanes = calloc(connections, sizeof *lanes);
    int code = EXIT_BROKEN;
    snprintf(b.queue, sizeof b.queue, "taskq-bench-%d-%lld", (int)getpid(), (long long)clock_ns());
    if (b.body != NULL && b.times != NULL && lanes != NULL) {
        memset(b.body, 'x', body);
        b.body[0] = b.body[body - 1] = '"';
        cli_interruptible(c);
        code = run(c, &b, lanes);
    } else {
        fprintf(stderr, "taskq: there is no memory left\n");
    }
    free(lanes);
    free(b.times);
    free(b.body);
    return code;
}

const struct command command_bench = {
    .name = "bench",
    .usage = "[-n JOBS] [-c CONNECTIONS] [-f IN-FLIGHT] [-b BYTES]",
    .summary = "See how fast the daemon is from here",
    .help =
        "Puts jobs on a queue of its own, then gets and acknowledges them; then, one at a time, puts, gets\n"
        "and acknowledges some more. The queue is dropped at the end. It keeps the daemon busy meanwhile,\n"
        "and the jobs take memory there, and space where it keeps them on disk.\n\n"
        "With --json one object: "
        "{\"jobs\",\"connections\",\"in_flight\",\"body\",\"put\",\"take\",\"single\"}, each of\n"
        "the last three {\"jobs_per_second\",\"p50\",\"p99\"} in seconds.\n",
    .options = options,
    .min = 0,
    .max = 0,
    .exec = exec,
};
