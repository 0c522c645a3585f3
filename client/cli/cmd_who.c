#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#include <stdio.h>

static const struct option options[] = {
    {"quotas", 0, OPTION_FLAG, NULL,
     "list the identities that have quotas, with what they use of them, instead"},
    {NULL},
};

static const char *const titles[] = {"IDENTITY", "PEER", "CLIENT", "AGE", "REQUESTS", "WAITS"};
static const bool right[] = {false, false, false, true, true, true};
#define COLUMNS (sizeof(titles) / sizeof(titles[0]))

static const char *const quota_titles[] = {"IDENTITY", "CONNECTIONS", "A SECOND", "WAITING",
                                           "BYTES",    "SLOWED",      "REFUSED"};
static const bool quota_right[] = {false, true, true, true, true, true, true};
#define QUOTA_COLUMNS (sizeof(quota_titles) / sizeof(quota_titles[0]))

static void add_identity(struct table *t, const char *row, size_t len)
{
    char kind[64], name[256], text[330];
    const char *identity;
    size_t identity_len;
    bool known = taskq_json_member(row, len, "identity", &identity, &identity_len) &&
                 human_member(identity, identity_len, "kind", kind, sizeof(kind)) &&
                 human_member(identity, identity_len, "name", name, sizeof(name));
    if (known)
        snprintf(text, sizeof(text), "%s %s", kind, name);
    table_add(t, slice_of(known ? text : "-"), TABLE_PLAIN);
}

static void add_member(struct table *t, const char *row, size_t len, const char *name)
{
    char text[330];
    bool there = human_member(row, len, name, text, sizeof(text));
    table_add(t, slice_of(there ? text : "-"), TABLE_PLAIN);
}

static void add_connection(struct table *t, const char *row, size_t len)
{
    static const char *const members[] = {"peer", "client", "age", "requests", "waits"};
    add_identity(t, row, len);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        add_member(t, row, len, members[i]);
}

// "3/10", or "3" where there is no bound; what is at its bound stands out.
static void add_quota(struct table *t, const char *row, size_t len, const char *name)
{
    const char *quota;
    size_t quota_len;
    char text[80];
    if (!taskq_json_member(row, len, name, &quota, &quota_len)) {
        table_add(t, slice_of("-"), TABLE_PLAIN);
        return;
    }
    double used = human_number(quota, quota_len, "used"), limit = human_number(quota, quota_len, "limit");
    if (limit > 0)
        snprintf(text, sizeof(text), "%.0f/%.0f", used, limit);
    else
        snprintf(text, sizeof(text), "%.0f", used);
    table_add(t, slice_of(text), limit > 0 && used >= limit ? TABLE_BAD : TABLE_PLAIN);
}

static void add_quotas(struct table *t, const char *row, size_t len)
{
    static const char *const members[] = {"connections", "requests_per_second", "waiting", "bytes_queued"};
    add_identity(t, row, len);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        add_quota(t, row, len, members[i]);
    add_member(t, row, len, "slowed");
    add_member(t, row, len, "refused");
}

static int exec(struct cli *c)
{
    struct taskq_text result;
    struct table t;
    const char *list, *row;
    size_t list_len, len, at = 0;
    int code = EXIT_DONE;
    bool quotas = option_given(&c->args, "quotas");
    enum taskq_error e = taskq_call_raw(c->q, "who", quotas ? "{\"limit\":1}" : "{\"limit\":10000}", &result);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (quotas)
        table_init(&t, quota_titles, quota_right, QUOTA_COLUMNS);
    else
        table_init(&t, titles, right, COLUMNS);
    if (taskq_json_member(result.data, result.len, quotas ? "quotas" : "connections", &list, &list_len)) {
        while (taskq_json_element(list, list_len, &at, &row, &len)) {
            if (c->json)
                output_json(row, len);
            else if (quotas)
                add_quotas(&t, row, len);
            else
                add_connection(&t, row, len);
        }
    }
    if (!c->json && at == 0 && quotas)
        fprintf(stderr, "taskq: no identity has quotas\n");
    else if (!c->json && !table_print(&t))
        code = EXIT_BROKEN;
    if (!quotas && human_true(result.data, result.len, "more"))
        fprintf(stderr, "taskq: there are more connections than these\n");
    table_release(&t);
    taskq_text_release(&result);
    return code;
}

const struct command command_who = {
    .name = "who",
    .usage = "[--quotas]",
    .summary = "List who is connected to the daemon",
    .help = "CLIENT is what the program says that it is, REQUESTS are all that it has sent, WAITS those that "
            "wait.\n"
            "With --quotas, what each identity uses, of how much it may where there is a bound; SLOWED is "
            "how often\na connection was not read from for a while, REFUSED how often it was told that it "
            "has enough.\n"
            "With --json a line a connection, or an identity.\n",
    .min = 0,
    .max = 0,
    .options = options,
    .exec = exec,
};
