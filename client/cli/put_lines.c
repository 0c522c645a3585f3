#include "client/cli/put_lines.h"

#include "client/cli/lines.h"
#include "client/cli/progress.h"
#include "common/plural.h"

#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX 2000

// What is put at once.
struct batch {
    struct cli *c;
    const char *queue;
    const struct taskq_put_options *options;
    struct lines in;
    uint64_t put, existing, lost;
    struct taskq_item items[ITEMS_MAX];
    struct taskq_text texts[ITEMS_MAX]; // what the items point to
    char keys[ITEMS_MAX][300];
    uint64_t numbers[ITEMS_MAX]; // their lines
    size_t count;
    struct progress progress;
};

// Makes the next item of a line.
static int add(struct batch *b, struct slice line)
{
    size_t i = b->count;
    if (!lines_argument(b->c, &line))
        return EXIT_DONE;
    int code = lines_json(b->c, &b->in, line, &b->texts[i]);
    if (code != EXIT_DONE)
        return code;
    b->items[i] = (struct taskq_item){.body = b->texts[i].data, .body_len = b->texts[i].len};
    b->numbers[i] = b->in.number;
    if (b->options->key != NULL) {
        snprintf(b->keys[i], sizeof(b->keys[i]), "%s:%llu", b->options->key,
                 (unsigned long long)b->in.number);
        b->items[i].key = b->keys[i];
    }
    b->count++;
    return EXIT_DONE;
}

// Items of the whole lines that are there.
static int gather(struct batch *b)
{
    int code = EXIT_DONE;
    struct slice line;
    while (code == EXIT_DONE && b->count < ITEMS_MAX && lines_take(&b->in, &line))
        code = add(b, line);
    return code;
}

static void report(const struct batch *b, size_t i)
{
    const struct taskq_item *item = &b->items[i];
    if (!b->c->json)
        return;
    if (item->id != 0)
        printf("{\"id\":%llu%s}\n", (unsigned long long)item->id, item->existing ? ",\"existing\":true" : "");
    else
        printf("{\"line\":%llu,\"error\":\"%s\"}\n", (unsigned long long)b->numbers[i],
               taskq_error_name(item->error));
}

// Puts what was gathered and takes its outcome.
static int put(struct batch *b)
{
    enum taskq_error e = taskq_put_many(b->c->q, b->queue, b->items, b->count, 0, b->options, NULL, NULL);
    int code = e == TASKQ_OK ? EXIT_DONE : cli_fail(b->c, e);
    for (size_t i = 0; i < b->count; i++) {
        b->put += b->items[i].id != 0 && !b->items[i].existing;
        b->existing += b->items[i].existing;
        b->lost += b->items[i].error == TASKQ_LOST;
        report(b, i);
        if (e != TASKQ_OK && b->items[i].id == 0) {
            fprintf(stderr, "taskq: line %llu is the first that is not put\n",
                    (unsigned long long)b->numbers[i]);
            e = TASKQ_OK; // said once
        }
        taskq_text_release(&b->texts[i]);
    }
    b->count = 0;
    return code;
}

static int run(struct batch *b)
{
    for (;;) {
        int bad = gather(b); // the lines before a bad one are put
        bool some = b->count > 0;
        int code = some ? put(b) : EXIT_DONE;
        if (code != EXIT_DONE || bad != EXIT_DONE)
            return code != EXIT_DONE ? code : bad;
        if (cli_interrupted() != 0)
            return EXIT_NO;
        progress_show(&b->progress, b->put + b->existing, b->in.bytes);
        if (some)
            continue;
        if (b->in.ended)
            return EXIT_DONE;
        if (!lines_read(&b->in))
            return cli_interrupted() != 0 ? EXIT_NO : EXIT_BROKEN;
    }
}

static void sum_up(const struct batch *b)
{
    if (b->lost > 0)
        fprintf(stderr, "taskq: of %llu %s\n", (unsigned long long)b->lost,
                plural(b->lost, "job nobody knows whether it is put: its reply was lost",
                       "jobs nobody knows whether they are put: their replies were lost"));
    if (b->c->json)
        return;
    printf("%llu %s put", (unsigned long long)b->put, plural(b->put, "job", "jobs"));
    if (b->existing > 0)
        printf(", %llu %s there already", (unsigned long long)b->existing,
               plural(b->existing, "was", "were"));
    putchar('\n');
}

int put_lines(struct cli *c, const char *queue, const char *source, const struct taskq_put_options *o)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        fprintf(stderr, "taskq: there is no memory left\n");
        return EXIT_BROKEN;
    }
    b->c = c;
    b->queue = queue;
    b->options = o;
    int code = lines_open(&b->in, source);
    if (code == EXIT_DONE) {
        cli_interruptible(c);
        progress_start(&b->progress, b->in.size);
        code = run(b);
        progress_end(&b->progress);
        sum_up(b);
        lines_close(&b->in);
    }
    free(b);
    return code;
}
