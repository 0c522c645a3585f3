#include "server/pool/stderr_log.h"

#include "common/clock.h"
#include "common/log.h"

#include <string.h>

void stderr_log_init(struct stderr_log *l, const char *handler)
{
    l->handler = handler;
    l->len = 0;
    l->credit_ms = STDERR_BURST * STDERR_EVERY_MS;
    l->counted = clock_now().mono;
    l->left_out = 0;
}

static bool may_say(struct stderr_log *l)
{
    int64_t now = clock_now().mono;
    l->credit_ms += now - l->counted;
    l->counted = now;
    if (l->credit_ms > STDERR_BURST * STDERR_EVERY_MS)
        l->credit_ms = STDERR_BURST * STDERR_EVERY_MS;
    if (l->credit_ms < STDERR_EVERY_MS)
        return false;
    l->credit_ms -= STDERR_EVERY_MS;
    return true;
}

static void say_left_out(struct stderr_log *l, uint64_t job)
{
    log_job(LOG_HANDLER_SILENCED, job, KV("handler", l->handler), KV("left_out", l->left_out));
    l->left_out = 0;
}

static void line_over(struct stderr_log *l, uint64_t job)
{
    size_t len = l->len;
    l->len = 0;
    if (len > 0 && l->line[len - 1] == '\r')
        len--;
    if (len == 0)
        return;
    if (!may_say(l)) {
        l->left_out++;
        return;
    }
    if (l->left_out > 0)
        say_left_out(l, job);
    struct slice text = {l->line, len};
    log_job(LOG_HANDLER_SAYS, job, KV("handler", l->handler), KV("text", text));
}

void stderr_log_add(struct stderr_log *l, uint64_t job, const char *data, size_t len)
{
    while (len > 0) {
        size_t room = sizeof l->line - l->len, n = len < room ? len : room;
        const char *end = memchr(data, '\n', n);
        if (end)
            n = (size_t)(end - data);
        memcpy(l->line + l->len, data, n);
        l->len += n;
        if (end || l->len == sizeof l->line)
            line_over(l, job);
        n += end != NULL;
        data += n;
        len -= n;
    }
}

void stderr_log_end(struct stderr_log *l, uint64_t job)
{
    if (l->len > 0)
        line_over(l, job);
    if (l->left_out > 0 && may_say(l))
        say_left_out(l, job);
}

void stderr_log_close(struct stderr_log *l)
{
    if (l->len > 0)
        line_over(l, 0);
    if (l->left_out > 0)
        say_left_out(l, 0);
}
