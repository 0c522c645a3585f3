// Work done elsewhere, and its results here: a map over many arguments, and single futures with callbacks. So
// that it can be tried alone, it starts its worker as a second process; in earnest that is a handler of the
// daemon's pool, or a program on another machine.
//
//     ./futures [NUMBERS]
#include <taskq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE "squares"

static int fail(struct taskq *q, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, taskq_error_message(q));
    taskq_close(q);
    return 1;
}

// ---- a map: a result for each argument, in their order, and no more than a thousand under way

struct numbers {
    unsigned next, count;
    unsigned long long sum;
    char body[16];
};

static enum taskq_map_step next_number(struct taskq_map_item *item, void *arg)
{
    struct numbers *n = arg;
    if (n->next == n->count)
        return TASKQ_MAP_END;
    snprintf(n->body, sizeof(n->body), "%u", n->next++);
    item->body = n->body; // copied before this is called again
    item->body_len = TASKQ_NUL;
    return TASKQ_MAP_ITEM;
}

static bool add(size_t index, void *tag, const struct taskq_outcome *outcome, void *arg)
{
    struct numbers *n = arg;
    (void)tag;
    if (outcome->error != TASKQ_OK)
        fprintf(stderr, "argument %zu: %s\n", index, outcome->message);
    else
        n->sum += strtoull(outcome->result, NULL, 10);
    return true; // go on
}

// ---- futures with callbacks: taskq_dispatch() calls them, on this thread

static void on_report(struct taskq_future *f, const struct taskq_report *report, void *arg)
{
    (void)arg;
    printf("job %llu: %g of %g\n", (unsigned long long)taskq_future_id(f), report->done, report->total);
}

static void on_end(struct taskq_future *f, void *arg)
{
    const struct taskq_outcome *o = taskq_future_outcome(f);
    unsigned *good = arg;
    *good += o->error == TASKQ_OK;
    printf("%s%s%s\n", o->message, o->result != NULL ? ": " : "", o->result != NULL ? o->result : "");
    taskq_future_free(f);
}

static enum taskq_error three_with_callbacks(struct taskq *q, unsigned *good)
{
    static const char *const bodies[] = {"3", "4", "\"no number\""};
    struct taskq_put_options put = TASKQ_PUT_OPTIONS_INIT;
    struct taskq_future_options o = {.ended = on_end, .progressed = on_report, .arg = good};
    put.max_attempts = 1;
    for (size_t i = 0; i < 3; i++) {
        struct taskq_future *f;
        enum taskq_error e = taskq_future_submit(q, QUEUE, bodies[i], TASKQ_NUL, &put, &o, &f);
        if (e != TASKQ_OK)
            return e;
    }
    enum taskq_error e;
    do
        e = taskq_dispatch(q, 60);
    while (e == TASKQ_OK);
    return e == TASKQ_NOTHING ? TASKQ_OK : e; // none is open any more
}

// ---- the other side: squares numbers until a job says "stop"

static int work(void)
{
    struct taskq *q;
    struct taskq_job job;
    enum taskq_error e = taskq_open(&q, NULL, NULL);
    bool stop = false;
    while (!stop && e == TASKQ_OK && (e = taskq_get(q, QUEUE, NULL, TASKQ_FOREVER, &job)) == TASKQ_OK) {
        char result[32];
        double n;
        stop = strcmp(job.body, "\"stop\"") == 0;
        if (stop || taskq_json_double(job.body, job.body_len, &n)) {
            if (!stop && n == 4)
                taskq_progress(q, job.id, job.delivery, &(struct taskq_report){.done = 1, .total = 2});
            snprintf(result, sizeof(result), "%.0f", stop ? 0 : n * n);
            e = taskq_ack(q, job.id, job.delivery, result, TASKQ_NUL);
        } else {
            e = taskq_bury(q, job.id, job.delivery, "\"only numbers have squares\"", TASKQ_NUL);
        }
        taskq_job_release(&job);
    }
    if (e != TASKQ_OK)
        return fail(q, "worker");
    taskq_close(q);
    return 0;
}

int main(int argc, char **argv)
{
    struct numbers n = {.count = argc > 1 ? (unsigned)atoi(argv[1]) : 1000};
    struct taskq *q;
    unsigned good = 0;
    pid_t worker = fork(); // before a handle is open: none is used across fork()
    if (worker == 0)
        return work();
    if (worker < 0) {
        perror("fork");
        return 1;
    }
    if (taskq_open(&q, NULL, NULL) != TASKQ_OK)
        return fail(q, "connecting");

    enum taskq_error e = taskq_map(q, QUEUE, NULL, next_number, add, &n);
    if (e != TASKQ_OK && e != TASKQ_FAILED) // what failed has been said
        return fail(q, "map");
    printf("the squares of the numbers below %u add up to %llu\n", n.count, n.sum);

    if (three_with_callbacks(q, &good) != TASKQ_OK)
        return fail(q, "futures");

    // And one that is waited for, in one request.
    struct taskq_text result;
    if (taskq_call(q, QUEUE, "\"stop\"", TASKQ_NUL, NULL, &result) != TASKQ_OK)
        return fail(q, "call");
    taskq_text_release(&result);
    taskq_close(q);
    int status;
    if (waitpid(worker, &status, 0) < 0 || status != 0)
        return 1;
    unsigned long long m = n.count, expected = m > 0 ? (m - 1) * m * (2 * m - 1) / 6 : 0;
    return n.sum == expected && good == 2 ? 0 : 1;
}
