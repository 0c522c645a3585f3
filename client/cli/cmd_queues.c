#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#include <stdio.h>

static const char *const titles[] = {"QUEUE", "READY",   "DELAYED", "RESERVED", "DEAD",
                                     "DONE",  "WAITING", "OLDEST",  "STATE"};
static const bool right[] = {false, true, true, true, true, true, true, true, false};
#define COLUMNS (sizeof(titles) / sizeof(titles[0]))

static void add_queue(struct table *t, const char *queue, size_t len)
{
    static const char *const counts[] = {"ready", "delayed", "reserved", "dead", "done", "waiters", "oldest"};
    char text[256];
    bool paused = human_true(queue, len, "paused"), down = human_true(queue, len, "shut_down");
    human_member(queue, len, "queue", text, sizeof(text));
    table_add(t, slice_of(text), TABLE_PLAIN);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        bool there = human_member(queue, len, counts[i], text, sizeof(text));
        bool bad = i == 3 && human_number(queue, len, "dead") > 0;
        table_add(t, slice_of(there ? text : "-"), bad ? TABLE_BAD : TABLE_PLAIN);
    }
    snprintf(text, sizeof(text), "%s%s%s", paused ? "paused" : "", paused && down ? ", " : "",
             down ? "shut down" : "");
    table_add(t, slice_of(text), TABLE_NOTE);
}

static size_t take(struct cli *c, struct table *t, const struct taskq_text *page, struct taskq_text *next)
{
    const char *list, *queue, *after;
    size_t list_len, len, after_len, at = 0, n = 0;
    *next = (struct taskq_text){NULL, 0};
    if (!taskq_json_member(page->data, page->len, "queues", &list, &list_len))
        return 0;
    for (; taskq_json_element(list, list_len, &at, &queue, &len); n++)
        if (c->json)
            output_json(queue, len);
        else
            add_queue(t, queue, len);
    if (taskq_json_member(page->data, page->len, "next", &after, &after_len))
        (void)taskq_json_unstring(after, after_len, next); // null: the end
    return n;
}

static int exec(struct cli *c)
{
    struct taskq_text page, next = {NULL, 0};
    struct table t;
    int code = EXIT_DONE;
    size_t n = 0;
    table_init(&t, titles, right, COLUMNS);
    do {
        enum taskq_error e = taskq_queues_page(c->q, next.data, 1000, &page);
        taskq_text_release(&next);
        if (e != TASKQ_OK) {
            code = cli_fail(c, e);
            break;
        }
        n += take(c, &t, &page, &next);
        taskq_text_release(&page);
    } while (next.data != NULL);
    if (!c->json && code == EXIT_DONE) {
        if (n == 0)
            fprintf(stderr, "taskq: there are no queues; `taskq put QUEUE BODY` makes one\n");
        else if (!table_print(&t))
            code = EXIT_BROKEN;
    }
    table_release(&t);
    return code;
}

const struct command command_queues = {
    .name = "queues",
    .alias = "ls",
    .usage = "",
    .summary = "List the queues with their counts",
    .help = "WAITING are the consumers that wait, OLDEST is the age of the oldest ready job. With --json a "
            "line a\n"
            "queue.\n",
    .min = 0,
    .max = 0,
    .exec = exec,
};
