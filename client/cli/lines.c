#include "client/cli/lines.h"

#include "client/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE      65536
#define LINE_BYTES_MAX ((size_t)64 << 20) // no daemon takes as much

int lines_open(struct lines *l, const char *source)
{
    struct stat st;
    *l = (struct lines){.fd = source == NULL ? STDIN_FILENO : open(source, O_RDONLY | O_CLOEXEC)};
    if (l->fd < 0) {
        fprintf(stderr, "taskq: %s: %s\n", source, strerror(errno));
        return EXIT_USAGE;
    }
    if (fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode))
        l->size = (uint64_t)st.st_size;
    return EXIT_DONE;
}

void lines_close(struct lines *l)
{
    if (l->fd > STDIN_FILENO)
        close(l->fd);
    buffer_release(&l->in);
}

bool lines_take(struct lines *l, struct slice *line)
{
    if (l->at >= l->in.len)
        return false;
    const char *start = l->in.data + l->at;
    const char *end = l->seen < l->in.len ? memchr(l->in.data + l->seen, '\n', l->in.len - l->seen) : NULL;
    if (end == NULL && !l->ended) {
        l->seen = l->in.len;
        return false;
    }
    *line = (struct slice){start, end != NULL ? (size_t)(end - start) : l->in.len - l->at};
    size_t used = line->len + (end != NULL);
    l->at = l->seen = l->at + used;
    l->bytes += used;
    l->number++;
    return true;
}

bool lines_read(struct lines *l)
{
    if (l->at > 0) {
        memmove(l->in.data, l->in.data + l->at, l->in.len - l->at);
        l->in.len -= l->at;
        l->seen -= l->at;
        l->at = 0;
    }
    while (!l->ended) {
        if (l->in.len > LINE_BYTES_MAX || !buffer_reserve(&l->in, READ_SIZE)) {
            errno = l->in.len > LINE_BYTES_MAX ? EFBIG : ENOMEM;
            break;
        }
        ssize_t n = read(l->fd, l->in.data + l->in.len, l->in.cap - l->in.len);
        if (n < 0 && errno == EINTR && cli_interrupted() == 0)
            continue;
        if (n < 0)
            break;
        l->ended = n == 0;
        l->in.len += (size_t)n;
        return true;
    }
    if (!l->ended && cli_interrupted() == 0)
        fprintf(stderr, "taskq: the input could not be read: %s\n", strerror(errno));
    return l->ended;
}

static bool blank(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(" \t\r", s.data[i]) == NULL)
            return false;
    return true;
}

bool lines_argument(const struct cli *c, struct slice *line)
{
    if (!option_given(&c->args, "string"))
        return !blank(*line);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

int lines_json(const struct cli *c, const struct lines *l, struct slice argument, struct taskq_text *json)
{
    char what[64];
    snprintf(what, sizeof(what), "line %llu", (unsigned long long)l->number);
    return input_json(c, argument, option_given(&c->args, "string"), what, json);
}
