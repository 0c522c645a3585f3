#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#include <stdio.h>

static const char *const handler_titles[] = {"HANDLER", "QUEUES", "KIND",  "WORKERS",
                                             "RUNNING", "DONE",   "FAILED"};
static const char *const handler_members[] = {"handler", "queues", "kind",  "workers",
                                              "running", "done",   "failed"};
static const bool handler_right[] = {false, false, false, true, true, true, true};
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
    table_init(&handlers, handler_titles, handler_right, 7);
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
    enum taskq_error e = taskq_pool(c->q, &pool);
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
    .usage = "",
    .summary = "Show the daemon's own workers and what they run",
    .min = 0,
    .max = 0,
    .exec = exec,
};
