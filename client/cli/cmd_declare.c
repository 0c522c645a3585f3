#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/output.h"
#include "common/json_writer.h"

#include <stdio.h>
#include <string.h>

static const struct option options[] = {
    {"order", 0, OPTION_TEXT, "ORDER", "fifo or lifo, among jobs of equal priority"},
    {"maxsize", 0, OPTION_COUNT, "N", "how many ready and delayed jobs; 0: no bound"},
    {"lease", 0, OPTION_SECONDS, "TIME", "of consumers that do not say"},
    {"max-attempts", 0, OPTION_COUNT, "N", "dead after so many failed attempts"},
    {"max-lost", 0, OPTION_COUNT, "N", "dead after so many lost consumers"},
    {"backoff-base", 0, OPTION_SECONDS, "TIME", "until the first retry; it doubles each time"},
    {"backoff-cap", 0, OPTION_SECONDS, "TIME", "and is never longer"},
    {"backoff-jitter", 0, OPTION_NUMBER, "PART", "spread by this part of itself, 0 to 1"},
    {"dead-letter", 0, OPTION_TEXT, "QUEUE", "where dying jobs go; an empty word: nowhere"},
    {"concurrency", 0, OPTION_COUNT, "N", "how many may run at once; 0: no bound"},
    {"durable", 0, OPTION_TEXT, "yes|no", "whether its jobs are kept on disk"},
    {"keep-result", 0, OPTION_SECONDS, "TIME", "how long results are kept"},
    {"keep-dead", 0, OPTION_SECONDS, "TIME", "how long the dead are kept"},
    {"keep-result-bytes", 0, OPTION_COUNT, "BYTES", "how much of results is kept"},
    {"keep-dead-bytes", 0, OPTION_COUNT, "BYTES", "how much of the dead is kept"},
    {NULL},
};

// `--max-lost` is `max_lost`; `--backoff-cap` is `cap` in `backoff`.
static void write_name(struct buffer *b, const char *name)
{
    char key[32];
    size_t i = 0;
    for (; name[i] != '\0' && i + 1 < sizeof(key); i++)
        key[i] = name[i] == '-' ? '_' : name[i];
    key[i] = '\0';
    json_write_key(b, key);
}

static void write_value(struct buffer *b, const struct option *o, const struct option_value *v)
{
    if (o->type == OPTION_COUNT)
        json_write_uint(b, v->count);
    else if (o->type != OPTION_TEXT)
        json_write_double(b, v->number);
    else if (strcmp(o->name, "durable") == 0)
        json_write_bool(b, strcmp(v->text, "yes") == 0);
    else if (strcmp(o->name, "dead-letter") == 0 && v->text[0] == '\0')
        json_write_raw(b, "null");
    else
        json_write_bytes(b, slice_of(v->text));
}

#define BACKOFF "backoff-"

static void write_settings(const struct cli *c, struct buffer *b)
{
    struct buffer backoff = BUFFER_INIT;
    json_write_raw(&backoff, "{");
    json_write_raw(b, "{");
    for (const struct option *o = options; o->name != NULL; o++) {
        const struct option_value *v = option_get(&c->args, o->name);
        bool inside = strncmp(o->name, BACKOFF, strlen(BACKOFF)) == 0;
        if (!v->given)
            continue;
        write_name(inside ? &backoff : b, inside ? o->name + strlen(BACKOFF) : o->name);
        write_value(inside ? &backoff : b, o, v);
    }
    if (backoff.len > 1) {
        json_write_raw(&backoff, "}");
        json_write_key(b, "backoff");
        json_write_slice(b, (struct slice){backoff.data, backoff.len});
    }
    json_write_raw(b, "}");
    b->failed = b->failed || backoff.failed;
    buffer_release(&backoff);
}

static int exec(struct cli *c)
{
    struct buffer b = BUFFER_INIT;
    struct taskq_text now;
    const char *durable = option_get(&c->args, "durable")->text;
    if (durable != NULL && strcmp(durable, "yes") != 0 && strcmp(durable, "no") != 0)
        return cli_usage(c, "--durable is yes or no");
    write_settings(c, &b);
    if (b.failed) {
        buffer_release(&b);
        fprintf(stderr, "taskq: there is no memory left\n");
        return EXIT_BROKEN;
    }
    enum taskq_error e = taskq_declare(c->q, c->args.positional[0], b.data, b.len, &now);
    buffer_release(&b);
    if (e != TASKQ_OK)
        return cli_fail(c, e);
    if (c->json)
        output_json(now.data, now.len);
    else
        human_object(now.data, now.len);
    taskq_text_release(&now);
    return EXIT_DONE;
}

const struct command command_declare = {
    .name = "declare",
    .usage = "QUEUE [options]",
    .summary = "Make a queue, or change its settings",
    .help = "What is not said stays. Prints all of its settings.\n",
    .options = options,
    .min = 1,
    .max = 1,
    .exec = exec,
};
