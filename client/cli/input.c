#include "client/cli/input.h"

#include "client/cli/values.h"
#include "common/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)256 << 20) // no daemon takes as much

static bool read_all(int fd, struct buffer *b)
{
    for (;;) {
        if (b->len > INPUT_MAX || !buffer_reserve(b, 65536)) {
            errno = b->len > INPUT_MAX ? EFBIG : ENOMEM;
            return false;
        }
        ssize_t n = read(fd, b->data + b->len, b->cap - b->len);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            b->len += (size_t)n;
    }
}

static int no_memory(void)
{
    fprintf(stderr, "taskq: there is no memory left\n");
    return EXIT_BROKEN;
}

static bool is_utf8(const char *at, size_t len)
{
    const char *end = at + len;
    size_t n = 1;
    for (; at < end && n > 0; at += n)
        n = utf8_length(at, end);
    return n > 0;
}

const char *input_problem(struct slice text, bool string)
{
    const char *data = text.len > 0 ? text.data : "";
    if (string) // JSON cannot carry it, and something else in its place would be a lie
        return is_utf8(data, text.len) ? NULL : "not UTF-8; encode it, for instance with base64";
    return taskq_json_valid(data, text.len)
               ? NULL
               : "not JSON; use --string to put it as text, or write text as '\"text\"'";
}

int input_json(const struct cli *c, struct slice text, bool string, const char *what, struct taskq_text *json)
{
    const char *data = text.len > 0 ? text.data : "";
    const char *problem = input_problem(text, string);
    if (problem != NULL)
        return cli_usage(c, "%s is %s", what, problem);
    if (string)
        return taskq_json_string(data, text.len, json) == TASKQ_OK ? EXIT_DONE : no_memory();
    struct buffer b = BUFFER_INIT;
    buffer_append(&b, data, text.len);
    buffer_append_byte(&b, '\0');
    if (b.failed)
        return no_memory();
    *json = (struct taskq_text){.data = b.data, .len = b.len - 1};
    return EXIT_DONE;
}

int input_value(const struct cli *c, const char *source, bool string, struct taskq_text *json)
{
    bool file = source[0] == '@' && source[1] != '\0';
    bool standard = strcmp(source, "-") == 0;
    if (!file && !standard)
        return input_json(c, slice_of(source), string, "this", json);

    int fd = standard ? STDIN_FILENO : open(source + 1, O_RDONLY | O_CLOEXEC);
    struct buffer b = BUFFER_INIT;
    bool ok = fd >= 0 && read_all(fd, &b);
    int error = errno;
    if (fd >= 0 && !standard)
        close(fd);
    if (!ok) {
        buffer_release(&b);
        fprintf(stderr, "taskq: %s: %s\n", standard ? "standard input" : source + 1, strerror(error));
        return EXIT_USAGE;
    }
    if (string && b.len > 0 && b.data[b.len - 1] == '\n')
        b.len--;
    int code =
        input_json(c, (struct slice){b.data, b.len}, string, standard ? "standard input" : source + 1, json);
    buffer_release(&b);
    return code;
}

int input_body(const struct cli *c, const char *source, struct taskq_text *json)
{
    if (option_given(&c->args, "literal"))
        return input_json(c, slice_of(source), true, "this", json);
    return input_value(c, source, option_given(&c->args, "string"), json);
}

bool input_id(const char *text, uint64_t *id)
{
    return value_count(text, id) && *id > 0;
}

int input_delivery(const struct cli *c, uint64_t *id, uint64_t *delivery)
{
    *delivery = 0;
    if (!input_id(c->args.positional[0], id))
        return cli_usage(c, "`%s` is no job's id", c->args.positional[0]);
    if (c->args.count > 1 && !input_id(c->args.positional[1], delivery))
        return cli_usage(c, "`%s` is no delivery", c->args.positional[1]);
    return EXIT_DONE;
}

int input_jobs(const struct cli *c, const char **queue, const char **state, uint64_t *limit)
{
    bool limited = option_given(&c->args, "limit");
    *queue = option_get(&c->args, "queue")->text;
    *state = option_get(&c->args, "state")->text;
    *limit = option_get(&c->args, "limit")->count;
    if ((*queue != NULL) == (c->args.count > 0))
        return cli_usage(c, "which jobs? Their ids, or -q QUEUE");
    if (*queue == NULL && (*state != NULL || limited))
        return cli_usage(c, "--state and --limit go with -q QUEUE");
    if (limited && *limit == 0)
        return cli_usage(c, "--limit is at least 1");
    for (int i = 0; i < c->args.count; i++) {
        uint64_t id;
        if (!input_id(c->args.positional[i], &id))
            return cli_usage(c, "`%s` is no job's id", c->args.positional[i]);
    }
    return EXIT_DONE;
}

int input_option(const struct cli *c, const char *name, struct taskq_text *json)
{
    const struct option_value *v = option_get(&c->args, name);
    *json = (struct taskq_text){NULL, 0};
    return v->given ? input_value(c, v->text, option_given(&c->args, "string"), json) : EXIT_DONE;
}

bool input_confirm(const struct cli *c, const char *format, ...)
{
    if (option_given(&c->args, "yes") || isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return true;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" [y/N] ", stderr);
    char line[16];
    bool yes = fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
    if (!yes)
        fputs("taskq: nothing was changed\n", stderr);
    return yes;
}
