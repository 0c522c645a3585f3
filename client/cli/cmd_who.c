#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#include <stdio.h>

static const char *const titles[] = {"IDENTITY", "PEER", "CLIENT", "AGE", "REQUESTS", "WAITS"};
static const bool right[] = {false, false, false, true, true, true};
#define COLUMNS (sizeof(titles) / sizeof(titles[0]))

static void add_connection(struct table *t, const char *row, size_t len)
{
    static const char *const members[] = {"peer", "client", "age", "requests", "waits"};
    char kind[64], name[256], text[330];
    const char *identity;
    size_t identity_len;
    bool known = taskq_json_member(row, len, "identity", &identity, &identity_len) &&
                 human_member(identity, identity_len, "kind", kind, sizeof(kind)) &&
                 human_member(identity, identity_len, "name", name, sizeof(name));
    if (known)
        snprintf(text, sizeof(text), "%s %s", kind, name);
    table_add(t, slice_of(known ? text : "-"), TABLE_PLAIN);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        bool there = human_member(row, len, members[i], text, sizeof(text));
        table_add(t, slice_of(there ? text : "-"), TABLE_PLAIN);
    }
}

static int exec(struct cli *c)
{
    struct taskq_text result;
    struct table t;
    const char *list, *row;
    size_t list_len, len, at = 0;
    int code = EXIT_DONE;
    enum taskq_error e = taskq_call_raw(c->q, "who", "{\"limit\":10000}", &result);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    table_init(&t, titles, right, COLUMNS);
    if (taskq_json_member(result.data, result.len, "connections", &list, &list_len)) {
        while (taskq_json_element(list, list_len, &at, &row, &len)) {
            if (c->json)
                output_json(row, len);
            else
                add_connection(&t, row, len);
        }
    }
    if (!c->json && !table_print(&t))
        code = EXIT_BROKEN;
    if (human_true(result.data, result.len, "more"))
        fprintf(stderr, "taskq: there are more connections than these\n");
    table_release(&t);
    taskq_text_release(&result);
    return code;
}

const struct command command_who = {
    .name = "who",
    .usage = "",
    .summary = "List who is connected to the daemon",
    .help = "CLIENT is what the program says that it is, REQUESTS are all that it has sent, WAITS those that "
            "wait.\n"
            "With --json a line a connection.\n",
    .min = 0,
    .max = 0,
    .exec = exec,
};
