// Puts a job, takes it, and gives it back as done: the whole of a producer and of a consumer.
//
//     cc put_and_get.c $(pkg-config --cflags --libs taskq) && ./a.out
#include <taskq.h>

#include <stdio.h>

static int fail(struct taskq *q, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, taskq_error_message(q));
    taskq_close(q);
    return 1;
}

int main(void)
{
    struct taskq *q;
    struct taskq_put_result put;
    struct taskq_job job;

    if (taskq_open(&q, NULL, NULL) != TASKQ_OK)
        return fail(q, "connecting");

    // A producer. With a key the put can be repeated, should its reply be lost.
    struct taskq_put_options options = TASKQ_PUT_OPTIONS_INIT;
    options.key = "order-17";
    if (taskq_put(q, "emails", "{\"to\":\"ann@example.org\"}", TASKQ_NUL, &options, &put) != TASKQ_OK)
        return fail(q, "put");
    printf("put job %llu\n", (unsigned long long)put.id);

    // A consumer. The lease is renewed while it works, so it may take its time.
    if (taskq_get(q, "emails", NULL, TASKQ_FOREVER, &job) != TASKQ_OK)
        return fail(q, "get");
    printf("got job %llu, attempt %u: %s\n", (unsigned long long)job.id, job.attempt, job.body);
    enum taskq_error e = taskq_ack(q, job.id, job.delivery, "{\"sent\":true}", TASKQ_NUL);
    taskq_job_release(&job);
    if (e != TASKQ_OK)
        return fail(q, "ack");

    taskq_close(q);
    return 0;
}
