#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "common/json_writer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const struct option options[] = {
    {"timeout", 't', OPTION_SECONDS, "TIME", "how long to wait; for ever unless said, 0: not at all"},
    {"max", 'n', OPTION_COUNT, "N", "up to N jobs, at once"},
    {"lease", 0, OPTION_SECONDS, "TIME", "how long they are held; the job's or queue's unless said"},
    {"auto-ack", 0, OPTION_FLAG, NULL, "they are done as soon as they are handed over"},
    {"raw", 'r', OPTION_FLAG, NULL, "print a body that is a JSON string as its text"},
    {NULL},
};

static bool print_json(const struct taskq_job *job)
{
    struct buffer b = BUFFER_INIT;
    json_write_raw(&b, "{");
    json_write_key(&b, "id");
    json_write_uint(&b, job->id);
    json_write_key(&b, "queue");
    json_write_string(&b, slice_of(job->queue));
    json_write_key(&b, "priority");
    json_write_double(&b, job->priority);
    json_write_key(&b, "delivery");
    json_write_uint(&b, job->delivery);
    json_write_key(&b, "attempt");
    json_write_uint(&b, job->attempt);
    json_write_key(&b, "body");
    json_write_slice(&b, (struct slice){job->body, job->body_len});
    json_write_raw(&b, "}");
    return output_json_take(&b);
}

// A job that could not be printed was not handed over: it goes back, and so do those behind it.
static int give_back(struct cli *c, const struct taskq_jobs *jobs, size_t from, bool auto_ack)
{
    int error = errno;
    fprintf(stderr, "taskq: the output could not be written: %s\n", strerror(error));
    clearerr(stdout); // this has been said
    for (size_t i = from; !auto_ack && i < jobs->count; i++)
        (void)taskq_release(c->q, jobs->jobs[i].id, jobs->jobs[i].delivery, 0, NULL);
    errno = error;
    return EXIT_BROKEN;
}

static int print(struct cli *c, const struct taskq_jobs *jobs)
{
    bool auto_ack = option_given(&c->args, "auto-ack");
    for (size_t i = 0; i < jobs->count; i++) {
        const struct taskq_job *job = &jobs->jobs[i];
        bool ok =
            c->json ? print_json(job) : output_value(job->body, job->body_len, option_given(&c->args, "raw"));
        if (!ok || fflush(stdout) != 0 || ferror(stdout))
            return give_back(c, jobs, i, auto_ack);
        if (!c->json && !auto_ack)
            fprintf(stderr, "taskq: job %llu; when it is done: taskq ack %llu %llu\n",
                    (unsigned long long)job->id, (unsigned long long)job->id,
                    (unsigned long long)job->delivery);
    }
    return EXIT_DONE;
}

static int exec(struct cli *c)
{
    const struct option_value *max = option_get(&c->args, "max");
    bool auto_ack = option_given(&c->args, "auto-ack");
    struct taskq_get_options o = {.lease = option_number(&c->args, "lease", 0),
                                  .auto_ack = auto_ack,
                                  .detached = !auto_ack,
                                  .renew = TASKQ_RENEW_OFF};
    struct taskq_jobs jobs;
    if (max->given && (max->count < 1 || max->count > TASKQ_MAX_JOBS))
        return cli_usage(c, "--max is from 1 to %d", TASKQ_MAX_JOBS);
    signal(SIGPIPE, SIG_IGN); // a reader that went away is an output that could not be written
    cli_interruptible(c);
    enum taskq_error e = taskq_get_many(c->q, (const char *const *)c->args.positional, (size_t)c->args.count,
                                        max->given ? max->count : 1, &o,
                                        option_number(&c->args, "timeout", TASKQ_FOREVER), &jobs);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    int code = print(c, &jobs);
    taskq_jobs_release(&jobs);
    return code;
}

const struct command command_get = {
    .name = "get",
    .usage = "QUEUE… [--timeout TIME] [-n N] [options]",
    .summary = "Take a job and print its body",
    .help = "The body is printed on standard output; on standard error, how to acknowledge the job. With "
            "--json a\n"
            "line a job: {\"id\",\"queue\",\"priority\",\"delivery\",\"attempt\",\"body\"}. The job is held "
            "for its lease; then,\n"
            "if it is not acknowledged, it goes back to its queue.\n",
    .options = options,
    .min = 1,
    .max = 64,
    .exec = exec,
};
