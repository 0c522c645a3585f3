#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/values.h"

#include <stdio.h>

#define WORKERS_MAX 1024 // that a handler may have

static const char *const handler_titles[] = {"HANDLER", "QUEUES",  "KIND", "STATE",
                                             "WORKERS", "RUNNING", "DONE", "FAILED"};
static const char *const handler_members[] = {"handler", "queues",  "kind", "state",
                                              "workers", "running", "done", "failed"};
static const bool handler_right[] = {false, false, false, false, true, true, true, true};
static const char *const job_titles[] = {"JOB", "HANDLER", "WORKER", "FOR"};
static const char *const job_members[] = {"id", NULL, "worker", "seconds"};
static const bool job_right[] = {true, false, true, true};

static void add_row(struct table *t, const char *object, size_t len, const char *const *members,
                    const char *handler)
{
    char text[256];
    for (size_t i = 0; i < t->columns; i++) {
        if (members[i] == NULL)
            snprintf(text, sizeof(text), "%s", handler);
        else if (!human_member(object, len, members[i], text, sizeof(text)))
            snprintf(text, sizeof(text), "-");
        table_add(t, slice_of(text), TABLE_PLAIN);
    }
}

static void add_jobs(struct table *t, const char *handler, size_t len)
{
    const char *list, *job;
    size_t list_len, job_len, at = 0;
    char name[256] = "-";
    human_member(handler, len, "handler", name, sizeof(name));
    if (taskq_json_member(handler, len, "jobs", &list, &list_len))
        while (taskq_json_element(list, list_len, &at, &job, &job_len))
            add_row(t, job, job_len, job_members, name);
}

static int print(const struct taskq_text *pool)
{
    const char *list, *handler;
    size_t list_len, len, at = 0;
    struct table handlers, jobs;
    bool ok = true;
    table_init(&handlers, handler_titles, handler_right, 8);
    table_init(&jobs, job_titles, job_right, 4);
    if (taskq_json_member(pool->data, pool->len, "handlers", &list, &list_len))
        while (taskq_json_element(list, list_len, &at, &handler, &len)) {
            add_row(&handlers, handler, len, handler_members, NULL);
            add_jobs(&jobs, handler, len);
        }
    if (handlers.count == 0)
        fprintf(stderr,
                "taskq: the daemon has no handlers; they are `handler` sections of its configuration\n");
    else
        ok = table_print(&handlers);
    if (jobs.count > 0) {
        putchar('\n');
        ok = table_print(&jobs) && ok;
    }
    table_release(&handlers);
    table_release(&jobs);
    return ok ? EXIT_DONE : EXIT_BROKEN;
}

static int exec(struct cli *c)
{
    struct taskq_text pool;
    enum taskq_error e;
    uint64_t workers;
    if (c->args.count == 1)
        return cli_usage(c, "how many workers is it to have? HANDLER WORKERS");
    if (c->args.count == 2) {
        if (!value_count(c->args.positional[1], &workers) || workers < 1 || workers > WORKERS_MAX)
            return cli_usage(c, "`%s` is no number of workers: 1 to %d", c->args.positional[1], WORKERS_MAX);
        e = taskq_pool_resize(c->q, c->args.positional[0], (unsigned)workers, &pool);
    } else {
        e = taskq_pool(c->q, &pool);
    }
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    int code = EXIT_DONE;
    if (c->json)
        output_json(pool.data, pool.len);
    else
        code = print(&pool);
    taskq_text_release(&pool);
    return code;
}

const struct command command_pool = {
    .name = "pool",
    .usage = "[HANDLER WORKERS]",
    .summary = "Show the daemon's own workers and what they run, or set how many a handler has",
    .help = "A number of workers holds until the daemon reads its configuration again or is started anew;\n"
            "workers that are taken away finish their job first. A handler that is `draining` was removed\n"
            "or replaced and goes when its last jobs are done.\n",
    .min = 0,
    .max = 2,
    .exec = exec,
};
