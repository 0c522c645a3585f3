#include "client/cli/put_lines.h"

#include "client/cli/input.h"
#include "client/cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE      65536
#define ITEMS_MAX      2000
#define LINE_BYTES_MAX ((size_t)64 << 20) // no daemon takes as much

struct lines {
    struct cli *c;
    const char *queue;
    const struct taskq_put_options *options;
    int fd;
    bool ended;       // of the input
    struct buffer in; // begins with a line's begin
    uint64_t line;    // the number of the next, from 1
    uint64_t bytes;   // of the input that are put
    uint64_t put, existing, lost;
    struct taskq_item items[ITEMS_MAX];
    struct taskq_text texts[ITEMS_MAX]; // what the items point to
    char keys[ITEMS_MAX][300];
    uint64_t numbers[ITEMS_MAX]; // their lines
    size_t count;
    struct progress progress;
};

static bool read_more(struct lines *l)
{
    while (!l->ended) {
        if (l->in.len > LINE_BYTES_MAX || !buffer_reserve(&l->in, READ_SIZE)) {
            errno = l->in.len > LINE_BYTES_MAX ? EFBIG : ENOMEM;
            return false;
        }
        ssize_t n = read(l->fd, l->in.data + l->in.len, READ_SIZE);
        if (n < 0 && errno == EINTR && cli_interrupted() == 0)
            continue;
        if (n < 0)
            return false;
        l->ended = n == 0;
        l->in.len += (size_t)n;
        return true;
    }
    return true;
}

static bool blank(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(" \t\r", s.data[i]) == NULL)
            return false;
    return true;
}

// Makes the next item of a line.
static int add(struct lines *l, struct slice line)
{
    bool string = option_given(&l->c->args, "string");
    char what[64];
    uint64_t number = l->line++;
    if (!string && blank(line))
        return EXIT_DONE;
    if (string && line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    snprintf(what, sizeof(what), "line %llu", (unsigned long long)number);
    size_t i = l->count;
    int code = input_json(l->c, line, string, what, &l->texts[i]);
    if (code != EXIT_DONE)
        return code;
    l->items[i] = (struct taskq_item){.body = l->texts[i].data, .body_len = l->texts[i].len};
    l->numbers[i] = number;
    if (l->options->key != NULL) {
        snprintf(l->keys[i], sizeof(l->keys[i]), "%s:%llu", l->options->key, (unsigned long long)number);
        l->items[i].key = l->keys[i];
    }
    l->count++;
    return EXIT_DONE;
}

// Items of the whole lines that are there. `*used`: the bytes they take.
static int gather(struct lines *l, size_t *used)
{
    int code = EXIT_DONE;
    *used = 0;
    while (code == EXIT_DONE && l->count < ITEMS_MAX && *used < l->in.len) {
        const char *start = l->in.data + *used;
        const char *end = memchr(start, '\n', l->in.len - *used);
        if (end == NULL && !l->ended)
            break;
        size_t len = end != NULL ? (size_t)(end - start) : l->in.len - *used;
        code = add(l, (struct slice){start, len});
        *used += len + (end != NULL);
    }
    return code;
}

static void report(const struct lines *l, size_t i)
{
    const struct taskq_item *item = &l->items[i];
    if (!l->c->json)
        return;
    if (item->id != 0)
        printf("{\"id\":%llu%s}\n", (unsigned long long)item->id, item->existing ? ",\"existing\":true" : "");
    else
        printf("{\"line\":%llu,\"error\":\"%s\"}\n", (unsigned long long)l->numbers[i],
               taskq_error_name(item->error));
}

// Puts what was gathered and takes its outcome.
static int put(struct lines *l)
{
    enum taskq_error e = taskq_put_many(l->c->q, l->queue, l->items, l->count, 0, l->options, NULL, NULL);
    int code = e == TASKQ_OK ? EXIT_DONE : cli_fail(l->c, e);
    for (size_t i = 0; i < l->count; i++) {
        l->put += l->items[i].id != 0 && !l->items[i].existing;
        l->existing += l->items[i].existing;
        l->lost += l->items[i].error == TASKQ_LOST;
        report(l, i);
        if (e != TASKQ_OK && l->items[i].id == 0) {
            fprintf(stderr, "taskq: line %llu is the first that is not put\n",
                    (unsigned long long)l->numbers[i]);
            e = TASKQ_OK; // said once
        }
        taskq_text_release(&l->texts[i]);
    }
    l->count = 0;
    return code;
}

static int run(struct lines *l)
{
    for (;;) {
        size_t used;
        int bad = gather(l, &used); // the lines before a bad one are put
        int code = l->count > 0 ? put(l) : EXIT_DONE;
        if (code != EXIT_DONE || bad != EXIT_DONE)
            return code != EXIT_DONE ? code : bad;
        if (cli_interrupted() != 0)
            return EXIT_NO;
        if (used > 0)
            memmove(l->in.data, l->in.data + used, l->in.len - used);
        l->in.len -= used;
        l->bytes += used;
        progress_show(&l->progress, l->put + l->existing, l->bytes);
        if (used > 0)
            continue;
        if (l->ended)
            return EXIT_DONE;
        if (!read_more(l)) {
            if (cli_interrupted() == 0)
                fprintf(stderr, "taskq: the input could not be read: %s\n", strerror(errno));
            return cli_interrupted() != 0 ? EXIT_NO : EXIT_BROKEN;
        }
    }
}

static void sum_up(const struct lines *l)
{
    if (l->lost > 0)
        fprintf(stderr, "taskq: of %llu jobs nobody knows whether they are put: their replies were lost\n",
                (unsigned long long)l->lost);
    if (l->c->json)
        return;
    printf("%llu job%s put", (unsigned long long)l->put, l->put == 1 ? "" : "s");
    if (l->existing > 0)
        printf(", %llu were there already", (unsigned long long)l->existing);
    putchar('\n');
}

int put_lines(struct cli *c, const char *queue, const char *source, const struct taskq_put_options *o)
{
    struct stat st;
    struct lines *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        fprintf(stderr, "taskq: there is no memory left\n");
        return EXIT_BROKEN;
    }
    l->c = c;
    l->queue = queue;
    l->options = o;
    l->line = 1;
    l->fd = source == NULL ? STDIN_FILENO : open(source, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) {
        fprintf(stderr, "taskq: %s: %s\n", source, strerror(errno));
        free(l);
        return EXIT_USAGE;
    }
    cli_interruptible(c);
    bool sized = fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode);
    progress_start(&l->progress, sized ? (uint64_t)st.st_size : 0);
    int code = run(l);
    progress_end(&l->progress);
    sum_up(l);
    if (source != NULL)
        close(l->fd);
    buffer_release(&l->in);
    free(l);
    return code;
}
