#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "common/plural.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The daemon has another working folder than we.
static enum taskq_error params_of(const char *folder, struct taskq_text *params)
{
    char path[PATH_MAX], here[PATH_MAX];
    struct taskq_text text = {NULL, 0};
    if (folder[0] == '/' || !getcwd(here, sizeof here))
        here[0] = '\0';
    int len = snprintf(path, sizeof path, "%s%s%s", here, here[0] ? "/" : "", folder);
    if (len >= (int)sizeof path)
        return TASKQ_USAGE;
    enum taskq_error e = taskq_json_string(path, (size_t)len, &text);
    if (e != TASKQ_OK)
        return e;
    params->len = text.len + sizeof "{\"folder\":}";
    params->data = malloc(params->len);
    if (params->data)
        snprintf(params->data, params->len, "{\"folder\":%s}", text.data);
    taskq_text_release(&text);
    return params->data ? TASKQ_OK : TASKQ_NO_MEMORY;
}

static void print_size(const char *folder, double bytes, double files)
{
    printf("%s: %.0f bytes in %.0f %s\n", folder, bytes, files, plural(files, "file", "files"));
}

static int exec(struct cli *c)
{
    const char *folder = c->args.positional[0];
    struct taskq_text params = {NULL, 0}, result = {NULL, 0};
    enum taskq_error e = params_of(folder, &params);
    if (e == TASKQ_USAGE)
        return cli_usage(c, "this path is too long");
    if (e == TASKQ_OK) {
        cli_interruptible(c);
        e = taskq_call_raw(c->q, "backup", params.data, &result);
    }
    taskq_text_release(&params);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        output_json(result.data, result.len);
    else
        print_size(folder, human_number(result.data, result.len, "bytes"),
                   human_number(result.data, result.len, "segments"));
    taskq_text_release(&result);
    return EXIT_DONE;
}

const struct command command_backup = {
    .name = "backup",
    .usage = "FOLDER",
    .summary = "Copy the daemon's store while it runs",
    .help =
        "FOLDER is on the daemon's machine, and empty or not there yet. What was answered before is in the\n"
        "copy, which is a data folder: `taskqd --check FOLDER` verifies it, and `taskqd -d FOLDER` runs on "
        "it.\n",
    .min = 1,
    .max = 1,
    .exec = exec,
};
