#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#include <stdio.h>
#include <string.h>

static const struct option options[] = {
    {"state", 0, OPTION_TEXT, "STATE", "ready, delayed, reserved, dead, done or cancelled"},
    {"limit", 'n', OPTION_COUNT, "N", "at most N jobs; 100 unless said, 0: all"},
    {"bodies", 'b', OPTION_FLAG, NULL, "with their bodies"},
    {NULL},
};

static const char *const titles[] = {"ID", "STATE", "PRIORITY", "ATTEMPT", "AGE", "NOTE", "BODY"};
static const bool right[] = {true, false, true, true, true, false, false};

static void add(struct table *t, const char *job, size_t len, const char *name, enum table_style style)
{
    char text[128];
    bool there = human_member(job, len, name, text, sizeof(text));
    table_add(t, slice_of(there ? text : "-"), style);
}

// What matters most in the job's state.
static void note(const char *job, size_t len, char *out, size_t cap)
{
    char text[200];
    out[0] = '\0';
    if (human_member(job, len, "reason", text, sizeof(text)))
        snprintf(out, cap, "%s", text);
    else if (human_member(job, len, "due", text, sizeof(text)))
        snprintf(out, cap, "due in %s", text);
    else if (human_member(job, len, "lease", text, sizeof(text)))
        snprintf(out, cap, "held for %s", text);
}

#define BODY_SHOWN 60 // bytes

// The body's beginning: a table's row is a line.
static void add_body(struct table *t, const char *body, size_t len)
{
    char text[BODY_SHOWN + 8];
    size_t n = len > BODY_SHOWN ? BODY_SHOWN : len;
    while (n < len && n > 0 && ((unsigned char)body[n] & 0xc0) == 0x80) // not within a character
        n--;
    snprintf(text, sizeof(text), "%.*s%s", (int)n, body, n < len ? "\u2026" : "");
    table_add(t, slice_of(text), TABLE_PLAIN);
}

static void add_job(struct table *t, const char *job, size_t len)
{
    char text[256];
    const char *body;
    size_t body_len;
    bool dead = human_member(job, len, "state", text, sizeof(text)) && strcmp(text, "dead") == 0;
    add(t, job, len, "id", TABLE_PLAIN);
    add(t, job, len, "state", dead ? TABLE_BAD : TABLE_PLAIN);
    add(t, job, len, "priority", TABLE_PLAIN);
    add(t, job, len, "attempt", TABLE_PLAIN);
    add(t, job, len, "age", TABLE_PLAIN);
    note(job, len, text, sizeof(text));
    table_add(t, slice_of(text), TABLE_PLAIN);
    if (t->columns == 7 && taskq_json_member(job, len, "body", &body, &body_len))
        add_body(t, body, body_len);
    else if (t->columns == 7)
        table_add(t, slice_of(""), TABLE_PLAIN);
}

// Prints or adds a page's jobs. How many, and where the next page begins (NULL: nowhere).
static uint64_t take(struct cli *c, struct table *t, const struct taskq_text *page, struct taskq_text *next)
{
    const char *list, *job, *after;
    size_t list_len, len, after_len, at = 0;
    uint64_t n = 0;
    *next = (struct taskq_text){NULL, 0};
    if (!taskq_json_member(page->data, page->len, "jobs", &list, &list_len))
        return 0;
    for (; taskq_json_element(list, list_len, &at, &job, &len); n++)
        if (c->json)
            output_json(job, len);
        else
            add_job(t, job, len);
    if (taskq_json_member(page->data, page->len, "next", &after, &after_len))
        (void)taskq_json_unstring(after, after_len, next); // null: the end
    return n;
}

static int exec(struct cli *c)
{
    const struct option_value *limit = option_get(&c->args, "limit");
    bool bodies = option_given(&c->args, "bodies");
    uint64_t left = !limit->given ? 100 : limit->count == 0 ? UINT64_MAX : limit->count;
    struct taskq_text page, next = {NULL, 0};
    struct table t;
    int code = EXIT_DONE;
    table_init(&t, titles, right, bodies ? 7 : 6);
    do {
        enum taskq_error e = taskq_jobs_page(c->q, c->args.positional[0], option_get(&c->args, "state")->text,
                                             next.data, left > 1000 ? 1000 : (unsigned)left, bodies, &page);
        taskq_text_release(&next);
        if (e != TASKQ_OK) {
            code = cli_fail(c, e);
            break;
        }
        left -= take(c, &t, &page, &next);
        taskq_text_release(&page);
    } while (next.data != NULL && left > 0);
    if (!c->json && code == EXIT_DONE && !table_print(&t))
        code = EXIT_BROKEN;
    if (next.data != NULL && code == EXIT_DONE && !c->json)
        fprintf(stderr, "taskq: there are more; `-n N` shows N, `-n 0` all\n");
    taskq_text_release(&next);
    table_release(&t);
    return code;
}

const struct command command_jobs = {
    .name = "jobs",
    .usage = "QUEUE [--state STATE] [-n N] [--bodies]",
    .summary = "List a queue's jobs",
    .help = "The table shows the beginning of a body; --json all of it, a line a job.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
