// Many jobs, fast: a bulk put, then gets of up to a thousand jobs at a time whose acknowledgements are on
// their way while the next jobs come.
//
//     ./pipeline [JOBS]
#include <taskq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE "pipeline"

static int put_all(struct taskq *q, size_t count)
{
    struct taskq_item *items = calloc(count, sizeof(*items));
    char(*bodies)[32] = calloc(count, sizeof(*bodies));
    enum taskq_error e = TASKQ_NO_MEMORY;
    if (items != NULL && bodies != NULL) {
        for (size_t i = 0; i < count; i++) {
            snprintf(bodies[i], sizeof(bodies[i]), "{\"n\":%zu}", i);
            items[i].body = bodies[i];
            items[i].body_len = strlen(bodies[i]);
        }
        e = taskq_put_many(q, QUEUE, items, count, 0, NULL, NULL, NULL);
    }
    free(items);
    free(bodies);
    return e == TASKQ_OK ? 0 : -1;
}

// Takes what is there and acknowledges it. Two gets are always under way, so that nobody waits for the other.
// How many jobs were acknowledged; a negative number: it failed.
static long long take_all(struct taskq *q)
{
    const char *queues[] = {QUEUE};
    long long done = 0;
    int gets = 0;
    struct taskq_reply reply;
    for (; gets < 2; gets++)
        if (taskq_get_send(q, queues, 1, TASKQ_MAX_JOBS, NULL, 0, NULL) != TASKQ_OK)
            return -1;
    while (taskq_receive(q, TASKQ_FOREVER, &reply) == TASKQ_OK) {
        struct taskq_jobs jobs;
        bool is_ack = reply.result != NULL && reply.result_len == 2; // {}
        if (is_ack) {
            done++;
            continue;
        }
        if (reply.error == TASKQ_EMPTY) {
            gets--;
            continue;
        }
        if (taskq_reply_jobs(q, &reply, &jobs) != TASKQ_OK)
            return -1;
        for (size_t i = 0; i < jobs.count; i++)
            if (taskq_ack_send(q, jobs.jobs[i].id, jobs.jobs[i].delivery, NULL, 0, NULL) != TASKQ_OK)
                return -1;
        taskq_jobs_release(&jobs);
        if (taskq_get_send(q, queues, 1, TASKQ_MAX_JOBS, NULL, 0, NULL) != TASKQ_OK)
            return -1;
    }
    return gets == 0 ? done : -1;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    struct taskq *q;
    long long done = -1;
    if (taskq_open(&q, NULL, NULL) == TASKQ_OK && put_all(q, count) == 0)
        done = take_all(q);
    if (done < 0)
        fprintf(stderr, "%s\n", taskq_error_message(q));
    else
        printf("put, taken and acknowledged: %lld\n", done);
    taskq_close(q);
    return done == (long long)count ? 0 : 1;
}
